use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::delivery::Delivery;
use super::step;
use crate::message::Command;
use crate::workflow::record::Answer;
use crate::workflow::replay::Shared;

/// Sends a command and waits for its answer: [`Flow::send`](crate::workflow::Flow::send).
#[must_use = "nothing is sent before it is awaited"]
pub struct Sending<C> {
    replay: Shared,
    /// Nothing where the command could not be written, which is a fault already.
    delivery: Option<Delivery>,
    command: PhantomData<fn() -> C>,
}

impl<C: Command> Sending<C> {
    pub(crate) fn new(replay: Shared, command: &C) -> Self {
        let written = replay.borrow_mut().command(command);
        let delivery = written.map(|(wanted, planned)| Delivery::new(replay.clone(), wanted, planned));
        Self { replay, delivery, command: PhantomData }
    }
}

impl<C: Command> Future for Sending<C> {
    type Output = Result<C::Reply, C::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(delivery) = &mut self.delivery else { return Poll::Pending };
        let Poll::Ready(answer) = Pin::new(delivery).poll(context) else { return Poll::Pending };
        let mut replay = self.replay.borrow_mut();
        let what = |part: &str| format!("the {part} of the command `{}`", C::NAME);
        let read = match answer {
            Answer::Accepted(reply) => replay.read(&what("reply"), &reply).map(Ok),
            Answer::Rejected(error) => replay.read(&what("error"), &error).map(Err),
            Answer::Elapsed | Answer::Ended(_) => None,
        };
        read.map_or(Poll::Pending, Poll::Ready)
    }
}

step!(<C: Command> Sending<C>);

impl<C: Command> fmt::Debug for Sending<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("command", &C::NAME).finish_non_exhaustive()
    }
}
