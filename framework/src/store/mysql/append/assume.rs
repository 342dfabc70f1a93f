//! One round trip for an append: what it expects is assumed to hold, and verified by the statements that write it.
//!
//! The rules of an append need the heads of its streams. They are remembered from earlier appends, or stated by what the
//! append expects. The text that writes takes the append lock, fails unless what was assumed holds, inserts and commits:
//!
//! - Nobody else has appended: the next position is free, since positions are dense.
//! - Nothing else was changed that appends depend on: the number of changes is as remembered.
//! - A stream that is not remembered is as expected: it has the version that it should have and not the next one, and no
//!   row that tells of another life than that of an open stream.
//! - Event ids and command ids are new: their keys.

use std::collections::HashMap;

use crate::message::{StreamId, Version};
use crate::store::append::{Append, Expected};
use crate::store::plan::{Facts, StreamState, plan};
use crate::store::sql::{Deleted, Failure};

use super::super::errors;
use super::super::session::run;
use super::link::Link;
use super::memory::{AsOf, Memory};
use super::script::{Field, Script, integer};
use super::{Ask, Attempt, PATIENCE, Setback, rows};

/// Streams that are verified at most; more are asked for.
const STREAMS: usize = 256;

/// What is assumed about the streams of a batch.
#[derive(Debug)]
struct Assumption<'b> {
    as_of: AsOf,
    /// Heads of all streams; `None` for a stream without events.
    streams: HashMap<(&'b str, &'b StreamId), Option<Version>>,
    /// Those of them that are not remembered.
    stated: Vec<(&'b str, &'b StreamId, Option<Version>)>,
}

impl<'b> Assumption<'b> {
    /// `None` where something has to be asked.
    fn of(batch: &'b [Append], memory: &Memory) -> Option<Self> {
        let as_of = memory.as_of()?;
        let meets_others =
            |append: &Append| append.condition.as_ref().is_some_and(|condition| condition.after < as_of.head);
        if batch.iter().any(|append| !append.documents.is_empty() || meets_others(append)) {
            return None;
        }
        let mut assumption = Self { as_of, streams: HashMap::new(), stated: Vec::new() };
        for append in batch {
            let tenant = append.tenant.as_str();
            for (stream, expected) in &append.expected {
                // Of a stream that gets no event, no key verifies that it is as stated.
                let gets_events = append.events.iter().any(|event| event.stream == *stream);
                assumption.add(memory, tenant, stream, if gets_events { *expected } else { Expected::Any })?;
            }
            for event in &append.events {
                assumption.add(memory, tenant, &event.stream, Expected::Any)?;
            }
        }
        (assumption.stated.len() <= STREAMS).then_some(assumption)
    }

    fn add(&mut self, memory: &Memory, tenant: &'b str, stream: &'b StreamId, expected: Expected) -> Option<()> {
        if self.streams.contains_key(&(tenant, stream)) {
            return Some(());
        }
        let head = match (memory.newest(tenant, stream), expected) {
            (Some(newest), _) => Some(newest),
            (None, Expected::NoStream) => None,
            (None, Expected::Version(version)) => Some(version),
            (None, _) => return None,
        };
        if memory.newest(tenant, stream).is_none() {
            self.stated.push((tenant, stream, head));
        }
        self.streams.insert((tenant, stream), head);
        Some(())
    }

    fn facts(&self) -> Facts {
        let known = self.streams.iter().filter_map(|((tenant, stream), head)| {
            Some((((*tenant).to_owned(), (*stream).clone()), StreamState::open((*head)?)))
        });
        Facts { head: self.as_of.head, streams: known.collect(), ..Facts::default() }
    }

    /// Adds statements that take the append lock, and fail unless the assumption holds: the column takes no null.
    fn verify(&self, script: &mut Script) {
        script.add("START TRANSACTION");
        script.add_with(|text| {
            text.push_str("UPDATE annals_lock SET id = IF(changes = ");
            integer(text, i64::try_from(self.as_of.changes).unwrap_or(i64::MAX));
            text.push_str(", 1, NULL) WHERE id = 1");
        });
        if self.stated.is_empty() {
            return;
        }
        let key = |tenant, stream: &'b StreamId| {
            vec![Field::Text(tenant), Field::Text(stream.category()), Field::Text(stream.id())]
        };
        script.add_list(
            "UPDATE annals_lock SET id = IF(EXISTS (SELECT 1 FROM annals_streams \
             WHERE (tenant, category, stream_id) IN (",
            self.stated.iter().map(|(tenant, stream, _)| key(*tenant, stream)),
            ")), NULL, 1) WHERE id = 1",
        );
        let begun = self.stated.iter().filter_map(|(tenant, stream, head)| {
            let mut row = key(*tenant, stream);
            row.push(Field::Integer(i64::try_from((*head)?.get()).unwrap_or(i64::MAX)));
            Some(row)
        });
        let begun: Vec<_> = begun.collect();
        if !begun.is_empty() {
            let behind = format!(")) = {}, 1, NULL) WHERE id = 1", begun.len());
            script.add_list(
                "UPDATE annals_lock SET id = IF((SELECT COUNT(*) FROM annals_events \
                 WHERE (tenant, category, stream_id, version) IN (",
                begun,
                &behind,
            );
        }
    }
}

impl Link {
    /// Writes `batch` in one round trip, if everything that it depends on can be assumed and holds.
    pub(super) async fn write_assuming(&mut self, batch: &[Append]) -> Result<Attempt, Failure> {
        let Some(assumption) = Assumption::of(batch, &self.memory) else { return Ok(Attempt::Ask(Ask::AllButIds)) };
        let plan = plan(batch, assumption.facts());
        if plan.answers.iter().any(Result::is_err) {
            return Ok(Attempt::Ask(Ask::Everything));
        }
        let mut script = Script::new();
        assumption.verify(&mut script);
        if plan.is_empty() || rows::add_plan(&mut script, &plan, &Deleted::new()).is_err() {
            return Ok(Attempt::Ask(Ask::AllButIds));
        }
        script.add("COMMIT");
        let (large, mut texts) = script.finish();
        let (Some(text), true, true) = (texts.pop(), texts.is_empty(), large.is_empty()) else {
            return Ok(Attempt::Ask(Ask::AllButIds));
        };
        let Some(mut connection) = self.take() else { return Ok(Attempt::Ask(Ask::AllButIds)) };
        match run(&mut connection, text.text, PATIENCE).await {
            Ok(_) => {
                self.committed(connection, &plan);
                Ok(Attempt::Written(plan.answers))
            }
            Err((done, error)) if done + 1 < text.statements && !errors::loses_connection(&error) => {
                tracing::debug!(%error, "what an append rests on is looked up");
                self.give_up(connection).await;
                Ok(Attempt::Ask(Ask::Everything))
            }
            Err((_, error)) => {
                if !errors::loses_connection(&error) {
                    self.give_up(connection).await;
                }
                match self.settle(plan, error).await {
                    Ok(answers) => Ok(Attempt::Written(answers)),
                    Err(Setback::Failed(failure)) => Err(failure),
                    Err(Setback::NotThere(_) | Setback::IdsMatter) => Ok(Attempt::Ask(Ask::AllButIds)),
                }
            }
        }
    }
}
