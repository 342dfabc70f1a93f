use std::pin::Pin;
use std::task::{Context, Poll};

use crate::workflow::record::{Answer, Asked, Wanted};
use crate::workflow::replay::{Move, Planned, Shared};

/// A command on its way, of whatever type.
pub(crate) struct Delivery {
    replay: Shared,
    /// What is to be sent, until it is asked for.
    command: Option<(Wanted, Planned)>,
    number: u64,
}

impl Delivery {
    pub(crate) fn new(replay: Shared, wanted: Wanted, planned: Planned) -> Self {
        Self { replay, command: Some((wanted, planned)), number: 0 }
    }
}

impl Future for Delivery {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        let command = self.command.take();
        let mut replay = self.replay.borrow_mut();
        let mut number = self.number;
        if let Some((wanted, planned)) = command {
            let Some((given, new)) = replay.ask(Asked::Command(wanted)) else { return Poll::Pending };
            if new {
                replay.plan(Move::Send(given, planned));
            }
            number = given;
        }
        let answer = replay.answer(number);
        drop(replay);
        self.number = number;
        answer.map_or(Poll::Pending, Poll::Ready)
    }
}
