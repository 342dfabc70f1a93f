//! Executes commands of aggregates: consistent by the version of the aggregate's own stream.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::aggregate::{Aggregate, Creation, Events, HandledBy, Lifecycle, Repository, Sourced};
use crate::message::{StreamId, Version};

use super::attempt::{Attempt, Ended, Return, Why};
use super::brought::Needs;
use super::bus::CommandHandler;
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::{Decided, Executor, guarded};
use super::held::Held;
use super::interceptor::{Last, Next};
use super::lane::{AHEAD_ATTEMPTS, Lanes, Turn};
use super::message::{CommandMessage, CommandResult, Executed};
use super::work::Draft;

/// Handles the command `C` of the aggregate `A`.
pub(crate) struct StreamHandler<A: Aggregate, C> {
    pub(crate) executor: Executor,
    pub(crate) lanes: Arc<Lanes<A>>,
    pub(crate) repository: Repository<A>,
    pub(crate) needs: Needs,
    pub(crate) command: PhantomData<fn() -> C>,
}

#[async_trait]
impl<A: Aggregate, C: HandledBy<A>> CommandHandler for StreamHandler<A, C> {
    async fn handle(&self, message: CommandMessage) -> CommandResult {
        let Some(target) = &message.target else { return Err(CommandFailure::NoTarget { command: C::NAME }.into()) };
        let turn = self.lanes.turn_for(target, &message).await?;
        if self.executor.handling.is_empty() {
            return self.execute(&message, turn).await;
        }
        let held = self.lanes.held(target, message.name);
        let last = InLane {
            handler: self,
            stream: turn.stream().clone(),
            turn: Mutex::new(Some(turn)),
            held: Arc::clone(&held),
        };
        held.during(Next::new(&self.executor.handling, &last).run(message)).await
    }

    async fn decide_in(&self, message: &CommandMessage, draft: &mut Draft) -> CommandResult {
        self.draft(message, draft).await
    }
}

impl<A: Aggregate, C: HandledBy<A>> StreamHandler<A, C> {
    /// Decides on the state that `draft` has, or on the stored one.
    async fn draft(&self, message: &CommandMessage, draft: &mut Draft) -> CommandResult {
        let Some(command) = message.command::<C>() else {
            return Err(CommandFailure::NoHandler { command: message.name.to_owned() }.into());
        };
        let Some(target) = &message.target else { return Err(CommandFailure::NoTarget { command: C::NAME }.into()) };
        if !self.needs.is_empty() {
            let reason = format!(
                "the handler of `{}` asks for more than its target, and cannot be part of a unit of work",
                C::NAME
            );
            return Err(CommandFailure::Refused { reason }.into());
        }
        let stream = StreamId::new(A::NAME, target.as_str());
        if draft.state::<A>(&stream).is_none() {
            let loaded = self.repository.load(target).await.map_err(CommandFailure::from)?;
            draft.loaded(&stream, loaded);
        }
        let before = draft.state::<A>(&stream).cloned().flatten();
        let version = before.as_ref().map(|sourced| sourced.version);
        admitted::<A, C>(before.as_ref(), &stream)?;
        let state = before.as_ref().map_or_else(|| command.initial(), |sourced| sourced.state.clone());
        let context = self.executor.context(message, draft.now, version);
        let (events, reply) = match decide(command, &state, &context, &stream) {
            Decided::Done { events, reply } => (events, reply),
            Decided::Rejected(error) => return Err(CommandError::Rejected(Rejection::new(error))),
            Decided::Failed(failure) => return Err(failure.into()),
        };
        let position = before.as_ref().map(|sourced| sourced.position).unwrap_or_default();
        let mut after = before.map_or_else(A::default, |sourced| sourced.state);
        let applied =
            guarded(C::NAME, || events.iter().try_fold(Lifecycle::Keep, |_, event| event.apply_to(&mut after)))?;
        let lifecycle = applied.map_err(|source| CommandFailure::Misfit { stream: stream.clone(), source })?;
        let version = Version::new(version.map_or(0, Version::get) + events.len() as u64);
        let after = version.map(|version| Sourced { state: after, version, position, lifecycle });
        let stored = self.executor.events(message, &stream, draft.now, &events)?;
        draft.decided(&stream, after, stored);
        let stream = Some(stream);
        Ok(Executed { version, position, stream, repeated: false, trial: None, reply: Box::new(reply) })
    }
}

/// Whether a command may be decided on this state.
pub(super) fn admitted<A, C: HandledBy<A>>(
    state: Option<&Sourced<A>>,
    stream: &StreamId,
) -> Result<(), CommandFailure> {
    admitted_as::<A, C>(state.map(|sourced| sourced.lifecycle), stream)
}

/// Whether a command may be decided on a state that goes on, has ended, or does not exist.
pub(super) fn admitted_as<A, C: HandledBy<A>>(
    lifecycle: Option<Lifecycle>,
    stream: &StreamId,
) -> Result<(), CommandFailure> {
    match (C::CREATION, lifecycle) {
        (_, Some(Lifecycle::End)) => Err(CommandFailure::Ended { stream: stream.clone() }),
        (Creation::MustNotExist, Some(_)) => Err(CommandFailure::AlreadyExists { stream: stream.clone() }),
        (Creation::MustExist, None) => Err(CommandFailure::NotFound { stream: stream.clone() }),
        _ => Ok(()),
    }
}

/// A command whose turn it is.
struct InLane<'a, A: Aggregate, C> {
    handler: &'a StreamHandler<A, C>,
    stream: StreamId,
    /// Taken when the command is decided.
    turn: Mutex<Option<Turn<A>>>,
    held: Arc<Held>,
}

#[async_trait]
impl<A: Aggregate, C: HandledBy<A>> Last for InLane<'_, A, C> {
    async fn run(&self, message: CommandMessage) -> CommandResult {
        let taken = self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
        let turn = match taken {
            Some(turn) => {
                self.held.release();
                turn
            }
            None => self.handler.lanes.turn_for(self.stream.id(), &message).await?,
        };
        self.handler.execute(&message, turn).await
    }
}

impl<A: Aggregate, C: HandledBy<A>> StreamHandler<A, C> {
    /// Decides as often as it takes.
    async fn execute(&self, message: &CommandMessage, mut turn: Turn<A>) -> CommandResult {
        let Some(command) = message.command::<C>() else {
            return Err(CommandFailure::NoHandler { command: message.name.to_owned() }.into());
        };
        let stream = turn.stream().clone();
        let mut pauses = None;
        let (mut attempts, mut ahead) = (1, 0);
        loop {
            turn = turn.ready(ahead).await;
            let attempt = Attempt {
                executor: &self.executor,
                repository: &self.repository,
                lanes: &self.lanes,
                needs: &self.needs,
                stream: &stream,
                message,
                command,
                number: attempts,
                ahead,
            };
            let (why, back) = match attempt.run(turn).await {
                Ended::Answered(result) => {
                    // What was in use until now may be dropped.
                    self.lanes.make_room();
                    return result;
                }
                Ended::Again(why, back) => (why, back),
            };
            match why {
                Why::Ahead => ahead += 1,
                Why::Alone => ahead = AHEAD_ATTEMPTS,
                Why::Stale => attempts += 1,
                Why::Conflict(source) => {
                    let pauses = pauses.get_or_insert_with(|| Box::new(self.executor.config.pauses()));
                    // The caller who named a version wants to know, not to have the decision run on another one.
                    let pause = if message.expected.is_some() && !self.needs.unseen { None } else { pauses.next() };
                    let Some(pause) = pause else { return Err(CommandFailure::Conflict { attempts, source }.into()) };
                    attempts += 1;
                    self.executor.observer.conflicted(C::NAME);
                    Box::pin(tokio::time::sleep(pause)).await;
                }
            }
            turn = match back {
                Return::Turn(turn) => turn,
                Return::Comeback(comeback) => comeback.turn(ahead).await,
            };
        }
    }
}

/// Runs the handler.
pub(crate) fn decide<S, C: HandledBy<S>>(
    command: &C,
    state: &S,
    context: &crate::handler::Context<'_>,
    stream: &StreamId,
) -> Decided<S, C> {
    let mut events = Events::default();
    match guarded(C::NAME, || command.decide(state, context, &mut events)) {
        Ok(Ok(reply)) => match events.misfit() {
            None => Decided::Done { events, reply },
            Some(source) => Decided::Failed(CommandFailure::Misfit { stream: stream.clone(), source }),
        },
        Ok(Err(refusal)) => match CommandFailure::of_refusal::<C>(refusal, Some(stream)) {
            Ok(error) => Decided::Rejected(error),
            Err(failure) => Decided::Failed(failure),
        },
        Err(failure) => Decided::Failed(failure),
    }
}
