//! Writes batches of appends: one transaction, and one statement for each table that it touches.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use sqlx::SqliteConnection;
use tokio::sync::watch;

use crate::message::{Position, StreamId, Version};
use crate::store::append::{Append, Appended, NewEvent, Outcome};
use crate::store::batcher::BatchWriter;
use crate::store::error::{AppendError, BoxError};
use crate::store::plan::{Plan, plan};

use super::facts;
use super::rows::bytes;
use super::writer::Writer;

/// The part of the store that the batcher drives.
#[derive(Debug)]
pub(super) struct Appender {
    writer: Writer,
    appended: watch::Sender<Position>,
}

/// Why a whole batch was not acknowledged.
enum Failure {
    /// The database did not get as far as the rows of this batch.
    NotWritten(BoxError),
    /// A row of the batch was refused. Nothing was written.
    Refused(BoxError),
    /// The commit failed in a way that leaves open whether it has reached the disk.
    Unknown(BoxError),
}

#[async_trait]
impl BatchWriter for Appender {
    async fn write(&self, batch: &[Append]) -> Vec<Result<Appended, AppendError>> {
        match self.commit(batch).await {
            Ok(answers) => answers,
            Err(Failure::Refused(error)) if batch.len() > 1 => {
                tracing::warn!(%error, appends = batch.len(), "a batch was refused; its appends are written one by one");
                let mut answers = Vec::with_capacity(batch.len());
                for append in batch.chunks(1) {
                    answers.extend(match self.commit(append).await {
                        Ok(answers) => answers,
                        Err(failure) => failure.answers(1),
                    });
                }
                answers
            }
            Err(failure) => failure.answers(batch.len()),
        }
    }
}

impl Failure {
    fn answers(self, appends: usize) -> Vec<Result<Appended, AppendError>> {
        let (source, unknown) = match self {
            Self::NotWritten(source) | Self::Refused(source) => {
                (Arc::<dyn std::error::Error + Send + Sync>::from(source), false)
            }
            Self::Unknown(source) => (Arc::from(source), true),
        };
        let answer = |_| {
            let source = Box::new(SharedError(Arc::clone(&source)));
            Err(if unknown { AppendError::OutcomeUnknown { source } } else { AppendError::Unavailable { source } })
        };
        (0..appends).map(answer).collect()
    }
}

/// One database error that several appends met.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SharedError(Arc<dyn std::error::Error + Send + Sync>);

impl Appender {
    pub(super) fn new(writer: Writer, appended: watch::Sender<Position>) -> Self {
        Self { writer, appended }
    }

    async fn commit(&self, batch: &[Append]) -> Result<Vec<Result<Appended, AppendError>>, Failure> {
        let mut transaction = self.writer.begin().await.map_err(Failure::NotWritten)?;
        let facts = facts::gather(&mut transaction, batch).await.map_err(refused_or_not_written)?;
        let plan = plan(batch, facts);
        if plan.is_empty() {
            return Ok(plan.answers);
        }
        write(&mut transaction, &plan).await.map_err(refused_or_not_written)?;
        transaction.commit().await.map_err(|error| {
            if was_rolled_back(&error) { Failure::NotWritten(error.into()) } else { Failure::Unknown(error.into()) }
        })?;
        if let Some((_, _, _, head)) = plan.events.last() {
            self.appended.send_replace(*head);
        }
        Ok(plan.answers)
    }
}

/// SQLite's primary result code of `error`.
pub(super) fn code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// Whether a failed commit is sure to have left nothing behind: the database was busy or locked, the disk was full (the
/// commit record is the last thing written), or a constraint was broken. A failed flush is none of these: the record
/// may be on the disk, and a restart would find it.
///
/// Source: SQLite documentation, "Result and Error Codes": SQLITE_BUSY 5, SQLITE_LOCKED 6, SQLITE_FULL 13,
/// SQLITE_CONSTRAINT 19.
fn was_rolled_back(error: &sqlx::Error) -> bool {
    matches!(code(error), Some(5 | 6 | 13 | 19))
}

/// Whether the rows are at fault, so that other appends of the batch may still be written: SQLITE_ERROR 1,
/// SQLITE_TOOBIG 18, SQLITE_CONSTRAINT 19, SQLITE_MISMATCH 20, or a text that cannot be read back.
fn refused_or_not_written(error: BoxError) -> Failure {
    match error.downcast_ref::<sqlx::Error>() {
        Some(database) if !matches!(code(database), Some(1 | 18 | 19 | 20)) => Failure::NotWritten(error),
        _ => Failure::Refused(error),
    }
}

async fn write(connection: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), BoxError> {
    let events: Vec<_> = plan.events.iter().map(event_row).collect::<Result<_, _>>()?;
    insert(connection, include_str!("sql/insert_events.sql"), &events).await?;
    let tags: Vec<_> = plan
        .events
        .iter()
        .flat_map(|(tenant, event, _, position)| {
            event.tags.iter().map(move |tag| (*tenant, tag.to_string(), position.get()))
        })
        .collect();
    insert(connection, include_str!("sql/insert_tags.sql"), &tags).await?;
    let commands: Vec<_> = plan
        .commands
        .iter()
        .map(|(tenant, record)| {
            let (outcome, answer) = match &record.outcome {
                Outcome::Done(answer) => ("done", answer),
                Outcome::Rejected(answer) => ("rejected", answer),
            };
            let (text, digits) = bytes(answer);
            let id = record.id.uuid().simple().to_string();
            let version = record.version.map(|version| version.get());
            (
                *tenant,
                id,
                &record.name,
                outcome,
                text,
                digits,
                record.recorded_at.as_micros(),
                record.position,
                version,
                &record.target,
            )
        })
        .collect();
    insert(connection, include_str!("sql/insert_commands.sql"), &commands).await?;
    let last_writes: HashMap<_, _> = plan
        .documents
        .iter()
        .map(|(view, key, revision, body)| {
            let (text, digits) = body.map(bytes).unwrap_or_default();
            ((view, key), (&view.tenant, &view.name, view.version, key, revision, text, digits))
        })
        .collect();
    let documents: Vec<_> = last_writes.into_values().collect();
    insert(connection, include_str!("sql/put_documents.sql"), &documents).await
}

async fn insert<T: Serialize>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    rows: &[T],
) -> Result<(), BoxError> {
    if !rows.is_empty() {
        sqlx::query(sql).bind(serde_json::to_string(rows)?).execute(connection).await?;
    }
    Ok(())
}

/// A row for `insert_events.sql`, as a JSON array.
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
);

fn event_row<'a>(
    (tenant, event, version, position): &(&'a str, &'a NewEvent, Version, Position),
) -> Result<EventRow<'a>, serde_json::Error> {
    let (text, digits) = bytes(&event.payload);
    let tags: Vec<String> = event.tags.iter().map(ToString::to_string).collect();
    Ok(EventRow(
        *position,
        tenant,
        event.stream.category(),
        event.stream.id(),
        *version,
        event.id.uuid().simple().to_string(),
        &event.name,
        event.revision,
        text,
        digits,
        serde_json::to_string(event.metadata.as_ref())?,
        serde_json::to_string(&tags)?,
        event.recorded_at.as_micros(),
        slice(tenant, &event.stream),
    ))
}

/// The slice of a stream, 0 to 1023, for readers that share the work: FNV-1a (64 bits) of tenant, category and id, each
/// followed by a zero byte, modulo 1024.
///
/// Source: G. Fowler, L. C. Noll, K. Vo, "The FNV Non-Cryptographic Hash Algorithm".
fn slice(tenant: &str, stream: &StreamId) -> u64 {
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
