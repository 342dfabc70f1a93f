use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::step;

/// A piece of a workflow's function: what `#[workflow_part]` makes of an `async fn`, and the macro of an `async` block. It
/// awaits steps alone.
#[must_use = "nothing happens before it is awaited"]
pub struct Part<F>(Pin<Box<F>>);

impl<F: Future> Part<F> {
    /// `future`, of which the macro has checked what it awaits.
    #[doc(hidden)]
    pub fn checked(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Part<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().poll(context)
    }
}

step!(<F: Future> Part<F>);

impl<F> fmt::Debug for Part<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").finish_non_exhaustive()
    }
}
