use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::step;
use crate::workflow::record::Asked;
use crate::workflow::replay::{Move, Shared};

/// Lets time pass: [`Flow::sleep`](crate::workflow::Flow::sleep).
#[must_use = "no time passes before it is awaited"]
pub struct Sleeping {
    replay: Shared,
    asked: Option<Asked>,
    /// 0 while it is not under way.
    number: u64,
}

impl Sleeping {
    pub(crate) fn new(replay: Shared, asked: Asked) -> Self {
        Self { replay, asked: Some(asked), number: 0 }
    }

    fn begin(&mut self, asked: Asked) {
        let mut replay = self.replay.borrow_mut();
        let planned = match &asked {
            Asked::Until(instant) => Err(*instant),
            Asked::Sleep(duration) => Ok(*duration),
            _ => return,
        };
        let Some((number, new)) = replay.ask(asked) else { return };
        if new {
            replay.plan(planned.map_or_else(|at| Move::At(number, at), |after| Move::After(number, after)));
        }
        self.number = number;
    }
}

impl Future for Sleeping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if let Some(asked) = self.asked.take() {
            self.begin(asked);
        }
        if self.number == 0 {
            return Poll::Pending;
        }
        let over = self.replay.borrow_mut().answer(self.number).is_some();
        if over {
            self.number = 0;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Sleeping {
    /// A sleep that is given up does not fire any more.
    fn drop(&mut self) {
        if self.number != 0 {
            give_up(&self.replay, self.number);
        }
    }
}

/// Takes a timer back, unless that was done in an earlier run.
pub(super) fn give_up(replay: &Shared, number: u64) {
    // A panic may drop steps while the run is in use.
    let Ok(mut replay) = replay.try_borrow_mut() else { return };
    if replay.is_live() {
        replay.plan(Move::Cancel(number));
    }
}

step!(<> Sleeping);

impl fmt::Debug for Sleeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleeping").finish_non_exhaustive()
    }
}
