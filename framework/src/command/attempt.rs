//! One attempt at a command of an aggregate: load, decide, store, answer.

use std::task::Poll;

use crate::aggregate::{Aggregate, Creation, Events, HandledBy, LoadError, Repository, Sourced};
use crate::message::{Command, Position, StreamId, Version};
use crate::store::{AppendError, CommandRecord, Conflict, Expected, Outcome};

use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::{Basis, Decided, Executor, HandedOver, guarded};
use super::lane::{AHEAD_ATTEMPTS, Comeback, Settled, Turn};
use super::message::{CommandMessage, CommandResult, Executed};
use super::stream::decide;

/// One attempt at the command `C` of the aggregate `A`.
pub(super) struct Attempt<'a, A, C> {
    pub(super) executor: &'a Executor,
    pub(super) repository: &'a Repository<A>,
    pub(super) stream: &'a StreamId,
    pub(super) message: &'a CommandMessage,
    pub(super) command: &'a C,
    /// Which attempt it is, from 1. Those in vain because of what others had decided before do not count.
    pub(super) number: u32,
    /// How many attempts were such.
    pub(super) ahead: u32,
}

/// A decision that was made.
enum Made<A, C: Command> {
    Events { events: Events<A>, reply: C::Reply, storing: HandedOver },
    Nothing(Decided<A, C>),
}

/// How an attempt has ended.
pub(super) enum Ended<A> {
    Answered(CommandResult),
    Again(Why, Return<A>),
}

/// Why a decision is taken again.
pub(super) enum Why {
    /// The state in memory was old; nothing else got in the way.
    Stale,
    /// What the state rested on was not stored. This is no conflict of the command's own.
    Ahead,
    Conflict(Conflict),
}

/// The way back to a turn: it is still at hand, or to be waited for.
pub(super) enum Return<A> {
    Turn(Turn<A>),
    Comeback(Comeback<A>),
}

impl<A: Aggregate, C: HandledBy<A>> Attempt<'_, A, C> {
    /// Decides once, and stores what was decided. What is rare is boxed, so that the way of a command that finds its state
    /// in memory stays short.
    pub(super) async fn run(&self, mut turn: Turn<A>) -> Ended<A> {
        // A handler that creates needs no state at first: the append checks that the stream is empty.
        let loaded = turn.state.is_none() && (!self.creates() || self.number > 1);
        if loaded {
            match Box::pin(self.load()).await {
                Ok(state) => turn.state = state,
                Err(error) => return Ended::Answered(Err(CommandFailure::from(error).into())),
            }
        }
        let basis = self.basis(&turn);
        match self.decide(&turn, &basis) {
            Made::Events { events, reply, storing } => self.store(turn, &basis, events, reply, storing).await,
            Made::Nothing(decided) => Box::pin(self.store_nothing(turn, &basis, decided, loaded)).await,
        }
    }

    async fn load(&self) -> Result<Option<Sourced<A>>, LoadError> {
        let id = self.stream.id();
        // After two conflicts the snapshot itself may be at fault.
        if self.number > 2 { self.repository.replay(id).await } else { self.repository.load(id).await }
    }

    fn basis(&self, turn: &Turn<A>) -> Basis {
        let version = turn.state.as_ref().map(|sourced| sourced.version);
        Basis {
            now: self.executor.journal.now(),
            expected: Some(Expected::exactly(version)),
            rests_on: turn.rests_on(),
            condition: None,
            stream: self.stream.clone(),
            version,
            position: turn.state.as_ref().map(|sourced| sourced.position).unwrap_or_default(),
        }
    }

    fn creates(&self) -> bool {
        C::CREATION == Creation::MustNotExist
    }

    /// Decides, and prepares what is to be stored.
    fn decide(&self, turn: &Turn<A>, basis: &Basis) -> Made<A, C> {
        let (events, reply) = match self.decided(turn.state.as_ref(), basis) {
            Decided::Done { events, reply } if !events.is_empty() => (events, reply),
            other => return Made::Nothing(other),
        };
        let outcome = || self.executor.reply::<C>(&reply);
        match self.executor.prepare(self.message, basis, &events, outcome) {
            Ok(append) => Made::Events { events, reply, storing: self.executor.hand_over(append) },
            Err(failure) => Made::Nothing(Decided::Failed(failure)),
        }
    }

    fn decided(&self, state: Option<&Sourced<A>>, basis: &Basis) -> Decided<A, C> {
        let version = basis.version;
        if let Some(expected) = self.message.expected
            && !expected.holds_for(version)
        {
            let source =
                Conflict::Stream { stream: self.stream.clone(), expected: expected.to_string(), actual: version };
            return Decided::Failed(CommandFailure::Conflict { attempts: 1, source });
        }
        match (C::CREATION, version) {
            (Creation::MustNotExist, Some(_)) => return Decided::Failed(self.exists()),
            (Creation::MustExist, None) => {
                return Decided::Failed(CommandFailure::NotFound { stream: self.stream.clone() });
            }
            _ => {}
        }
        let initial;
        let current = match state {
            Some(sourced) => &sourced.state,
            None => {
                initial = self.command.initial();
                &initial
            }
        };
        let context = self.executor.context(self.message, basis.now, version);
        decide(self.command, current, &context)
    }

    /// Waits until the events of a decision are stored. The next command passes as soon as they are on their way.
    async fn store(
        &self,
        mut turn: Turn<A>,
        basis: &Basis,
        events: Events<A>,
        reply: C::Reply,
        mut storing: HandedOver,
    ) -> Ended<A> {
        let first = storing.begin().await;
        let (appended, due) = match (first, storing) {
            (Poll::Ready(Ok(appended)), _) => {
                self.move_on(&mut turn, basis, &events);
                let due = self.due_snapshot(&turn, basis);
                turn.store(&appended);
                (appended, due)
            }
            (Poll::Ready(Err(failure)), _) => return self.unstored(failure, basis, Return::Turn(turn)),
            (Poll::Pending, HandedOver { appending, last, .. }) => {
                self.move_on(&mut turn, basis, &events);
                let due = self.due_snapshot(&turn, basis);
                match turn.pass_on(appending, last).settled().await {
                    Settled::Stored(appended) => (appended, due),
                    Settled::Failed(failure, comeback) => {
                        return self.unstored(failure, basis, Return::Comeback(comeback));
                    }
                }
            }
        };
        if let Some(snapshot) = due {
            self.save_snapshot(Sourced { position: appended.position, ..snapshot });
        }
        let version = appended.version_of(self.stream).or(basis.version);
        Ended::Answered(Ok(self.executed(version, appended.position, reply)))
    }

    /// Answers where nothing is to be stored but, if the command may be repeated, its outcome.
    async fn store_nothing(&self, turn: Turn<A>, basis: &Basis, decided: Decided<A, C>, loaded: bool) -> Ended<A> {
        let outcome = match &decided {
            _ if !self.message.recorded => None,
            Decided::Done { reply, .. } => Some(self.executor.reply::<C>(reply)),
            Decided::Rejected(error) => Some(self.executor.rejection::<C>(error)),
            Decided::Failed(_) => None,
        };
        let (decided, checked) = match outcome {
            Some(Ok(outcome)) => (decided, self.store_outcome(turn, basis, outcome).await),
            Some(Err(failure)) => (Decided::Failed(failure), self.check(turn, basis, loaded).await),
            None => (decided, self.check(turn, basis, loaded).await),
        };
        let position = match checked {
            Ok(position) => position,
            Err(ended) => return ended,
        };
        Ended::Answered(match decided {
            Decided::Done { reply, .. } => Ok(self.executed(basis.version, position, reply)),
            Decided::Rejected(error) => Err(CommandError::Rejected(Rejection::new(error))),
            Decided::Failed(failure) => match self.executor.recorded(self.message).await {
                Ok(Some(record)) => self.answer(record),
                Ok(None) => Err(failure.into()),
                Err(unread) => Err(unread.into()),
            },
        })
    }

    /// Records the outcome of a decision without events; the append checks what the decision rests on. Gives the position
    /// of the record: a repeat gets it too.
    async fn store_outcome(&self, turn: Turn<A>, basis: &Basis, outcome: Outcome) -> Result<Position, Ended<A>> {
        let append = Executor::recording(self.message, basis, outcome);
        let mut storing = self.executor.hand_over(append);
        let settled = match storing.begin().await {
            Poll::Ready(Ok(appended)) => return Ok(appended.position),
            Poll::Ready(Err(failure)) => return Err(self.unstored(failure, basis, Return::Turn(turn))),
            Poll::Pending => turn.pass_on(storing.appending, None).settled().await,
        };
        match settled {
            Settled::Stored(appended) => Ok(appended.position),
            // Nothing rests on a record, so that commands behind this one may have overtaken it while its outcome was
            // unknown.
            Settled::Failed(failure, comeback) if is_stream_conflict(&failure) && self.ahead < AHEAD_ATTEMPTS => {
                Err(Ended::Again(Why::Ahead, Return::Comeback(comeback)))
            }
            Settled::Failed(failure, comeback) => Err(self.unstored(failure, basis, Return::Comeback(comeback))),
        }
    }

    /// Sees to it that a decision that stores nothing rests on what is stored (guarantee 4): its state was just loaded, or
    /// the append that it rests on gets committed, or the stream's head is still where the state is. Gives the position
    /// of the state.
    async fn check(&self, mut turn: Turn<A>, basis: &Basis, loaded: bool) -> Result<Position, Ended<A>> {
        if basis.rests_on.is_some() {
            let rested = turn.rested().await;
            return rested.map_err(|comeback| Ended::Again(Why::Ahead, Return::Comeback(comeback)));
        }
        if !loaded {
            match self.executor.journal.stream_head(self.stream).await {
                Ok(head) if head == basis.version => {}
                Ok(_) => {
                    turn.state = None;
                    return Err(Ended::Again(Why::Stale, Return::Turn(turn)));
                }
                Err(error) => return Err(Ended::Answered(Err(CommandFailure::from(error).into()))),
            }
        }
        Ok(basis.position)
    }

    /// What comes of an append that was not stored.
    fn unstored(&self, failure: CommandFailure, basis: &Basis, mut back: Return<A>) -> Ended<A> {
        if let CommandFailure::Append(AppendError::CommandRepeated(record)) = failure {
            return Ended::Answered(self.answer(*record));
        }
        if let Return::Turn(turn) = &mut back {
            turn.state = None;
        }
        match failure {
            CommandFailure::Append(AppendError::Conflict(Conflict::Basis { .. })) => Ended::Again(Why::Ahead, back),
            // It may be too large only because of what it rests on.
            CommandFailure::Append(AppendError::Limit(_)) if basis.rests_on.is_some() => Ended::Again(Why::Ahead, back),
            CommandFailure::Append(AppendError::Conflict(Conflict::Stream { .. })) if self.creates() => {
                Ended::Answered(Err(self.exists().into()))
            }
            CommandFailure::Append(AppendError::Conflict(conflict)) => Ended::Again(Why::Conflict(conflict), back),
            failure => Ended::Answered(Err(failure.into())),
        }
    }

    /// Moves the state on by `events`. Where that panics the state is not known: whoever loads it meets the same panic,
    /// with a better address.
    fn move_on(&self, turn: &mut Turn<A>, basis: &Basis, events: &Events<A>) {
        let mut moved = turn.state.take().map(|sourced| sourced.state).unwrap_or_default();
        match guarded(C::NAME, || events.iter().for_each(|event| event.apply_to(&mut moved))) {
            Ok(()) => {
                let version = Version::new(basis.version.map_or(0, Version::get) + events.len() as u64);
                let sourced = |version| Sourced { state: moved, version, position: basis.position };
                turn.state = version.map(sourced);
            }
            Err(error) => tracing::error!(stream = %self.stream, %error, "an `#[apply]` panicked"),
        }
    }

    /// The state, if a snapshot of it is due once it is stored.
    fn due_snapshot(&self, turn: &Turn<A>, basis: &Basis) -> Option<Sourced<A>> {
        let policy = A::snapshots()?;
        let sourced = turn.state.as_ref()?;
        let before = basis.version.map_or(0, Version::get);
        policy.is_due(before, sourced.version.get()).then(|| sourced.clone())
    }

    fn save_snapshot(&self, sourced: Sourced<A>) {
        let (repository, stream) = (self.repository.clone(), self.stream.clone());
        tokio::spawn(async move { repository.save_snapshot(&stream, &sourced).await });
    }

    fn executed(&self, version: Option<Version>, position: Position, reply: C::Reply) -> Executed {
        Executed { version, position, stream: Some(self.stream.clone()), repeated: false, reply: Box::new(reply) }
    }

    fn answer(&self, record: CommandRecord) -> CommandResult {
        self.executor.answer::<C>(self.message, record, Some(self.stream))
    }

    fn exists(&self) -> CommandFailure {
        CommandFailure::AlreadyExists { stream: self.stream.clone() }
    }
}

fn is_stream_conflict(failure: &CommandFailure) -> bool {
    matches!(failure, CommandFailure::Append(AppendError::Conflict(Conflict::Stream { .. })))
}
