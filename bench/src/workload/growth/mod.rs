//! Commands on a store that holds many events already, in turn with the same on an empty one: the cost must not grow.
//!
//! The events are there before the measurement, on accounts of their own, filled in by plain SQL. The store is filled
//! once and then serves all rounds.

mod fill;

use super::Depositor;
use super::commands::send;
use crate::Error;
use crate::database::{Database, Home};
use crate::deposit::{Accounts, Deposit};
use crate::measure::Load;
use crate::report::{Case, Figures, ratio};
use crate::run::Run;
use crate::subject::Subject;

const CLIENTS: u32 = 64;
const ACCOUNTS: Accounts = Accounts(1_000);
const SUBJECTS: [Subject; 2] = [Subject::Annals, Subject::Plain];

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    for database in run.databases() {
        for clients in run.clients(&[CLIENTS]) {
            compare(run, database, clients).await?;
        }
    }
    Ok(())
}

async fn compare(run: &mut Run<'_>, database: Database, clients: u32) -> Result<(), Error> {
    run.find_access(database, clients).await?;
    let mut subjects = Vec::new();
    for subject in SUBJECTS.into_iter().filter(|subject| run.takes_part(*subject)) {
        let full = filled(run, database, subject).await?;
        subjects.push((subject, full, Vec::new(), Vec::new()));
    }
    for round in 0..run.rounds() {
        for (subject, full, on_full, on_empty) in &mut subjects {
            let empty = run.fresh(database).await?;
            if round % 2 == 0 {
                on_empty.push(measure(run, &empty, *subject, clients).await?);
                on_full.push(measure(run, full, *subject, clients).await?);
            } else {
                on_full.push(measure(run, full, *subject, clients).await?);
                on_empty.push(measure(run, &empty, *subject, clients).await?);
            }
            empty.remove().await?;
        }
    }
    let (mut empty, mut full) = (Vec::new(), Vec::new());
    for (subject, home, on_full, on_empty) in subjects {
        home.remove().await?;
        full.push((subject, on_full));
        empty.push((subject, on_empty));
    }
    let case = |events: u64| Case::new("growth", database, clients).with("events", events);
    let on_empty = run.keep(&case(0), &empty).to_vec();
    for (row, empty) in run.keep(&case(run.events()), &full).iter_mut().zip(on_empty) {
        let ratio = ratio(&row.rounds, &empty.rounds);
        row.extra.insert("ratio_to_empty", ratio);
        println!("growth, {}, {}: {ratio:.2} of an empty one", database.name(), row.subject.name());
    }
    Ok(())
}

/// A database that holds events already.
async fn filled(run: &Run<'_>, database: Database, subject: Subject) -> Result<Home, Error> {
    let home = run.fresh(database).await?;
    let depositor = Depositor::open(&home, subject, run.access(database, 1)).await?;
    // The first event is written as always, and is the pattern of the others.
    depositor.deposit(Deposit::on(u32::MAX, 0)).await?;
    depositor.close(1).await?;
    let table = if subject == Subject::Annals { "annals_events" } else { "events" };
    fill::fill(&home, table, run.events()).await?;
    Ok(home)
}

async fn measure(run: &Run<'_>, home: &Home, subject: Subject, clients: u32) -> Result<Figures, Error> {
    let depositor = Depositor::open(home, subject, run.access(home.database, clients)).await?;
    let before = depositor.count().await?;
    depositor.prepare(ACCOUNTS.first_deposits()).await?;
    let sample = send(&depositor, Load { clients, span: run.span() }, ACCOUNTS).await?;
    depositor.close(before + sample.operations() + u64::from(ACCOUNTS.0)).await?;
    Ok(Figures::from(&sample))
}
