use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::step;
use crate::message::CodecError;
use crate::saga::{Saga, SagaStatus};
use crate::workflow::WorkflowHandlers;
use crate::workflow::flowing::Flowing;
use crate::workflow::record::{Answer, Asked, Wanted};
use crate::workflow::replay::{Move, Planned, Replay, Shared};

/// Begins another workflow and waits for its end: [`Flow::child`](crate::workflow::Flow::child).
#[must_use = "nothing is begun before it is awaited"]
pub struct Child<V> {
    replay: Shared,
    /// The input, until it is asked for.
    input: Option<V>,
    number: u64,
}

/// Why another workflow gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChildFailure<E> {
    /// Its function has failed, and what it had done is undone.
    #[error("the function of the workflow has failed")]
    Failed(E),
    /// Somebody wanted undone what it had done, or ended it.
    #[error("the workflow was ended by hand")]
    Ended(SagaStatus),
}

impl<V: WorkflowHandlers> Child<V> {
    pub(crate) fn new(replay: Shared, input: V) -> Self {
        Self { replay, input: Some(input), number: 0 }
    }

    fn begin(&self, input: V) -> u64 {
        let mut replay = self.replay.borrow_mut();
        let what = || format!("the input of the workflow `{}`", V::NAME);
        let written = serde_json::to_string(&input).map_err(CodecError::new);
        let Some(payload) = replay.take(what(), written) else { return 0 };
        let wanted = Wanted { name: V::NAME.to_owned(), revision: V::VERSION, payload };
        let Some((number, new)) = replay.ask(Asked::Child(wanted)) else { return 0 };
        if new {
            let state = Flowing::with(input, replay.scope_of(number));
            let encoded = replay.payloads().encode(&state);
            let Some(payload) = replay.take(what(), encoded) else { return 0 };
            let revision = <Flowing<V> as Saga>::VERSION;
            replay.plan(Move::Begin(number, Planned { name: V::NAME, revision, payload }));
        }
        number
    }
}

fn result<V: WorkflowHandlers>(
    replay: &mut Replay,
    answer: Answer,
) -> Option<Result<V::Output, ChildFailure<V::Error>>> {
    let what = format!("the result of the workflow `{}`", V::NAME);
    match answer {
        Answer::Accepted(output) => replay.read(&what, &output).map(Ok),
        Answer::Rejected(error) => replay.read(&what, &error).map(|error| Err(ChildFailure::Failed(error))),
        Answer::Ended(status) => Some(Err(ChildFailure::Ended(status))),
        Answer::Elapsed => None,
    }
}

impl<V> Unpin for Child<V> {}

impl<V: WorkflowHandlers> Future for Child<V> {
    type Output = Result<V::Output, ChildFailure<V::Error>>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(input) = self.input.take() {
            self.number = self.begin(input);
        }
        if self.number == 0 {
            return Poll::Pending;
        }
        let mut replay = self.replay.borrow_mut();
        let answer = replay.answer(self.number);
        let read = answer.and_then(|answer| result::<V>(&mut replay, answer));
        read.map_or(Poll::Pending, Poll::Ready)
    }
}

step!(<V: WorkflowHandlers> Child<V>);

impl<V> fmt::Debug for Child<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").finish_non_exhaustive()
    }
}
