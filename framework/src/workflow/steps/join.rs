use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Step, step};

/// A step that is under way, or what it gave.
enum Place<S: Future> {
    Running(Pin<Box<S>>),
    Done(S::Output),
    Taken,
}

impl<S: Step> Place<S> {
    fn new(step: S) -> Self {
        Self::Running(Box::pin(step))
    }

    /// Goes on; true where it is done.
    fn advance(&mut self, context: &mut Context<'_>) -> bool {
        if let Self::Running(step) = self
            && let Poll::Ready(output) = step.as_mut().poll(context)
        {
            *self = Self::Done(output);
        }
        !matches!(self, Self::Running(_))
    }

    fn take(&mut self) -> Option<S::Output> {
        match std::mem::replace(self, Self::Taken) {
            Self::Done(output) => Some(output),
            _ => None,
        }
    }
}

/// Several steps side by side: [`Flow::join`](crate::workflow::Flow::join).
#[must_use = "nothing happens before it is awaited"]
pub struct Join<J: Joined>(J::Places);

/// A tuple of up to eight steps.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tuple of steps",
    note = "`flow.join((flow.send(..), flow.send(..)))` takes a tuple of two to eight steps; `flow.join_all(..)` takes any number of one type"
)]
pub trait Joined: super::sealed::Sealed {
    /// What all of them give.
    type Outputs;
    /// Where they are while they are under way.
    #[doc(hidden)]
    type Places: Unpin;

    #[doc(hidden)]
    fn places(self) -> Self::Places;

    #[doc(hidden)]
    fn advance(places: &mut Self::Places, context: &mut Context<'_>) -> Option<Self::Outputs>;
}

/// Where the steps of a tuple are.
#[doc(hidden)]
pub struct Places<T>(T);

impl<T> Unpin for Places<T> {}

macro_rules! joined {
    ($($step:ident $index:tt),+) => {
        impl<$($step: Step),+> super::sealed::Sealed for ($($step,)+) {}

        #[diagnostic::do_not_recommend]
        impl<$($step: Step),+> Joined for ($($step,)+) {
            type Outputs = ($($step::Output,)+);
            type Places = Places<($(Held<$step>,)+)>;

            fn places(self) -> Self::Places {
                Places(($(Held(Place::new(self.$index)),)+))
            }

            fn advance(places: &mut Self::Places, context: &mut Context<'_>) -> Option<Self::Outputs> {
                // Each of them goes on, also where one before is not done.
                let done = [$(places.0.$index.0.advance(context)),+];
                match done.iter().all(|done| *done) {
                    true => Some(($(places.0.$index.0.take()?,)+)),
                    false => None,
                }
            }
        }
    };
}

/// A step in its place.
#[doc(hidden)]
pub struct Held<S: Future>(Place<S>);

joined!(A 0, B 1);
joined!(A 0, B 1, C 2);
joined!(A 0, B 1, C 2, D 3);
joined!(A 0, B 1, C 2, D 3, E 4);
joined!(A 0, B 1, C 2, D 3, E 4, F 5);
joined!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
joined!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

impl<J: Joined> Join<J> {
    pub(crate) fn new(steps: J) -> Self {
        Self(steps.places())
    }
}

impl<J: Joined> Future for Join<J> {
    type Output = J::Outputs;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<J::Outputs> {
        J::advance(&mut self.0, context).map_or(Poll::Pending, Poll::Ready)
    }
}

step!(<J: Joined> Join<J>);

/// Any number of steps side by side: [`Flow::join_all`](crate::workflow::Flow::join_all).
#[must_use = "nothing happens before it is awaited"]
pub struct JoinAll<S: Step>(Vec<Place<S>>);

impl<S: Step> JoinAll<S> {
    pub(crate) fn new(steps: impl IntoIterator<Item = S>) -> Self {
        Self(steps.into_iter().map(Place::new).collect())
    }
}

impl<S: Step> Unpin for JoinAll<S> {}

impl<S: Step> Future for JoinAll<S> {
    type Output = Vec<S::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut done = true;
        for place in &mut self.0 {
            done &= place.advance(context);
        }
        match done {
            true => Poll::Ready(self.0.iter_mut().filter_map(Place::take).collect()),
            false => Poll::Pending,
        }
    }
}

step!(<S: Step> JoinAll<S>);

impl<J: Joined> fmt::Debug for Join<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").finish_non_exhaustive()
    }
}

impl<S: Step> fmt::Debug for JoinAll<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("steps", &self.0.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Places<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

impl<S: Future> fmt::Debug for Held<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}
