//! Pages of events, and whether events match.
//!
//! The text of a statement depends on the shape of the request alone (how many criteria, each with how many tags), so
//! that a connection prepares it once. Values are always bound.

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Row, Sqlite, SqliteConnection, SqlitePool, Type};

use crate::message::{Recorded, RecordedEvent, StoredMetadata, StreamId, Timestamp, Version};
use crate::store::criteria::{Condition, Criteria, Criterion};
use crate::store::error::{BoxError, ReadError};
use crate::store::read::{Direction, Page, Read, Scope};

use super::rows;

const COLUMNS: &str = "e.position, e.version, e.event_id, e.name, e.revision, e.payload, e.metadata, e.recorded_at";

/// Reads one page. The head comes first, in the same call: the rows are read afterwards, so nothing up to that head
/// can be missing among them.
pub(super) async fn page(readers: &SqlitePool, read: &Read) -> Result<Page, ReadError> {
    let unavailable = |source: BoxError| ReadError::Unavailable { source };
    let statement = statement(read).map_err(unavailable)?;
    let rows = statement.rows(readers).await.map_err(|error| unavailable(error.into()))?;
    let mut rows = rows.iter();
    let head = rows.next().map_or(Ok(0), |row| row.try_get_unchecked(0)).map_err(|error| unavailable(error.into()))?;
    let stream = match &read.scope {
        Scope::Stream { stream, .. } => Some(stream),
        Scope::All { .. } | Scope::Matching { .. } => None,
    };
    let events: Result<Vec<_>, _> = rows.map(|row| event(row, stream)).collect();
    Ok(Page::answer(read, events?, rows::position(head)))
}

/// Whether a stored event breaks `condition`.
pub(super) async fn is_broken(
    connection: &mut SqliteConnection,
    tenant: &str,
    condition: &Condition,
) -> Result<bool, BoxError> {
    if condition.criteria.any_of().is_empty() {
        return Ok(false);
    }
    let mut statement = Statement::default();
    let bounds = Bounds {
        tenant: statement.bind(tenant.to_owned())?,
        after: statement.bind(rows::integer(condition.after.get()))?,
        until: None,
        limit: statement.bind(1_i64)?,
        order: "ASC",
    };
    let candidates = statement.candidates(&condition.criteria, &bounds)?;
    statement.text = format!("SELECT EXISTS ({candidates})");
    let found = sqlx::query_with(AssertSqlSafe(statement.text), statement.values).fetch_one(connection).await?;
    Ok(found.try_get_unchecked(0)?)
}

fn statement(read: &Read) -> Result<Statement, BoxError> {
    let mut statement = Statement::default();
    let (order, until) = match (read.direction, &read.scope) {
        (direction, Scope::All { until, .. } | Scope::Stream { until, .. } | Scope::Matching { until, .. }) => {
            (if direction == Direction::Forward { "ASC" } else { "DESC" }, *until)
        }
    };
    let tenant = statement.bind(read.tenant.clone())?;
    let limit = statement.bind(rows::limit(read.limit))?;
    let until = until.map(|until| statement.bind(until.as_micros())).transpose()?;
    let recorded_by = recorded_by(until.as_deref());
    let wanted = match &read.scope {
        Scope::All { after, .. } => {
            let after = statement.bind(rows::integer(after.get()))?;
            format!(
                "SELECT {COLUMNS}, e.category, e.stream_id FROM annals_events e NOT INDEXED \
                 WHERE e.tenant = {tenant} AND e.position > {after}{recorded_by} ORDER BY e.position {order} LIMIT {limit}"
            )
        }
        Scope::Stream { stream, after, .. } => {
            let category = statement.bind(stream.category().to_owned())?;
            let id = statement.bind(stream.id().to_owned())?;
            let after = statement.bind(rows::integer(after.map_or(0, Version::get)))?;
            format!(
                "SELECT {COLUMNS} FROM annals_events e WHERE e.tenant = {tenant} AND e.category = {category} \
                 AND e.stream_id = {id} AND e.version > {after}{recorded_by} ORDER BY e.version {order} LIMIT {limit}"
            )
        }
        Scope::Matching { criteria, .. } if criteria.any_of().is_empty() => String::new(),
        Scope::Matching { criteria, after, .. } => {
            let after = statement.bind(rows::integer(after.get()))?;
            let bounds = Bounds { tenant, after, until, limit: limit.clone(), order };
            let candidates = statement.candidates(criteria, &bounds)?;
            format!(
                "SELECT {COLUMNS}, e.category, e.stream_id FROM ({candidates}) c \
                 CROSS JOIN annals_events e ON e.position = c.position ORDER BY c.position {order} LIMIT {limit}"
            )
        }
    };
    statement.text = format!("SELECT coalesce(max(position), 0) FROM annals_events; {wanted}");
    Ok(statement)
}

/// What bounds a read, as parameters of its statement.
struct Bounds {
    tenant: String,
    after: String,
    until: Option<String>,
    limit: String,
    order: &'static str,
}

/// A statement under construction, and its values.
#[derive(Default)]
struct Statement {
    text: String,
    values: SqliteArguments,
}

impl Statement {
    /// Binds `value`; returns its parameter.
    fn bind<'q, T: Encode<'q, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> Result<String, BoxError> {
        self.values.add(value)?;
        Ok(format!("?{}", self.values.len()))
    }

    async fn rows(self, readers: &SqlitePool) -> Result<Vec<SqliteRow>, sqlx::Error> {
        sqlx::query_with(AssertSqlSafe(self.text), self.values).fetch_all(readers).await
    }

    /// A query for the positions of events that match. Of each criterion only so many candidates are taken as the
    /// page holds: more of them cannot be among the first of all.
    fn candidates(&mut self, criteria: &Criteria, bounds: &Bounds) -> Result<String, BoxError> {
        let parts: Result<Vec<String>, BoxError> = criteria
            .any_of()
            .iter()
            .map(|criterion| Ok(format!("SELECT position FROM ({})", self.matching(criterion, bounds)?)))
            .collect();
        Ok(parts?.join(" UNION "))
    }

    fn matching(&mut self, criterion: &Criterion, bounds: &Bounds) -> Result<String, BoxError> {
        let Bounds { tenant, after, until, limit, order } = bounds;
        let mut filter = recorded_by(until.as_deref());
        if !criterion.any_of_names().is_empty() {
            let names = self.bind(serde_json::to_string(criterion.any_of_names())?)?;
            filter.push_str(&format!(" AND e.name IN (SELECT value FROM json_each({names}))"));
        }
        let mut tags = criterion.all_of_tags().iter();
        let Some(first) = tags.next() else {
            return Ok(format!(
                "SELECT e.position FROM annals_events e NOT INDEXED WHERE e.tenant = {tenant} \
                 AND e.position > {after}{filter} ORDER BY e.position {order} LIMIT {limit}"
            ));
        };
        let first = self.bind(first.to_string())?;
        let mut joins = String::new();
        for (number, tag) in tags.enumerate() {
            let tag = self.bind(tag.to_string())?;
            joins.push_str(&format!(
                " CROSS JOIN annals_tags t{number} ON t{number}.tenant = t.tenant AND t{number}.tag = {tag} \
                 AND t{number}.position = t.position"
            ));
        }
        if !filter.is_empty() {
            joins.push_str(" CROSS JOIN annals_events e ON e.position = t.position");
        }
        Ok(format!(
            "SELECT t.position FROM annals_tags t{joins} WHERE t.tenant = {tenant} AND t.tag = {first} \
             AND t.position > {after}{filter} ORDER BY t.position {order} LIMIT {limit}"
        ))
    }
}

fn recorded_by(until: Option<&str>) -> String {
    until.map_or_else(String::new, |until| format!(" AND e.recorded_at <= {until}"))
}

fn event(row: &SqliteRow, stream: Option<&StreamId>) -> Result<RecordedEvent, ReadError> {
    let read = || -> Result<RecordedEvent, sqlx::Error> {
        let version: i64 = row.try_get_unchecked(1)?;
        let revision: i64 = row.try_get_unchecked(4)?;
        Ok(RecordedEvent {
            recorded: Recorded {
                position: rows::position(row.try_get_unchecked(0)?),
                stream: match stream {
                    Some(stream) => stream.clone(),
                    None => {
                        StreamId::new(row.try_get_unchecked::<String, _>(8)?, row.try_get_unchecked::<String, _>(9)?)
                    }
                },
                version: rows::version(version).unwrap_or(Version::FIRST),
                id: rows::id(row, 2)?.into(),
                name: row.try_get_unchecked(3)?,
                revision: u32::try_from(revision).unwrap_or(u32::MAX),
                recorded_at: Timestamp::from_micros(row.try_get_unchecked(7)?),
                metadata: StoredMetadata::from_json(row.try_get_unchecked(6)?),
            },
            payload: row.try_get_unchecked(5)?,
        })
    };
    read().map_err(|error| ReadError::Corrupt {
        position: row.try_get_unchecked(0).map(rows::position).unwrap_or_default(),
        reason: error.to_string(),
    })
}
