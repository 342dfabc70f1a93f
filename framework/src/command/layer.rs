//! `tower` layers around dispatch.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::store::error::BoxError;

use super::error::{CommandError, CommandFailure};
use super::interceptor::{CommandInterceptor, Next};
use super::message::{CommandMessage, CommandResult, Executed};

/// A `tower` layer that can stand around the dispatch of commands: the service that it makes can be cloned, and its errors
/// are a [`CommandError`] or anything that tower's layers fail with.
///
/// Implemented for every layer that fits; not to be implemented by hand.
pub trait CommandLayer: Layer<CommandService, Service = Self::Around> {
    /// The service that it makes.
    type Around: Service<CommandMessage, Response = Executed, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static;
}

impl<L> CommandLayer for L
where
    L: Layer<CommandService>,
    L::Service:
        Service<CommandMessage, Response = Executed, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
{
    type Around = L::Service;
}

/// The rest of the way of a command, as a `tower` service: the later interceptors and layers, and the handler. A layer may
/// call it from any task and more than once, with the command that it was called with or a clone of it.
#[derive(Debug, Clone, Copy)]
pub struct CommandService(());

impl Service<CommandMessage> for CommandService {
    type Response = Executed;
    type Error = CommandError;
    type Future = BoxFuture<'static, CommandResult>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CommandError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut command: CommandMessage) -> Self::Future {
        Box::pin(async move {
            match command.onward.take() {
                Some(onward) => onward.run(command).await,
                None => {
                    let reason = format!(
                        "a layer made a `{}` of its own: it can only send on the command that it was called with, or a clone",
                        command.name
                    );
                    Err(CommandFailure::Refused { reason }.into())
                }
            }
        })
    }
}

/// A layer in a row with interceptors.
pub(crate) struct Layered<S> {
    /// Cloned for each command: whatever is to be shared is shared by the clones.
    service: Mutex<S>,
}

impl<S> Layered<S> {
    pub(crate) fn new(layer: impl Layer<CommandService, Service = S>) -> Self {
        Self { service: Mutex::new(layer.layer(CommandService(()))) }
    }
}

#[async_trait]
impl<S> CommandInterceptor for Layered<S>
where
    S: Service<CommandMessage, Response = Executed, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
{
    async fn intercept(&self, mut command: CommandMessage, next: Next<'_>) -> CommandResult {
        let (name, begun) = (command.name, Instant::now());
        command.onward = next.keep();
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ready = poll_fn(|context| service.poll_ready(context).map_err(Into::into)).await;
        let called = match ready {
            Ok(()) => service.call(command).await.map_err(Into::into),
            Err(error) => Err(error),
        };
        called.map_err(|error| typed(error, name, begun))
    }
}

/// The failure that the error of a layer stands for.
fn typed(error: BoxError, command: &'static str, begun: Instant) -> CommandError {
    use tower::load_shed::error::Overloaded;
    use tower::timeout::error::Elapsed;
    let error = match error.downcast::<CommandError>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    let error = match error.downcast::<CommandFailure>() {
        Ok(failure) => return (*failure).into(),
        Err(error) => error,
    };
    let command = command.to_owned();
    let failure = if error.is::<Elapsed>() {
        CommandFailure::Timeout { after: begun.elapsed() }
    } else if error.is::<Overloaded>() {
        CommandFailure::Shed { command }
    } else {
        CommandFailure::Layer { command, source: error }
    };
    failure.into()
}

impl<S> fmt::Debug for Layered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layered")
    }
}
