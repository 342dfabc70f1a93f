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

use crate::message::{CodecError, Command, Metadata, Payloads, UpcastError};
use crate::store::{Append, Appended, Effect};

use super::check::Checks;
use super::error::CommandFailure;
use super::execute::Executor;
use super::in_flight::InFlight;
use super::interceptor::{Interceptors, Last, Next};
use super::message::{CommandMessage, CommandResult, Executed};
use super::monitor::{Observed, Observer};
use super::retry::{Retries, RetryPolicy};
use super::work::UnitOfWork;
use crate::handler::panic_message;

/// Handles one type of command.
#[async_trait]
pub(crate) trait CommandHandler: Send + Sync {
    async fn handle(&self, message: CommandMessage) -> CommandResult;

    /// Decides within a unit of work, and stores nothing.
    async fn decide_in(&self, message: &CommandMessage, work: &mut UnitOfWork) -> CommandResult;
}

/// The handlers of an application, built once at start.
pub struct CommandBus {
    routes: Arc<Routes>,
    /// The routes, as what stands behind the last interceptor.
    last: Arc<dyn Last>,
    dispatching: Dispatching,
    retries: Retries,
    in_flight: InFlight,
    executor: Executor,
}

/// What a bus is made of.
pub(crate) struct BusParts {
    pub(crate) routes: HashMap<&'static str, Route, RandomState>,
    pub(crate) dispatching: Dispatching,
    pub(crate) retries: Retries,
    /// Commands that may be under way.
    pub(crate) in_flight: usize,
    pub(crate) executor: Executor,
}

/// The handler of each command, by its stored name.
struct Routes(HashMap<&'static str, Route, RandomState>);

/// The interceptors around dispatch.
#[derive(Default)]
pub(crate) struct Dispatching {
    /// Of commands that have none of their own.
    pub(crate) all: Interceptors,
    /// Of those that have, by their stored names: all that they pass.
    pub(crate) special: HashMap<&'static str, Interceptors, RandomState>,
}

/// A command and its handler.
pub(crate) struct Route {
    pub(crate) command: TypeId,
    pub(crate) checks: Checks,
    pub(crate) handler: Arc<dyn CommandHandler>,
    pub(crate) format: Box<dyn Format>,
}

/// Reads commands and writes replies of one type.
pub(crate) trait Format: Send + Sync {
    fn read(&self, payload: &[u8], payloads: &Payloads) -> Result<CommandMessage, CodecError>;
    fn target(&self, payload: &[u8], payloads: &Payloads) -> Option<String>;
    fn reply(&self, executed: Executed, payloads: &Payloads) -> Result<Vec<u8>, CodecError>;
    fn revision(&self) -> u32;
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

    fn reply(&self, executed: Executed, payloads: &Payloads) -> Result<Vec<u8>, CodecError> {
        match reply_of::<C>(executed.reply) {
            Some(reply) => payloads.encode(&reply),
            None => Err(CodecError::new("an interceptor has put a reply of another type in its place")),
        }
    }

    fn revision(&self) -> u32 {
        C::REVISION
    }
}

impl Dispatching {
    fn of(&self, command: &str) -> &Interceptors {
        let special = if self.special.is_empty() { None } else { self.special.get(command) };
        special.unwrap_or(&self.all)
    }
}

impl CommandBus {
    pub(crate) fn new(parts: BusParts) -> Self {
        let BusParts { routes, dispatching, retries, in_flight, executor } = parts;
        let routes = Arc::new(Routes(routes));
        let last = Arc::clone(&routes) as Arc<dyn Last>;
        Self { routes, last, dispatching, retries, in_flight: InFlight::new(in_flight), executor }
    }

    /// Sends `message` through the interceptors to its handler, once. Commands without a correlation id get their own id
    /// as one.
    ///
    /// # Errors
    /// What the handler or an interceptor ends in; [`CommandFailure::Overloaded`] when too many commands are under way.
    pub async fn dispatch(&self, mut message: CommandMessage) -> CommandResult {
        let name = message.name;
        let observed = Observed::begin(&self.executor.observer, name);
        let result = match self.in_flight.enter(name) {
            Ok(_under_way) => {
                message.metadata.correlate(message.id);
                // Handlers that decide are guarded where they run. This catches everything else that the application
                // wrote: an `#[apply]`, an interceptor, the initial state of a decision.
                AssertUnwindSafe(self.run(message)).catch_unwind().await.unwrap_or_else(|panic| {
                    Err(CommandFailure::Panicked { command: name.to_owned(), message: panic_message(&*panic) }.into())
                })
            }
            Err(failure) => Err(failure.into()),
        };
        if let Some(observed) = observed {
            observed.end(&result);
        }
        result
    }

    async fn run(&self, message: CommandMessage) -> CommandResult {
        let interceptors = self.dispatching.of(message.name);
        match interceptors.is_empty() {
            true => self.routes.handle(message).await,
            false => Next::shared(interceptors, &self.last).run(message).await,
        }
    }

    /// Decides on `message` within a unit of work.
    pub(super) async fn decide_in(&self, message: &CommandMessage, work: &mut UnitOfWork) -> CommandResult {
        self.routes.decide_in(message, work).await
    }

    /// A unit of work that no command began.
    pub(super) fn unit_of_work(&self, carried: Metadata) -> UnitOfWork {
        UnitOfWork::of_caller(self.executor.clone(), carried)
    }

    /// Appends events that no command has decided on, with what runs inline.
    ///
    /// # Errors
    /// As an append of a command.
    pub(super) async fn append(&self, append: Append) -> Result<Appended, CommandFailure> {
        self.executor.submit(append, Vec::new()).await
    }

    /// The policy of a command whose sender says nothing; `None` where a failure is the sender's at once.
    pub(crate) fn retries(&self, command: &str) -> Option<&RetryPolicy> {
        self.retries.of(command)
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.executor.observer
    }

    /// Reads a command that was stored under `name`.
    ///
    /// # Errors
    /// When nobody handles it, or it cannot be read.
    pub(crate) fn read(&self, name: &str, payload: &[u8]) -> Result<CommandMessage, CommandFailure> {
        let route = self.routes.0.get(name).ok_or_else(|| CommandFailure::NoHandler { command: name.to_owned() })?;
        route
            .format
            .read(payload, self.payloads())
            .map_err(|source| CommandFailure::Codec { name: name.to_owned(), source })
    }

    /// The id of the aggregate that a stored command is for.
    pub(crate) fn target(&self, name: &str, payload: &[u8]) -> Option<String> {
        self.routes.0.get(name)?.format.target(payload, self.payloads())
    }

    /// The reply to the command `name`, encoded.
    ///
    /// # Errors
    /// When nobody handles it, or its reply cannot be encoded.
    pub(crate) fn reply(&self, name: &str, executed: Executed) -> Result<Vec<u8>, CommandFailure> {
        let route = self.routes.0.get(name).ok_or_else(|| CommandFailure::NoHandler { command: name.to_owned() })?;
        route
            .format
            .reply(executed, self.payloads())
            .map_err(|source| CommandFailure::Codec { name: name.to_owned(), source })
    }

    pub(crate) fn payloads(&self) -> &Payloads {
        self.executor.journal.payloads()
    }

    /// A stored command as its upcasters lift it: under its current name, its payload as it would be written today.
    ///
    /// # Errors
    /// When an upcaster fails, or the command has a revision that this program does not know.
    pub(crate) fn lifted(&self, mut effect: Effect) -> Result<Effect, Box<(Effect, UpcastError)>> {
        let mut revision = effect.revision();
        let commands = &self.executor.journal.chains().commands;
        match commands.lift_one(&effect.name, revision, &effect.payload, self.payloads()) {
            Ok(None) => {}
            Ok(Some(lifted)) => {
                revision = lifted.at.revision;
                lifted.at.name.clone_into(&mut effect.name);
                effect.payload = match self.payloads().encode(&lifted.payload) {
                    Ok(payload) => payload,
                    Err(source) => {
                        let name = effect.name.clone();
                        return Err(Box::new((effect, UpcastError::Payload { name, revision, source })));
                    }
                };
            }
            Err(error) => return Err(Box::new((effect, error))),
        }
        match self.routes.0.get(effect.name.as_str()).map(|route| route.format.revision()) {
            Some(known) if known != revision => {
                let name = effect.name.clone();
                Err(Box::new((effect, UpcastError::Revision { name, stored: revision, known })))
            }
            _ => {
                effect.metadata = effect.metadata.without(Effect::REVISION);
                Ok(effect)
            }
        }
    }
}

impl Routes {
    /// Decides on `message` within a unit of work.
    async fn decide_in(&self, message: &CommandMessage, work: &mut UnitOfWork) -> CommandResult {
        match self.0.get(message.name) {
            Some(route) if route.command == message.type_id_of_command() => {
                route.checks.admit(message)?;
                route.handler.decide_in(message, work).await
            }
            _ => Err(CommandFailure::NoHandler { command: message.name.to_owned() }.into()),
        }
    }

    async fn handle(&self, message: CommandMessage) -> CommandResult {
        match self.0.get(message.name) {
            Some(route) if route.command == message.type_id_of_command() => {
                route.checks.admit(&message)?;
                route.handler.handle(message).await
            }
            _ => Err(CommandFailure::NoHandler { command: message.name.to_owned() }.into()),
        }
    }
}

#[async_trait]
impl Last for Routes {
    async fn run(&self, message: CommandMessage) -> CommandResult {
        self.handle(message).await
    }
}

impl fmt::Debug for CommandBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.routes.0.keys()).finish()
    }
}

/// The reply inside an executed command.
pub(crate) fn reply_of<C: Command>(reply: Box<dyn Any + Send>) -> Option<C::Reply> {
    reply.downcast().ok().map(|reply| *reply)
}
