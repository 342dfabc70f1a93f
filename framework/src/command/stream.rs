//! Executes commands of aggregates: consistent by the version of the aggregate's own stream.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::aggregate::{Aggregate, Creation, Events, HandledBy, Lifecycle, Repository, Sourced};
use crate::message::{Position, StreamId, Version};

use super::attempt::{Attempt, Ended, Return, Why};
use super::brought::Needs;
use super::bus::CommandHandler;
use super::error::CommandFailure;
use super::execute::{Decided, Executor, guarded};
use super::held::Held;
use super::interceptor::{Last, Next};
use super::lane::{AHEAD_ATTEMPTS, Lanes, Turn};
use super::message::{CommandMessage, CommandResult, Executed};
use super::work::UnitOfWork;

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
        let target = message.addressee()?;
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

    async fn decide_in(&self, message: &CommandMessage, work: &mut UnitOfWork) -> CommandResult {
        let command = message.own::<C>()?;
        let target = message.addressee()?;
        let stream = StreamId::new(A::NAME, target);
        let before = work.loaded::<A>(&stream).await?;
        admitted::<A, C>(before.as_ref(), &stream)?;
        let values = work.bring(&self.needs, command, None).await?;
        let draft = work.draft();
        let version = before.as_ref().map(|sourced| sourced.version);
        let state = before.as_ref().map_or_else(|| command.initial(), |sourced| sourced.state.clone());
        let context = self.executor.context(message, draft.now, version).with_brought(Some(&values));
        let (events, reply) = decide(command, &state, &context, &stream).done()?;
        let after = moved_on::<A>(before, &events, &stream)?;
        let position = after.as_ref().map(|sourced| sourced.position).unwrap_or_default();
        let version = after.as_ref().map(|sourced| sourced.version);
        let stored = self.executor.events(message, &stream, draft.now, &events)?;
        draft.effects.extend(self.executor.effects(message, &stream, draft.now, &events)?);
        draft.decided(&stream, after, stored);
        Ok(Executed::new(Some(stream), version, position, reply))
    }
}

/// The state `before`, moved on by `events`.
///
/// # Errors
/// When an event does not fit the state.
fn moved_on<A: Aggregate>(
    before: Option<Sourced<A>>,
    events: &Events<A>,
    stream: &StreamId,
) -> Result<Option<Sourced<A>>, CommandFailure> {
    let (version, position, lifecycle) = before.as_ref().map_or((0, Position::START, Lifecycle::Keep), |sourced| {
        (sourced.version.get(), sourced.position, sourced.lifecycle)
    });
    let mut state = before.map_or_else(A::default, |sourced| sourced.state);
    let applied = guarded(A::NAME, || events.iter().try_fold(lifecycle, |_, event| event.apply_to(&mut state)))?;
    let lifecycle = applied.map_err(|source| CommandFailure::Misfit { stream: stream.clone(), source })?;
    let version = Version::new(version + events.len() as u64);
    Ok(version.map(|version| Sourced { state, version, position, lifecycle }))
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
        let command = message.own::<C>()?;
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
        Ok(Ok(reply)) => match (events.misfit(), events.unkept_deadline()) {
            (Some(source), _) => Decided::Failed(CommandFailure::Misfit { stream: stream.clone(), source }),
            (None, Some(deadline)) => {
                let (stream, deadline) = (stream.clone(), deadline.to_owned());
                Decided::Failed(CommandFailure::DeadlineWithoutEvent { stream, deadline })
            }
            (None, None) => Decided::Done { events, reply },
        },
        Ok(Err(refusal)) => match CommandFailure::of_refusal::<C>(refusal, Some(stream)) {
            Ok(error) => Decided::Rejected(error),
            Err(failure) => Decided::Failed(failure),
        },
        Err(failure) => Decided::Failed(failure),
    }
}
