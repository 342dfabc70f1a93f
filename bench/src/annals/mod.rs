//! The work in Annals: an application with one aggregate, on any store.
//!
//! Beyond what plain SQL does, it folds the state, checks what each append expects, and wakes readers.

mod account;
mod append;
mod direct;
mod idle;
mod orders;
mod projection;
mod read;

use std::sync::Arc;

use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;
use annals::store::Journal;
use async_trait::async_trait;

use crate::Error;
use crate::deposit::Deposit;

pub(crate) use account::Account;
use account::PayIn;
pub(crate) use append::Enrolled;
pub(crate) use direct::Direct;
pub(crate) use idle::IDLE_PROCESSORS;
pub(crate) use orders::Orders;
pub(crate) use projection::fill;
pub(crate) use read::Follower;

/// An application on a store of its own.
#[derive(Debug)]
pub(crate) struct Accounts {
    app: Annals,
}

impl Accounts {
    /// Opens the store at `url`; the settings are the defaults of an application.
    pub(crate) async fn open(url: &str) -> Result<Arc<Self>, Error> {
        let app = Annals::builder().store(url).without_discovery().include::<Account>().start().await?;
        Ok(Arc::new(Self { app }))
    }

    /// The same with two interceptors around each command, which do nothing but pass it on.
    pub(crate) async fn intercepted(url: &str) -> Result<Arc<Self>, Error> {
        let builder = Annals::builder().store(url).without_discovery().include::<Account>();
        let app = builder.dispatch_interceptor(PassOn).dispatch_interceptor(PassOn).start().await?;
        Ok(Arc::new(Self { app }))
    }

    /// Sends one deposit as a command.
    pub(crate) async fn deposit(&self, Deposit { account, cents, reference }: Deposit) -> Result<(), Error> {
        self.app.send(PayIn { account, cents, reference }).await?;
        Ok(())
    }

    /// How many events the store holds.
    pub(crate) async fn count(&self) -> Result<u64, Error> {
        Ok(self.journal().store().head().await?.get())
    }

    /// Ends the application and closes the store.
    pub(crate) async fn close(self: Arc<Self>) -> Result<(), Error> {
        let this = Arc::into_inner(self).ok_or("somebody still uses the application")?;
        Ok(this.app.shutdown().await?)
    }

    fn journal(&self) -> &Journal {
        self.app.journal()
    }
}

/// The least that an interceptor can do.
struct PassOn;

#[async_trait]
impl CommandInterceptor for PassOn {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        next.run(command).await
    }
}

#[cfg(test)]
mod tests;
