//! Executes commands of aggregates: consistent by the version of the aggregate's own stream.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::aggregate::{Aggregate, Events, HandledBy, Refusal, Repository};
use crate::message::{Command, StreamId};

use super::attempt::{Attempt, Ended, Return, Why};
use super::bus::CommandHandler;
use super::error::CommandFailure;
use super::execute::{Decided, Executor, guarded};
use super::interceptor::{Last, Next};
use super::lane::{Lanes, Turn};
use super::message::{CommandMessage, CommandResult};

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
        let turn = self.lanes.turn(target).await?;
        if self.executor.handling.is_empty() {
            return self.execute(&message, turn).await;
        }
        let last = InLane { handler: self, stream: turn.stream().clone(), turn: Mutex::new(Some(turn)) };
        Next::new(&self.executor.handling, &last).run(message).await
    }
}

/// A command whose turn it is.
struct InLane<'a, A: Aggregate, C> {
    handler: &'a StreamHandler<A, C>,
    stream: StreamId,
    /// Taken when the command is decided.
    turn: Mutex<Option<Turn<A>>>,
}

#[async_trait]
impl<A: Aggregate, C: HandledBy<A>> Last for InLane<'_, A, C> {
    async fn run(&self, message: CommandMessage) -> CommandResult {
        let taken = self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
        let turn = match taken {
            Some(turn) => turn,
            None => self.handler.lanes.turn(self.stream.id()).await?,
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
                stream: &stream,
                message,
                command,
                number: attempts,
                ahead,
            };
            let (why, back) = match attempt.run(turn).await {
                Ended::Answered(result) => return result,
                Ended::Again(why, back) => (why, back),
            };
            match why {
                Why::Ahead => ahead += 1,
                Why::Stale => attempts += 1,
                Why::Conflict(source) => {
                    let pauses = pauses.get_or_insert_with(|| Box::new(self.executor.config.pauses()));
                    // The caller who named a version wants to know, not to have the decision run on another one.
                    let pause = if message.expected.is_some() { None } else { pauses.next() };
                    let Some(pause) = pause else { return Err(CommandFailure::Conflict { attempts, source }.into()) };
                    attempts += 1;
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
