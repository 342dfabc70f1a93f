//! Reading back: one long stream into a state (`replay`), and everything in order (`scan`).
//!
//! An operation is one event; latencies are those of a whole replay or scan. `plain` is a SELECT of the payloads alone,
//! row by row, each decoded into the final type; `batched` has the database glue pages of payloads together.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Error;
use crate::annals;
use crate::database::{Database, Home};
use crate::deposit::{Accounts, Deposit};
use crate::measure::{Load, drive};
use crate::plain::{self, Access, Packing, Part, Row, Table};
use crate::report::{Case, Figures};
use crate::run::{Contest, Run};
use crate::subject::Subject;
use crate::totals::Totals;

const STREAMS: [u32; 2] = [10_000, 100_000];
/// Events of a scan, spread over so many accounts.
const SCAN: (u32, Accounts) = (100_000, Accounts(1_000));
/// Events of one append while the databases are filled.
const FILLING: usize = 1_000;

/// Measures the replay of one stream.
pub(super) async fn replay(run: &mut Run<'_>) -> Result<(), Error> {
    for database in run.databases() {
        for events in STREAMS {
            let deposits: Vec<_> = (0..events).map(|number| Deposit::on(0, number)).collect();
            read(run, database, "replay", Some("account-000000"), &deposits).await?;
        }
    }
    Ok(())
}

/// Measures the scan of a store.
pub(super) async fn scan(run: &mut Run<'_>) -> Result<(), Error> {
    let (events, accounts) = SCAN;
    let mut deposits: Vec<_> = (0..events).map(|number| accounts.deposit(number)).collect();
    // Appends are to one stream each, so that filling is fast; within an append the order stays.
    for some in deposits.chunks_mut(100 * FILLING) {
        some.sort_by(|one, other| one.account.cmp(&other.account));
    }
    for database in run.databases() {
        read(run, database, "scan", None, &deposits).await?;
    }
    Ok(())
}

/// Both with few events, for tests.
#[cfg(test)]
pub(super) async fn read_few(run: &mut Run<'_>) -> Result<(), Error> {
    let of_one: Vec<_> = (0..3_000).map(|number| Deposit::on(0, number)).collect();
    let of_some: Vec<_> = (0..3_000).map(|number| Deposit::on(number / 100, number)).collect();
    for database in run.databases() {
        read(run, database, "replay", Some("account-000000"), &of_one).await?;
        read(run, database, "scan", None, &of_some).await?;
    }
    Ok(())
}

async fn read(
    run: &mut Run<'_>,
    database: Database,
    workload: &'static str,
    stream: Option<&'static str>,
    deposits: &[Deposit],
) -> Result<(), Error> {
    let homes = [run.fresh(database).await?, run.fresh(database).await?];
    let mut expected = Totals::default();
    deposits.iter().for_each(|deposit| expected.add(deposit.cents));
    let reading = Reading {
        workload,
        database,
        stream,
        expected,
        annals: match run.takes_part(Subject::Annals) {
            true => Some(fill_annals(&homes[0], deposits).await?),
            false => None,
        },
        table: fill_table(&homes[1], deposits).await?,
    };
    run.contest(&reading).await?;
    if let Some(annals) = reading.annals {
        annals.close().await?;
    }
    reading.table.close().await;
    for home in homes {
        home.remove().await?;
    }
    Ok(())
}

async fn fill_annals(home: &Home, deposits: &[Deposit]) -> Result<Arc<annals::Accounts>, Error> {
    let accounts = annals::Accounts::open(&home.url).await?;
    for of_one in deposits.chunk_by(|one, next| one.account == next.account) {
        let mut so_far = 0;
        for some in of_one.chunks(FILLING) {
            accounts.append(some, so_far).await?;
            so_far += some.len() as u64;
        }
    }
    Ok(accounts)
}

async fn fill_table(home: &Home, deposits: &[Deposit]) -> Result<Arc<dyn Table>, Error> {
    let table = plain::open(home, Access::Shared).await?;
    let mut rows = Vec::with_capacity(FILLING);
    for of_one in deposits.chunk_by(|one, next| one.account == next.account) {
        for (deposit, version) in of_one.iter().zip(1..) {
            rows.push(Row::new(deposit, version)?);
            if rows.len() == FILLING {
                table.insert(&rows).await?;
                rows.clear();
            }
        }
    }
    if !rows.is_empty() {
        table.insert(&rows).await?;
    }
    Ok(table)
}

/// Two filled databases.
struct Reading {
    workload: &'static str,
    database: Database,
    /// `None` for everything.
    stream: Option<&'static str>,
    expected: Totals,
    annals: Option<Arc<annals::Accounts>>,
    table: Arc<dyn Table>,
}

#[async_trait]
impl Contest for Reading {
    fn case(&self) -> Case {
        Case::new(self.workload, self.database, 1).with("events", self.expected.events)
    }

    async fn round(&self, run: &Run<'_>, subject: Subject) -> Result<Figures, Error> {
        let (stream, expected) = (self.stream, self.expected);
        let (annals, table) = (self.annals.clone(), Arc::clone(&self.table));
        let load = Load { clients: 1, span: run.span() };
        let sample = drive(load, move |_| {
            let (annals, table) = (annals.clone(), Arc::clone(&table));
            async move {
                let part = stream.map_or(Part::All, Part::Stream);
                let totals = match (subject, annals, stream) {
                    (Subject::Plain, ..) => table.fold(part, Packing::Rows).await?,
                    (Subject::Batched, ..) => table.fold(part, Packing::Pages).await?,
                    (Subject::Annals, Some(annals), Some(stream)) => annals.replay(stream).await?,
                    (Subject::Annals, Some(annals), None) => annals.scan().await?,
                    (Subject::Annals, None, _) => return Err("the store was not filled".into()),
                };
                if totals != expected {
                    return Err(format!("{totals:?} were read, {expected:?} were written").into());
                }
                Ok(())
            }
        })
        .await?;
        Ok(Figures::from(&sample).times(self.expected.events))
    }
}
