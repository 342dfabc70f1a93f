//! Executes commands of aggregates whose state is stored as a row: consistent by the version of the row.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;

use crate::aggregate::{Aggregate, HandledBy, Lifecycle, Sourced, StoredRow, StoredState, changes, keys_in};
use crate::handler::Context;
use crate::message::{Command, Position, StreamId, Timestamp, Version};
use crate::store::{Append, AppendError, CommandRecord, Condition, Conflict, Expected, Outcome};

use super::brought::{Brought, Needs};
use super::bus::CommandHandler;
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::{Decided, Executor};
use super::interceptor::{Last, Next};
use super::keys;
use super::lane::Lanes;
use super::message::{CommandMessage, CommandResult, Executed};
use super::stream::{admitted_as, decide};
use super::work::UnitOfWork;

/// Handles the command `C` of the aggregate `A`.
pub(crate) struct StateHandler<A: Aggregate, C> {
    pub(crate) executor: Executor,
    /// Commands for the same aggregate run one after the other on this node; nothing is cached.
    pub(crate) lanes: Arc<Lanes<()>>,
    pub(crate) rows: StoredState<A>,
    pub(crate) needs: Needs,
    pub(crate) command: PhantomData<fn() -> C>,
}

#[async_trait]
impl<A: Aggregate, C: HandledBy<A>> CommandHandler for StateHandler<A, C> {
    async fn handle(&self, message: CommandMessage) -> CommandResult {
        let target = message.addressee()?.to_owned();
        let turn = self.lanes.turn_for(&target, &message).await?;
        let last = InLane { handler: self, stream: turn.stream().clone() };
        let held = self.lanes.held(&target, message.name);
        held.during(Next::new(&self.executor.handling, &last).run(message)).await
    }

    async fn decide_in(&self, message: &CommandMessage, work: &mut UnitOfWork) -> CommandResult {
        let command = message.own::<C>()?;
        let target = message.addressee()?;
        let stream = StreamId::new(A::NAME, target);
        let before = work.loaded::<A>(&stream).await?;
        let values = work.bring(&self.needs, command, None).await?;
        let draft = work.draft();
        let version = before.as_ref().map(|row| row.version);
        let context = self.executor.context(message, draft.now, version).with_brought(Some(&values));
        let (decided, after) = change(message, command, &stream, before.as_ref(), &context);
        let (events, reply) = decided.done()?;
        draft.effects.extend(self.executor.effects(message, &stream, draft.now, &events)?);
        let events = self.executor.events(message, &stream, draft.now, &events)?;
        let version = after.as_ref().or(before.as_ref()).map(|row| row.version);
        draft.decided(&stream, after.or(before), events);
        Ok(Executed::new(Some(stream), version, draft.position(), reply))
    }
}

struct InLane<'a, A: Aggregate, C> {
    handler: &'a StateHandler<A, C>,
    stream: StreamId,
}

#[async_trait]
impl<A: Aggregate, C: HandledBy<A>> Last for InLane<'_, A, C> {
    async fn run(&self, message: CommandMessage) -> CommandResult {
        let command = message.own::<C>()?;
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
        let rows = self.handler.rows.read(&executor.journal, &self.stream).await;
        let StoredRow { sourced: before, revision } = rows.map_err(CommandFailure::from)?;
        let brought = self.handler.needs.models(&executor.journal, &Command::tags(command), None, &[]).await;
        let Brought { values, condition } = brought.map_err(CommandFailure::from)?;
        let (now, trial) = (executor.journal.now(), message.is_trial());
        let context =
            executor.context(message, now, before.as_ref().map(|row| row.version)).with_brought(Some(&values));
        let (decided, after) = change(message, command, &self.stream, before.as_ref(), &context);
        let record = |outcome| self.record(message, now, outcome, before.as_ref());
        let append = match &decided {
            Decided::Done { events, reply } if !trial => {
                let mut append = self.append(revision, after.as_ref())?;
                append.events = executor.events(message, &self.stream, now, events)?;
                append.effects = executor.effects(message, &self.stream, now, events)?;
                append.command = if message.recorded { Some(record(executor.reply::<C>(reply)?)) } else { None };
                append.condition =
                    condition.map(|read| Condition { criteria: command.condition(read.criteria), ..read });
                append
            }
            Decided::Rejected(error) if message.recorded && !trial => {
                let outcome = executor.rejection::<C>(error)?;
                Append { command: Some(record(outcome)), ..Append::default() }
            }
            _ => Append::default(),
        };
        let keys = match &after {
            Some(after) => changes(&self.stream, &keys_in(before.as_ref()), &keys_in(Some(after))),
            None => Vec::new(),
        };
        if trial {
            keys::writes(&executor.journal, &keys).await?;
        }
        let is_nothing = append.events.is_empty() && append.documents.is_empty() && append.command.is_none();
        let stored = match is_nothing {
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
                let version = after.or(before).map(|row| row.version);
                let executed = Executed::new(Some(self.stream.clone()), version, position, reply);
                Ok(Ok(match trial {
                    true => executed.of_trial(executor.events(message, &self.stream, now, &events)?),
                    false => executed,
                }))
            }
            Decided::Rejected(error) => Err(CommandError::Rejected(Rejection::new(error))),
            Decided::Failed(failure) => match executor.recorded(message).await? {
                Some(record) => executor.answer::<C>(message, record, Some(&self.stream)).map(Ok),
                None => Err(failure.into()),
            },
        }
    }

    /// The append that moves the row, if it moves.
    fn append(&self, revision: u64, after: Option<&Sourced<A>>) -> Result<Append, CommandFailure> {
        if after.is_none() {
            return Ok(Append::default());
        }
        let (journal, rows) = (&self.handler.executor.journal, &self.handler.rows);
        let write = rows.write(journal, self.stream.id(), revision, after);
        let write = write.map_err(|source| CommandFailure::Codec { name: A::NAME.to_owned(), source })?;
        let expected = vec![(self.stream.clone(), Expected::Any)];
        Ok(Append { documents: vec![write], expected, ..Append::default() })
    }

    fn record(
        &self,
        message: &CommandMessage,
        now: Timestamp,
        outcome: Outcome,
        before: Option<&Sourced<A>>,
    ) -> CommandRecord {
        CommandRecord {
            id: message.id,
            name: message.name.to_owned(),
            target: message.target.clone(),
            outcome,
            recorded_at: now,
            position: Position::START,
            version: before.map(|row| row.version),
        }
    }
}

/// Decides on the row `before`, and gives the row afterwards if the handler has changed it.
pub(super) fn change<A: Aggregate, C: HandledBy<A>>(
    message: &CommandMessage,
    command: &C,
    stream: &StreamId,
    before: Option<&Sourced<A>>,
    context: &Context<'_>,
) -> (Decided<A, C>, Option<Sourced<A>>) {
    let version = before.map(|row| row.version);
    if let Some(expected) = message.expected
        && !expected.holds_for(version)
    {
        let (stream, expected) = (stream.clone(), expected.to_string());
        let source = Conflict::Stream { stream, expected, actual: version };
        return (Decided::Failed(CommandFailure::Conflict { attempts: 1, source }), None);
    }
    if let Err(failure) = admitted_as::<A, C>(before.map(|row| row.lifecycle), stream) {
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
    match decide(command, state, context, stream) {
        Decided::Done { mut events, reply } => {
            let lifecycle = events.lifecycle();
            let left = events.take_left().or_else(|| (lifecycle == Lifecycle::End).then(|| state.clone()));
            // What was created exists, also where the handler has left it as it was.
            let left = left.or_else(|| (before.is_none() && !events.is_empty()).then(|| state.clone()));
            let moved =
                |state| Sourced { state, version: Version::after(version), position: Position::START, lifecycle };
            (Decided::Done { events, reply }, left.map(moved))
        }
        other => (other, None),
    }
}
