//! Sending a command, and waiting for views to show what came of it.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::command::{SendCall, SendError, Sent};
use crate::message::Command;
use crate::query::Mark;

use super::handle::{PATIENCE, Views};
use super::{ViewError, ViewHandlers};

/// A command on its way that is answered when the views named show what came of it: `app.send(..).seen_in(&view)`; await it.
#[must_use = "nothing is sent before it is awaited"]
pub struct SeenCall<C> {
    call: SendCall<C>,
    waits: Vec<Wait>,
    patience: Duration,
}

type Wait = Box<dyn FnOnce(Mark, Duration) -> BoxFuture<'static, Result<(), ViewError>> + Send>;

/// Why a command was not answered, or was not seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeenError<E: std::error::Error + Send + Sync + 'static, R: fmt::Debug> {
    /// The command was rejected or failed.
    #[error(transparent)]
    Unanswered(#[from] SendError<E>),
    /// The command was executed, and this is its answer; a view does not show it in the time given.
    #[error("the command was executed, but a view does not show it yet")]
    Unseen {
        /// The answer.
        sent: Sent<R>,
        /// Which view, and why.
        source: ViewError,
    },
}

impl<C: Command> SendCall<C> {
    /// Answers when `view` shows what came of the command, on whichever node it is kept. Name more views with
    /// [`SeenCall::seen_in`].
    ///
    /// ```
    /// # use annals::prelude::*;
    /// # use annals::view::ViewHandlers;
    /// # async fn send<C: Command, V: ViewHandlers>(app: &annals::Annals, place: C) -> Result<(), Box<dyn std::error::Error>>
    /// # where C::Reply: std::fmt::Debug + Send + Sync {
    /// app.send(place).seen_in(&app.view::<V>()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn seen_in<V: ViewHandlers>(self, view: &Views<V>) -> SeenCall<C> {
        SeenCall { call: self, waits: Vec::new(), patience: PATIENCE }.seen_in(view)
    }
}

impl<C: Command> SeenCall<C> {
    /// Waits for this view as well.
    pub fn seen_in<V: ViewHandlers>(mut self, view: &Views<V>) -> Self {
        let view = view.clone();
        self.waits.push(Box::new(move |mark, patience| Box::pin(async move { view.wait_until(mark, patience).await })));
        self
    }

    /// Waits no longer than this for all the views together. Default 5 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl<C: Command> IntoFuture for SeenCall<C>
where
    C::Reply: fmt::Debug,
{
    type Output = Result<Sent<C::Reply>, SeenError<C::Error, C::Reply>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { call, waits, patience } = self;
        Box::pin(async move {
            let sent = call.await?;
            let deadline = Instant::now() + patience;
            for wait in waits {
                let left = deadline.saturating_duration_since(Instant::now());
                if let Err(source) = wait(Mark::from(&sent), left).await {
                    return Err(SeenError::Unseen { sent, source });
                }
            }
            Ok(sent)
        })
    }
}

impl<C> fmt::Debug for SeenCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenCall")
            .field("views", &self.waits.len())
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
