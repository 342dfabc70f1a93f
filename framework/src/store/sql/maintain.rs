//! The life of streams, cleaning, export and import, once for every SQL backend.

use std::time::Duration;

use async_trait::async_trait;

use crate::message::{Metadata, Position, StreamId, Tag, Timestamp, Version};
use crate::store::append::Expected;
use crate::store::error::{BoxError, ReadError, StoreError};
use crate::store::exchange::{Import, ImportError, Imported, StoredEvent, admit};
use crate::store::maintain::{Maintain, StreamError, StreamStep, step};
use crate::store::plan::Questions;
use crate::store::sagas::Effect;
use crate::store::stream::{Retention, Scavenged, StreamChange, StreamInfo, StreamStatus, Visibility};
use crate::store::transaction::StoreTransaction;

use super::session::{Session, Statement};
use super::statements::Statements;
use super::store::{SqlStore, read_one};
use super::transaction::SqlTransaction;
use super::value::{ColumnError, Row, first};
use super::{insert, json};

/// Events that a scavenge removes in one transaction, during which appends wait.
const WASTE_AT_ONCE: usize = 500;

/// Streams that a scavenge looks up at once.
const STREAMS_AT_ONCE: usize = 200;

#[async_trait]
impl<S: SqlStore> Maintain for S {
    async fn stream_info(&self, tenant: &str, stream: &StreamId) -> Result<Option<StreamInfo>, ReadError> {
        let statement = of_stream(self.handle().dialect.statements.stream, tenant, stream);
        let life = read_one(self, statement, Life::read).await?.unwrap_or_default();
        Ok(life.info(tenant, stream))
    }

    async fn change_stream(
        &self,
        tenant: &str,
        stream: &StreamId,
        expected: Expected,
        change: StreamChange,
    ) -> Result<StreamInfo, StreamError> {
        let unavailable = |source| StreamError::Unavailable { source };
        let sql = &self.handle().dialect.statements;
        let mut transaction = self.maintenance().await.map_err(unavailable)?;
        let life = life(&mut transaction, sql, tenant, stream).await.map_err(unavailable)?;
        let step = step(stream, life.info(tenant, stream).as_ref(), expected, &change)?;
        apply(&mut transaction, sql, (tenant, stream), life, step).await.map_err(unavailable)?;
        let changed = self::life(&mut transaction, sql, tenant, stream).await.map_err(unavailable)?;
        transaction.finish().await.map_err(|failure| unavailable(failure.into()))?;
        changed.info(tenant, stream).ok_or_else(|| StreamError::NotFound { stream: stream.clone() })
    }

    async fn scavenge(&self, now: Timestamp) -> Result<Scavenged, StoreError> {
        scavenge(self, now).await.map_err(StoreError::unavailable)
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        let statement = Statement::new(self.handle().dialect.statements.export).bind(after).bind(limit);
        let rows = self.fetch(statement).await.map_err(|source| ReadError::Unavailable { source })?;
        rows.into_iter().map(exported).collect()
    }

    async fn export_streams(
        &self,
        after: Option<(&str, &StreamId)>,
        limit: usize,
    ) -> Result<Vec<StreamInfo>, ReadError> {
        let from = after.map(|(tenant, stream)| (tenant.to_owned(), stream.clone()));
        let statement = from_stream(self.handle().dialect.statements.special_streams, from.as_ref(), limit);
        let rows = self.fetch(statement).await.map_err(|source| ReadError::Unavailable { source })?;
        let mut streams = Vec::with_capacity(rows.len());
        for row in rows {
            let (tenant, stream) = key(row).map_err(|error| ReadError::Unavailable { source: error.into() })?;
            if after != Some((tenant.as_str(), &stream)) && streams.len() < limit {
                streams.extend(self.stream_info(&tenant, &stream).await?);
            }
        }
        Ok(streams)
    }

    async fn import(&self, import: Import) -> Result<Imported, ImportError> {
        self.handle().limits.check_import(&import)?;
        let unavailable = |source| ImportError::Unavailable { source };
        let dialect = self.handle().dialect;
        let mut transaction = self.maintenance().await.map_err(unavailable)?;
        let facts = transaction.facts(dialect, Questions::of_import(&import)).await.map_err(unavailable)?;
        let (head, deleted) = (facts.head, insert::deleted(&facts));
        let fresh = admit(&import, facts)?;
        transaction.write_import(&fresh, &deleted).await.map_err(unavailable)?;
        for info in &import.streams {
            import_stream(&mut transaction, &dialect.statements, info).await.map_err(unavailable)?;
        }
        transaction.finish().await.map_err(|failure| unavailable(failure.into()))?;
        let head = fresh.last().map_or(head, |event| event.position);
        self.handle().appended.send_if_modified(|seen| std::mem::replace(seen, head) != head);
        let known = (import.events.len() - fresh.len()) as u64;
        Ok(Imported { written: fresh.len() as u64, known, head })
    }

    async fn begin_maintenance(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        Ok(Box::new(self.maintenance().await.map_err(StoreError::unavailable)?))
    }
}

/// What the tables tell about a stream.
#[derive(Debug, Clone, Copy, Default)]
struct Life {
    newest: Option<Version>,
    first: Option<Version>,
    status: StreamStatus,
    /// The version before which everything is hidden; 0 for nothing.
    truncate_before: u64,
    retention: Retention,
}

impl Life {
    fn read(mut row: Row) -> Result<Self, ColumnError> {
        let (there, first, noted) = (row.version("newest")?, row.version("first")?, row.version("newest")?);
        Ok(Self {
            newest: there.max(noted),
            first,
            status: row.optional_integer("status")?.map(StreamStatus::from_code).unwrap_or_default(),
            truncate_before: row.optional_integer("truncate_before")?.unwrap_or_default().unsigned_abs(),
            retention: retention(&mut row)?,
        })
    }

    /// `None` for a stream that never had an event.
    fn info(self, tenant: &str, stream: &StreamId) -> Option<StreamInfo> {
        self.newest?;
        Some(StreamInfo {
            tenant: tenant.to_owned(),
            stream: stream.clone(),
            status: self.status,
            newest: self.newest,
            first: self.first,
            retention: self.retention,
        })
    }

    fn put(self, sql: &Statements, tenant: &str, stream: &StreamId) -> Statement {
        let micros = |age: Duration| i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        of_stream(sql.put_stream, tenant, stream)
            .bind(self.status.code())
            .bind(self.newest.map_or(0, Version::get))
            .bind(self.truncate_before)
            .bind(self.retention.max_age.map(micros))
            .bind(self.retention.max_count.map(|count| i64::try_from(count).unwrap_or(i64::MAX)))
    }
}

async fn life<T: SqlTransaction>(
    transaction: &mut T,
    sql: &Statements,
    tenant: &str,
    stream: &StreamId,
) -> Result<Life, BoxError> {
    let found = transaction.fetch(of_stream(sql.stream, tenant, stream)).await?;
    Ok(first(found, Life::read)?.unwrap_or_default())
}

/// Writes what `step` makes of a stream that was as `before` says.
async fn apply<T: SqlTransaction>(
    transaction: &mut T,
    sql: &Statements,
    (tenant, stream): (&str, &StreamId),
    before: Life,
    step: StreamStep,
) -> Result<(), BoxError> {
    let truncate_before = step.truncate_before.map_or(0, Version::get).max(before.truncate_before);
    let retention = step.retention.unwrap_or(before.retention);
    let after = Life { status: step.status, truncate_before, retention, ..before };
    transaction.execute(after.put(sql, tenant, stream)).await?;
    if (after.status, after.truncate_before) != (before.status, before.truncate_before) {
        let others = match after.status {
            StreamStatus::Open => Visibility::Visible,
            StreamStatus::Archived => Visibility::Archived,
            StreamStatus::Deleted | StreamStatus::Tombstoned => Visibility::Hidden,
        };
        let show = of_stream(sql.show_events, tenant, stream).bind(after.truncate_before).bind(others.code());
        transaction.execute(show).await?;
        transaction.execute(of_stream(sql.show_tags, tenant, stream)).await?;
    }
    if step.drops_snapshots {
        transaction.execute(of_stream(sql.drop_snapshots, tenant, stream)).await?;
        let scope = Effect::scope_of(stream);
        transaction.execute(Statement::new(sql.drop_scope).bind(tenant).bind(Effect::SCHEDULED).bind(scope)).await?;
    }
    Ok(())
}

/// Takes over the status of a stream that was exported elsewhere.
async fn import_stream<T: SqlTransaction>(
    transaction: &mut T,
    sql: &Statements,
    info: &StreamInfo,
) -> Result<(), BoxError> {
    if info.newest.is_none() {
        return Ok(());
    }
    let before = life(transaction, sql, &info.tenant, &info.stream).await?;
    let newest = before.newest.max(info.newest);
    let after = Life { newest, status: info.status, retention: info.retention, ..before };
    transaction.execute(after.put(sql, &info.tenant, &info.stream)).await?;
    Ok(())
}

/// A stream from which events may have to go.
struct Wasteful {
    tenant: String,
    stream: StreamId,
    retention: Retention,
}

async fn scavenge<S: SqlStore>(store: &S, now: Timestamp) -> Result<Scavenged, BoxError> {
    let sql = &store.handle().dialect.statements;
    let mut report = Scavenged::default();
    let mut last: Option<(String, StreamId)> = None;
    loop {
        let found = store.fetch(from_stream(sql.waste_streams, last.as_ref(), STREAMS_AT_ONCE)).await?;
        let streams: Result<Vec<Wasteful>, ColumnError> = found.into_iter().map(wasteful).collect();
        let mut streams = streams?;
        streams.retain(|of| last.as_ref().is_none_or(|(tenant, stream)| (tenant, stream) != (&of.tenant, &of.stream)));
        let Some(newest) = streams.last() else { break };
        last = Some((newest.tenant.clone(), newest.stream.clone()));
        for stream in &streams {
            clean(store, sql, stream, now, &mut report).await?;
        }
    }
    let mut transaction = store.maintenance().await?;
    report.snapshots = transaction.execute(Statement::new(sql.prune_snapshots)).await?;
    transaction.finish().await?;
    Ok(report)
}

/// Removes what is to go from one stream, in transactions of a bounded size.
async fn clean<S: SqlStore>(
    store: &S,
    sql: &Statements,
    Wasteful { tenant, stream, retention }: &Wasteful,
    now: Timestamp,
    report: &mut Scavenged,
) -> Result<(), BoxError> {
    let older_than = retention.max_age.map_or(Timestamp::from_micros(i64::MIN), |age| now.minus(age));
    let (mut after, mut lost_any) = (0, false);
    loop {
        let mut transaction = store.maintenance().await?;
        let kept_from = match retention.max_count {
            Some(count) => {
                let statement = of_stream(sql.kept_from, tenant, stream).bind(count.saturating_sub(1));
                first(transaction.fetch(statement).await?, |mut row| row.number("version"))?.unwrap_or(0)
            }
            None => 0,
        };
        let waste = of_stream(sql.waste, tenant, stream).bind(after).bind(kept_from).bind(older_than);
        let waste = transaction.fetch(waste.bind(WASTE_AT_ONCE)).await?;
        let found = waste.len();
        let (mut positions, mut tags) = (Vec::with_capacity(found), Vec::new());
        for mut row in waste {
            after = row.number("version")?;
            let position = row.number("position")?;
            report.bytes += row.number("bytes")?;
            report.expired += u64::from(row.integer("visibility")? != Visibility::Hidden.code());
            let own: Vec<String> = serde_json::from_str(&row.text("tags")?)?;
            tags.extend(own.into_iter().map(|tag| (tenant, tag, position)));
            positions.push(position);
        }
        if !positions.is_empty() {
            lost_any = true;
            transaction.execute(Statement::new(sql.remove_tags).bind(json::list(tags)?)).await?;
            let removed = transaction.execute(Statement::new(sql.remove_events).bind(json::list(positions)?)).await?;
            transaction.finish().await?;
            report.events += removed;
        }
        if found < WASTE_AT_ONCE {
            report.streams += u64::from(lost_any);
            return Ok(());
        }
    }
}

fn wasteful(mut row: Row) -> Result<Wasteful, ColumnError> {
    let tenant = row.text("tenant")?;
    let stream = StreamId::new(row.text("category")?, row.text("stream_id")?);
    Ok(Wasteful { tenant, stream, retention: retention(&mut row)? })
}

/// `max_age, max_count`
fn retention(row: &mut Row) -> Result<Retention, ColumnError> {
    let max_age = row.optional_integer("max_age")?.map(|micros| Duration::from_micros(micros.unsigned_abs()));
    Ok(Retention { max_age, max_count: row.optional_integer("max_count")?.map(i64::unsigned_abs) })
}

fn key(mut row: Row) -> Result<(String, StreamId), ColumnError> {
    Ok((row.text("tenant")?, StreamId::new(row.text("category")?, row.text("stream_id")?)))
}

fn exported(mut row: Row) -> Result<StoredEvent, ReadError> {
    let unknown = |error| super::read::corrupt(Position::START, error);
    let (tenant, position) = (row.text("tenant").map_err(unknown)?, row.position("position").map_err(unknown)?);
    stored(tenant, position, row).map_err(|error| super::read::corrupt(position, error))
}

fn stored(tenant: String, position: Position, mut row: Row) -> Result<StoredEvent, BoxError> {
    let stream = StreamId::new(row.text("category")?, row.text("stream_id")?);
    let version = row.version("version")?.ok_or("a version of 0")?;
    let id = row.id("event_id")?.into();
    let name = row.text("name")?.into();
    let revision = row.small("revision")?;
    let payload = row.bytes("payload")?;
    let metadata: Metadata = serde_json::from_str(&row.text("metadata")?)?;
    let tags: Vec<String> = serde_json::from_str(&row.text("tags")?)?;
    let tags = tags.iter().map(|tag| Tag::parse(tag).ok_or_else(|| format!("`{tag}` is no tag, `key:value`")));
    let tags = tags.collect::<Result<_, _>>()?;
    let recorded_at = row.instant("recorded_at")?;
    let archived = row.integer("visibility")? == Visibility::Archived.code();
    let visibility = if archived { Visibility::Archived } else { Visibility::Visible };
    Ok(StoredEvent {
        tenant,
        position,
        stream,
        version,
        id,
        name,
        revision,
        payload,
        metadata,
        tags,
        recorded_at,
        visibility,
    })
}

/// A statement whose first parameters name a stream.
fn of_stream(text: &'static str, tenant: &str, stream: &StreamId) -> Statement {
    Statement::new(text).bind(tenant).bind(stream.category()).bind(stream.id())
}

/// A statement for streams in order, from `last` on; there may be one more than `limit`, since `last` is among them.
fn from_stream(text: &'static str, last: Option<&(String, StreamId)>, limit: usize) -> Statement {
    let (tenant, category, id) =
        last.map_or(("", "", ""), |(tenant, stream)| (tenant.as_str(), stream.category(), stream.id()));
    Statement::new(text).bind(tenant).bind(category).bind(id).bind(limit.saturating_add(1))
}
