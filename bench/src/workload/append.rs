//! Appends of several events at once, without commands: what the store itself can take.
//!
//! Each client has an account of its own and knows its version. The framework checks it, as always; the two sides of
//! plain SQL check nothing. `plain` is one multi-row INSERT for each append; `batched` merges the appends of all clients
//! into one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::Depositor;
use crate::Error;
use crate::database::Database;
use crate::deposit::Deposit;
use crate::measure::{Load, drive};
use crate::plain::Row;
use crate::report::{Case, Figures, Merge};
use crate::run::{Contest, Run};
use crate::subject::Subject;

const CLIENTS: [u32; 2] = [1, 64];
const BATCHES: [u32; 3] = [1, 10, 100];

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    for database in run.databases() {
        for clients in run.clients(&CLIENTS) {
            for batch in BATCHES {
                run.contest(&Appends { database, clients, batch }).await?;
            }
        }
    }
    Ok(())
}

struct Appends {
    database: Database,
    clients: u32,
    /// Events of one append.
    batch: u32,
}

#[async_trait]
impl Contest for Appends {
    fn case(&self) -> Case {
        Case::new("append", self.database, self.clients).with("batch", self.batch)
    }

    async fn round(&self, run: &Run<'_>, subject: Subject) -> Result<Figures, Error> {
        let home = run.fresh(self.database).await?;
        let depositor = Depositor::open(&home, subject, run.access(self.database, self.clients)).await?;
        let versions: Arc<[AtomicU64]> = (0..self.clients).map(|_| AtomicU64::new(0)).collect();
        let (appender, batch) = (Arc::clone(&depositor), self.batch);
        let load = Load { clients: self.clients, span: run.span() };
        let sample = drive(load, move |call| {
            let (appender, versions) = (Arc::clone(&appender), Arc::clone(&versions));
            async move {
                // Only this client writes to this account, one append after the other.
                let so_far = versions[call.client as usize].fetch_add(u64::from(batch), Ordering::Relaxed);
                let numbers = (0..batch).map(|place| call.number.wrapping_mul(batch).wrapping_add(place));
                append(&appender, numbers.map(|number| Deposit::on(call.client, number)).collect(), so_far).await
            }
        })
        .await?;
        depositor.close(sample.operations() * u64::from(batch)).await?;
        home.remove().await?;
        let figures = Figures::from(&sample);
        let events = figures.per_second * f64::from(batch);
        Ok(figures.with("events_per_second", events, Merge::Median))
    }
}

/// Appends `deposits`, all on one account, which has so many events so far.
async fn append(depositor: &Depositor, deposits: Vec<Deposit>, so_far: u64) -> Result<(), Error> {
    let rows = || {
        let versions = i64::try_from(so_far)? + 1..;
        deposits
            .iter()
            .zip(versions)
            .map(|(deposit, version)| Row::new(deposit, version))
            .collect::<Result<Vec<_>, _>>()
    };
    match depositor {
        Depositor::Annals(accounts) => accounts.append(&deposits, so_far).await,
        Depositor::Plain(table) => table.insert(&rows()?).await,
        Depositor::Batched(group, _) => group.append(rows()?).await,
    }
}
