//! Executes commands outside aggregates.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;

use crate::aggregate::Refusal;
use crate::handler::panic_message;
use crate::message::Position;
use crate::store::{Append, AppendError, CommandRecord, Outcome};

use super::bus::CommandHandler;
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::Executor;
use super::handler::ServedBy;
use super::interceptor::{Last, Next};
use super::lane::Lanes;
use super::message::{CommandMessage, CommandResult, Executed};

/// Handles the command `C` with the component `H`.
///
/// A command under an id of the caller's runs at least once: its outcome is recorded after it, so that a repeat that
/// comes later is answered without running it. On one node repeats that come at the same time wait for the first.
pub(crate) struct ServiceHandler<H, C> {
    pub(crate) executor: Executor,
    /// By command id, for commands under an id of the caller's.
    pub(crate) lanes: Arc<Lanes<()>>,
    pub(crate) component: Option<Arc<H>>,
    pub(crate) command: PhantomData<fn() -> C>,
}

#[async_trait]
impl<H: Send + Sync + 'static, C: ServedBy<H>> CommandHandler for ServiceHandler<H, C> {
    async fn handle(&self, message: CommandMessage) -> CommandResult {
        Next::new(&self.executor.handling, self).run(message).await
    }
}

#[async_trait]
impl<H: Send + Sync + 'static, C: ServedBy<H>> Last for ServiceHandler<H, C> {
    async fn run(&self, message: CommandMessage) -> CommandResult {
        let Some(command) = message.command::<C>() else {
            return Err(CommandFailure::NoHandler { command: message.name.to_owned() }.into());
        };
        if message.expected.is_some() {
            let reason = format!("`{}` has no stream whose version could be expected", C::NAME);
            return Err(CommandFailure::Refused { reason }.into());
        }
        let _turn = if message.recorded { Some(self.lanes.turn(&message.id.to_string()).await?) } else { None };
        if let Some(record) = self.executor.recorded(&message).await? {
            return self.executor.answer::<C>(&message, record, None);
        }
        let context = self.executor.context(&message, self.executor.journal.now(), None);
        let served = command.serve(self.component.as_deref(), &context);
        let result = AssertUnwindSafe(served).catch_unwind().await.map_err(|panic| CommandFailure::Panicked {
            command: C::NAME.to_owned(),
            message: panic_message(&*panic),
        })?;
        match result {
            Ok(reply) => {
                let position = match self.record(&message, || self.executor.reply::<C>(&reply)).await? {
                    Recorded::Before(record) => return self.executor.answer::<C>(&message, *record, None),
                    Recorded::Now(position) => position,
                    Recorded::Not => self.executor.journal.store().head().await?,
                };
                Ok(Executed { version: None, position, stream: None, repeated: false, reply: Box::new(reply) })
            }
            Err(Refusal::Rejected(error)) => {
                if let Recorded::Before(record) = self.record(&message, || self.executor.rejection::<C>(&error)).await?
                {
                    return self.executor.answer::<C>(&message, *record, None);
                }
                Err(CommandError::Rejected(Rejection::new(error)))
            }
            Err(Refusal::Context(error)) => Err(error.into()),
            Err(Refusal::Failed(error)) => {
                Err(CommandFailure::Handler { command: C::NAME.to_owned(), source: error.into_source() }.into())
            }
        }
    }
}

/// What became of the record of a command.
enum Recorded {
    /// Nobody can repeat the command.
    Not,
    /// It is stored, at this position.
    Now(Position),
    /// Another execution of the same command was quicker.
    Before(Box<CommandRecord>),
}

impl<H: Send + Sync + 'static, C: ServedBy<H>> ServiceHandler<H, C> {
    /// Records the outcome.
    async fn record(
        &self,
        message: &CommandMessage,
        outcome: impl FnOnce() -> Result<Outcome, CommandFailure>,
    ) -> Result<Recorded, CommandFailure> {
        if !message.recorded {
            return Ok(Recorded::Not);
        }
        let journal = &self.executor.journal;
        let record = CommandRecord {
            id: message.id,
            name: message.name.to_owned(),
            target: message.target.clone(),
            outcome: outcome()?,
            recorded_at: journal.now(),
            position: Position::START,
            version: None,
        };
        match journal.append(Append { command: Some(record), ..Append::default() }).await {
            Ok(appended) => Ok(Recorded::Now(appended.position)),
            Err(AppendError::CommandRepeated(record)) => Ok(Recorded::Before(record)),
            Err(error) => Err(error.into()),
        }
    }
}
