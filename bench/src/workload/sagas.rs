//! Orders that are decided through a saga, beside the commands that the bare aggregates reach in the same run.
//!
//! A saga is three commands, two of which it sends itself, its own state, two associations and a deadline. An operation is a
//! saga from the placing of its order by one of the clients to its end; the time is that of placing. All orders are placed
//! before the time is over, and the sagas per second count until the last one has ended.

use std::sync::Arc;
use std::time::Instant;

use crate::Error;
use crate::annals::Orders;
use crate::database::Database;
use crate::measure::{Load, Sample, drive};
use crate::report::{Case, Figures, Merge};
use crate::run::Run;
use crate::subject::Subject;

const CLIENTS: u32 = 64;
/// Open instances, and deadlines of each, that lie there in the second case.
const OPEN: [(u32, u32); 2] = [(0, 0), (100_000, 10)];

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    for database in run.databases() {
        for clients in run.clients(&[CLIENTS]) {
            for (open, deadlines) in OPEN {
                contest(run, database, clients, open, deadlines).await?;
            }
        }
    }
    Ok(())
}

async fn contest(run: &mut Run<'_>, database: Database, clients: u32, open: u32, deadlines: u32) -> Result<(), Error> {
    let mut rounds = Vec::new();
    for _ in 0..run.rounds() {
        let commands = commands(run, database, clients).await?;
        let sagas = sagas(run, database, clients, open, deadlines).await?;
        let ratio = sagas.per_second / commands;
        rounds.push(sagas.with("commands", commands, Merge::Median).with("to_commands", ratio, Merge::Median));
    }
    let case = Case::new("sagas", database, clients).with("open", open).with("deadlines", open * deadlines);
    for row in run.keep(&case, &[(Subject::Annals, rounds)]) {
        let (commands, ratio) = (row.extra["commands"], row.extra["to_commands"]);
        println!(
            "sagas, {}, {open} open: {:.0}/s beside {commands:.0} commands/s: {ratio:.2}",
            database.name(),
            row.ops_per_second
        );
    }
    Ok(())
}

/// Commands per second without the saga.
async fn commands(run: &Run<'_>, database: Database, clients: u32) -> Result<f64, Error> {
    let home = run.fresh(database).await?;
    let app = Orders::bare(&home.url).await?;
    let sending = Arc::clone(&app);
    let steps: Arc<Vec<_>> = Arc::new((0..clients).map(|_| std::sync::atomic::AtomicU32::new(0)).collect());
    let sample = drive(Load { clients, span: run.span() }, move |call| {
        let app = Arc::clone(&sending);
        let step = steps[call.client as usize].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move { app.step(call.client, step).await }
    })
    .await?;
    app.close().await?;
    home.remove().await?;
    Ok(sample.per_second())
}

async fn sagas(run: &Run<'_>, database: Database, clients: u32, open: u32, deadlines: u32) -> Result<Figures, Error> {
    let home = run.fresh(database).await?;
    let app = Orders::fulfilled(&home.url).await?;
    app.leave_open(open, deadlines).await?;
    let begun = Instant::now();
    let sending = Arc::clone(&app);
    let placed = drive(Load { clients, span: run.span() }, move |call| {
        let app = Arc::clone(&sending);
        async move { app.place(call.number).await }
    })
    .await?;
    app.fulfil().await?;
    let elapsed = begun.elapsed();
    app.close().await?;
    home.remove().await?;
    Ok(Figures::from(&Sample::again(elapsed, placed)))
}
