//! Turns the times of recurring schedules into scheduled commands.

use std::collections::HashSet;

use crate::handler::error::chain;
use crate::message::Timestamp;
use crate::store::{Claim, Effect, Journal, StoreError};

use super::Missed;
use super::error::RecurringError;
use super::row::{self, Row};

/// Times of one schedule that are turned into commands in one transaction.
const AT_ONCE: usize = 256;

/// The recurring schedules as the node sees them that sends what is scheduled.
#[derive(Default)]
pub(in crate::command::schedule) struct Runs {
    /// Schedules that were reported, so that each is once.
    reported: HashSet<String>,
}

impl Runs {
    /// Turns the times that have come into commands; returns when the next one comes.
    pub(in crate::command::schedule) async fn turn(
        &mut self,
        journal: &Journal,
        claim: &Claim,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut next: Option<Timestamp> = None;
        for row in row::all(journal).await? {
            let due = match row {
                Ok(row) => self.turn_one(journal, claim, row).await?,
                Err(error) => self.report(&error),
            };
            next = next.into_iter().chain(due).min();
        }
        Ok(next)
    }

    async fn turn_one(&mut self, journal: &Journal, claim: &Claim, seen: Row) -> Result<Option<Timestamp>, StoreError> {
        let due = seen.awaited();
        if due.is_none_or(|due| due > journal.now()) {
            return Ok(due);
        }
        match run(journal, claim, &seen.name).await {
            Ok(due) => Ok(due),
            Err(RecurringError::Store(error)) => Err(error),
            Err(error) => Ok(self.report(&error)),
        }
    }

    /// One that cannot be read holds up no other one.
    fn report(&mut self, error: &RecurringError) -> Option<Timestamp> {
        let text = chain(error);
        if self.reported.insert(text.clone()) {
            tracing::error!(error = text, "a recurring schedule needs attention");
        }
        None
    }
}

/// Turns the times of the schedule `name` that have come into commands, in one transaction; returns its next time.
async fn run(journal: &Journal, claim: &Claim, name: &str) -> Result<Option<Timestamp>, RecurringError> {
    let mut transaction = journal.store().begin().await?;
    transaction.guard(std::slice::from_ref(claim)).await?;
    // Somebody may have changed it since it was looked at.
    let Some(mut row) = row::load(journal, &mut *transaction, name).await? else { return Ok(None) };
    let now = journal.now();
    let Some(due) = row.awaited().filter(|due| *due <= now) else { return Ok(row.awaited()) };
    let times = times_of(&row, due, now)?;
    let effects: Vec<Effect> = times.met.iter().map(|time| row.run(journal.tenant(), *time)).collect();
    if !effects.is_empty() {
        transaction.add_effects(effects).await?;
    }
    row.due = times.next;
    row.last = times.met.last().copied().or(row.last);
    row::save(journal, &mut *transaction, &row).await?;
    transaction.commit().await?;
    Ok(row.due)
}

/// What becomes of the times from `due` to `now`.
struct Times {
    /// Those that are turned into commands.
    met: Vec<Timestamp>,
    /// The first that is left.
    next: Option<Timestamp>,
}

fn times_of(row: &Row, due: Timestamp, now: Timestamp) -> Result<Times, RecurringError> {
    let cron = row.times()?;
    let last = match row.missed.into() {
        Missed::All => {
            let all = std::iter::successors(Some(due), |time| cron.next(*time).filter(|next| *next <= now));
            let met: Vec<Timestamp> = all.take(AT_ONCE).collect();
            let next = cron.next(met.last().copied().unwrap_or(due));
            return Ok(Times { met, next });
        }
        Missed::One => Some(cron.last(due, now)),
        Missed::None => Some(cron.last(due, now)).filter(|last| now.since(*last) <= Missed::LATE),
    };
    Ok(Times { met: last.into_iter().collect(), next: cron.next(now) })
}
