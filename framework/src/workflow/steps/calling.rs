use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::step;
use crate::handler::HandlerError;
use crate::workflow::call::{Call, Captured};
use crate::workflow::record::{Answer, Asked};
use crate::workflow::replay::{Move, Shared};

/// Runs code with side effects: [`Flow::call`](crate::workflow::Flow::call).
#[must_use = "nothing runs before it is awaited"]
pub struct Calling<T> {
    replay: Shared,
    name: String,
    /// The code, until it is asked for.
    code: Option<Captured>,
    number: u64,
    result: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Calling<T> {
    pub(crate) fn new<F, R>(replay: Shared, name: String, code: F) -> Self
    where
        F: FnOnce(Call) -> R + Send + 'static,
        R: Future<Output = Result<T, HandlerError>> + Send + 'static,
    {
        let code: Captured = Box::new(|call| {
            Box::pin(async move {
                let result = code(call).await?;
                // What cannot be written now cannot be written later either.
                serde_json::to_vec(&result).map_err(HandlerError::permanent)
            })
        });
        Self { replay, name, code: Some(code), number: 0, result: PhantomData }
    }
}

impl<T: DeserializeOwned> Future for Calling<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        let code = self.code.take();
        let mut number = self.number;
        let mut replay = self.replay.borrow_mut();
        if let Some(code) = code {
            let Some((given, new)) = replay.ask(Asked::Call(self.name.clone())) else { return Poll::Pending };
            if new {
                replay.plan(Move::Call(given, self.name.clone()));
            }
            if replay.looks_for(given) {
                replay.found(code);
            }
            number = given;
        }
        let answer = replay.answer(number);
        let answered = answer.is_some();
        let read = match answer {
            Some(Answer::Accepted(result)) => replay.read(&format!("the result of the call `{}`", self.name), &result),
            _ => None,
        };
        if answered {
            replay.forget(number);
        }
        drop(replay);
        self.number = if answered { 0 } else { number };
        read.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for Calling<T> {
    /// The code of a call that has run, or is given up, is not looked for.
    fn drop(&mut self) {
        let Ok(mut replay) = self.replay.try_borrow_mut() else { return };
        replay.forget(self.number);
        if self.number != 0 && replay.is_live() {
            replay.plan(Move::Withdraw(self.number));
        }
    }
}

step!(<T: DeserializeOwned> Calling<T>);

impl<T> fmt::Debug for Calling<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").field("name", &self.name).finish_non_exhaustive()
    }
}
