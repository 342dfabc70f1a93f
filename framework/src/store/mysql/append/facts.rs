//! What appends and imports depend on: many questions in one round trip.

use std::collections::HashMap;

use sqlx::MySqlConnection;

use crate::message::{Position, StreamId, Tag, Version};
use crate::store::append::Append;
use crate::store::criteria::Condition;
use crate::store::error::BoxError;
use crate::store::plan::{DocumentState, Facts, Place, Questions, StreamState};
use crate::store::records::ViewId;
use crate::store::sql::{Row, Session, Statement, breaks, command_of};
use crate::store::stream::StreamStatus;

use super::super::dialect::DIALECT;
use super::super::session::run;
use super::PATIENCE;
use super::script::{Field, Script, bytes, integer};

/// Streams, ids or keys that one statement asks for.
const AT_ONCE: usize = 64;

/// Up to this many streams, each has a part of its own in the statement, which the server answers from the end of an index
/// alone; beyond it, planning so many parts takes longer than a list.
const ONE_BY_ONE: usize = 8;

/// What a row of an answer is about: its first column.
const CHANGES: i64 = 0;
const HEAD: i64 = 1;
const VERSION: i64 = 2;
const STREAM: i64 = 3;
const EVENT: i64 = 4;
const COMMAND: i64 = 5;
const DOCUMENT: i64 = 6;
const CONDITION: i64 = 7;
const SEEN: i64 = 8;

/// Events that others have appended, of which one statement asks for the tags.
const EVENTS_AT_ONCE: usize = 1_000;

/// Which rows the statements see.
#[derive(Debug, Clone, Copy)]
enum Sight {
    /// Those that were committed when the statement began: so it is on the store's own connections.
    Committed,
    /// The newest ones, also where the transaction reads from an older snapshot (`REPEATABLE READ`).
    Newest,
}

impl Sight {
    /// What stands behind a `SELECT`. A locking read sees the newest row.
    fn clause(self) -> &'static str {
        match self {
            Self::Committed => "",
            Self::Newest => " LOCK IN SHARE MODE",
        }
    }
}

/// Questions under way.
#[derive(Debug, Default)]
pub(super) struct Asked<'q> {
    streams: Vec<(&'q str, &'q StreamId)>,
    documents: HashMap<(String, String, u64, String), (&'q ViewId, &'q str)>,
}

/// The answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) facts: Facts,
    /// How often something but an append has changed what appends depend on; `None` where that was not asked.
    pub(super) changes: Option<u64>,
    /// The newest event that the transaction's snapshot has, where that was asked.
    seen: Position,
}

/// Asks `questions` outside of any append lock of its own.
pub(super) async fn ask(connection: &mut MySqlConnection, questions: Questions<'_>) -> Result<Facts, BoxError> {
    let mut script = Script::new();
    let asked = Asked::of(questions, &mut script);
    Ok(asked.answers(connection, script).await?.facts)
}

/// Everything that `batch` depends on, as it is now, whatever the level of isolation. The append lock is held.
pub(super) async fn newest(connection: &mut MySqlConnection, batch: &[Append]) -> Result<Facts, BoxError> {
    let mut script = Script::new();
    let asked = Asked::seeing(Sight::Newest, Questions::of(batch), &mut script);
    script.add("SELECT 8, COALESCE(MAX(position), 0) FROM annals_events");
    asked.add_conditions(batch, &mut script)?;
    let Answers { mut facts, seen, .. } = asked.answers(connection, script).await?;
    for (index, append) in batch.iter().enumerate() {
        let Some(condition) = &append.condition else { continue };
        if seen < facts.head
            && !facts.broken_conditions.contains(&index)
            && breaks_later(connection, &append.tenant, condition, seen).await?
        {
            facts.broken_conditions.insert(index);
        }
    }
    Ok(facts)
}

/// Whether an event behind `seen` breaks `condition`. The transaction's snapshot does not have these events.
async fn breaks_later(
    connection: &mut MySqlConnection,
    tenant: &str,
    condition: &Condition,
    seen: Position,
) -> Result<bool, BoxError> {
    let mut after = seen.max(condition.after);
    loop {
        let statement = Statement::new(
            "SELECT position, tenant = ?1, name, tags FROM annals_events WHERE position > ?2 ORDER BY position LIMIT ?3 \
             LOCK IN SHARE MODE",
        );
        let rows = connection.fetch(statement.bind(tenant).bind(after).bind(EVENTS_AT_ONCE)).await?;
        let last = rows.len() < EVENTS_AT_ONCE;
        for mut row in rows {
            after = row.position("position")?;
            let own = row.truth("own")?;
            let (name, tags) = (row.text("name")?, row.text("tags")?);
            let tags: Vec<String> = serde_json::from_str(&tags)?;
            let tags: Vec<Tag> = tags.iter().filter_map(|tag| Tag::parse(tag)).collect();
            if own && condition.criteria.matches(&name, &tags) {
                return Ok(true);
            }
        }
        if last {
            return Ok(false);
        }
    }
}

impl<'q> Asked<'q> {
    /// Adds statements for `questions`, and for the head, to `script`.
    pub(super) fn of(questions: Questions<'q>, script: &mut Script) -> Self {
        Self::seeing(Sight::Committed, questions, script)
    }

    fn seeing(sight: Sight, questions: Questions<'q>, script: &mut Script) -> Self {
        let Questions { streams, events, commands, documents } = questions;
        let behind = format!("){}", sight.clause());
        let asked = Self { streams: streams.into_iter().collect(), ..Self::default() };
        script.add(match sight {
            Sight::Committed => "SELECT 1, COALESCE(MAX(position), 0) FROM annals_events",
            Sight::Newest => "SELECT 1, position FROM annals_events ORDER BY position DESC LIMIT 1 LOCK IN SHARE MODE",
        });
        for (part, streams) in asked.streams.chunks(AT_ONCE).enumerate() {
            match sight {
                Sight::Committed => ask_streams(script, part * AT_ONCE, streams),
                Sight::Newest => ask_newest(script, part * AT_ONCE, streams),
            }
            ask_lives(script, streams, &behind);
        }
        for ids in events.chunks(AT_ONCE) {
            let before = "SELECT 4, event_id, tenant, category, stream_id, version, position FROM annals_events \
                          WHERE event_id IN (";
            let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
            script.add_list(before, ids.iter().map(|id| vec![Field::Bytes(id.as_bytes())]), &behind);
        }
        let commands: Vec<_> = commands.into_iter().map(|(tenant, id)| (tenant, id.uuid())).collect();
        for commands in commands.chunks(AT_ONCE) {
            let before = "SELECT 5, tenant, command_id, name, outcome, answer, recorded_at, position, version, target \
                          FROM annals_commands WHERE (tenant, command_id) IN (";
            let rows = commands.iter().map(|(tenant, id)| vec![Field::Text(tenant), Field::Bytes(id.as_bytes())]);
            script.add_list(before, rows, &behind);
        }
        let mut documents: Vec<_> = documents.into_iter().collect();
        // Everybody locks documents in the same order.
        documents.sort_unstable();
        for documents in documents.chunks(AT_ONCE) {
            ask_documents(script, documents, &behind);
        }
        let documents = documents.into_iter().map(|(view, key)| (document(view, key), (view, key)));
        Self { documents: documents.collect(), ..asked }
    }

    /// Adds a statement for each condition of `batch`.
    pub(super) fn add_conditions(&self, batch: &[Append], script: &mut Script) -> Result<(), BoxError> {
        for (index, append) in batch.iter().enumerate() {
            let Some(condition) = &append.condition else { continue };
            let Some(statement) = breaks(&DIALECT, &append.tenant, condition)? else { continue };
            script.add_around(&format!("SELECT 7, {index}, ("), &statement, ")")?;
        }
        Ok(())
    }

    /// Runs `script` and reads the answers.
    pub(super) async fn answers(&self, connection: &mut MySqlConnection, script: Script) -> Result<Answers, BoxError> {
        let mut answers = Answers::default();
        for text in script.finish().1 {
            for row in run(connection, text.text, PATIENCE).await.map_err(|(_, error)| error)? {
                self.read(row, &mut answers)?;
            }
        }
        Ok(answers)
    }

    fn read(&self, mut row: Row, Answers { facts, changes, seen }: &mut Answers) -> Result<(), BoxError> {
        match row.integer("kind")? {
            CHANGES => *changes = Some(row.number("changes")?),
            HEAD => facts.head = row.position("head")?,
            SEEN => *seen = row.position("seen")?,
            VERSION => {
                let asked = self.streams.get(usize::try_from(row.integer("number")?)?);
                if let (Some((tenant, stream)), Some(newest)) = (asked, row.version("version")?) {
                    note_stream(facts, ((*tenant).to_owned(), (*stream).clone()), newest, None);
                }
            }
            STREAM => {
                let tenant = row.text("tenant")?;
                let stream = StreamId::new(row.text("category")?, row.text("stream_id")?);
                let status = StreamStatus::from_code(row.integer("status")?);
                if let Some(newest) = row.version("newest")? {
                    note_stream(facts, (tenant, stream), newest, Some(status));
                }
            }
            EVENT => {
                let id = row.id("event_id")?.into();
                let tenant = row.text("tenant")?;
                let stream = StreamId::new(row.text("category")?, row.text("stream_id")?);
                let version = row.version("version")?.unwrap_or(Version::FIRST);
                facts.events.insert(id, Place { tenant, stream, version, position: row.position("position")? });
            }
            COMMAND => {
                let tenant = row.text("tenant")?;
                let record = command_of(row)?;
                facts.commands.insert((tenant, record.id), record);
            }
            DOCUMENT => {
                let key = (row.text("tenant")?, row.text("view")?, row.number("version")?, row.text("key")?);
                let state = DocumentState { revision: row.number("revision")?, removed: row.truth("removed")? };
                if let Some((view, key)) = self.documents.get(&key) {
                    facts.documents.insert(((*view).clone(), (*key).to_owned()), state);
                }
            }
            CONDITION => {
                let index = usize::try_from(row.integer("index")?)?;
                if row.truth("broken")? {
                    facts.broken_conditions.insert(index);
                }
            }
            kind => return Err(format!("the server answered a question of kind {kind}, which nobody asked").into()),
        }
        Ok(())
    }
}

/// Adds a statement for the newest versions of `streams`, of which the first has the number `from`.
fn ask_streams(script: &mut Script, from: usize, streams: &[(&str, &StreamId)]) {
    let few = streams.len() <= ONE_BY_ONE;
    script.add_with(|text| {
        if !few {
            text.push_str(
                "SELECT 2, q.n, (SELECT e.version FROM annals_events e WHERE e.tenant = q.t AND e.category = q.c \
                 AND e.stream_id = q.s ORDER BY e.version DESC LIMIT 1) FROM (",
            );
        }
        let form = match few {
            true => [
                "SELECT 2, ",
                ", MAX(version) FROM annals_events WHERE tenant = ",
                " AND category = ",
                " AND stream_id = ",
                "",
            ],
            false => ["SELECT ", " AS n, ", " AS t, ", " AS c, ", " AS s"],
        };
        for (at, (tenant, stream)) in streams.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { " UNION ALL " });
            text.push_str(form[0]);
            integer(text, i64::try_from(from + at).unwrap_or(i64::MAX));
            for (part, key) in form[1..].iter().zip([*tenant, stream.category(), stream.id()]) {
                text.push_str(part);
                bytes(text, key.as_bytes());
            }
            text.push_str(form[4]);
        }
        text.push_str(if few { "" } else { ") q" });
    });
}

/// The same with a locking read for each of them.
fn ask_newest(script: &mut Script, from: usize, streams: &[(&str, &StreamId)]) {
    for (at, (tenant, stream)) in streams.iter().enumerate() {
        script.add_with(|text| {
            text.push_str("SELECT 2, ");
            integer(text, i64::try_from(from + at).unwrap_or(i64::MAX));
            text.push_str(", version FROM annals_events WHERE tenant = ");
            bytes(text, tenant.as_bytes());
            text.push_str(" AND category = ");
            bytes(text, stream.category().as_bytes());
            text.push_str(" AND stream_id = ");
            bytes(text, stream.id().as_bytes());
            text.push_str(" ORDER BY version DESC LIMIT 1 LOCK IN SHARE MODE");
        });
    }
}

/// Adds a statement for the lives of `streams`.
fn ask_lives(script: &mut Script, streams: &[(&str, &StreamId)], behind: &str) {
    let keys = streams
        .iter()
        .map(|(tenant, stream)| vec![Field::Text(tenant), Field::Text(stream.category()), Field::Text(stream.id())]);
    script.add_list(
        "SELECT 3, tenant, category, stream_id, status, newest FROM annals_streams \
         WHERE (tenant, category, stream_id) IN (",
        keys,
        behind,
    );
}

/// Adds statements for the state of `documents`, which nobody else writes from then on; see `hold_documents.sql`.
fn ask_documents(script: &mut Script, documents: &[(&ViewId, &str)], behind: &str) {
    let keys = || {
        documents.iter().map(|(view, key)| {
            vec![
                Field::Text(&view.tenant),
                Field::Text(&view.name),
                Field::Integer(i64::from(view.version)),
                Field::Text(key),
            ]
        })
    };
    let held = keys().map(|mut row| {
        row.push(Field::Integer(0));
        row
    });
    script.add_list(
        "INSERT INTO annals_documents (tenant, view, view_version, document_key, revision) VALUES ",
        held,
        " ON DUPLICATE KEY UPDATE revision = revision",
    );
    script.add_list(
        "SELECT 6, tenant, view, view_version, document_key, revision, body IS NULL FROM annals_documents \
         WHERE (tenant, view, view_version, document_key) IN (",
        keys(),
        behind,
    );
}

fn document(view: &ViewId, key: &str) -> (String, String, u64, String) {
    (view.tenant.clone(), view.name.clone(), u64::from(view.version), key.to_owned())
}

/// Notes what one of the two tables tells about a stream: the newest version that is there, or its life with the newest
/// version that was there when that was written.
fn note_stream(facts: &mut Facts, key: (String, StreamId), newest: Version, status: Option<StreamStatus>) {
    let known = facts.streams.entry(key).or_insert_with(|| StreamState::open(newest));
    known.newest = known.newest.max(newest);
    if let Some(status) = status {
        known.status = status;
    }
}
