//! SQLite's dialect: lists are JSON texts for `json_each`, ids are blobs of 16 bytes.

use crate::store::sql::{AnyOf, Dialect, InsertEvents, PORTABLE, Statements};

use super::subscriptions::SUBSCRIPTIONS;

pub(in crate::store) static DIALECT: Dialect = Dialect {
    statements: STATEMENTS,
    join: |table, alias, condition| format!("CROSS JOIN {table} {alias} ON {condition}"),
    by_position: "NOT INDEXED",
    by_category: "INDEXED BY annals_events_by_category",
    by_stream: "",
    any_of: AnyOf::OfJson(|parameter| format!("IN (SELECT value FROM json_each({parameter}))")),
    subscriptions: SUBSCRIPTIONS,
    entry_tenant: |alias| format!("{alias}.tenant"),
    by_document: "",
    found: |query| format!("EXISTS ({query})"),
};

const STATEMENTS: Statements = Statements {
    facts: include_str!("sql/facts.sql"),
    insert_events: InsertEvents::Values,
    insert_tags: include_str!("sql/insert_tags.sql"),
    insert_commands: include_str!("sql/insert_commands.sql"),
    put_documents: include_str!("sql/put_documents.sql"),
    put_snapshots: include_str!("sql/put_snapshots.sql"),
    reopen_streams: include_str!("sql/reopen_streams.sql"),
    put_stream: include_str!("sql/put_stream.sql"),
    show_tags: include_str!("sql/show_tags.sql"),
    remove_events: include_str!("sql/remove_events.sql"),
    remove_tags: include_str!("sql/remove_tags.sql"),
    prune_snapshots: include_str!("sql/prune_snapshots.sql"),
    beat: include_str!("sql/beat.sql"),
    nodes: include_str!("sql/nodes.sql"),
    add_segment: include_str!("sql/add_segment.sql"),
    advance: include_str!("sql/advance.sql"),
    guard: include_str!("sql/guard.sql"),
    // A transaction has the file to itself.
    lock_segments: "SELECT processor, segment, mask, position, fence, owner, state, details FROM annals_segments \
                    WHERE tenant = ?1 AND processor = ?2 ORDER BY segment",
    save_snapshot: include_str!("sql/save_snapshot.sql"),
    documents: include_str!("sql/documents.sql"),
    // A transaction has the file to itself.
    documents_to_write: include_str!("sql/documents.sql"),
    write_documents: include_str!("sql/write_documents.sql"),
    remove_entries: include_str!("sql/remove_entries.sql"),
    add_entries: include_str!("sql/add_entries.sql"),
    find_sagas: include_str!("sql/find_sagas.sql"),
    sagas: include_str!("sql/sagas.sql"),
    associations: include_str!("sql/associations.sql"),
    add_sagas: include_str!("sql/add_sagas.sql"),
    update_sagas: include_str!("sql/update_sagas.sql"),
    drop_associations: include_str!("sql/drop_associations.sql"),
    add_associations: include_str!("sql/add_associations.sql"),
    end_associations: include_str!("sql/end_associations.sql"),
    add_history: include_str!("sql/add_history.sql"),
    add_waiting: include_str!("sql/add_waiting.sql"),
    take_waiting: include_str!("sql/take_waiting.sql"),
    forget_history: include_str!("sql/forget_history.sql"),
    forget_waiting: include_str!("sql/forget_waiting.sql"),
    forget_sagas: include_str!("sql/forget_sagas.sql"),
    add_effects: include_str!("sql/add_effects.sql"),
    open_among: include_str!("sql/open_among.sql"),
    finish_effects: include_str!("sql/finish_effects.sql"),
    drop_labels: include_str!("sql/drop_labels.sql"),
    set_timers: include_str!("sql/set_timers.sql"),
    cancel_timers: include_str!("sql/cancel_timers.sql"),
    end_timers: include_str!("sql/end_timers.sql"),
    timers: include_str!("sql/timers.sql"),
    held_sequences: include_str!("sql/held_sequences.sql"),
    add_letter: include_str!("sql/add_letter.sql"),
    ..PORTABLE
};
