//! Executes commands of decisions: consistent by the events inside the decision's boundary.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;

use crate::aggregate::{Decision, HandledBy, boundary_for, fold_boundary};
use crate::message::{Command, StreamId, Tag};
use crate::store::{AppendError, Condition, Conflict};

use super::brought::{Brought, Needs};
use super::bus::CommandHandler;
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::{Basis, Decided, Executor};
use super::interceptor::{Last, Next};
use super::lane::Lanes;
use super::message::{CommandMessage, CommandResult, Executed};
use super::stream::decide;
use super::work::UnitOfWork;

/// Handles the command `C` of the decision `D`.
pub(crate) struct BoundaryHandler<D: Decision, C> {
    pub(crate) executor: Executor,
    /// Commands for the same stream run one after the other on this node; nothing is cached.
    pub(crate) lanes: Arc<Lanes<()>>,
    pub(crate) needs: Needs,
    pub(crate) types: PhantomData<fn() -> (D, C)>,
}

#[async_trait]
impl<D: Decision, C: HandledBy<D>> CommandHandler for BoundaryHandler<D, C> {
    async fn handle(&self, message: CommandMessage) -> CommandResult {
        let tags = message.command::<C>().map(Command::tags).unwrap_or_default();
        let Some(id) = message.target.as_deref().or_else(|| first_value::<D>(&tags)) else {
            return Err(CommandFailure::NoTarget { command: C::NAME }.into());
        };
        let turn = self.lanes.turn_for(id, &message).await?;
        let stream = turn.stream().clone();
        let last = InLane { handler: self, stream: &stream, tags: &tags };
        let next = Next::new(&self.executor.handling, &last);
        if self.executor.handling.is_empty() {
            return next.run(message).await;
        }
        self.lanes.held(stream.id(), message.name).during(next.run(message)).await
    }

    async fn decide_in(&self, message: &CommandMessage, work: &mut UnitOfWork) -> CommandResult {
        let command = message.own::<C>()?;
        let tags = Command::tags(command);
        let Some(id) = message.target.as_deref().or_else(|| first_value::<D>(&tags)) else {
            return Err(CommandFailure::NoTarget { command: C::NAME }.into());
        };
        let (stream, boundary) = (StreamId::new(D::NAME, id), boundary_for::<D, C>(command));
        let (state, head) = work.folded(command.initial(), &boundary).await?;
        let values = work.bring(&self.needs, command, Some((boundary, head))).await?;
        let draft = work.draft();
        let context = self.executor.context(message, draft.now, None).with_brought(Some(&values));
        let (events, reply) = decide(command, &state, &context, &stream).done()?;
        draft.events.extend(self.executor.events(message, &stream, draft.now, &events)?);
        draft.effects.extend(self.executor.effects(message, &stream, draft.now, &events)?);
        Ok(Executed::new(Some(stream), None, head, reply))
    }
}

/// The value of the boundary's first tag.
fn first_value<D: Decision>(tags: &[Tag]) -> Option<&str> {
    let first = *D::BOUNDARY.first()?.first()?;
    tags.iter().find(|tag| tag.key() == first).map(Tag::value)
}

struct InLane<'a, D: Decision, C> {
    handler: &'a BoundaryHandler<D, C>,
    stream: &'a StreamId,
    tags: &'a [Tag],
}

#[async_trait]
impl<D: Decision, C: HandledBy<D>> Last for InLane<'_, D, C> {
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
                    self.handler.executor.observer.conflicted(C::NAME);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

impl<D: Decision, C: HandledBy<D>> InLane<'_, D, C> {
    /// Reads the boundary, decides once, and stores what was decided. The state is always fresh, so that a rejection
    /// needs no second look.
    async fn attempt(&self, message: &CommandMessage, command: &C) -> Result<Result<Executed, Conflict>, CommandError> {
        let executor = &self.handler.executor;
        let boundary = boundary_for::<D, C>(command);
        let read = fold_boundary(&executor.journal, command.initial(), boundary.clone(), None).await;
        let (state, head) = read.map_err(CommandFailure::from)?;
        let read = Some((boundary, head));
        let brought = self.handler.needs.models(&executor.journal, self.tags, read, &[]).await;
        let Brought { values, condition } = brought.map_err(CommandFailure::from)?;
        let now = executor.journal.now();
        let context = executor.context(message, now, None).with_brought(Some(&values));
        let decided = decide(command, &state, &context, self.stream);
        let basis = Basis {
            now,
            expected: message.expected,
            rests_on: None,
            condition: condition.map(|read| Condition { criteria: command.condition(read.criteria), ..read }),
            stream: self.stream.clone(),
            version: None,
            position: head,
        };
        if message.is_trial()
            && let Decided::Done { events, reply } = decided
        {
            let append = executor.prepare(message, &basis, &events, || executor.reply::<C>(&reply))?;
            let executed = Executed::new(Some(self.stream.clone()), None, head, reply);
            return Ok(Ok(executed.of_trial(append.events)));
        }
        let checked = !message.is_trial() && message.recorded || message.expected.is_some();
        let stored = match &decided {
            Decided::Done { events, reply } if checked || !events.is_empty() => {
                executor.append(message, &basis, events, || executor.reply::<C>(reply)).await
            }
            Decided::Rejected(error) if checked => {
                let nothing = crate::aggregate::Events::<D>::default();
                executor.append(message, &basis, &nothing, || executor.rejection::<C>(error)).await
            }
            _ => Ok(crate::store::Appended { position: head, versions: Vec::new(), repeated: false }),
        };
        let appended = match stored {
            Ok(appended) => appended,
            Err(CommandFailure::Append(AppendError::CommandRepeated(record))) => {
                return executor.answer::<C>(message, *record, Some(self.stream)).map(Ok);
            }
            Err(CommandFailure::Append(AppendError::Conflict(conflict))) => return Ok(Err(conflict)),
            Err(failure) => return Err(failure.into()),
        };
        match decided {
            Decided::Done { reply, .. } => {
                let version = appended.version_of(self.stream);
                Ok(Ok(Executed::new(Some(self.stream.clone()), version, appended.position, reply)))
            }
            Decided::Rejected(error) => Err(CommandError::Rejected(Rejection::new(error))),
            Decided::Failed(failure) => match executor.recorded(message).await? {
                Some(record) => executor.answer::<C>(message, record, Some(self.stream)).map(Ok),
                None => Err(failure.into()),
            },
        }
    }
}
