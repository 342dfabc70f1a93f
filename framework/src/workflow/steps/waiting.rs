use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::sleeping::give_up;
use super::step;
use crate::message::Event;
use crate::workflow::error::WorkflowError;
use crate::workflow::record::{Arrived, Asked};
use crate::workflow::replay::{Move, Replay, Shared};

/// Waits for an event: [`Flow::event`](crate::workflow::Flow::event).
#[must_use = "nothing waits before it is awaited"]
pub struct Waiting<E> {
    replay: Shared,
    key: &'static str,
    value: String,
    /// Whether events with this value have to be kept from now on.
    follows: bool,
    within: Option<Duration>,
    /// 0 while it is not under way.
    number: u64,
    event: PhantomData<fn() -> E>,
}

/// Waits for an event for a limited time, and gives nothing when that is over: [`Waiting::within`].
#[must_use = "nothing waits before it is awaited"]
pub struct Within<E>(Waiting<E>);

impl<E: Event> Waiting<E> {
    pub(crate) fn new(replay: Shared, key: &'static str, value: String, follows: bool) -> Self {
        Self { replay, key, value, follows, within: None, number: 0, event: PhantomData }
    }

    /// Waits no longer than `duration`; then gives `None`.
    pub fn within(mut self, duration: Duration) -> Within<E> {
        self.within = Some(duration);
        Within(self)
    }

    /// Asks for the event, once.
    fn begin(&mut self) {
        let mut replay = self.replay.borrow_mut();
        let asked = Asked::Event {
            name: E::NAME.to_owned(),
            key: self.key.to_owned(),
            value: self.value.clone(),
            within: self.within,
        };
        let Some((number, new)) = replay.ask(asked) else { return };
        if new && self.follows {
            replay.plan(Move::Associate(self.key.to_owned(), self.value.clone()));
        }
        if let (true, Some(within)) = (new, self.within) {
            replay.plan(Move::After(number, within));
        }
        self.number = number;
    }

    /// The event, or that the time is over.
    fn look(&mut self) -> Poll<Option<E>> {
        if self.number == 0 {
            self.begin();
        }
        if self.number == 0 {
            return Poll::Pending;
        }
        let mut replay = self.replay.borrow_mut();
        let arrived = replay.take_arrived(E::NAME, self.key, &self.value);
        match arrived {
            Some(arrived) => match read::<E>(&mut replay, &arrived) {
                Some(event) => {
                    drop(replay);
                    self.done();
                    Poll::Ready(Some(event))
                }
                None => Poll::Pending,
            },
            None => {
                let over = replay.answer(self.number).is_some();
                // It may have had a limit when it was asked for.
                if !over || self.within.is_none() {
                    replay.waits_for(self.number);
                    return Poll::Pending;
                }
                self.number = 0;
                Poll::Ready(None)
            }
        }
    }

    /// Waits no longer.
    fn done(&mut self) {
        if self.number != 0 && self.within.is_some() {
            give_up(&self.replay, self.number);
        }
        self.number = 0;
    }
}

fn read<E: Event>(replay: &mut Replay, arrived: &Arrived) -> Option<E> {
    if arrived.revision != E::REVISION {
        let workflow = replay.workflow();
        let (recorded, known) = (arrived.revision, E::REVISION);
        replay.fail(WorkflowError::Revision { workflow, event: E::NAME, recorded, known });
        return None;
    }
    replay.read(&format!("the event `{}`", E::NAME), &arrived.payload)
}

impl<E: Event> Future for Waiting<E> {
    type Output = E;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<E> {
        match self.look() {
            Poll::Ready(Some(event)) => Poll::Ready(event),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<E: Event> Future for Within<E> {
    type Output = Option<E>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<E>> {
        self.0.look()
    }
}

impl<E> Drop for Waiting<E> {
    /// A wait that is given up needs no timer.
    fn drop(&mut self) {
        if self.number != 0 && self.within.is_some() {
            give_up(&self.replay, self.number);
        }
    }
}

step!(<E: Event> Waiting<E>);
step!(<E: Event> Within<E>);

impl<E> fmt::Debug for Waiting<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("key", &self.key).field("value", &self.value).finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for Within<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Within").field(&self.0).finish()
    }
}
