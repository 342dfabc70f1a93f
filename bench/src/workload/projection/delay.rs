//! From a command to its place in a view, at a steady rate.
//!
//! Commands are sent by a clock, whether earlier ones are answered or not. The delay runs from the answer to the moment
//! at which a reader who waits for the command's position finds the view there; from the sending too. On PostgreSQL
//! `plain` is the least that would do: a NOTIFY on one connection, which another one hears, and one upsert.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Error;
use crate::annals;
use crate::database::Database;
use crate::deposit::Accounts;
use crate::measure::Sample;
use crate::plain::Listening;
use crate::report::{Case, Figures, Merge};
use crate::run::Run;
use crate::subject::Subject;

const ACCOUNTS: Accounts = Accounts(1_000);
/// Commands in a second.
const RATE: u32 = 1_000;

pub(super) async fn run(run: &mut Run<'_>, database: Database) -> Result<(), Error> {
    let mut measured = Vec::new();
    for subject in [Subject::Annals, Subject::Plain].into_iter().filter(|subject| run.takes_part(*subject)) {
        if subject == Subject::Annals || database == Database::Postgres {
            measured.push((subject, Vec::new()));
        }
    }
    for _ in 0..run.rounds() {
        for (subject, figures) in &mut measured {
            figures.push(match subject {
                Subject::Annals => commands(run, database).await?,
                _ => notifications(run, database).await?,
            });
        }
    }
    let case = Case::new("delay", database, 1).with("commands_per_second", RATE);
    let rows = run.keep(&case, &measured);
    let plain = rows.iter().find(|row| row.subject == Subject::Plain).map(|row| (row.p50_us, row.p99_us));
    for row in rows {
        // The sides work at different rates: what compares is how long they take.
        row.ratio_to_plain = None;
        if let Some((p50, p99)) = plain.filter(|_| row.subject == Subject::Annals) {
            row.extra.insert("p50_to_plain", row.p50_us / p50);
            row.extra.insert("p99_to_plain", row.p99_us / p99);
        }
        println!(
            "delay, {}, {}: half within {:.2} ms, 99 of 100 within {:.2} ms",
            database.name(),
            row.subject.name(),
            row.p50_us / 1e3,
            row.p99_us / 1e3
        );
    }
    Ok(())
}

async fn commands(run: &Run<'_>, database: Database) -> Result<Figures, Error> {
    let home = run.fresh(database).await?;
    let app = annals::Accounts::viewed(&home.url, None).await?;
    for deposit in ACCOUNTS.first_deposits() {
        app.deposit(deposit).await?;
    }
    app.caught_up(u64::from(ACCOUNTS.0)).await?;
    let mut waiting = JoinSet::new();
    let mut clock = tokio::time::interval(Duration::from_secs(1) / RATE);
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < run.span() {
        clock.tick().await;
        let app = Arc::clone(&app);
        waiting.spawn(async move {
            let sent = Instant::now();
            let [answered, seen] = app.seen(ACCOUNTS.deposit(number)).await?;
            Ok::<_, Error>((seen - answered, seen - sent))
        });
        number += 1;
    }
    let (mut since_answer, mut since_sending) = (Vec::new(), Vec::new());
    while let Some(done) = waiting.join_next().await {
        let (answer, sending) = done??;
        since_answer.push(answer);
        since_sending.push(sending);
    }
    let elapsed = begun.elapsed();
    app.close().await?;
    home.remove().await?;
    let whole = Sample::new(elapsed, since_sending);
    let figures = Figures::from(&Sample::new(elapsed, since_answer));
    let figures = figures.with("p50_ms_from_sending", whole.quantile_us(0.50) / 1e3, Merge::Median);
    Ok(figures.with("p99_ms_from_sending", whole.quantile_us(0.99) / 1e3, Merge::Median))
}

async fn notifications(run: &Run<'_>, database: Database) -> Result<Figures, Error> {
    let home = run.fresh(database).await?;
    let mut listening = Listening::open(&home.url).await?;
    let begun = Instant::now();
    let mut times = Vec::new();
    let mut number = 0;
    while begun.elapsed() < run.span() {
        times.push(listening.round_trip(&ACCOUNTS.deposit(number).account).await?);
        number += 1;
    }
    let elapsed = begun.elapsed();
    listening.close().await?;
    home.remove().await?;
    Ok(Figures::from(&Sample::new(elapsed, times)))
}
