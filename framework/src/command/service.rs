//! Executes commands outside aggregates.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;

use crate::aggregate::Refusal;
use crate::handler::panic_message;
use crate::message::Position;
use crate::store::{Append, AppendError, CommandRecord, Conflict, Outcome, may_hold};

use super::bus::CommandHandler;
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::Executor;
use super::handler::ServedBy;
use super::interceptor::{Last, Next};
use super::lane::Lanes;
use super::message::{CommandMessage, CommandResult, Executed};
use super::work::{Hooks, NotStored, UnitOfWork};

/// Handles the command `C` with the component `H`.
///
/// A command under an id of the caller's runs at least once: its outcome is recorded with what was decided in its unit of
/// work, so that a repeat that comes later is answered without running it. On one node repeats that come at the same time
/// wait for the first.
pub(crate) struct ServiceHandler<H, C> {
    pub(crate) executor: Executor,
    /// By command id, for commands under an id of the caller's.
    pub(crate) lanes: Arc<Lanes<()>>,
    /// By routing key, where commands with the same one go one after the other.
    pub(crate) sequence: Option<Arc<Lanes<()>>>,
    pub(crate) component: Option<Arc<H>>,
    pub(crate) command: PhantomData<fn() -> C>,
}

#[async_trait]
impl<H: Send + Sync + 'static, C: ServedBy<H>> CommandHandler for ServiceHandler<H, C> {
    async fn handle(&self, message: CommandMessage) -> CommandResult {
        let next = Next::new(&self.executor.handling, self);
        let Some(lanes) = &self.sequence else { return next.run(message).await };
        let Some(key) = message.routing_key() else {
            return Err(CommandFailure::NoRoutingKey { command: C::NAME }.into());
        };
        let _turn = lanes.turn_for(key, &message).await?;
        lanes.held(key, message.name).during(next.run(message)).await
    }

    async fn decide_in(&self, message: &CommandMessage, work: &mut UnitOfWork) -> CommandResult {
        let command = message.own::<C>()?;
        let part = work.begin_part(C::NAME)?;
        let served = self.serve(message, command, work).await;
        work.end_part(part, matches!(served, Ok(Ok(_)))).await;
        match served? {
            Ok(reply) => Ok(Executed::new(None, None, work.draft().position(), reply)),
            Err(refusal) => Err(CommandError::Rejected(Rejection::new(self.rejection(refusal)?))),
        }
    }
}

#[async_trait]
impl<H: Send + Sync + 'static, C: ServedBy<H>> Last for ServiceHandler<H, C> {
    async fn run(&self, message: CommandMessage) -> CommandResult {
        let command = message.own::<C>()?;
        if message.is_trial() {
            let reason = format!(
                "`{}` is handled outside aggregates: what it would do cannot be known without doing it",
                C::NAME
            );
            return Err(CommandFailure::Refused { reason }.into());
        }
        if message.expected.is_some() {
            let reason = format!("`{}` has no stream whose version could be expected", C::NAME);
            return Err(CommandFailure::Refused { reason }.into());
        }
        if !message.recorded {
            return self.decide(&message, command).await;
        }
        let id = message.id.to_string();
        let _turn = self.lanes.turn_for(&id, &message).await?;
        self.lanes.held(&id, message.name).during(self.decide(&message, command)).await
    }
}

impl<H: Send + Sync + 'static, C: ServedBy<H>> ServiceHandler<H, C> {
    /// Answers from the record, or runs the handler until what it decided is stored.
    async fn decide(&self, message: &CommandMessage, command: &C) -> CommandResult {
        if let Some(record) = self.executor.recorded(message).await? {
            return self.executor.answer::<C>(message, record, None);
        }
        let mut pauses = self.executor.config.pauses();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (source, hooks) = match self.attempt(message, command).await? {
                Attempted::Answered(executed) => return Ok(executed),
                Attempted::Conflict(conflict, hooks) => (conflict, hooks),
            };
            hooks.rolled_back().await;
            let Some(pause) = pauses.next() else { return Err(CommandFailure::Conflict { attempts, source }.into()) };
            tokio::time::sleep(pause).await;
        }
    }
}

/// How an attempt has ended.
enum Attempted {
    Answered(Executed),
    /// What was decided rests on something that has changed. Nothing is stored.
    Conflict(Conflict, Hooks),
}

impl<H: Send + Sync + 'static, C: ServedBy<H>> ServiceHandler<H, C> {
    /// Runs the handler once, and stores what was decided in its unit of work.
    async fn attempt(&self, message: &CommandMessage, command: &C) -> Result<Attempted, CommandError> {
        let mut work = UnitOfWork::new(self.executor.clone(), message);
        let served = may_hold(async {
            match self.serve(message, command, &mut work).await {
                Ok(Ok(reply)) => Ok(work.run_before_commit().await.map(|()| reply).map_err(Refusal::Failed)),
                refused => refused,
            }
        });
        match served.await {
            Ok(Ok(reply)) => self.store(message, work, reply).await,
            Err(panicked) => {
                work.roll_back().await;
                Err(panicked.into())
            }
            Ok(Err(refusal)) => {
                work.roll_back().await;
                self.refused(message, refusal).await.map(Attempted::Answered)
            }
        }
    }

    /// Calls the handler.
    async fn serve(
        &self,
        message: &CommandMessage,
        command: &C,
        work: &mut UnitOfWork,
    ) -> Result<Result<C::Reply, Refusal<C::Error>>, CommandFailure> {
        let context = self.executor.context(message, self.executor.journal.now(), None);
        let served = command.serve(self.component.as_deref(), &context, work);
        AssertUnwindSafe(served)
            .catch_unwind()
            .await
            .map_err(|panic| CommandFailure::Panicked { command: C::NAME.to_owned(), message: panic_message(&*panic) })
    }

    /// Stores what was decided, with the record of the command.
    async fn store(
        &self,
        message: &CommandMessage,
        work: UnitOfWork,
        reply: C::Reply,
    ) -> Result<Attempted, CommandError> {
        let outcome = match message.recorded.then(|| self.executor.reply::<C>(&reply)).transpose() {
            Ok(outcome) => outcome,
            Err(failure) => {
                work.roll_back().await;
                return Err(failure.into());
            }
        };
        let record = |position| outcome.map(|outcome| self.record(message, outcome, position));
        let (failure, hooks) = match work.store(C::NAME, record).await {
            Ok(position) => return Ok(Attempted::Answered(Executed::new(None, None, position, reply))),
            Err(NotStored { failure, hooks }) => (failure, hooks),
        };
        match failure.into_conflict() {
            Ok(conflict) => Ok(Attempted::Conflict(conflict, hooks)),
            Err(failure) => {
                hooks.rolled_back().await;
                match failure {
                    CommandFailure::Append(AppendError::CommandRepeated(record)) => {
                        self.executor.answer::<C>(message, *record, None).map(Attempted::Answered)
                    }
                    failure => Err(failure.into()),
                }
            }
        }
    }

    /// The domain's error in `refusal`.
    ///
    /// # Errors
    /// When it is none.
    fn rejection(&self, refusal: Refusal<C::Error>) -> Result<C::Error, CommandFailure> {
        match refusal {
            Refusal::Failed(error) => Err(self.executor.senders.failure(C::NAME, error)),
            refusal => CommandFailure::of_refusal::<C>(refusal, None),
        }
    }

    /// Answers a command that the handler refused, and records a rejection.
    async fn refused(&self, message: &CommandMessage, refusal: Refusal<C::Error>) -> CommandResult {
        let error = self.rejection(refusal)?;
        if message.recorded {
            let record = self.record(message, self.executor.rejection::<C>(&error)?, Position::START);
            match self.executor.journal.append(Append { command: Some(record), ..Append::default() }).await {
                Ok(_) => {}
                Err(AppendError::CommandRepeated(record)) => return self.executor.answer::<C>(message, *record, None),
                Err(error) => return Err(CommandFailure::from(error).into()),
            }
        }
        Err(CommandError::Rejected(Rejection::new(error)))
    }

    fn record(&self, message: &CommandMessage, outcome: Outcome, position: Position) -> CommandRecord {
        CommandRecord {
            id: message.id,
            name: message.name.to_owned(),
            target: message.target.clone(),
            outcome,
            recorded_at: self.executor.journal.now(),
            position,
            version: None,
        }
    }
}
