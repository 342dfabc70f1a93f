//! From rows to records. Each function names the columns that it takes, in their order.

use crate::message::Timestamp;
use crate::store::append::{CommandRecord, Outcome};
use crate::store::documents::FoundDocument;
use crate::store::records::{DeadLetter, Document, LetterCount, LetterState, Snapshot};
use crate::store::sagas::{Effect, EffectKind, HistoryRow, SagaCount, SagaRow, SagaStatus, Timer, WaitingInput};
use crate::store::segment::{NodeRow, Segment, SegmentRow, SegmentState};

use super::value::{ColumnError, Row};

pub(crate) fn command(mut row: Row) -> Result<CommandRecord, ColumnError> {
    let id = row.id("command_id")?.into();
    let name = row.text("name")?;
    let outcome = row.text("outcome")?;
    let answer = row.bytes("answer")?;
    Ok(CommandRecord {
        id,
        name,
        outcome: if outcome == "rejected" { Outcome::Rejected(answer) } else { Outcome::Done(answer) },
        recorded_at: row.instant("recorded_at")?,
        position: row.position("position")?,
        version: row.version("version")?,
        target: row.optional_text("target")?,
    })
}

pub(super) fn found_document(mut row: Row) -> Result<FoundDocument, ColumnError> {
    let value = row.text("indexed_value")?;
    Ok(FoundDocument { document: document(row)?, value })
}

pub(super) fn document(mut row: Row) -> Result<Document, ColumnError> {
    Ok(Document { key: row.text("document_key")?, revision: row.number("revision")?, body: row.bytes("body")? })
}

pub(super) fn effect(mut row: Row) -> Result<Effect, EffectError> {
    Ok(Effect {
        tenant: row.text("tenant")?,
        command: row.id("command_id")?.into(),
        saga: row.text("saga")?,
        saga_id: row.id("saga_id")?.into(),
        slice: row.small("slice")?,
        number: row.number("number")?,
        group: row.number("together")?,
        kind: EffectKind::of(row.small("kind")?),
        name: row.text("name")?,
        payload: row.bytes("payload")?,
        metadata: serde_json::from_str(&row.text("metadata")?)?,
        step: row.optional_text("step")?,
        scope: row.optional_text("scope")?,
        label: row.optional_text("label")?,
        attempts: row.small("attempts")?,
        not_before: row.instant("not_before")?,
        parked: row.optional_text("parked")?,
    })
}

/// Why an effect cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum EffectError {
    #[error(transparent)]
    Column(#[from] ColumnError),
    #[error("the metadata of an effect is no JSON object of texts")]
    Metadata(#[from] serde_json::Error),
}

pub(super) fn timer(mut row: Row) -> Result<Timer, ColumnError> {
    Ok(Timer {
        tenant: row.text("tenant")?,
        saga: row.text("saga")?,
        saga_id: row.id("saga_id")?.into(),
        slice: row.small("slice")?,
        name: row.text("name")?,
        due: row.instant("due")?,
    })
}

pub(super) fn letter(mut row: Row) -> Result<DeadLetter, ColumnError> {
    let mut letter = DeadLetter {
        tenant: row.text("tenant")?,
        processor: row.text("processor")?,
        position: row.position("position")?,
        place: row.small("place")?,
        component: row.text("component")?,
        sequence: row.text("sequence")?,
        event: row.text("event")?,
        stream: row.text("stream")?,
        attempts: row.small("attempts")?,
        state: LetterState::Parked,
        error: String::new(),
        since: Timestamp::from_micros(0),
    };
    let (state, retry_at) = (row.small("state")?, row.optional_instant("retry_at")?);
    letter.state = match (state, retry_at) {
        (0, Some(retry_at)) => LetterState::Retrying(retry_at),
        (2, _) => LetterState::Skipped,
        _ => LetterState::Parked,
    };
    (letter.error, letter.since) = (row.text("error")?, row.instant("since")?);
    Ok(letter)
}

pub(super) fn segment(mut row: Row) -> Result<SegmentRow, ColumnError> {
    let processor = row.text("processor")?;
    let (id, mask) = (row.small("segment")?, row.small("mask")?);
    Ok(SegmentRow {
        processor,
        segment: Segment::new(id, mask).ok_or(ColumnError::wrong("mask", "no mask", "a power of two less one"))?,
        position: row.position("position")?,
        fence: row.number("fence")?,
        owner: row.optional_text("owner")?,
        state: SegmentState::of(row.small("state")?),
        details: row.text("details")?,
    })
}

/// The processors are a JSON array.
pub(super) fn node(mut row: Row) -> Result<NodeRow, ColumnError> {
    let (id, name, processors) = (row.text("node")?, row.text("name")?, row.text("processors")?);
    let processors = serde_json::from_str(&processors)
        .map_err(|_| ColumnError::wrong("processors", "another text", "a JSON array of texts"))?;
    Ok(NodeRow { id, name, processors, live: row.truth("live")? })
}

pub(super) fn letter_count(mut row: Row) -> Result<LetterCount, ColumnError> {
    Ok(LetterCount {
        sequences: row.number("sequences")?,
        letters: row.number("letters")?,
        parked: row.number("parked")?,
        skipped: row.number("skipped")?,
    })
}

/// The associations lie elsewhere.
pub(super) fn saga(mut row: Row) -> Result<SagaRow, ColumnError> {
    Ok(SagaRow {
        id: row.id("saga_id")?.into(),
        revision: row.number("revision")?,
        version: row.small("version")?,
        state: row.bytes("state")?,
        progress: row.optional_text("progress")?,
        status: SagaStatus::of(row.small("status")?),
        slice: row.small("slice")?,
        position: row.position("position")?,
        key: row.optional_text("start_key")?,
        effects: row.number("effects")?,
        step: row.optional_text("step")?,
        attention: row.optional_text("attention")?,
        began: row.instant("began")?,
        changed: row.instant("changed")?,
        associations: Vec::new(),
    })
}

pub(super) fn saga_count(mut row: Row) -> Result<SagaCount, ColumnError> {
    Ok(SagaCount {
        status: SagaStatus::of(row.small("status")?),
        step: row.optional_text("step")?,
        instances: row.number("instances")?,
        attention: row.number("attention")?,
        oldest: row.instant("oldest")?,
    })
}

pub(super) fn history(mut row: Row) -> Result<HistoryRow, ColumnError> {
    Ok(HistoryRow { saga_id: row.id("saga_id")?.into(), at: row.instant("at")?, entry: row.text("entry")? })
}

pub(super) fn waiting(mut row: Row) -> Result<WaitingInput, ColumnError> {
    Ok(WaitingInput { number: row.number("number")?, input: row.text("input")? })
}

/// A row without a version is no snapshot.
pub(super) fn snapshot(mut row: Row) -> Result<Option<Snapshot>, ColumnError> {
    let Some(version) = row.version("version")? else { return Ok(None) };
    Ok(Some(Snapshot {
        version,
        position: row.position("position")?,
        schema: row.text("state_schema")?,
        state: row.bytes("state")?,
    }))
}
