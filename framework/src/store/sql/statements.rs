//! The statements of every operation but reading events, whose texts `select` builds.

/// How a list of events gets into a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum InsertEvents {
    /// As one parameter, a JSON array of rows.
    OfJson(&'static str),
    /// With a parameter for each value: where the database runs in the program itself this takes three quarters of the
    /// time that it needs for a JSON text.
    Values,
}

/// One text for each operation. [`PORTABLE`] has those that every database understands; the others are empty there, and
/// each backend fills them in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statements {
    // Events and commands.
    pub(crate) head: &'static str,
    pub(crate) stream_head: &'static str,
    /// One row: the head, then one JSON array of answers for each of the four parameters; see [`super::facts`].
    pub(crate) facts: &'static str,
    pub(crate) insert_events: InsertEvents,
    pub(crate) insert_tags: &'static str,
    pub(crate) insert_commands: &'static str,
    pub(crate) put_documents: &'static str,
    pub(crate) put_snapshots: &'static str,
    /// Opens deleted streams again: what they had stays hidden.
    pub(crate) reopen_streams: &'static str,
    pub(crate) command: &'static str,
    pub(crate) forget_commands: &'static str,

    // The life of streams.
    pub(crate) stream: &'static str,
    pub(crate) put_stream: &'static str,
    /// Sets the visibility of the events of a stream: hidden before a version, else as given.
    pub(crate) show_events: &'static str,
    /// Takes the visibility of the events of a stream over into their tags.
    pub(crate) show_tags: &'static str,
    pub(crate) drop_snapshots: &'static str,
    pub(crate) special_streams: &'static str,

    // Cleaning and export.
    pub(crate) waste_streams: &'static str,
    pub(crate) kept_from: &'static str,
    pub(crate) waste: &'static str,
    pub(crate) remove_events: &'static str,
    pub(crate) remove_tags: &'static str,
    /// Removes snapshots of streams that ended, and those with a newer one of the same stream beside them.
    pub(crate) prune_snapshots: &'static str,
    pub(crate) export: &'static str,

    // Tokens.
    pub(crate) token: &'static str,
    /// Adds one to the fencing number of a processor, starting at 1.
    pub(crate) bump_fence: &'static str,
    pub(crate) claimed: &'static str,
    pub(crate) advance: &'static str,
    pub(crate) guard: &'static str,

    // Snapshots and documents.
    pub(crate) snapshot: &'static str,
    pub(crate) snapshot_schemas: &'static str,
    pub(crate) save_snapshot: &'static str,
    pub(crate) documents: &'static str,
    /// The same for a transaction that goes on to write them: no append writes to the view before it ends.
    pub(crate) documents_to_write: &'static str,
    /// Sees to it that nobody else writes these documents, missing ones included, before the transaction ends. Empty
    /// where no two transactions write at the same time.
    pub(crate) hold_documents: &'static str,
    pub(crate) scan_documents: &'static str,
    pub(crate) write_documents: &'static str,
    pub(crate) clear_documents: &'static str,

    // Sagas.
    pub(crate) find_sagas: &'static str,
    pub(crate) sagas: &'static str,
    pub(crate) associations: &'static str,
    /// Adds an instance, or changes no row if it is there already.
    pub(crate) add_saga: &'static str,
    pub(crate) update_saga: &'static str,
    pub(crate) drop_associations: &'static str,
    pub(crate) add_associations: &'static str,

    // Effects.
    pub(crate) add_effect: &'static str,
    pub(crate) due_effects: &'static str,
    pub(crate) next_effect: &'static str,
    pub(crate) open_effects: &'static str,
    pub(crate) finish_effects: &'static str,
    pub(crate) postpone_effect: &'static str,

    // Timers.
    pub(crate) set_timers: &'static str,
    pub(crate) cancel_timers: &'static str,
    pub(crate) drop_timers: &'static str,
    pub(crate) due_timers: &'static str,
    pub(crate) next_timer: &'static str,
    pub(crate) take_timer: &'static str,

    // Dead letters.
    pub(crate) held_sequences: &'static str,
    pub(crate) add_letter: &'static str,
    pub(crate) update_letter: &'static str,
    pub(crate) remove_letter: &'static str,
    pub(crate) dead_letters: &'static str,
}

/// Filled in by each backend, since no text is understood by all of them.
const OWN: &str = "";

/// What every database understands.
pub(crate) const PORTABLE: Statements = Statements {
    head: "SELECT coalesce(max(position), 0) FROM annals_events",
    stream_head: include_str!("statements/stream_head.sql"),
    facts: OWN,
    insert_events: InsertEvents::OfJson(OWN),
    insert_tags: OWN,
    insert_commands: OWN,
    put_documents: OWN,
    put_snapshots: OWN,
    reopen_streams: OWN,
    command: "SELECT command_id, name, outcome, answer, recorded_at, position, version, target FROM annals_commands \
              WHERE tenant = ?1 AND command_id = ?2",
    forget_commands: include_str!("statements/forget_commands.sql"),

    stream: include_str!("statements/stream.sql"),
    put_stream: OWN,
    show_events: include_str!("statements/show_events.sql"),
    show_tags: OWN,
    drop_snapshots: "DELETE FROM annals_snapshots WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3",
    special_streams: "SELECT tenant, category, stream_id FROM annals_streams \
                      WHERE (tenant, category, stream_id) >= (?1, ?2, ?3) \
                      AND (status <> 0 OR max_age IS NOT NULL OR max_count IS NOT NULL) \
                      ORDER BY tenant, category, stream_id LIMIT ?4",

    waste_streams: include_str!("statements/waste_streams.sql"),
    kept_from: "SELECT version FROM annals_events WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3 \
                ORDER BY version DESC LIMIT 1 OFFSET ?4",
    waste: include_str!("statements/waste.sql"),
    remove_events: OWN,
    remove_tags: OWN,
    prune_snapshots: OWN,
    export: "SELECT tenant, position, category, stream_id, version, event_id, name, revision, payload, metadata, tags, \
             recorded_at, visibility FROM annals_events WHERE position > ?1 AND visibility < 2 \
             ORDER BY position LIMIT ?2",

    token: "SELECT position FROM annals_tokens WHERE tenant = ?1 AND processor = ?2",
    bump_fence: OWN,
    claimed: "SELECT position, fence FROM annals_tokens WHERE tenant = ?1 AND processor = ?2",
    advance: "UPDATE annals_tokens SET position = ?4 WHERE tenant = ?1 AND processor = ?2 AND fence = ?3",
    guard: "SELECT 1 FROM annals_tokens WHERE tenant = ?1 AND processor = ?2 AND fence = ?3",

    snapshot: include_str!("statements/snapshot.sql"),
    snapshot_schemas: include_str!("statements/snapshot_schemas.sql"),
    save_snapshot: OWN,
    documents: OWN,
    documents_to_write: OWN,
    hold_documents: "",
    scan_documents: "SELECT document_key, revision, body FROM annals_documents \
                     WHERE tenant = ?1 AND view = ?2 AND view_version = ?3 AND (?4 IS NULL OR document_key > ?4) \
                     AND body IS NOT NULL ORDER BY document_key LIMIT ?5",
    write_documents: OWN,
    clear_documents: "DELETE FROM annals_documents WHERE tenant = ?1 AND view = ?2 AND view_version = ?3",

    find_sagas: OWN,
    sagas: OWN,
    associations: OWN,
    add_saga: OWN,
    update_saga: "UPDATE annals_sagas SET revision = revision + 1, state = ?5, progress = ?6, ended = ?7, effects = ?8 \
                  WHERE tenant = ?1 AND saga = ?2 AND saga_id = ?3 AND revision = ?4",
    drop_associations: OWN,
    add_associations: OWN,

    add_effect: "INSERT INTO annals_effects (tenant, command_id, saga, saga_id, number, name, payload, metadata, step, \
                 attempts, not_before, parked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    due_effects: include_str!("statements/due_effects.sql"),
    next_effect: include_str!("statements/next_effect.sql"),
    open_effects: include_str!("statements/open_effects.sql"),
    finish_effects: OWN,
    postpone_effect: "UPDATE annals_effects SET attempts = ?3, not_before = coalesce(?4, not_before), parked = ?5 \
                      WHERE tenant = ?1 AND command_id = ?2",

    set_timers: OWN,
    cancel_timers: OWN,
    drop_timers: "DELETE FROM annals_timers WHERE tenant = ?1 AND saga = ?2 AND saga_id = ?3",
    due_timers: "SELECT tenant, saga, saga_id, name, due FROM annals_timers \
                 WHERE tenant = ?1 AND saga = ?2 AND due <= ?3 ORDER BY due, saga_id, name LIMIT ?4",
    next_timer: "SELECT min(due) FROM annals_timers WHERE tenant = ?1 AND saga = ?2",
    take_timer: "DELETE FROM annals_timers WHERE tenant = ?1 AND saga = ?2 AND saga_id = ?3 AND name = ?4 AND due = ?5",

    held_sequences: OWN,
    add_letter: OWN,
    update_letter: "UPDATE annals_dead_letters SET attempts = ?4, retry_at = ?5, error = ?6 \
                    WHERE tenant = ?1 AND processor = ?2 AND position = ?3",
    remove_letter: "DELETE FROM annals_dead_letters WHERE tenant = ?1 AND processor = ?2 AND position = ?3",
    dead_letters: "SELECT tenant, processor, sequence, position, attempts, retry_at, error, since \
                   FROM annals_dead_letters WHERE tenant = ?1 AND processor = ?2 ORDER BY position LIMIT ?3",
};
