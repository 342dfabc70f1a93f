//! Executes commands of aggregates: consistent by the version of the aggregate's own stream.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;

use crate::aggregate::{Aggregate, Creation, Events, HandledBy, Refusal, Repository, Sourced};
use crate::message::{Command, Position, StreamId, Version};
use crate::store::{AppendError, CommandRecord, Conflict, Expected};

use super::bus::CommandHandler;
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::{Basis, Decided, Executor, guarded};
use super::interceptor::{Last, Next};
use super::lane::{Lanes, Turn};
use super::message::{CommandMessage, CommandResult, Executed};

/// Handles the command `C` of the aggregate `A`.
pub(crate) struct StreamHandler<A: Aggregate, C> {
    pub(crate) executor: Executor,
    pub(crate) lanes: Arc<Lanes<A>>,
    pub(crate) repository: Repository<A>,
    pub(crate) command: PhantomData<fn() -> C>,
}

#[async_trait]
impl<A: Aggregate, C: HandledBy<A>> CommandHandler for StreamHandler<A, C> {
    async fn handle(&self, message: CommandMessage) -> CommandResult {
        let Some(target) = &message.target else { return Err(CommandFailure::NoTarget { command: C::NAME }.into()) };
        let stream = StreamId::new(A::NAME, target.as_str());
        let lane = self.lanes.lane(target).map_err(|waiting| CommandFailure::Busy {
            stream: stream.clone(),
            waiting,
            limit: self.lanes.limit(),
        })?;
        let turn = lane.turn().await;
        let last = InLane { handler: self, turn: &turn, stream: &stream };
        Next::new(&self.executor.handling, &last).run(message).await
    }
}

/// A command that has its aggregate to itself.
struct InLane<'a, A: Aggregate, C> {
    handler: &'a StreamHandler<A, C>,
    turn: &'a Turn<'a, A>,
    stream: &'a StreamId,
}

/// Why a decision is taken again.
enum Again {
    /// The state in memory was old, or none was looked at; nothing else got in the way.
    Stale,
    Conflict(Conflict),
}

#[async_trait]
impl<A: Aggregate, C: HandledBy<A>> Last for InLane<'_, A, C> {
    async fn run(&self, message: CommandMessage) -> CommandResult {
        let Some(command) = message.command::<C>() else {
            return Err(CommandFailure::NoHandler { command: message.name.to_owned() }.into());
        };
        let executor = &self.handler.executor;
        let mut pauses = executor.config.pauses();
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(&message, command, attempts).await? {
                Ok(executed) => return Ok(executed),
                Err(Again::Stale) => {}
                Err(Again::Conflict(source)) => {
                    // The caller who named a version wants to know, not to have the decision run on another one.
                    let pause = if message.expected.is_some() { None } else { pauses.next() };
                    let Some(pause) = pause else { return Err(CommandFailure::Conflict { attempts, source }.into()) };
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

impl<A: Aggregate, C: HandledBy<A>> InLane<'_, A, C> {
    /// Decides once, and stores what was decided.
    async fn attempt(
        &self,
        message: &CommandMessage,
        command: &C,
        attempt: u32,
    ) -> Result<Result<Executed, Again>, CommandError> {
        let executor = &self.handler.executor;
        let mut state = self.turn.state().await;
        // A handler that creates needs no state at first: the append checks that the stream is empty.
        let creates = C::CREATION == Creation::MustNotExist;
        let loaded = state.is_none() && (!creates || attempt > 1);
        if loaded {
            let (repository, id) = (&self.handler.repository, self.stream.id());
            // After two conflicts the snapshot itself may be at fault.
            let loaded = if attempt > 2 { repository.replay(id).await } else { repository.load(id).await };
            *state = loaded.map_err(CommandFailure::from)?;
        }
        let version = state.as_ref().map(|sourced| sourced.version);
        let basis = Basis {
            expected: vec![(self.stream.clone(), Expected::exactly(version))],
            condition: None,
            stream: self.stream.clone(),
            version,
            position: state.as_ref().map(|sourced| sourced.position).unwrap_or_default(),
        };
        let decided = self.decide(message, command, state.as_ref());
        let appended = match decided {
            Decided::Done { events, reply } if !events.is_empty() => {
                let stored = executor.append(message, &basis, &events, || executor.reply::<C>(&reply)).await;
                return match stored {
                    Ok(appended) => {
                        let version = appended.version_of(self.stream).or(version);
                        let position = appended.position;
                        if appended.repeated {
                            *state = None;
                        } else if let Some(version) = version {
                            self.keep(&mut state, &events, version, position);
                        }
                        Ok(Ok(self.executed(version, position, reply)))
                    }
                    Err(CommandFailure::Append(AppendError::CommandRepeated(record))) => {
                        self.answer(message, *record).map(Ok)
                    }
                    Err(CommandFailure::Append(AppendError::Conflict(conflict))) => {
                        *state = None;
                        match (&conflict, creates) {
                            (Conflict::Stream { .. }, true) => Err(self.exists()),
                            _ => Ok(Err(Again::Conflict(conflict))),
                        }
                    }
                    Err(failure) => {
                        *state = None;
                        Err(failure.into())
                    }
                };
            }
            other => other,
        };
        // Nothing is to be stored but, where the command may be repeated, its outcome. That append checks the head; where
        // there is none, a decision that was not taken on a state just loaded is checked against the head itself
        // (guarantee 4).
        let recorded = message.recorded && !matches!(appended, Decided::Failed(_));
        let mut position = basis.position;
        if recorded {
            let stored = executor
                .append(message, &basis, &Events::<A>::default(), || match &appended {
                    Decided::Done { reply, .. } => executor.reply::<C>(reply),
                    Decided::Rejected(error) => executor.rejection::<C>(error),
                    Decided::Failed(_) => Ok(crate::store::Outcome::Done(Vec::new())),
                })
                .await;
            match stored {
                // A repeat gets the position of the record, so the first answer has it too.
                Ok(appended) => position = appended.position,
                Err(CommandFailure::Append(AppendError::CommandRepeated(record))) => {
                    return self.answer(message, *record).map(Ok);
                }
                Err(CommandFailure::Append(AppendError::Conflict(conflict))) => {
                    *state = None;
                    return Ok(Err(Again::Conflict(conflict)));
                }
                Err(failure) => return Err(failure.into()),
            }
        } else if !loaded && self.is_stale(version).await? {
            *state = None;
            return Ok(Err(Again::Stale));
        }
        match appended {
            Decided::Done { reply, .. } => Ok(Ok(self.executed(basis.version, position, reply))),
            Decided::Rejected(error) => Err(CommandError::Rejected(Rejection::new(error))),
            Decided::Failed(failure) => match executor.recorded(message).await? {
                Some(record) => self.answer(message, record).map(Ok),
                None => Err(failure.into()),
            },
        }
    }

    fn decide(&self, message: &CommandMessage, command: &C, state: Option<&Sourced<A>>) -> Decided<A, C> {
        let version = state.map(|sourced| sourced.version);
        if let Some(expected) = message.expected
            && !expected.holds_for(version)
        {
            let source =
                Conflict::Stream { stream: self.stream.clone(), expected: expected.to_string(), actual: version };
            return Decided::Failed(CommandFailure::Conflict { attempts: 1, source });
        }
        match (C::CREATION, version) {
            (Creation::MustNotExist, Some(_)) => {
                return Decided::Failed(CommandFailure::AlreadyExists { stream: self.stream.clone() });
            }
            (Creation::MustExist, None) => {
                return Decided::Failed(CommandFailure::NotFound { stream: self.stream.clone() });
            }
            _ => {}
        }
        let initial;
        let current = match state {
            Some(sourced) => &sourced.state,
            None => {
                initial = command.initial();
                &initial
            }
        };
        let context = self.handler.executor.context(message, version);
        decide(command, current, &context)
    }

    /// Whether the stream has moved past `version`.
    async fn is_stale(&self, version: Option<Version>) -> Result<bool, CommandFailure> {
        Ok(self.handler.executor.journal.stream_head(self.stream).await? != version)
    }

    /// Moves the state in memory on by `events`, and makes a snapshot where one is due.
    fn keep(&self, state: &mut Option<Sourced<A>>, events: &Events<A>, version: Version, position: Position) {
        let before = state.as_ref().map_or(0, |sourced| sourced.version.get());
        let mut moved = state.take().map(|sourced| sourced.state).unwrap_or_default();
        let applied = guarded(C::NAME, || events.iter().for_each(|event| event.apply_to(&mut moved)));
        if let Err(error) = applied {
            // The events are stored. The next command loads the state and meets the same panic with a better address.
            tracing::error!(stream = %self.stream, %error, "an `#[apply]` panicked");
            return;
        }
        let sourced = state.insert(Sourced { state: moved, version, position });
        if A::snapshots().is_some_and(|policy| policy.is_due(before, version.get())) {
            let (repository, stream, sourced) = (self.handler.repository.clone(), self.stream.clone(), sourced.clone());
            tokio::spawn(async move { repository.save_snapshot(&stream, &sourced).await });
        }
    }

    fn executed(&self, version: Option<Version>, position: Position, reply: C::Reply) -> Executed {
        Executed { version, position, stream: Some(self.stream.clone()), repeated: false, reply: Box::new(reply) }
    }

    fn answer(&self, message: &CommandMessage, record: CommandRecord) -> CommandResult {
        self.handler.executor.answer::<C>(message, record, Some(self.stream))
    }

    fn exists(&self) -> CommandError {
        CommandFailure::AlreadyExists { stream: self.stream.clone() }.into()
    }
}

/// Runs the handler.
pub(crate) fn decide<S, C: HandledBy<S>>(
    command: &C,
    state: &S,
    context: &crate::handler::Context<'_>,
) -> Decided<S, C> {
    let mut events = Events::default();
    match guarded(C::NAME, || command.decide(state, context, &mut events)) {
        Ok(Ok(reply)) => Decided::Done { events, reply },
        Ok(Err(Refusal::Rejected(error))) => Decided::Rejected(error),
        Ok(Err(Refusal::Context(error))) => Decided::Failed(error.into()),
        Ok(Err(Refusal::Failed(error))) => Decided::Failed(CommandFailure::Handler {
            command: <C as Command>::NAME.to_owned(),
            source: error.into_source(),
        }),
        Err(failure) => Decided::Failed(failure),
    }
}
