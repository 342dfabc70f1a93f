//! PostgreSQL's dialect: lists are JSON texts for `jsonb_array_elements`, ids are UUIDs.
//!
//! A plan is kept for as long as a connection lives, and the first ones are made when the tables are new. So statements are
//! written such that a planner that knows nothing about the tables still finds the one good way: with subqueries that
//! it may not take apart (`LATERAL .. OFFSET 0`), with an index that other statements cannot use, and with settings of
//! the connections ([`super::connect`]).

use crate::store::sql::{AnyOf, Dialect, InsertEvents, PORTABLE, Statements};

use super::subscriptions::SUBSCRIPTIONS;

pub(super) static DIALECT: Dialect = Dialect {
    statements: STATEMENTS,
    // The planner neither takes such a subquery apart nor begins with it.
    join: |table, alias, condition| {
        format!("CROSS JOIN LATERAL (SELECT * FROM {table} {alias} WHERE {condition} OFFSET 0) {alias}")
    },
    by_position: "",
    by_category: "",
    by_stream: "",
    any_of: AnyOf::OfJson(|parameter| {
        format!("= ANY (ARRAY(SELECT jsonb_array_elements_text({parameter}::text::jsonb)))")
    }),
    subscriptions: SUBSCRIPTIONS,
    // In this form only the index by documents has it, and in the plain form only the primary key.
    entry_tenant: |alias| format!("left({alias}.tenant, 512)"),
    by_document: "",
    found: |query| format!("EXISTS ({query} OFFSET 0)"),
};

const STATEMENTS: Statements = Statements {
    facts: include_str!("sql/facts.sql"),
    insert_events: InsertEvents::OfJson(include_str!("sql/insert_events.sql")),
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
    // A statement that waits for a row sees that row as it is by then, but no rows that were added meanwhile. Keys of two
    // halves are apart from those of 64 bits; two processors that share one wait for each other, and that is all.
    hold_segments: "SELECT pg_advisory_xact_lock(hashtext(current_schema() || ' ' || ?1), hashtext(?2))::text",
    add_segment: include_str!("sql/add_segment.sql"),
    advance: include_str!("sql/advance.sql"),
    guard: include_str!("sql/guard.sql"),
    save_snapshot: include_str!("sql/save_snapshot.sql"),
    documents: include_str!("sql/documents.sql"),
    documents_to_write: "SELECT document_key, revision, body FROM annals_documents_to_write(?1, ?2, ?3, ?4::text::jsonb)",
    write_documents: include_str!("sql/write_documents.sql"),
    remove_entries: "SELECT annals_put_entries(?1::text::jsonb, NULL)",
    add_entries: "SELECT annals_put_entries(NULL, ?1::text::jsonb)",
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
    hold_labels: include_str!("sql/hold_labels.sql"),
    drop_scope: include_str!("sql/drop_scope.sql"),
    effects_in_scope: include_str!("sql/effects_in_scope.sql"),
    set_timers: include_str!("sql/set_timers.sql"),
    cancel_timers: include_str!("sql/cancel_timers.sql"),
    end_timers: include_str!("sql/end_timers.sql"),
    timers: include_str!("sql/timers.sql"),
    due_effects: include_str!("sql/due_effects.sql"),
    next_effect: include_str!("sql/next_effect.sql"),
    open_effects: include_str!("sql/open_effects.sql"),
    list_sagas: include_str!("sql/list_sagas.sql"),
    count_sagas: include_str!("sql/count_sagas.sql"),
    ended_sagas: include_str!("sql/ended_sagas.sql"),
    waiting_effects: include_str!("sql/waiting_effects.sql"),
    parked_effects: include_str!("sql/parked_effects.sql"),
    due_timers: include_str!("sql/due_timers.sql"),
    next_timer: include_str!("sql/next_timer.sql"),
    held_sequences: include_str!("sql/held_sequences.sql"),
    add_letter: include_str!("sql/add_letter.sql"),
    count_letters: include_str!("sql/count_letters.sql"),
    due_letters: include_str!("sql/due_letters.sql"),
    next_letter: include_str!("sql/next_letter.sql"),
    ..PORTABLE
};
