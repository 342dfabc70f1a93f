//! Saga instances with their associations, effects, timers and history.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::message::SagaId;
use crate::store::error::{BoxError, StoreError};
use crate::store::sagas::{Association, Effect, HistoryRow, SagaRow, SagaWrite, Timer};

use super::session::{Session, Statement};
use super::statements::Statements;
use super::value::{ColumnError, Row};
use super::{json, rows};

/// Runs the statements of one saga on a session. Lists go with one statement, whatever their length.
pub(super) struct Sagas<'a, S: ?Sized> {
    pub(super) session: &'a mut S,
    pub(super) sql: &'static Statements,
    pub(super) tenant: &'a str,
    pub(super) saga: &'a str,
}

impl<S: Session + ?Sized> Sagas<'_, S> {
    /// The running instances with any of `associations`, and those with any of `ids`.
    pub(super) async fn find(
        &mut self,
        associations: &[Association],
        ids: &[SagaId],
    ) -> Result<Vec<SagaRow>, StoreError> {
        if associations.is_empty() {
            return self.by_id(ids).await;
        }
        let wanted = associations.iter().map(|association| (&association.key, &association.value));
        let wanted = json::list(wanted).map_err(StoreError::unavailable)?;
        let named = json::list(ids.iter().map(hexadecimal)).map_err(StoreError::unavailable)?;
        let statement = self.statement(self.sql.find_sagas).bind(wanted).bind(named);
        let found = self.session.fetch(statement).await.map_err(StoreError::unavailable)?;
        let all: Result<Vec<SagaId>, ColumnError> =
            found.into_iter().map(|mut row| Ok(row.id("saga_id")?.into())).collect();
        let mut rows = self.by_id(&all.map_err(StoreError::unavailable)?).await?;
        rows.retain(|row| !row.status.is_ended() || ids.contains(&row.id));
        Ok(rows)
    }

    /// The instances `ids`, with their associations.
    pub(super) async fn by_id(&mut self, ids: &[SagaId]) -> Result<Vec<SagaRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = distinct(ids)?;
        let found = self.session.fetch(self.statement(self.sql.sagas).bind(&ids)).await;
        let found: Result<Vec<_>, _> = found.map_err(StoreError::unavailable)?.into_iter().map(rows::saga).collect();
        let mut found = found.map_err(StoreError::unavailable)?;
        if found.iter().all(|row| row.status.is_ended()) {
            return Ok(found);
        }
        let associations = self.session.fetch(self.statement(self.sql.associations).bind(ids)).await;
        let associations: Result<Vec<_>, _> =
            associations.map_err(StoreError::unavailable)?.into_iter().map(association).collect();
        attach(&mut found, associations.map_err(StoreError::unavailable)?);
        Ok(found)
    }

    pub(super) async fn timers(&mut self, ids: &[SagaId]) -> Result<Vec<Timer>, StoreError> {
        let found = self.session.fetch(self.statement(self.sql.timers).bind(distinct(ids)?)).await;
        let found: Result<Vec<_>, _> = found.map_err(StoreError::unavailable)?.into_iter().map(rows::timer).collect();
        found.map_err(StoreError::unavailable)
    }

    /// Writes instances with all that belongs to them.
    pub(super) async fn write(&mut self, writes: &[SagaWrite]) -> Result<(), StoreError> {
        for (text, begun) in [(self.sql.add_sagas, false), (self.sql.update_sagas, true)] {
            let rows: Vec<_> =
                writes.iter().map(|write| &write.row).filter(|row| (row.revision > 0) == begun).collect();
            self.write_rows(text, &rows).await?;
        }
        self.run(self.lists(writes)).await
    }

    async fn write_rows(&mut self, text: &'static str, rows: &[&SagaRow]) -> Result<(), StoreError> {
        let mut lists = Lists::default();
        lists.add(text, rows.iter().map(|row| saga_row(row)));
        let Some((text, list)) = lists.0.pop() else { return Ok(()) };
        let statement = self.statement(text).bind(list.map_err(StoreError::unavailable)?);
        let written = self.session.execute(statement).await.map_err(StoreError::unavailable)?;
        if written == rows.len() as u64 {
            return Ok(());
        }
        let what = match rows {
            [row] => format!("instance {} of saga `{}`", row.id, self.saga),
            _ => format!("one of {} instances of saga `{}`", rows.len(), self.saga),
        };
        Err(StoreError::Changed { what })
    }

    /// What is written besides the rows, in order.
    fn lists(&self, writes: &[SagaWrite]) -> Lists {
        let sql = self.sql;
        let running = || writes.iter().filter(|write| !write.row.status.is_ended());
        let known = || writes.iter().map(|write| &write.row).filter(|row| row.revision > 0);
        let ends = || known().filter(|row| row.status.is_ended()).map(|row| &row.id);
        let mut lists = Lists::default();
        lists.add(sql.drop_associations, running().flat_map(|write| associations(write, &write.dissociated)));
        lists.add(sql.end_associations, ends().map(hexadecimal));
        lists.add(sql.add_associations, running().flat_map(|write| associations(write, &write.associated)));
        let cancelled =
            running().flat_map(|write| write.cancelled.iter().map(|name| (hexadecimal(&write.row.id), name)));
        lists.add(sql.cancel_timers, cancelled);
        lists.add(sql.end_timers, ends().map(hexadecimal));
        let timers = running().flat_map(|write| &write.timers);
        let timers = timers.map(|timer| (hexadecimal(&timer.saga_id), timer.slice, &timer.name, timer.due.as_micros()));
        lists.add(sql.set_timers, timers);
        lists.add(sql.add_effects, writes.iter().flat_map(|write| &write.effects).map(effect_row));
        lists.add(sql.add_history, writes.iter().flat_map(|write| &write.history).map(history_row));
        let taken =
            writes.iter().flat_map(|write| write.taken.iter().map(|number| (hexadecimal(&write.row.id), number)));
        lists.add(sql.take_waiting, taken);
        let waiting = writes.iter().flat_map(|write| {
            write.waiting.iter().map(|waiting| (hexadecimal(&write.row.id), waiting.number, &waiting.input))
        });
        lists.add(sql.add_waiting, waiting);
        lists
    }

    /// Adds effects, in order.
    pub(super) async fn add_effects(&mut self, effects: &[Effect]) -> Result<(), StoreError> {
        let mut lists = Lists::default();
        lists.add(self.sql.add_effects, effects.iter().map(effect_row));
        self.run(lists).await
    }

    /// Removes effects by their scopes and labels; returns how many.
    pub(super) async fn drop_labels(&mut self, labels: Vec<(&str, &str)>) -> Result<u64, StoreError> {
        if labels.is_empty() {
            return Ok(0);
        }
        let list = json::list(labels).map_err(StoreError::unavailable)?;
        if !self.sql.hold_labels.is_empty() {
            let hold = self.statement(self.sql.hold_labels).bind(&list);
            self.session.execute(hold).await.map_err(StoreError::unavailable)?;
        }
        let drop = self.statement(self.sql.drop_labels).bind(list);
        self.session.execute(drop).await.map_err(StoreError::unavailable)
    }

    pub(super) async fn add_history(&mut self, rows: &[HistoryRow]) -> Result<(), StoreError> {
        let mut lists = Lists::default();
        lists.add(self.sql.add_history, rows.iter().map(history_row));
        self.run(lists).await
    }

    async fn run(&mut self, lists: Lists) -> Result<(), StoreError> {
        for (text, list) in lists.0 {
            let statement = self.statement(text).bind(list.map_err(StoreError::unavailable)?);
            self.session.execute(statement).await.map_err(StoreError::unavailable)?;
        }
        Ok(())
    }

    fn statement(&self, text: &'static str) -> Statement {
        Statement::new(text).bind(self.tenant).bind(self.saga)
    }
}

/// Statements whose third parameter is a list.
#[derive(Default)]
struct Lists(Vec<(&'static str, Result<String, BoxError>)>);

impl Lists {
    /// Adds a statement, unless its list is empty.
    fn add<T: Serialize>(&mut self, text: &'static str, items: impl Iterator<Item = T>) {
        let mut items = items.peekable();
        if items.peek().is_some() {
            self.0.push((text, json::list(items)));
        }
    }
}

/// Reads an association and the instance that it belongs to.
pub(super) fn association(mut row: Row) -> Result<(SagaId, Association), ColumnError> {
    let id = row.id("saga_id")?.into();
    Ok((id, Association { key: row.text("association_key")?, value: row.text("association_value")? }))
}

/// Gives instances their associations.
pub(super) fn attach(found: &mut [SagaRow], associations: Vec<(SagaId, Association)>) {
    let mut of_instance: HashMap<SagaId, Vec<Association>> = HashMap::new();
    for (id, association) in associations {
        of_instance.entry(id).or_default().push(association);
    }
    for row in found {
        row.associations = of_instance.remove(&row.id).unwrap_or_default();
    }
}

/// The list of `ids`, each once.
pub(super) fn distinct(ids: &[SagaId]) -> Result<String, StoreError> {
    let ids: BTreeSet<&SagaId> = ids.iter().collect();
    json::list(ids.into_iter().map(hexadecimal)).map_err(StoreError::unavailable)
}

fn hexadecimal(id: &SagaId) -> String {
    json::id(id.uuid())
}

fn associations<'w>(
    write: &'w SagaWrite,
    of: &'w [Association],
) -> impl Iterator<Item = (String, &'w String, &'w String)> {
    of.iter().map(|association| (hexadecimal(&write.row.id), &association.key, &association.value))
}

fn history_row(row: &HistoryRow) -> impl Serialize {
    (hexadecimal(&row.saga_id), row.at.as_micros(), &row.entry)
}

/// Revision 0 is that of an instance to add.
fn saga_row(row: &SagaRow) -> impl Serialize {
    let (text, digits) = json::bytes(&row.state);
    (
        hexadecimal(&row.id),
        row.revision,
        row.version,
        text,
        digits,
        row.progress.as_deref(),
        row.status.number(),
        row.slice,
        row.position.get(),
        row.key.as_deref().map(json::printable),
        row.effects,
        row.step.as_deref().map(json::printable),
        row.attention.as_deref().map(json::printable),
        row.began.as_micros(),
        row.changed.as_micros(),
    )
}

/// The scopes and labels of effects that have both.
pub(super) fn labels(effects: &[Effect]) -> Vec<(&str, &str)> {
    effects.iter().filter_map(|effect| Some((effect.scope.as_deref()?, effect.label.as_deref()?))).collect()
}

pub(super) fn effect_row(effect: &Effect) -> impl Serialize + use<'_> {
    let (text, digits) = json::bytes(&effect.payload);
    (
        json::id(effect.command.uuid()),
        hexadecimal(&effect.saga_id),
        effect.slice,
        effect.number,
        effect.group,
        effect.kind.number(),
        &effect.name,
        text,
        digits,
        json::Text(&effect.metadata),
        effect.step.as_deref(),
        effect.scope.as_deref().map(json::printable),
        effect.label.as_deref().map(json::printable),
        effect.attempts,
        effect.not_before.as_micros(),
        effect.parked.as_deref().map(json::printable),
    )
}
