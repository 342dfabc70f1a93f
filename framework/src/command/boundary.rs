//! Executes commands of decisions: consistent by the events inside the decision's boundary.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;

use crate::aggregate::{Decision, HandledBy, LoadError};
use crate::message::{Command, Position, StreamId, Tag};
use crate::store::{AppendError, Condition, Conflict, Criteria, Criterion, Read};

use super::bus::CommandHandler;
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::{Basis, Decided, Executor};
use super::interceptor::{Last, Next};
use super::lane::Lanes;
use super::message::{CommandMessage, CommandResult, Executed};
use super::stream::decide;

/// Handles the command `C` of the decision `D`.
pub(crate) struct BoundaryHandler<D: Decision, C> {
    pub(crate) executor: Executor,
    /// Commands about the same first boundary value run one after the other on this node; nothing is cached.
    pub(crate) lanes: Arc<Lanes<()>>,
    pub(crate) types: PhantomData<fn() -> (D, C)>,
}

#[async_trait]
impl<D: Decision, C: HandledBy<D>> CommandHandler for BoundaryHandler<D, C> {
    async fn handle(&self, message: CommandMessage) -> CommandResult {
        let tags = message.command::<C>().map(Command::tags).unwrap_or_default();
        let Some(first) = D::BOUNDARY.first().and_then(|key| tags.iter().find(|tag| tag.key() == *key)) else {
            return Err(CommandFailure::NoTarget { command: C::NAME }.into());
        };
        let turn = self.lanes.turn(first.value()).await?;
        let stream = turn.stream().clone();
        let last = InLane { handler: self, stream: &stream, tags: &tags };
        Next::new(&self.executor.handling, &last).run(message).await
    }
}

struct InLane<'a, D: Decision, C> {
    handler: &'a BoundaryHandler<D, C>,
    stream: &'a StreamId,
    tags: &'a [Tag],
}

#[async_trait]
impl<D: Decision, C: HandledBy<D>> Last for InLane<'_, D, C> {
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

impl<D: Decision, C: HandledBy<D>> InLane<'_, D, C> {
    /// Reads the boundary, decides once, and stores what was decided. The state is always fresh, so that a rejection
    /// needs no second look.
    async fn attempt(&self, message: &CommandMessage, command: &C) -> Result<Result<Executed, Conflict>, CommandError> {
        let executor = &self.handler.executor;
        let criteria = self.criteria();
        let (state, head) = self.read(command, &criteria).await.map_err(CommandFailure::from)?;
        let now = executor.journal.now();
        let context = executor.context(message, now, None);
        let decided = decide(command, &state, &context);
        let basis = Basis {
            now,
            expected: message.expected,
            rests_on: None,
            condition: Some(Condition { criteria, after: head }),
            stream: self.stream.clone(),
            version: None,
            position: head,
        };
        let checked = message.recorded || message.expected.is_some();
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
            Decided::Done { reply, .. } => Ok(Ok(Executed {
                version: appended.version_of(self.stream),
                position: appended.position,
                stream: Some(self.stream.clone()),
                repeated: false,
                reply: Box::new(reply),
            })),
            Decided::Rejected(error) => Err(CommandError::Rejected(Rejection::new(error))),
            Decided::Failed(failure) => match executor.recorded(message).await? {
                Some(record) => executor.answer::<C>(message, record, Some(self.stream)).map(Ok),
                None => Err(failure.into()),
            },
        }
    }

    /// The boundary: for each value of each of its tags, the events of this decision that carry it.
    fn criteria(&self) -> Criteria {
        self.tags.iter().filter(|tag| D::BOUNDARY.contains(&tag.key())).fold(Criteria::none(), |criteria, tag| {
            criteria.or(Criterion::names(D::EVENTS.iter().copied()).and_tag(tag.clone()))
        })
    }

    /// The state from all events inside the boundary, and the head of the store up to which it holds.
    async fn read(&self, command: &C, criteria: &Criteria) -> Result<(D, Position), LoadError> {
        let journal = &self.handler.executor.journal;
        let mut state = command.initial();
        let mut after = Position::START;
        loop {
            let page = journal.read(Read::matching(criteria.clone(), after)).await?;
            for event in &page.events {
                journal
                    .decode(event)
                    .map_err(Into::into)
                    .and_then(|decode| state.evolve(decode))
                    .map_err(|source| LoadError::Evolve { stream: event.recorded.stream.clone(), source })?;
            }
            after = page.scanned;
            if !page.more {
                return Ok((state, after));
            }
        }
    }
}
