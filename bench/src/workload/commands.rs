//! Commands: each reads what is known of its account, and leads to one event.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Depositor;
use crate::Error;
use crate::database::Database;
use crate::deposit::Accounts;
use crate::measure::{Load, Sample, drive};
use crate::plain::Access;
use crate::report::{Case, Figures};
use crate::run::{Contest, Run};
use crate::subject::Subject;

const CLIENTS: [u32; 4] = [1, 8, 64, 256];
const ACCOUNTS: u32 = 1_000;
/// Clients of the case with a single account.
const HOT_CLIENTS: u32 = 64;

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    for database in run.databases() {
        for clients in run.clients(&CLIENTS) {
            run.contest(&Commands { database, clients, accounts: ACCOUNTS }).await?;
        }
        for clients in run.clients(&[HOT_CLIENTS]) {
            run.contest(&Commands { database, clients, accounts: 1 }).await?;
        }
    }
    Ok(())
}

struct Commands {
    database: Database,
    clients: u32,
    accounts: u32,
}

#[async_trait]
impl Contest for Commands {
    fn case(&self) -> Case {
        Case::new("commands", self.database, self.clients).with("aggregates", self.accounts)
    }

    async fn round(&self, run: &Run<'_>, subject: Subject) -> Result<Figures, Error> {
        let load = Load { clients: self.clients, span: run.span() };
        let access = run.access(self.database, self.clients);
        Ok(Figures::from(&round(run, self.database, subject, access, load, Accounts(self.accounts)).await?))
    }
}

/// How many commands a second plain SQL does, in a short trial.
pub(crate) async fn trial(run: &Run<'_>, database: Database, clients: u32, access: Access) -> Result<f64, Error> {
    let load = Load { clients, span: Duration::from_millis(300) };
    Ok(round(run, database, Subject::Plain, access, load, Accounts(ACCOUNTS)).await?.per_second())
}

async fn round(
    run: &Run<'_>,
    database: Database,
    subject: Subject,
    access: Access,
    load: Load,
    accounts: Accounts,
) -> Result<Sample, Error> {
    let home = run.fresh(database).await?;
    let depositor = Depositor::open(&home, subject, access).await?;
    depositor.prepare(accounts.first_deposits()).await?;
    let sample = send(&depositor, load, accounts).await?;
    depositor.close(sample.operations() + u64::from(accounts.0)).await?;
    home.remove().await?;
    Ok(sample)
}

/// Sends commands for a while.
pub(super) async fn send(depositor: &Arc<Depositor>, load: Load, accounts: Accounts) -> Result<Sample, Error> {
    let depositor = Arc::clone(depositor);
    drive(load, move |call| {
        let depositor = Arc::clone(&depositor);
        async move { depositor.deposit(accounts.deposit(call.number)).await }
    })
    .await
}
