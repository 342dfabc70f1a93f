//! What became of a commit during which the connection broke.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::error::BoxError;
use crate::store::plan::{Plan, Questions};
use crate::store::sql::{Failure, Session, Statement, first};

use super::super::errors;
use super::facts;
use super::link::{LOCK, Link};
use super::script::Script;
use super::{Answered, Setback};

/// How long it is tried to find out.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether a batch is there.
enum Found {
    There,
    NotThere,
    /// Nobody can tell any more.
    Unclear,
}

impl Link {
    /// Finds out whether `plan` was committed, after `error`. Whoever waits is told that its outcome is unknown only where
    /// that cannot be found out in time.
    pub(super) async fn settle(&mut self, plan: Plan<'_>, error: BoxError) -> Result<Answered, Setback> {
        let failure = match errors::of_commit(error) {
            Failure::Unknown(error) => error,
            failure => return Err(Setback::Failed(failure)),
        };
        tracing::warn!(error = %failure, "a commit was not acknowledged; it is looked for");
        let begun = Instant::now();
        loop {
            match self.look_for(&plan).await {
                Ok(Found::There) => {
                    self.memory.written(&plan);
                    return Ok(plan.answers);
                }
                Ok(Found::NotThere) => return Err(Setback::NotThere(failure)),
                Ok(Found::Unclear) => return Err(Setback::Failed(Failure::Unknown(failure))),
                Err(error) if begun.elapsed() < PATIENCE => {
                    tracing::debug!(%error, "the commit cannot be looked for yet");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => return Err(Setback::Failed(Failure::Unknown(failure))),
            }
        }
    }

    /// Looks for what `plan` writes, under the append lock: the server holds that until the commit that was under way has
    /// ended one way or the other. A batch is there as a whole or not at all, so one row of it tells.
    async fn look_for(&mut self, plan: &Plan<'_>) -> Result<Found, BoxError> {
        let mut connection = self.connect().await?;
        let mut script = Script::new();
        LOCK.into_iter().for_each(|statement| script.add(statement));
        facts::Asked::of(Questions::default(), &mut script).answers(&mut connection, script).await?;
        let found = if let Some((_, event, _, position)) = plan.events.first() {
            let questions = Questions { events: vec![event.id], ..Questions::default() };
            let facts = facts::ask(&mut connection, questions).await?;
            there(facts.events.get(&event.id).is_some_and(|place| place.position == *position))
        } else if let Some((tenant, record)) = plan.commands.first() {
            let questions =
                Questions { commands: std::iter::once((*tenant, record.id)).collect(), ..Questions::default() };
            let facts = facts::ask(&mut connection, questions).await?;
            there(facts.commands.get(&((*tenant).to_owned(), record.id)) == Some(record))
        } else if let Some((view, key, revision, body)) = plan.documents.last() {
            let statement = Statement::new(
                "SELECT revision, COALESCE(body, '') FROM annals_documents \
                 WHERE tenant = ?1 AND view = ?2 AND view_version = ?3 AND document_key = ?4",
            );
            let statement = statement.bind(&view.tenant).bind(&view.name).bind(view.version).bind(*key);
            let stored =
                first(connection.fetch(statement).await?, |mut row| Ok((row.number("revision")?, row.bytes("body")?)))?;
            match stored {
                Some((stored, text)) if stored == *revision => there(text == body.unwrap_or_default()),
                Some((stored, _)) if stored > *revision => Found::Unclear,
                _ => Found::NotThere,
            }
        } else {
            Found::NotThere
        };
        self.give_up(connection).await;
        Ok(found)
    }
}

fn there(is: bool) -> Found {
    if is { Found::There } else { Found::NotThere }
}
