//! Executes commands of aggregates whose state is stored as a row: consistent by the version of the row.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;

use crate::aggregate::{Aggregate, HandledBy, Lifecycle, RowError, StoredRow, StoredState, changes, keys_of};
use crate::message::{StreamId, Version};
use crate::store::{Append, AppendError, CommandRecord, Conflict, Expected, Outcome};

use super::bus::CommandHandler;
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::{Decided, Executor};
use super::interceptor::{Last, Next};
use super::keys;
use super::lane::Lanes;
use super::message::{CommandMessage, CommandResult, Executed};
use super::stream::{admitted_as, decide};

/// Handles the command `C` of the aggregate `A`.
pub(crate) struct StateHandler<A: Aggregate, C> {
    pub(crate) executor: Executor,
    /// Commands for the same aggregate run one after the other on this node; nothing is cached.
    pub(crate) lanes: Arc<Lanes<()>>,
    pub(crate) rows: StoredState<A>,
    pub(crate) command: PhantomData<fn() -> C>,
}

#[async_trait]
impl<A: Aggregate, C: HandledBy<A>> CommandHandler for StateHandler<A, C> {
    async fn handle(&self, message: CommandMessage) -> CommandResult {
        let Some(target) = message.target.clone() else {
            return Err(CommandFailure::NoTarget { command: C::NAME }.into());
        };
        let turn = self.lanes.turn_for(&target, &message).await?;
        let last = InLane { handler: self, stream: turn.stream().clone() };
        let held = self.lanes.held(&target, message.name);
        held.during(Next::new(&self.executor.handling, &last).run(message)).await
    }
}

struct InLane<'a, A: Aggregate, C> {
    handler: &'a StateHandler<A, C>,
    stream: StreamId,
}

#[async_trait]
impl<A: Aggregate, C: HandledBy<A>> Last for InLane<'_, A, C> {
    async fn run(&self, message: CommandMessage) -> CommandResult {
        let Some(command) = message.command::<C>() else {
            return Err(CommandFailure::NoHandler { command: message.name.to_owned() }.into());
        };
        let mut pauses = self.handler.executor.config.pauses();
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(&message, command).await? {
                Ok(executed) => return Ok(executed),
                Err(source) => {
                    // The caller who named a version wants to know, not to have the decision run on another one.
                    let pause = if message.expected.is_some() { None } else { pauses.next() };
                    let Some(pause) = pause else {
                        return Err(CommandFailure::Conflict { attempts, source }.into());
                    };
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

impl<A: Aggregate, C: HandledBy<A>> InLane<'_, A, C> {
    /// Reads the row, decides once, and stores what was decided. The state is always fresh, so that a rejection needs no
    /// second look.
    async fn attempt(&self, message: &CommandMessage, command: &C) -> Result<Result<Executed, Conflict>, CommandError> {
        let executor = &self.handler.executor;
        let read = self.handler.rows.read(&executor.journal, self.stream.id()).await;
        let before = read.map_err(|error| self.unread(error))?;
        let (decided, after) = self.decide(message, command, before.as_ref());
        let append = match &decided {
            Decided::Done { events, reply } if !message.is_trial() => {
                let outcome = executor.reply::<C>(reply)?;
                let mut append = self.append(before.as_ref(), after.as_ref())?;
                append.events = executor.events(message, &self.stream, executor.journal.now(), events)?;
                append.command = message.recorded.then(|| self.record(message, outcome, before.as_ref()));
                append
            }
            Decided::Rejected(error) if message.recorded && !message.is_trial() => {
                let outcome = executor.rejection::<C>(error)?;
                Append { command: Some(self.record(message, outcome, before.as_ref())), ..Append::default() }
            }
            _ => Append::default(),
        };
        let (moved, keys) = (!append.documents.is_empty(), self.key_changes(before.as_ref(), after.as_ref()));
        if message.is_trial() {
            keys::writes(&executor.journal, &keys).await?;
        }
        let stored = match append.events.is_empty() && !moved && append.command.is_none() {
            true => None,
            false => match executor.submit(append, keys).await {
                Ok(appended) => Some(appended),
                Err(CommandFailure::Append(AppendError::CommandRepeated(record))) => {
                    return executor.answer::<C>(message, *record, Some(&self.stream)).map(Ok);
                }
                Err(CommandFailure::Append(AppendError::Conflict(conflict))) => return Ok(Err(conflict)),
                Err(failure) => return Err(failure.into()),
            },
        };
        match decided {
            Decided::Done { events, reply } => {
                let position = match stored {
                    Some(appended) => appended.position,
                    None => executor.journal.store().head().await.map_err(CommandFailure::from)?,
                };
                let version = before.as_ref().map_or(0, |row| row.version.get()) + u64::from(moved);
                let trial = match message.is_trial() {
                    true => Some(executor.events(message, &self.stream, executor.journal.now(), &events)?),
                    false => None,
                };
                let (stream, reply) = (Some(self.stream.clone()), Box::new(reply));
                Ok(Ok(Executed { version: Version::new(version), position, stream, repeated: false, trial, reply }))
            }
            Decided::Rejected(error) => Err(CommandError::Rejected(Rejection::new(error))),
            Decided::Failed(failure) => match executor.recorded(message).await? {
                Some(record) => executor.answer::<C>(message, record, Some(&self.stream)).map(Ok),
                None => Err(failure.into()),
            },
        }
    }

    /// Decides, and gives the state afterwards if the handler has changed it.
    fn decide(
        &self,
        message: &CommandMessage,
        command: &C,
        before: Option<&StoredRow<A>>,
    ) -> (Decided<A, C>, Option<(A, Lifecycle)>) {
        let version = before.map(|row| row.version);
        if let Some(expected) = message.expected
            && !expected.holds_for(version)
        {
            let (stream, expected) = (self.stream.clone(), expected.to_string());
            let source = Conflict::Stream { stream, expected, actual: version };
            return (Decided::Failed(CommandFailure::Conflict { attempts: 1, source }), None);
        }
        if let Err(failure) = admitted_as::<A, C>(before.map(|row| row.lifecycle), &self.stream) {
            return (Decided::Failed(failure), None);
        }
        let initial;
        let state = match before {
            Some(row) => &row.state,
            None => {
                initial = command.initial();
                &initial
            }
        };
        let executor = &self.handler.executor;
        let context = executor.context(message, executor.journal.now(), version);
        match decide(command, state, &context, &self.stream) {
            Decided::Done { mut events, reply } => {
                let lifecycle = events.lifecycle();
                let left = events.take_left().or_else(|| (lifecycle == Lifecycle::End).then(|| state.clone()));
                // What was created exists, also where the handler has left it as it was.
                let left = left.or_else(|| (before.is_none() && !events.is_empty()).then(|| state.clone()));
                (Decided::Done { events, reply }, left.map(|state| (state, lifecycle)))
            }
            other => (other, None),
        }
    }

    /// The append that moves the row, if it moves.
    fn append(&self, before: Option<&StoredRow<A>>, after: Option<&(A, Lifecycle)>) -> Result<Append, CommandFailure> {
        let Some((state, lifecycle)) = after else { return Ok(Append::default()) };
        let handler = self.handler;
        let version = before.map(|row| row.version);
        let write = handler.rows.write(&handler.executor.journal, self.stream.id(), version, (state, *lifecycle));
        let write = write.map_err(|source| CommandFailure::Codec { name: A::NAME.to_owned(), source })?;
        let expected = vec![(self.stream.clone(), Expected::Any)];
        Ok(Append { documents: vec![write], expected, ..Append::default() })
    }

    fn key_changes(
        &self,
        before: Option<&StoredRow<A>>,
        after: Option<&(A, Lifecycle)>,
    ) -> Vec<crate::aggregate::KeyChange> {
        let Some((state, lifecycle)) = after else { return Vec::new() };
        let before = keys_of(before.map(|row| (&row.state, row.lifecycle)));
        changes(&self.stream, &before, &keys_of(Some((state, *lifecycle))))
    }

    fn record(&self, message: &CommandMessage, outcome: Outcome, before: Option<&StoredRow<A>>) -> CommandRecord {
        CommandRecord {
            id: message.id,
            name: message.name.to_owned(),
            target: message.target.clone(),
            outcome,
            recorded_at: self.handler.executor.journal.now(),
            position: crate::message::Position::START,
            version: before.map(|row| row.version),
        }
    }

    fn unread(&self, error: RowError) -> CommandFailure {
        match error {
            RowError::Store(error) => error.into(),
            RowError::Codec(source) => CommandFailure::Codec { name: self.stream.to_string(), source },
        }
    }
}
