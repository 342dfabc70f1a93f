use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Step, step};

/// Two steps of which one counts: [`Flow::race`](crate::workflow::Flow::race).
#[must_use = "nothing happens before it is awaited"]
pub struct Race<A, B> {
    /// Both are dropped when one is done.
    steps: Option<Both<A, B>>,
}

type Both<A, B> = (Pin<Box<A>>, Pin<Box<B>>);

/// Which of two steps was done first, and what it gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First<A, B> {
    /// The first one that was named.
    This(A),
    /// The second one.
    That(B),
}

impl<A: Step, B: Step> Race<A, B> {
    pub(crate) fn new(first: A, second: B) -> Self {
        Self { steps: Some((Box::pin(first), Box::pin(second))) }
    }
}

impl<A: Step, B: Step> Future for Race<A, B> {
    type Output = First<A::Output, B::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((first, second)) = &mut self.steps else { return Poll::Pending };
        let done = match first.as_mut().poll(context) {
            Poll::Ready(output) => First::This(output),
            Poll::Pending => match second.as_mut().poll(context) {
                Poll::Ready(output) => First::That(output),
                Poll::Pending => return Poll::Pending,
            },
        };
        self.steps = None;
        Poll::Ready(done)
    }
}

step!(<A: Step, B: Step> Race<A, B>);

impl<A, B> fmt::Debug for Race<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race").finish_non_exhaustive()
    }
}
