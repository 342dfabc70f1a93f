//! One attempt at a command of an aggregate: load, decide, store, answer.

use std::task::Poll;
use std::time::Duration;

use crate::aggregate::{
    Aggregate, Creation, Events, HandledBy, KeyChange, Lifecycle, LoadError, Misfit, Passed, Repository, Sourced,
    changes, keys_in,
};
use crate::handler::Resources;
use crate::message::{Command, Position, StreamId, Version};
use crate::store::{AppendError, CommandRecord, Condition, Conflict, Expected, NewEvent, Outcome, SnapshotWrite};

use super::brought::{Brought, Needs, unseen};
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::{Basis, Decided, Executor, HandedOver, guarded};
use super::keys;
use super::lane::{AHEAD_ATTEMPTS, Comeback, Lanes, Settled, Turn};
use super::message::{CommandMessage, CommandResult, Executed};
use super::stream::{admitted, decide};
use super::unseen::Unseen;

/// One attempt at the command `C` of the aggregate `A`.
pub(super) struct Attempt<'a, A: Send, C> {
    pub(super) executor: &'a Executor,
    pub(super) repository: &'a Repository<A>,
    pub(super) lanes: &'a Lanes<A>,
    pub(super) needs: &'a Needs,
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
    Events {
        events: Events<A>,
        reply: C::Reply,
        storing: HandedOver,
    },
    Nothing(Decided<A, C>),
    /// The sender wants to know these events, and not to have them stored.
    Known {
        events: Vec<NewEvent>,
        reply: C::Reply,
        keys: Vec<KeyChange>,
    },
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
    /// What it has to look at may lack what is under way.
    Alone,
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
        let found = turn.state.is_some();
        let loading = if !found && (!self.creates() || self.number > 1) {
            match Box::pin(self.load(&mut turn)).await {
                Ok(loading) => Some(loading),
                Err(error) => return Ended::Answered(Err(CommandFailure::from(error).into())),
            }
        } else {
            None
        };
        if self.number + self.ahead == 1 && (found || loading.is_some()) {
            self.lanes.count(found);
        }
        let mut basis = self.basis(&turn);
        let brought = match self.needs.is_empty() {
            true => None,
            false => match Box::pin(self.bring(turn, &mut basis)).await {
                Ok((back, brought)) => {
                    turn = back;
                    Some(brought)
                }
                Err(ended) => return ended,
            },
        };
        match self.decide(&mut turn, &basis, brought.as_ref(), loading) {
            Made::Known { events, reply, keys } => {
                let checked = Box::pin(self.check_trial(turn, &basis, &keys, loading.is_some())).await;
                match checked {
                    Ok(position) => Ended::Answered(Ok(self.executed(basis.version, position, reply).of_trial(events))),
                    Err(ended) => ended,
                }
            }
            Made::Events { events, reply, storing } => self.store(turn, &basis, events, reply, storing).await,
            Made::Nothing(decided) => Box::pin(self.store_nothing(turn, &basis, decided, loading)).await,
        }
    }

    /// Loads the state, and gives how long it took; zero if no event was read for it.
    async fn load(&self, turn: &mut Turn<A>) -> Result<Duration, LoadError> {
        let begun = self.executor.journal.now();
        // After two conflicts the snapshot itself may be at fault.
        let baseline = if self.number > 2 { None } else { self.repository.baseline(self.stream).await };
        let kept = baseline.as_ref().map(|baseline| baseline.version);
        turn.state = self.repository.load_on(baseline, self.stream).await?;
        self.lanes.weigh(turn);
        let newest = turn.state.as_ref().map(|sourced| sourced.version);
        Ok(if newest == kept { Duration::ZERO } else { self.executor.journal.now().since(begun) })
    }

    /// Reads what the handler wants to see besides the state.
    async fn bring(&self, turn: Turn<A>, basis: &mut Basis) -> Result<(Turn<A>, Brought), Ended<A>> {
        let failed = |error: LoadError| Ended::Answered(Err(CommandFailure::from(error).into()));
        let journal = &self.executor.journal;
        let missed = match self.message.expected {
            Some(Expected::Version(seen)) if self.needs.unseen && basis.version > Some(seen) => Some(seen),
            _ => None,
        };
        if missed.is_some() && basis.rests_on.is_some() {
            return Err(Ended::Again(Why::Alone, Return::Comeback(turn.stand_back())));
        }
        let mut brought = self.needs.models(journal, &Command::tags(self.command), None, &[]).await.map_err(failed)?;
        basis.condition =
            brought.condition.take().map(|read| Condition { criteria: self.command.condition(read.criteria), ..read });
        if let Some(seen) = missed
            && let Some(events) = unseen(journal, self.stream, seen).await.map_err(failed)?
        {
            brought.values.insert(events);
        }
        Ok((turn, brought))
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

    /// Decides, and hands over what is to be stored.
    fn decide(
        &self,
        turn: &mut Turn<A>,
        basis: &Basis,
        brought: Option<&Brought>,
        loading: Option<Duration>,
    ) -> Made<A, C> {
        let values = brought.map(|brought| &brought.values);
        let (events, reply) = match self.decided(turn.state.as_ref(), basis, values) {
            Decided::Done { events, reply } if events.is_empty() && self.message.is_trial() => {
                return Made::Known { events: Vec::new(), reply, keys: Vec::new() };
            }
            Decided::Done { events, reply } if !events.is_empty() => (events, reply),
            other => return Made::Nothing(other),
        };
        let outcome = || self.executor.reply::<C>(&reply);
        match self.executor.prepare(self.message, basis, &events, outcome) {
            Ok(mut append) => {
                let is_snapshot_due = !self.message.is_trial() && self.is_snapshot_due(basis, &events, loading);
                let keys_before = keys_in(turn.state.as_ref());
                if is_snapshot_due || A::MAY_MISFIT || !A::UNIQUE.is_empty() {
                    turn.ahead = true;
                    if let Err(source) = self.move_on(turn, basis, &events) {
                        turn.forget();
                        let stream = self.stream.clone();
                        return Made::Nothing(Decided::Failed(CommandFailure::Misfit { stream, source }));
                    }
                }
                let keys = changes(self.stream, &keys_before, &keys_in(turn.state.as_ref()));
                if self.message.is_trial() {
                    if turn.ahead {
                        turn.forget();
                    }
                    return Made::Known { events: append.events, reply, keys };
                }
                if is_snapshot_due {
                    append.snapshots.extend(self.snapshot(turn));
                }
                Made::Events { events, reply, storing: self.executor.hand_over(append, keys) }
            }
            Err(failure) => Made::Nothing(Decided::Failed(failure)),
        }
    }

    fn decided(&self, state: Option<&Sourced<A>>, basis: &Basis, brought: Option<&Resources>) -> Decided<A, C> {
        let version = basis.version;
        let judges_itself = || brought.and_then(Resources::get::<Unseen>).is_some();
        if let Some(expected) = self.message.expected
            && !expected.holds_for(version)
            && !judges_itself()
        {
            let source =
                Conflict::Stream { stream: self.stream.clone(), expected: expected.to_string(), actual: version };
            return Decided::Failed(CommandFailure::Conflict { attempts: 1, source });
        }
        if let Err(failure) = admitted::<A, C>(state, self.stream) {
            return Decided::Failed(failure);
        }
        let initial;
        let current = match state {
            Some(sourced) => &sourced.state,
            None => {
                initial = self.command.initial();
                &initial
            }
        };
        let context = self.executor.context(self.message, basis.now, version).with_brought(brought);
        decide(self.command, current, &context, self.stream)
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
        if let Poll::Ready(Err(failure)) = first {
            return self.unstored(failure, basis, Return::Turn(turn));
        }
        if !turn.ahead
            && let Err(misfit) = self.move_on(&mut turn, basis, &events)
        {
            tracing::error!(stream = %self.stream, %misfit, "a stored event cannot be applied");
        }
        let appended = match first {
            Poll::Ready(Ok(appended)) => {
                turn.store(&appended);
                appended
            }
            _ => match turn.pass_on(storing.appending, storing.last).settled().await {
                Settled::Stored(appended) => appended,
                Settled::Failed(failure, comeback) => return self.unstored(failure, basis, Return::Comeback(comeback)),
            },
        };
        let version = appended.version_of(self.stream).or(basis.version);
        Ended::Answered(Ok(self.executed(version, appended.position, reply)))
    }

    /// Answers where nothing is to be stored but, if the command may be repeated, its outcome.
    async fn store_nothing(
        &self,
        turn: Turn<A>,
        basis: &Basis,
        decided: Decided<A, C>,
        loading: Option<Duration>,
    ) -> Ended<A> {
        let loaded = loading.is_some();
        self.keep_loaded(&turn, loading);
        let outcome = match &decided {
            _ if !self.message.recorded || self.message.is_trial() => None,
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
        let mut storing = self.executor.hand_over(append, Vec::new());
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
                    turn.forget();
                    return Err(Ended::Again(Why::Stale, Return::Turn(turn)));
                }
                Err(error) => return Err(Ended::Answered(Err(CommandFailure::from(error).into()))),
            }
        }
        Ok(basis.position)
    }

    /// As [`Self::check`], and looks whether the unique keys could be taken that a trial would take.
    async fn check_trial(
        &self,
        turn: Turn<A>,
        basis: &Basis,
        wanted: &[KeyChange],
        loaded: bool,
    ) -> Result<Position, Ended<A>> {
        let position = self.check(turn, basis, loaded).await?;
        match keys::writes(&self.executor.journal, wanted).await {
            Ok(_) => Ok(position),
            Err(failure) => Err(Ended::Answered(Err(failure.into()))),
        }
    }

    /// What comes of an append that was not stored.
    fn unstored(&self, failure: CommandFailure, basis: &Basis, mut back: Return<A>) -> Ended<A> {
        if let CommandFailure::Append(AppendError::CommandRepeated(record)) = failure {
            return Ended::Answered(self.answer(*record));
        }
        if let Return::Turn(turn) = &mut back {
            turn.forget();
        }
        match failure {
            CommandFailure::Append(AppendError::Conflict(Conflict::Basis { .. })) => Ended::Again(Why::Ahead, back),
            // It may be too large only because of what it rests on.
            CommandFailure::Append(AppendError::Limit(_)) if basis.rests_on.is_some() => Ended::Again(Why::Ahead, back),
            CommandFailure::Append(AppendError::Conflict(Conflict::Stream { .. })) if self.creates() => {
                // Whether it goes on or has ended is to be seen in its state.
                Ended::Again(Why::Stale, back)
            }
            CommandFailure::Append(AppendError::Conflict(conflict)) => Ended::Again(Why::Conflict(conflict), back),
            failure => Ended::Answered(Err(failure.into())),
        }
    }

    /// Moves the state on by `events`. Where that panics the state is not known: whoever loads it meets the same panic,
    /// with a better address.
    ///
    /// # Errors
    /// When an event does not fit the state. The state is gone then.
    fn move_on(&self, turn: &mut Turn<A>, basis: &Basis, events: &Events<A>) -> Result<(), Misfit> {
        let mut moved = turn.state.take().map(|sourced| sourced.state).unwrap_or_default();
        let apply = || events.iter().try_fold(Lifecycle::Keep, |_, event| event.apply_to(&mut moved));
        match guarded(C::NAME, apply) {
            Ok(applied) => {
                let lifecycle = applied?;
                let version = Version::new(basis.version.map_or(0, Version::get) + events.len() as u64);
                let sourced = |version| Sourced { state: moved, version, position: basis.position, lifecycle };
                turn.state = version.map(sourced);
                self.lanes.weigh(turn);
            }
            Err(error) => tracing::error!(stream = %self.stream, %error, "an `#[apply]` panicked"),
        }
        Ok(())
    }

    /// Whether a snapshot is due with `events`.
    fn is_snapshot_due(&self, basis: &Basis, events: &Events<A>, loading: Option<Duration>) -> bool {
        let Some(policy) = self.repository.policy() else { return false };
        let before = basis.version.map_or(0, Version::get);
        policy.is_due(Passed {
            before,
            after: before + events.len() as u64,
            loading: loading.unwrap_or_default(),
            names: events.iter().map(|event| event.name()),
        })
    }

    /// The state, to be stored as a snapshot.
    fn snapshot(&self, turn: &Turn<A>) -> Option<SnapshotWrite> {
        let Sourced { state, version, lifecycle, .. } = turn.state.as_ref()?;
        if *lifecycle == Lifecycle::End {
            return None;
        }
        self.repository.snapshot_write(self.stream, *version, state)
    }

    /// Keeps a state that took long to load, where no events are stored that a snapshot could go with.
    fn keep_loaded(&self, turn: &Turn<A>, loading: Option<Duration>) {
        let (Some(policy), Some(loading), Some(sourced)) = (self.repository.policy(), loading, &turn.state) else {
            return;
        };
        if policy.is_due_after(loading) && sourced.lifecycle == Lifecycle::Keep {
            let (repository, stream, sourced) = (self.repository.clone(), self.stream.clone(), sourced.clone());
            tokio::spawn(async move { repository.save_snapshot(&stream, &sourced).await });
        }
    }

    fn executed(&self, version: Option<Version>, position: Position, reply: C::Reply) -> Executed {
        Executed::new(Some(self.stream.clone()), version, position, reply)
    }

    fn answer(&self, record: CommandRecord) -> CommandResult {
        self.executor.answer::<C>(self.message, record, Some(self.stream))
    }
}

fn is_stream_conflict(failure: &CommandFailure) -> bool {
    matches!(failure, CommandFailure::Append(AppendError::Conflict(Conflict::Stream { .. })))
}
