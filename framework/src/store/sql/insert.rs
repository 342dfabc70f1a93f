//! Writes what was planned: one statement for each table that it touches, with the rows as a JSON array.

use std::collections::{BTreeMap, HashSet};
use std::sync::OnceLock;

use serde::Serialize;

use crate::message::{CommandId, Metadata, Position, StreamId, Tag, Timestamp, Version};
use crate::store::append::{CommandRecord, NewEvent, Outcome, SnapshotWrite};
use crate::store::documents::{OwnedEntry, composed};
use crate::store::error::BoxError;
use crate::store::exchange::StoredEvent;
use crate::store::plan::{Facts, Plan, PlannedDocument};
use crate::store::records::ViewId;
use crate::store::stream::{StreamStatus, Visibility};

use super::json;
use super::sagas::effect_row;
use super::session::{Session, Statement};
use super::statements::{InsertEvents, Statements};
use super::value::Value;

/// Streams that an append opens again: deleted ones.
pub(crate) type Deleted = HashSet<(String, StreamId)>;

/// The deleted streams among those that were asked for.
pub(crate) fn deleted(facts: &Facts) -> Deleted {
    let deleted = facts.streams.iter().filter(|(_, state)| state.status == StreamStatus::Deleted);
    deleted.map(|(stream, _)| stream.clone()).collect()
}

/// Writes what an append or a batch of appends leaves behind.
pub(super) async fn plan<S: Session + ?Sized>(
    session: &mut S,
    sql: &'static Statements,
    plan: &Plan<'_>,
    deleted: &Deleted,
) -> Result<(), BoxError> {
    let placed =
        plan.events.iter().map(|(tenant, event, version, position)| Placed::new(tenant, event, *version, *position));
    events(session, sql, placed.collect(), deleted).await?;
    let records = Records::of(plan)?;
    for (text, rows) in [
        (sql.insert_commands, records.commands),
        (sql.put_documents, records.documents),
        (sql.put_snapshots, records.snapshots),
    ] {
        if let Some(rows) = rows {
            session.execute(Statement::new(text).bind(rows)).await?;
        }
    }
    for (text, entries) in records.entries.statements(sql) {
        session.execute(Statement::new(text).bind(entries)).await?;
    }
    for statement in effects(sql, plan)? {
        session.execute(statement).await?;
    }
    Ok(())
}

/// The statements that take names back and give them to other effects.
pub(crate) fn effects(sql: &'static Statements, plan: &Plan<'_>) -> Result<Vec<Statement>, serde_json::Error> {
    let mut statements = Vec::new();
    let mut names = plan.effects.keys().map(|(tenant, saga, ..)| (*tenant, *saga)).collect::<Vec<_>>();
    names.dedup();
    for (tenant, saga) in names {
        let own = || plan.effects.iter().filter(|((of, by, ..), _)| (*of, *by) == (tenant, saga));
        let labels = rows(own().map(|((_, _, scope, label), _)| (scope, label)).collect())?;
        let added = rows(own().filter_map(|(_, effect)| effect.map(effect_row)).collect())?;
        for (text, list) in [(sql.drop_labels, labels), (sql.add_effects, added)] {
            statements.extend(list.map(|list| Statement::new(text).bind(tenant).bind(saga).bind(list)));
        }
    }
    Ok(statements)
}

/// What changes among the entries of documents: JSON arrays of rows, `None` where there are none.
#[derive(Debug)]
pub(crate) struct Entries {
    pub(crate) removed: Option<String>,
    pub(crate) added: Option<String>,
}

impl Entries {
    /// Of each entry, whether it is there in the end; see [`composed`].
    pub(crate) fn of(entries: &BTreeMap<OwnedEntry<'_>, bool>) -> Result<Self, serde_json::Error> {
        let some = |there: bool| {
            let some = entries.iter().filter(|(_, stays)| **stays == there);
            rows(some.map(|((view, index, value, key), _)| entry_row(view, index, value, key)).collect())
        };
        Ok(Self { removed: some(false)?, added: some(true)? })
    }

    /// The statements to run, each with its one parameter.
    pub(crate) fn statements(self, sql: &'static Statements) -> impl Iterator<Item = (&'static str, String)> {
        let both = [(sql.remove_entries, self.removed), (sql.add_entries, self.added)];
        both.into_iter().filter_map(|(text, entries)| Some((text, entries?)))
    }
}

fn entry_row<'a>(view: &'a ViewId, index: &'a str, value: &'a str, key: &'a str) -> impl Serialize + use<'a> {
    (&view.tenant, &view.name, view.version, index, value, key)
}

/// What a plan writes beside the events: for each table a JSON array of rows, `None` where there are none.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) commands: Option<String>,
    pub(crate) documents: Option<String>,
    pub(crate) entries: Entries,
    pub(crate) snapshots: Option<String>,
}

impl Records {
    pub(crate) fn of(plan: &Plan<'_>) -> Result<Self, serde_json::Error> {
        // Of several writes the last one counts; it stands on what was there before the first one. Rows are sorted, so that
        // two transactions wait for each other in the same order.
        let mut documents: BTreeMap<_, (u64, _)> = BTreeMap::new();
        for write in &plan.documents {
            let before = write.2.saturating_sub(1);
            documents.entry((write.0, write.1)).or_insert((before, write)).1 = write;
        }
        let newest: BTreeMap<_, _> = plan
            .snapshots
            .iter()
            .map(|write| ((write.0, &write.1.stream, &write.1.schema), snapshot_row(write)))
            .collect();
        Ok(Self {
            commands: rows(plan.commands.iter().map(command_row).collect())?,
            documents: rows(documents.into_values().map(document_row).collect())?,
            entries: Entries::of(&composed(plan.index.iter().copied()))?,
            snapshots: rows(newest.into_values().collect())?,
        })
    }
}

fn rows<T: Serialize>(rows: Vec<T>) -> Result<Option<String>, serde_json::Error> {
    if rows.is_empty() { Ok(None) } else { serde_json::to_string(&rows).map(Some) }
}

/// Writes events that were exported elsewhere.
pub(super) async fn import<S: Session + ?Sized>(
    session: &mut S,
    sql: &'static Statements,
    fresh: &[&StoredEvent],
    deleted: &Deleted,
) -> Result<(), BoxError> {
    events(session, sql, fresh.iter().map(|event| Placed::from(*event)).collect(), deleted).await
}

async fn events<S: Session + ?Sized>(
    session: &mut S,
    sql: &'static Statements,
    placed: Vec<Placed<'_>>,
    deleted: &Deleted,
) -> Result<(), BoxError> {
    let opened = opened(&placed, deleted);
    let opened = opened.iter().map(|(tenant, at)| (tenant, at.category(), at.id())).collect();
    insert(session, sql.reopen_streams, opened).await?;
    let tags = placed.iter().flat_map(|event| {
        let visibility = event.visibility.code();
        event.tags.iter().map(move |tag| (event.tenant, tag.to_string(), event.position, visibility))
    });
    let tags = tags.collect();
    match sql.insert_events {
        InsertEvents::OfJson(text) => {
            let rows: Result<Vec<_>, _> = placed.iter().map(Placed::row).collect();
            insert(session, text, rows?).await?;
        }
        InsertEvents::Values => {
            for some in placed.chunks(VALUE_ROWS) {
                session.execute(of_values(some)?).await?;
            }
        }
    }
    insert(session, sql.insert_tags, tags).await
}

/// Rows of one statement with a parameter for each value, at most.
const VALUE_ROWS: usize = 512;

/// Columns of events that are written: see [`Placed::values`].
const COLUMNS: usize = 14;

/// A statement that inserts `placed`. It is filled up to a power of two with rows of nulls, which are left out, so that a
/// connection prepares few texts.
fn of_values(placed: &[Placed<'_>]) -> Result<Statement, serde_json::Error> {
    let rows = placed.len().next_power_of_two();
    let mut values = Vec::with_capacity(rows * COLUMNS);
    for event in placed {
        values.extend(event.values()?);
    }
    values.resize(rows * COLUMNS, Value::Integer(None));
    Ok(Statement::built(text_of_values(rows), values))
}

/// The text that inserts so many rows, a power of two. Its parameters have no numbers: SQLite would look each of them up in
/// a list of all.
fn text_of_values(rows: usize) -> String {
    static TEXTS: [OnceLock<String>; VALUE_ROWS.ilog2() as usize + 1] =
        [const { OnceLock::new() }; VALUE_ROWS.ilog2() as usize + 1];
    let make = || {
        let row = format!("({})", ["?"; COLUMNS].join(","));
        format!(
            "INSERT INTO annals_events (position, tenant, category, stream_id, version, event_id, name, revision, payload, \
             metadata, tags, recorded_at, slice, visibility) SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL",
            vec![row; rows].join(",")
        )
    };
    TEXTS.get(rows.ilog2() as usize).map_or_else(make, |text| text.get_or_init(make).clone())
}

/// Those of `deleted` that get events.
pub(crate) fn opened(placed: &[Placed<'_>], deleted: &Deleted) -> Deleted {
    if deleted.is_empty() {
        return Deleted::new();
    }
    let written: Deleted = placed.iter().map(|event| (event.tenant.to_owned(), event.stream.clone())).collect();
    deleted.intersection(&written).cloned().collect()
}

/// Runs a statement over a list of rows, if there are any.
async fn insert<S: Session + ?Sized, T: Serialize>(
    session: &mut S,
    text: &'static str,
    rows: Vec<T>,
) -> Result<(), BoxError> {
    if let Some(rows) = self::rows(rows)? {
        session.execute(Statement::new(text).bind(rows)).await?;
    }
    Ok(())
}

/// An event with its place.
pub(crate) struct Placed<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) position: Position,
    pub(crate) stream: &'a StreamId,
    pub(crate) version: Version,
    pub(crate) id: uuid::Uuid,
    pub(crate) name: &'a str,
    pub(crate) revision: u32,
    pub(crate) payload: &'a [u8],
    pub(crate) metadata: &'a Metadata,
    pub(crate) tags: &'a [Tag],
    pub(crate) recorded_at: Timestamp,
    pub(crate) visibility: Visibility,
}

impl<'a> Placed<'a> {
    pub(crate) fn new(tenant: &'a str, event: &'a NewEvent, version: Version, position: Position) -> Self {
        let NewEvent { stream, id, name, revision, payload, metadata, tags, recorded_at } = event;
        Self {
            tenant,
            position,
            stream,
            version,
            id: id.uuid(),
            name,
            revision: *revision,
            payload,
            metadata,
            tags,
            recorded_at: *recorded_at,
            visibility: Visibility::Visible,
        }
    }

    /// A value for each column that [`of_values`] names.
    fn values(&self) -> Result<[Value; COLUMNS], serde_json::Error> {
        let payload = match json::bytes(self.payload) {
            (Some(text), _) => Value::from(text),
            (None, _) => Value::from(self.payload.to_vec()),
        };
        Ok([
            self.position.into(),
            self.tenant.into(),
            self.stream.category().into(),
            self.stream.id().into(),
            self.version.into(),
            Value::Id(self.id),
            self.name.into(),
            self.revision.into(),
            payload,
            serde_json::to_string(self.metadata)?.into(),
            self.tag_list()?.into(),
            self.recorded_at.into(),
            slice(self.tenant, self.stream).into(),
            self.visibility.code().into(),
        ])
    }

    /// The tags as a JSON array of `key:value`.
    fn tag_list(&self) -> Result<String, serde_json::Error> {
        let tags: Vec<String> = self.tags.iter().map(ToString::to_string).collect();
        serde_json::to_string(&tags)
    }

    fn row(&self) -> Result<EventRow<'a>, serde_json::Error> {
        let (text, digits) = json::bytes(self.payload);
        Ok(EventRow(
            self.position,
            self.tenant,
            self.stream.category(),
            self.stream.id(),
            self.version,
            json::id(self.id),
            self.name,
            self.revision,
            text,
            digits,
            serde_json::to_string(self.metadata)?,
            self.tag_list()?,
            self.recorded_at.as_micros(),
            slice(self.tenant, self.stream),
            self.visibility.code(),
        ))
    }
}

impl<'a> From<&'a StoredEvent> for Placed<'a> {
    fn from(event: &'a StoredEvent) -> Self {
        Self {
            tenant: &event.tenant,
            position: event.position,
            stream: &event.stream,
            version: event.version,
            id: event.id.uuid(),
            name: &event.name,
            revision: event.revision,
            payload: &event.payload,
            metadata: &event.metadata,
            tags: &event.tags,
            recorded_at: event.recorded_at,
            visibility: event.visibility,
        }
    }
}

/// A row for `insert_events`: position, tenant, category, stream id, version, event id, name, revision, payload as text,
/// payload in hexadecimal, metadata, tags, recorded at, slice, visibility.
#[derive(Serialize)]
struct EventRow<'a>(
    Position,
    &'a str,
    &'a str,
    &'a str,
    Version,
    String,
    &'a str,
    u32,
    Option<&'a str>,
    Option<String>,
    String,
    String,
    i64,
    u64,
    i64,
);

fn command_row<'a>((tenant, record): &'a (&str, CommandRecord)) -> impl Serialize + use<'a> {
    let CommandRecord { id, name, target, outcome, recorded_at, position, version } = record;
    let (outcome, answer) = match outcome {
        Outcome::Done(answer) => ("done", answer),
        Outcome::Rejected(answer) => ("rejected", answer),
    };
    let (text, digits) = json::bytes(answer);
    (
        *tenant,
        json::id(CommandId::uuid(*id)),
        name,
        outcome,
        text,
        digits,
        recorded_at.as_micros(),
        position,
        version,
        target,
    )
}

fn document_row<'a>((before, (view, key, revision, body)): (u64, &PlannedDocument<'a>)) -> impl Serialize + use<'a> {
    let (text, digits) = body.map(json::bytes).unwrap_or_default();
    (&view.tenant, &view.name, view.version, *key, *revision, text, digits, before)
}

fn snapshot_row<'a>((tenant, write, position): &(&'a str, &'a SnapshotWrite, Position)) -> impl Serialize + use<'a> {
    let (text, digits) = json::bytes(&write.state);
    let (category, id) = (write.stream.category(), write.stream.id());
    (*tenant, category, id, &write.schema, write.version, *position, text, digits)
}

/// The slice of a stream, 0 to 1023, for readers that share the work: FNV-1a (64 bits) of tenant, category and id, each
/// followed by a zero byte, modulo 1024.
///
/// Source: G. Fowler, L. C. Noll, K. Vo, "The FNV Non-Cryptographic Hash Algorithm".
pub(crate) fn slice(tenant: &str, stream: &StreamId) -> u64 {
    let parts = [tenant, stream.category(), stream.id()];
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)) % 1024
}

#[cfg(test)]
mod tests {
    use super::slice;
    use crate::message::StreamId;

    #[test]
    fn the_slice_of_a_stream_never_changes() {
        assert_eq!(slice("", &StreamId::new("order", "o-1")), 298);
        assert_eq!(slice("t", &StreamId::new("order", "o-1")), 196);
    }
}
