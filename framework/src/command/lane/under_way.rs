//! Appends under way: handed to the store, and not yet committed.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::command::error::CommandFailure;
use crate::message::{EventId, Position};
use crate::store::{AppendError, Appended, Conflict};

use super::DEPTH;
use super::turn::{Inner, Lane, Tail, Turn};

/// An append that was handed to the store, until it is committed or has failed.
pub(crate) type Appending = BoxFuture<'static, Result<Appended, CommandFailure>>;

/// A command whose append is under way while others decide on top of it. It may be dropped: the append goes on, and the
/// lane learns how it ended.
pub(crate) struct UnderWay<A: Send + 'static> {
    lane: Arc<Lane<A>>,
    number: u64,
    /// Whether others may rest on what is appended.
    has_events: bool,
    appending: Appending,
    ended: bool,
}

/// How an append that was under way has ended.
pub(crate) enum Settled<A> {
    Stored(Appended),
    /// Why it failed, with the place to come back to.
    Failed(CommandFailure, Comeback<A>),
}

/// The place of a command that has to be decided again: nobody who entered after it passes before it has its turn.
/// Dropping it gives the place up.
pub(crate) struct Comeback<A> {
    lane: Arc<Lane<A>>,
    number: u64,
    /// Whether the place is still kept.
    kept: bool,
}

/// A command that stores nothing, and waits until what it rests on is stored.
pub(super) struct Resting<A> {
    /// The command whose append it rests on.
    on: u64,
    number: u64,
    answer: oneshot::Sender<Result<Position, Comeback<A>>>,
}

impl<A: Send + 'static> Turn<A> {
    /// Lets the next command pass while `appending` is under way. The state is as it will be afterwards; `last` is the
    /// last event of the append, if it has any.
    pub(crate) fn pass_on(mut self, appending: Appending, last: Option<EventId>) -> UnderWay<A> {
        let (lane, number) = (Arc::clone(&self.lane), self.number);
        self.ahead = false;
        {
            let mut inner = lane.lock();
            inner.under_way += 1;
            if let (Some(event), true) = (last, self.is_unbroken(&inner)) {
                inner.tail = Some(Tail { number, event });
            }
            self.hand_back(&mut inner);
        }
        lane.let_pass();
        UnderWay { lane, number, has_events: last.is_some(), appending, ended: false }
    }

    /// Lets what is under way end, and keeps the place meanwhile.
    pub(crate) fn stand_back(mut self) -> Comeback<A> {
        let (lane, number) = (Arc::clone(&self.lane), self.number);
        let comeback = {
            let mut inner = lane.lock();
            let comeback = lane.comeback(&mut inner, number);
            self.hand_back(&mut inner);
            comeback
        };
        lane.let_pass();
        comeback
    }

    /// Lets the next command pass, and waits until what the state rests on is stored; gives its position.
    ///
    /// # Errors
    /// Where it failed: the decision is of no use.
    pub(crate) async fn rested(mut self) -> Result<Position, Comeback<A>> {
        let (lane, number) = (Arc::clone(&self.lane), self.number);
        let (answer, answered) = oneshot::channel();
        let known = {
            let mut inner = lane.lock();
            let known = if !self.is_unbroken(&inner) {
                Some(Err(lane.comeback(&mut inner, number)))
            } else if let Some(Tail { number: on, .. }) = inner.tail {
                inner.resting.push(Resting { on, number, answer });
                None
            } else {
                Some(Ok(inner.position))
            };
            self.hand_back(&mut inner);
            known
        };
        lane.let_pass();
        match known {
            Some(known) => known,
            // An append under way answers those who rest on it when it ends. Were it forgotten, this is on the safe side.
            None => answered.await.unwrap_or_else(|_| Err(lane.comeback(&mut lane.lock(), number))),
        }
    }
}

impl<A: Send + 'static> UnderWay<A> {
    /// Waits for the end of the append.
    pub(crate) async fn settled(mut self) -> Settled<A> {
        let result = (&mut self.appending).await;
        self.ended = true;
        self.lane.settle(self.number, self.has_events, result)
    }
}

impl<A: Send + 'static> Drop for UnderWay<A> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let appending = std::mem::replace(&mut self.appending, Box::pin(std::future::pending()));
        let (lane, number, has_events) = (Arc::clone(&self.lane), self.number, self.has_events);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    // Nobody comes back: the place is given up with the result.
                    drop(lane.settle(number, has_events, appending.await));
                });
            }
            // The runtime ends, and this node with it. How the append ends is unknown here, so that nothing may rest on it.
            Err(_) => {
                drop(lane.settle(number, has_events, Err(stopped())));
            }
        }
    }
}

impl<A> Lane<A> {
    /// Notes how the append of the command `number` has ended.
    fn settle(self: &Arc<Self>, number: u64, has_events: bool, result: Result<Appended, CommandFailure>) -> Settled<A> {
        let mut answers = Vec::new();
        let settled = {
            let mut inner = self.lock();
            inner.under_way -= 1;
            let stored = result.as_ref().ok().map(|appended| appended.position);
            match &result {
                Ok(appended) => inner.stored(number, appended.position),
                Err(failure) => inner.failed(has_events, failure),
            }
            inner.tidy();
            let resting = std::mem::take(&mut inner.resting);
            let (resting, others): (Vec<_>, _) = resting.into_iter().partition(|resting| resting.on == number);
            inner.resting = others;
            for Resting { number, answer, .. } in resting {
                answers.push((answer, stored.ok_or_else(|| self.comeback(&mut inner, number))));
            }
            match result {
                Ok(appended) => Settled::Stored(appended),
                Err(failure) => Settled::Failed(failure, self.comeback(&mut inner, number)),
            }
        };
        for (sender, answer) in answers {
            // Who went away gives its place up.
            drop(sender.send(answer));
        }
        self.let_pass();
        settled
    }

    /// Keeps the place of the command `number`.
    fn comeback(self: &Arc<Self>, inner: &mut Inner<A>, number: u64) -> Comeback<A> {
        inner.returning.insert(number);
        Comeback { lane: Arc::clone(self), number, kept: true }
    }
}

impl<A> Inner<A> {
    /// An append is stored, and what rests on it as far as that is no append itself.
    pub(super) fn stored(&mut self, number: u64, position: Position) {
        self.depth = (self.depth + 1).min(DEPTH);
        if self.tail.is_some_and(|tail| tail.number == number) {
            self.tail = None;
            self.position = position;
            if let Some(state) = &mut self.state {
                state.position = position;
            }
        }
    }

    /// An append has failed. Where it had events, or where it shows that the stream has moved, the state is of no use.
    fn failed(&mut self, has_events: bool, failure: &CommandFailure) {
        let conflict = match failure {
            CommandFailure::Append(AppendError::Conflict(conflict)) => Some(conflict),
            _ => None,
        };
        if has_events || conflict.is_some() {
            (self.state, self.tail) = (None, None);
            self.breaks += 1;
        }
        if conflict.is_some_and(|conflict| !matches!(conflict, Conflict::Basis { .. })) {
            self.depth = 1;
        }
    }
}

impl<A> Comeback<A> {
    /// Waits for the turn. The command has been decided ahead in vain `attempts` times.
    pub(crate) async fn turn(mut self, attempts: u32) -> Turn<A> {
        self.kept = false;
        Arc::clone(&self.lane).turn_of(self.number, attempts).await
    }
}

impl<A> Drop for Comeback<A> {
    fn drop(&mut self) {
        if self.kept {
            self.lane.lock().returning.remove(&self.number);
            self.lane.let_pass();
        }
    }
}

fn stopped() -> CommandFailure {
    AppendError::OutcomeUnknown { source: "the runtime has stopped".into() }.into()
}
