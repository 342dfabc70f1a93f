//! The command bus: finds the handler of a command.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use foldhash::fast::RandomState;
use futures_util::FutureExt;

use crate::message::{CodecError, Command, Payloads};

use super::error::CommandFailure;
use super::interceptor::{CommandInterceptor, Last, Next};
use super::message::{CommandMessage, CommandResult};
use crate::handler::panic_message;

/// Handles one type of command.
#[async_trait]
pub(crate) trait CommandHandler: Send + Sync {
    async fn handle(&self, message: CommandMessage) -> CommandResult;
}

/// The handlers of an application, built once at start.
pub struct CommandBus {
    routes: HashMap<&'static str, Route, RandomState>,
    dispatching: Vec<Arc<dyn CommandInterceptor>>,
    payloads: Payloads,
}

/// A command and its handler.
pub(crate) struct Route {
    pub(crate) command: TypeId,
    pub(crate) handler: Arc<dyn CommandHandler>,
    pub(crate) format: Box<dyn Format>,
}

/// Reads commands and writes replies of one type.
pub(crate) trait Format: Send + Sync {
    fn read(&self, payload: &[u8], payloads: &Payloads) -> Result<CommandMessage, CodecError>;
    fn target(&self, payload: &[u8], payloads: &Payloads) -> Option<String>;
}

/// The format of the command `C`.
pub(crate) struct FormatOf<C>(pub(crate) PhantomData<fn() -> C>);

impl<C: Command> Format for FormatOf<C> {
    fn read(&self, payload: &[u8], payloads: &Payloads) -> Result<CommandMessage, CodecError> {
        Ok(CommandMessage::new(payloads.decode::<C>(payload)?))
    }

    fn target(&self, payload: &[u8], payloads: &Payloads) -> Option<String> {
        payloads.decode::<C>(payload).ok()?.target()
    }
}

impl CommandBus {
    pub(crate) fn new(
        routes: HashMap<&'static str, Route, RandomState>,
        dispatching: Vec<Arc<dyn CommandInterceptor>>,
        payloads: Payloads,
    ) -> Self {
        Self { routes, dispatching, payloads }
    }

    /// Sends `message` through the interceptors to its handler. Commands without a correlation id get their own id as
    /// one.
    ///
    /// # Errors
    /// What the handler or an interceptor ends in.
    pub async fn dispatch(&self, mut message: CommandMessage) -> CommandResult {
        message.metadata.correlate(message.id);
        let name = message.name;
        let running = async {
            match self.dispatching.is_empty() {
                true => self.handle(message).await,
                false => Next::new(&self.dispatching, self).run(message).await,
            }
        };
        // Handlers that decide are guarded where they run. This catches everything else that the application wrote: an
        // `#[apply]`, an interceptor, the initial state of a decision.
        AssertUnwindSafe(running).catch_unwind().await.unwrap_or_else(|panic| {
            Err(CommandFailure::Panicked { command: name.to_owned(), message: panic_message(&*panic) }.into())
        })
    }

    async fn handle(&self, message: CommandMessage) -> CommandResult {
        match self.routes.get(message.name) {
            Some(route) if route.command == message.type_id_of_command() => route.handler.handle(message).await,
            _ => Err(CommandFailure::NoHandler { command: message.name.to_owned() }.into()),
        }
    }

    /// Reads a command that was stored under `name`.
    ///
    /// # Errors
    /// When nobody handles it, or it cannot be read.
    pub(crate) fn read(&self, name: &str, payload: &[u8]) -> Result<CommandMessage, CommandFailure> {
        let route = self.routes.get(name).ok_or_else(|| CommandFailure::NoHandler { command: name.to_owned() })?;
        route
            .format
            .read(payload, &self.payloads)
            .map_err(|source| CommandFailure::Codec { name: name.to_owned(), source })
    }

    /// The id of the aggregate that a stored command is for.
    pub(crate) fn target(&self, name: &str, payload: &[u8]) -> Option<String> {
        self.routes.get(name)?.format.target(payload, &self.payloads)
    }

    pub(crate) fn payloads(&self) -> &Payloads {
        &self.payloads
    }
}

#[async_trait]
impl Last for CommandBus {
    async fn run(&self, message: CommandMessage) -> CommandResult {
        self.handle(message).await
    }
}

impl fmt::Debug for CommandBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.routes.keys()).finish()
    }
}

/// The reply inside an executed command.
pub(crate) fn reply_of<C: Command>(reply: Box<dyn Any + Send>) -> Option<C::Reply> {
    reply.downcast().ok().map(|reply| *reply)
}
