//! A live reader beside 32 writers at full speed: does it see every event, in order, and how soon?
//!
//! An operation is an event that was seen. The delay runs from the moment at which the writer had its answer to the
//! moment at which the reader had the event; it is 0 where the reader was first. Plain SQL reads what has a higher
//! position than the newest it has seen, and sleeps for a millisecond when there is nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::Depositor;
use crate::Error;
use crate::annals::Follower;
use crate::database::Database;
use crate::deposit::{Accounts, Deposit};
use crate::measure::{Load, Sample, drive};
use crate::plain::Table;
use crate::report::{Case, Figures, Merge};
use crate::run::{Contest, Run};
use crate::subject::Subject;

const WRITERS: u32 = 32;
const ACCOUNTS: Accounts = Accounts(1_000);
/// An event that has not been seen for so long after the last one that was, and after all writing, is lost.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    for database in run.databases() {
        for clients in run.clients(&[WRITERS]) {
            run.contest(&Tail { database, clients }).await?;
        }
    }
    Ok(())
}

struct Tail {
    database: Database,
    clients: u32,
}

#[async_trait]
impl Contest for Tail {
    fn case(&self) -> Case {
        Case::new("tail", self.database, self.clients)
    }

    async fn round(&self, run: &Run<'_>, subject: Subject) -> Result<Figures, Error> {
        let home = run.fresh(self.database).await?;
        let depositor = Depositor::open(&home, subject, run.access(self.database, self.clients)).await?;
        let written = Arc::new(AtomicBool::new(false));
        let reader = tokio::spawn(follow(Reader::of(&depositor), Arc::clone(&written)));
        let started = Instant::now();
        let answered = write(&depositor, Load { clients: self.clients, span: run.span() }).await?;
        written.store(true, Ordering::Release);
        let seen = reader.await??;

        let acknowledged = answered.len() as u64;
        depositor.close(acknowledged).await?;
        home.remove().await?;
        let delay =
            |(number, at): (&u32, &Instant)| seen.first.get(number).map(|first| first.saturating_duration_since(*at));
        let delays: Vec<_> = answered.iter().filter_map(delay).collect();
        let lost = acknowledged - delays.len() as u64;
        let sample = Sample::new(seen.last.saturating_duration_since(started), delays);
        let figures = Figures::from(&sample).with("lost", lost as f64, Merge::Sum);
        Ok(figures.with("out_of_order", seen.out_of_order as f64, Merge::Sum))
    }
}

/// Writes for a while; gives for each deposit the moment at which it was answered.
async fn write(depositor: &Arc<Depositor>, load: Load) -> Result<HashMap<u32, Instant>, Error> {
    let answered = Arc::new(Mutex::new(HashMap::new()));
    let (writer, answers) = (Arc::clone(depositor), Arc::clone(&answered));
    drive(load, move |call| {
        let (writer, answers) = (Arc::clone(&writer), Arc::clone(&answers));
        async move {
            writer.deposit(ACCOUNTS.deposit(call.number)).await?;
            let at = Instant::now();
            answers.lock().await.insert(call.number, at);
            Ok(())
        }
    })
    .await?;
    Ok(Arc::into_inner(answered).ok_or("a client still writes")?.into_inner())
}

/// What a reader saw.
struct Seen {
    /// When it first saw each deposit.
    first: HashMap<u32, Instant>,
    /// When it saw the newest one.
    last: Instant,
    /// Events that did not come after all others before them.
    out_of_order: u64,
}

enum Reader {
    Annals(Follower),
    Plain { table: Arc<dyn Table>, after: i64 },
}

impl Reader {
    fn of(depositor: &Depositor) -> Self {
        match depositor {
            Depositor::Annals(accounts) => Self::Annals(accounts.follow()),
            Depositor::Plain(table) | Depositor::Batched(_, table) => {
                Self::Plain { table: Arc::clone(table), after: 0 }
            }
        }
    }

    /// The next events; empty where none came for a while.
    async fn next(&mut self) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        match self {
            Self::Annals(follower) => follower.next().await,
            Self::Plain { table, after } => {
                let page = table.after(*after).await?;
                match page.last() {
                    Some((newest, _)) => *after = *newest,
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
                Ok(page)
            }
        }
    }
}

async fn follow(mut reader: Reader, written: Arc<AtomicBool>) -> Result<Seen, Error> {
    let mut seen = Seen { first: HashMap::new(), last: Instant::now(), out_of_order: 0 };
    let mut newest = 0;
    loop {
        let done = written.load(Ordering::Acquire);
        let events = reader.next().await?;
        let now = Instant::now();
        if events.is_empty() && done && now - seen.last > PATIENCE {
            return Ok(seen);
        }
        for (position, payload) in events {
            let deposit: Deposit = serde_json::from_slice(&payload)?;
            let number = deposit.number().ok_or("a deposit without a number")?;
            let again = seen.first.insert(number, now).is_some();
            seen.out_of_order += u64::from(position <= newest || again);
            newest = newest.max(position);
            seen.last = now;
        }
    }
}
