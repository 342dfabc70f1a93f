//! Writes what was planned: one statement for each table that it touches, with the rows as a JSON array.

use std::collections::HashMap;

use serde::Serialize;

use crate::message::{Position, StreamId, Version};
use crate::store::append::{NewEvent, Outcome};
use crate::store::error::BoxError;
use crate::store::plan::Plan;

use super::json;
use super::session::{Session, Statement};
use super::statements::Statements;

pub(super) async fn write<S: Session + ?Sized>(
    session: &mut S,
    sql: &'static Statements,
    plan: &Plan<'_>,
) -> Result<(), BoxError> {
    let events: Vec<_> = plan.events.iter().map(event_row).collect::<Result<_, _>>()?;
    insert(session, sql.insert_events, &events).await?;
    let tags: Vec<_> = plan
        .events
        .iter()
        .flat_map(|(tenant, event, _, position)| {
            event.tags.iter().map(move |tag| (*tenant, tag.to_string(), position.get()))
        })
        .collect();
    insert(session, sql.insert_tags, &tags).await?;
    let commands: Vec<_> = plan
        .commands
        .iter()
        .map(|(tenant, record)| {
            let (outcome, answer) = match &record.outcome {
                Outcome::Done(answer) => ("done", answer),
                Outcome::Rejected(answer) => ("rejected", answer),
            };
            let (text, digits) = json::bytes(answer);
            (
                *tenant,
                json::id(record.id.uuid()),
                &record.name,
                outcome,
                text,
                digits,
                record.recorded_at.as_micros(),
                record.position,
                record.version,
                &record.target,
            )
        })
        .collect();
    insert(session, sql.insert_commands, &commands).await?;
    let last_writes: HashMap<_, _> = plan
        .documents
        .iter()
        .map(|(view, key, revision, body)| {
            let (text, digits) = body.map(json::bytes).unwrap_or_default();
            ((view, key), (&view.tenant, &view.name, view.version, key, revision, text, digits))
        })
        .collect();
    let documents: Vec<_> = last_writes.into_values().collect();
    insert(session, sql.put_documents, &documents).await
}

async fn insert<S: Session + ?Sized, T: Serialize>(
    session: &mut S,
    text: &'static str,
    rows: &[T],
) -> Result<(), BoxError> {
    if !rows.is_empty() {
        session.execute(Statement::new(text).bind(serde_json::to_string(rows)?)).await?;
    }
    Ok(())
}

/// A row for `insert_events`, as a JSON array.
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
    let (text, digits) = json::bytes(&event.payload);
    let tags: Vec<String> = event.tags.iter().map(ToString::to_string).collect();
    Ok(EventRow(
        *position,
        tenant,
        event.stream.category(),
        event.stream.id(),
        *version,
        json::id(event.id.uuid()),
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
pub(super) fn slice(tenant: &str, stream: &StreamId) -> u64 {
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
