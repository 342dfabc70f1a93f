//! Whoever executes single deposits.

use std::sync::Arc;

use crate::Error;
use crate::annals::Accounts;
use crate::database::Home;
use crate::deposit::Deposit;
use crate::measure;
use crate::plain::{self, Access, Group, Row, Table};
use crate::subject::Subject;

/// A subject with its open database.
pub(super) enum Depositor {
    Annals(Arc<Accounts>),
    Plain(Arc<dyn Table>),
    Batched(Group, Arc<dyn Table>),
}

/// Clients of what is not measured.
const PREPARING: usize = 64;

impl Depositor {
    /// Opens `home`, which must be empty for batching. `access` is for plain SQL; batching needs no more than one connection to write.
    pub(super) async fn open(home: &Home, subject: Subject, access: Access) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(match subject {
            Subject::Annals => Self::Annals(Accounts::open(&home.url).await?),
            Subject::Plain => Self::Plain(plain::open(home, access).await?),
            Subject::Batched => {
                let table = plain::open(home, Access::Shared).await?;
                Self::Batched(Group::start(Arc::clone(&table)), table)
            }
        }))
    }

    /// Executes one deposit; it is on the disk when this returns.
    pub(super) async fn deposit(&self, deposit: Deposit) -> Result<(), Error> {
        match self {
            Self::Annals(accounts) => accounts.deposit(deposit).await,
            Self::Plain(table) => table.deposit(&deposit).await,
            Self::Batched(group, _) => group.append(vec![Row::new(&deposit, 0)?]).await,
        }
    }

    /// Executes `deposits` by many clients, unmeasured.
    pub(super) async fn prepare(self: &Arc<Self>, deposits: impl Iterator<Item = Deposit>) -> Result<(), Error> {
        measure::each(PREPARING, deposits, |deposit| {
            let this = Arc::clone(self);
            async move { this.deposit(deposit).await }
        })
        .await
    }

    pub(super) async fn count(&self) -> Result<u64, Error> {
        match self {
            Self::Annals(accounts) => accounts.count().await,
            Self::Plain(table) | Self::Batched(_, table) => table.count().await,
        }
    }

    /// Closes the database after a check that it holds `expected` events: what was acknowledged is there.
    pub(super) async fn close(self: Arc<Self>, expected: u64) -> Result<(), Error> {
        let stored = self.count().await?;
        if stored != expected {
            return Err(format!("{stored} events are stored, {expected} were acknowledged").into());
        }
        match Arc::into_inner(self).ok_or("a client still uses the database")? {
            Self::Annals(accounts) => accounts.close().await,
            Self::Plain(table) => {
                table.close().await;
                Ok(())
            }
            Self::Batched(group, table) => {
                group.close().await?;
                table.close().await;
                Ok(())
            }
        }
    }
}
