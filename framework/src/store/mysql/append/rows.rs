//! What a plan or an import leaves behind, as rows of literals.

use std::collections::BTreeMap;

use crate::store::append::{CommandRecord, Outcome};
use crate::store::documents::{OwnedEntry, composed};
use crate::store::error::BoxError;
use crate::store::plan::Plan;
use crate::store::sql::{Deleted, Placed, effects, opened, slice};

use super::super::dialect::DIALECT;
use super::script::{Field, Insert, Script};

const EVENTS: Insert = Insert {
    head: "INSERT INTO annals_events (position, tenant, visibility, slice, version, revision, recorded_at, name, \
           category, stream_id, event_id, tags, metadata, payload) VALUES ",
    tail: "",
};

const TAGS: Insert = Insert {
    head: "INSERT INTO annals_tags (tenant, tag, position, visibility) VALUES ",
    tail: " ON DUPLICATE KEY UPDATE visibility = VALUES(visibility)",
};

const COMMANDS: Insert = Insert {
    head: "INSERT INTO annals_commands (tenant, command_id, name, outcome, answer, recorded_at, position, version, \
           target) VALUES ",
    tail: "",
};

const DOCUMENTS: Insert = Insert {
    head: "INSERT INTO annals_documents (tenant, view, view_version, document_key, revision, body) VALUES ",
    tail: " ON DUPLICATE KEY UPDATE revision = VALUES(revision), body = VALUES(body)",
};

const ENTRIES: Insert = Insert {
    head: "INSERT INTO annals_index_entries (tenant, view, view_version, index_name, indexed_value, document_key) VALUES ",
    tail: " ON DUPLICATE KEY UPDATE document_key = VALUES(document_key)",
};

/// A newer one stays. Columns are set in the order in which they stand here: the version last.
const SNAPSHOTS: Insert = Insert {
    head: "INSERT INTO annals_snapshots (tenant, category, stream_id, state_schema, version, position, state) VALUES ",
    tail: " ON DUPLICATE KEY UPDATE position = IF(VALUES(version) >= version, VALUES(position), position), \
           state = IF(VALUES(version) >= version, VALUES(state), state), version = GREATEST(VALUES(version), version)",
};

/// Adds everything that `plan` writes.
pub(super) fn add_plan(script: &mut Script, plan: &Plan<'_>, deleted: &Deleted) -> Result<(), BoxError> {
    let events = plan.events.iter();
    let placed = events.map(|(tenant, event, version, position)| Placed::new(tenant, event, *version, *position));
    add_events(script, &placed.collect::<Vec<_>>(), deleted)?;
    script.insert(&COMMANDS, plan.commands.iter().map(command));
    let documents: BTreeMap<_, _> = plan.documents.iter().map(|write| ((write.0, write.1), write)).collect();
    script.insert(
        &DOCUMENTS,
        documents.into_values().map(|(view, key, revision, body)| {
            vec![
                Field::Text(&view.tenant),
                Field::Text(&view.name),
                Field::Integer(i64::from(view.version)),
                Field::Text(key),
                integer(*revision),
                body.map_or(Field::Null, Field::Bytes),
            ]
        }),
    );
    let entries = composed(plan.index.iter().copied());
    for (entry, _) in entries.iter().filter(|(_, stays)| !**stays) {
        // One by one: not every server finds many rows of such a key by their index.
        script.add_list(
            "DELETE FROM annals_index_entries WHERE \
             (tenant, view, view_version, index_name, indexed_value, document_key) = ",
            [entry_row(entry)],
            "",
        );
    }
    script.insert(&ENTRIES, entries.iter().filter(|(_, stays)| **stays).map(|(entry, _)| entry_row(entry)));
    let newest: BTreeMap<_, _> =
        plan.snapshots.iter().map(|write| ((write.0, &write.1.stream, &write.1.schema), write)).collect();
    script.insert(
        &SNAPSHOTS,
        newest.into_values().map(|(tenant, write, position)| {
            vec![
                Field::Text(tenant),
                Field::Text(write.stream.category()),
                Field::Text(write.stream.id()),
                Field::Text(&write.schema),
                integer(write.version.get()),
                integer(position.get()),
                Field::Bytes(&write.state),
            ]
        }),
    );
    for statement in effects(&DIALECT.statements, plan)? {
        script.add_around("", &statement, "")?;
    }
    Ok(())
}

/// Adds `placed` with their tags. Of `deleted` streams, those that get events are opened again: what they had stays hidden.
pub(super) fn add_events(script: &mut Script, placed: &[Placed<'_>], deleted: &Deleted) -> Result<(), BoxError> {
    for (tenant, stream) in opened(placed, deleted) {
        let key = vec![Field::Text(&tenant), Field::Text(stream.category()), Field::Text(stream.id())];
        script.add_list(
            "UPDATE annals_streams SET status = 0, truncate_before = newest + 1 \
             WHERE status = 2 AND (tenant, category, stream_id) IN (",
            [key],
            ")",
        );
    }
    let rows: Result<Vec<_>, _> = placed.iter().map(event_row).collect();
    script.insert(&EVENTS, rows?);
    let tags = placed.iter().flat_map(|event| {
        event.tags.iter().map(|tag| {
            vec![
                Field::Text(event.tenant),
                Field::Made(tag.to_string()),
                integer(event.position.get()),
                Field::Integer(event.visibility.code()),
            ]
        })
    });
    script.insert(&TAGS, tags);
    Ok(())
}

fn event_row<'a>(event: &Placed<'a>) -> Result<Vec<Field<'a>>, serde_json::Error> {
    let tags: Vec<String> = event.tags.iter().map(ToString::to_string).collect();
    Ok(vec![
        integer(event.position.get()),
        Field::Text(event.tenant),
        Field::Integer(event.visibility.code()),
        integer(slice(event.tenant, event.stream)),
        integer(event.version.get()),
        Field::Integer(i64::from(event.revision)),
        Field::Integer(event.recorded_at.as_micros()),
        Field::Text(event.name),
        Field::Text(event.stream.category()),
        Field::Text(event.stream.id()),
        Field::Id(event.id),
        Field::Made(serde_json::to_string(&tags)?),
        Field::Made(serde_json::to_string(event.metadata)?),
        Field::Bytes(event.payload),
    ])
}

fn entry_row<'a>((view, index, value, key): &OwnedEntry<'a>) -> Vec<Field<'a>> {
    vec![
        Field::Text(&view.tenant),
        Field::Text(&view.name),
        Field::Integer(i64::from(view.version)),
        Field::Text(index),
        Field::Text(value),
        Field::Text(key),
    ]
}

fn command<'a>((tenant, record): &'a (&'a str, CommandRecord)) -> Vec<Field<'a>> {
    let (outcome, answer) = match &record.outcome {
        Outcome::Done(answer) => ("done", answer),
        Outcome::Rejected(answer) => ("rejected", answer),
    };
    vec![
        Field::Text(tenant),
        Field::Id(record.id.uuid()),
        Field::Text(&record.name),
        Field::Text(outcome),
        Field::Bytes(answer),
        Field::Integer(record.recorded_at.as_micros()),
        integer(record.position.get()),
        record.version.map_or(Field::Null, |version| integer(version.get())),
        record.target.as_deref().into(),
    ]
}

/// Positions, versions and revisions never reach the end of what a database counts.
fn integer<'a>(number: u64) -> Field<'a> {
    Field::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
