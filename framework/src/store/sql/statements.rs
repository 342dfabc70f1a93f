//! The statements of every operation but reading events, whose texts `select` builds.

/// One text for each operation. [`PORTABLE`] has those that every database understands; the others are empty there, and
/// each backend fills them in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statements {
    // Events and commands.
    pub(crate) head: &'static str,
    pub(crate) stream_head: &'static str,
    /// One row: the head, then one JSON array of answers for each of the four parameters; see [`super::facts`].
    pub(crate) facts: &'static str,
    pub(crate) insert_events: &'static str,
    pub(crate) insert_tags: &'static str,
    pub(crate) insert_commands: &'static str,
    pub(crate) put_documents: &'static str,
    pub(crate) command: &'static str,
    pub(crate) forget_commands: &'static str,

    // Tokens.
    pub(crate) token: &'static str,
    /// Adds one to the fencing number of a processor, starting at 1.
    pub(crate) bump_fence: &'static str,
    pub(crate) claimed: &'static str,
    pub(crate) advance: &'static str,
    pub(crate) guard: &'static str,

    // Snapshots and documents.
    pub(crate) snapshot: &'static str,
    pub(crate) save_snapshot: &'static str,
    pub(crate) documents: &'static str,
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
    stream_head: "SELECT max(version) FROM annals_events WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3",
    facts: OWN,
    insert_events: OWN,
    insert_tags: OWN,
    insert_commands: OWN,
    put_documents: OWN,
    command: "SELECT command_id, name, outcome, answer, recorded_at, position, version, target FROM annals_commands \
              WHERE tenant = ?1 AND command_id = ?2",
    forget_commands: "DELETE FROM annals_commands WHERE recorded_at < ?1 \
                      AND command_id NOT IN (SELECT command_id FROM annals_effects)",

    token: "SELECT position FROM annals_tokens WHERE processor = ?1",
    bump_fence: OWN,
    claimed: "SELECT position, fence FROM annals_tokens WHERE processor = ?1",
    advance: "UPDATE annals_tokens SET position = ?3 WHERE processor = ?1 AND fence = ?2",
    guard: "SELECT 1 FROM annals_tokens WHERE processor = ?1 AND fence = ?2",

    snapshot: "SELECT version, position, state_schema, state FROM annals_snapshots \
               WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3 AND state_schema = ?4",
    save_snapshot: OWN,
    documents: OWN,
    scan_documents: "SELECT document_key, revision, body FROM annals_documents \
                     WHERE tenant = ?1 AND view = ?2 AND view_version = ?3 AND (?4 IS NULL OR document_key > ?4) \
                     AND body IS NOT NULL ORDER BY document_key LIMIT ?5",
    write_documents: OWN,
    clear_documents: "DELETE FROM annals_documents WHERE tenant = ?1 AND view = ?2 AND view_version = ?3",

    find_sagas: OWN,
    sagas: OWN,
    associations: OWN,
    add_saga: OWN,
    update_saga: "UPDATE annals_sagas SET revision = revision + 1, state = ?4, progress = ?5, ended = ?6, effects = ?7 \
                  WHERE saga = ?1 AND saga_id = ?2 AND revision = ?3",
    drop_associations: OWN,
    add_associations: OWN,

    add_effect: "INSERT INTO annals_effects (command_id, saga, saga_id, number, name, payload, metadata, step, \
                 attempts, not_before, parked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    due_effects: include_str!("statements/due_effects.sql"),
    next_effect: include_str!("statements/next_effect.sql"),
    open_effects: "SELECT command_id, saga, saga_id, number, name, payload, metadata, step, attempts, not_before, \
                   parked FROM annals_effects WHERE saga = ?1 ORDER BY place LIMIT ?2",
    finish_effects: OWN,
    postpone_effect: "UPDATE annals_effects SET attempts = ?2, not_before = coalesce(?3, not_before), parked = ?4 \
                      WHERE command_id = ?1",

    set_timers: OWN,
    cancel_timers: OWN,
    drop_timers: "DELETE FROM annals_timers WHERE saga = ?1 AND saga_id = ?2",
    due_timers: "SELECT saga, saga_id, name, due FROM annals_timers WHERE saga = ?1 AND due <= ?2 \
                 ORDER BY due, saga_id, name LIMIT ?3",
    next_timer: "SELECT min(due) FROM annals_timers WHERE saga = ?1",
    take_timer: "DELETE FROM annals_timers WHERE saga = ?1 AND saga_id = ?2 AND name = ?3 AND due = ?4",

    held_sequences: OWN,
    add_letter: OWN,
    update_letter: "UPDATE annals_dead_letters SET attempts = ?3, retry_at = ?4, error = ?5 \
                    WHERE processor = ?1 AND position = ?2",
    remove_letter: "DELETE FROM annals_dead_letters WHERE processor = ?1 AND position = ?2",
    dead_letters: "SELECT processor, sequence, position, attempts, retry_at, error, since FROM annals_dead_letters \
                   WHERE processor = ?1 ORDER BY position LIMIT ?2",
};
