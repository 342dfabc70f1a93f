//! Executes commands outside aggregates.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;

use crate::aggregate::Refusal;
use crate::handler::panic_message;
use crate::store::{Append, AppendError, CommandRecord, Outcome};

use super::bus::CommandHandler;
use super::error::{CommandError, CommandFailure, Rejection};
use super::execute::Executor;
use super::handler::ServedBy;
use super::interceptor::{Last, Next};
use super::message::{CommandMessage, CommandResult, Executed};

/// Handles the command `C` with the component `H`.
///
/// A command under an id of the caller's runs at least once: its outcome is recorded after it, so that a repeat that
/// comes later is answered without running it.
pub(crate) struct ServiceHandler<H, C> {
    pub(crate) executor: Executor,
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
        if let Some(record) = self.executor.recorded(&message).await? {
            return self.executor.answer::<C>(record, None);
        }
        let context = self.executor.context(&message, None);
        let served = command.serve(self.component.as_deref(), &context);
        let result = AssertUnwindSafe(served).catch_unwind().await.map_err(|panic| CommandFailure::Panicked {
            command: C::NAME.to_owned(),
            message: panic_message(&*panic),
        })?;
        match result {
            Ok(reply) => {
                if let Some(repeated) = self.record(&message, self.executor.reply::<C>(&reply)?).await? {
                    return self.executor.answer::<C>(repeated, None);
                }
                let position = self.executor.journal.store().head().await?;
                Ok(Executed { version: None, position, stream: None, repeated: false, reply: Box::new(reply) })
            }
            Err(Refusal::Rejected(error)) => {
                if let Some(repeated) = self.record(&message, self.executor.rejection::<C>(&error)?).await? {
                    return self.executor.answer::<C>(repeated, None);
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

impl<H: Send + Sync + 'static, C: ServedBy<H>> ServiceHandler<H, C> {
    /// Records the outcome; gives the first one if another execution of the same command was quicker.
    async fn record(
        &self,
        message: &CommandMessage,
        outcome: Outcome,
    ) -> Result<Option<CommandRecord>, CommandFailure> {
        if !message.recorded {
            return Ok(None);
        }
        let journal = &self.executor.journal;
        let record = CommandRecord {
            id: message.id,
            name: message.name.to_owned(),
            outcome,
            recorded_at: journal.now(),
            position: crate::message::Position::START,
            version: None,
        };
        match journal.append(Append { command: Some(record), ..Append::default() }).await {
            Ok(_) => Ok(None),
            Err(AppendError::CommandRepeated(record)) => Ok(Some(*record)),
            Err(error) => Err(error.into()),
        }
    }
}
