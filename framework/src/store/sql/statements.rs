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

    // Nodes and segments.
    /// Adds a node or renews it, by the database's clock.
    pub(crate) beat: &'static str,
    pub(crate) nodes: &'static str,
    pub(crate) drop_node: &'static str,
    pub(crate) drop_claims: &'static str,
    pub(crate) segments: &'static str,
    pub(crate) segments_of: &'static str,
    /// Has whoever changes segments of the processor meanwhile end before; empty where `lock_segments` does that and then
    /// sees what was added.
    pub(crate) hold_segments: &'static str,
    pub(crate) lock_segments: &'static str,
    /// Adds a segment, or changes no row if it is there already.
    pub(crate) add_segment: &'static str,
    pub(crate) change_segment: &'static str,
    pub(crate) remove_segment: &'static str,
    pub(crate) token: &'static str,
    /// Moves several tokens at once; see [`super::segments`].
    pub(crate) advance: &'static str,
    /// The ids of segments whose claims hold.
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
    /// Removes index entries; the parameter is `[[tenant, view, version, index, value, key]]`.
    pub(crate) remove_entries: &'static str,
    /// Adds index entries, as [`Statements::remove_entries`]. One that is there stays.
    pub(crate) add_entries: &'static str,
    pub(crate) clear_entries: &'static str,
    pub(crate) clear_entries_of: &'static str,

    // Sagas. Lists of instances, effects and the like are one JSON array each.
    /// The ids of instances with any of some associations, and other ids.
    pub(crate) find_sagas: &'static str,
    pub(crate) sagas: &'static str,
    pub(crate) associations: &'static str,
    /// Adds instances; leaves those out that are there already, or whose keys are.
    pub(crate) add_sagas: &'static str,
    pub(crate) update_sagas: &'static str,
    pub(crate) drop_associations: &'static str,
    pub(crate) add_associations: &'static str,
    /// Removes all associations of instances.
    pub(crate) end_associations: &'static str,
    pub(crate) add_history: &'static str,
    pub(crate) history: &'static str,
    pub(crate) add_waiting: &'static str,
    pub(crate) take_waiting: &'static str,
    pub(crate) waiting: &'static str,
    pub(crate) list_sagas: &'static str,
    pub(crate) count_sagas: &'static str,
    /// The ids of instances that ended before an instant and have no open effects.
    pub(crate) ended_sagas: &'static str,
    pub(crate) forget_history: &'static str,
    pub(crate) forget_waiting: &'static str,
    pub(crate) forget_sagas: &'static str,

    // Effects.
    pub(crate) add_effects: &'static str,
    pub(crate) due_effects: &'static str,
    pub(crate) next_effect: &'static str,
    pub(crate) open_effects: &'static str,
    pub(crate) effects_of: &'static str,
    /// A page of those that wait for their instant.
    pub(crate) waiting_effects: &'static str,
    /// A page of those that were given up.
    pub(crate) parked_effects: &'static str,
    /// A page of those in one scope.
    pub(crate) effects_in_scope: &'static str,
    pub(crate) open_among: &'static str,
    pub(crate) finish_effects: &'static str,
    pub(crate) postpone_effect: &'static str,
    /// Sees to it that nobody else adds effects under these names before the transaction ends. Empty where two
    /// transactions that do cannot both commit.
    pub(crate) hold_labels: &'static str,
    /// Removes effects by their names: `[[scope, label]]`.
    pub(crate) drop_labels: &'static str,
    pub(crate) drop_scope: &'static str,

    // Timers.
    pub(crate) set_timers: &'static str,
    pub(crate) cancel_timers: &'static str,
    /// Removes all timers of instances.
    pub(crate) end_timers: &'static str,
    pub(crate) timers: &'static str,
    pub(crate) due_timers: &'static str,
    pub(crate) next_timer: &'static str,

    // Dead letters.
    pub(crate) held_sequences: &'static str,
    pub(crate) count_letters: &'static str,
    pub(crate) add_letter: &'static str,
    pub(crate) update_letter: &'static str,
    pub(crate) remove_letter: &'static str,
    pub(crate) clear_letters: &'static str,
    pub(crate) dead_letters: &'static str,
    pub(crate) letter_count: &'static str,
    pub(crate) due_letters: &'static str,
    pub(crate) next_letter: &'static str,
    pub(crate) letter_of_stream: &'static str,
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

    beat: OWN,
    nodes: OWN,
    drop_node: "DELETE FROM annals_nodes WHERE tenant = ?1 AND node = ?2",
    drop_claims: "UPDATE annals_segments SET owner = NULL WHERE tenant = ?1 AND owner = ?2",
    segments: "SELECT processor, segment, mask, position, fence, owner, state, details FROM annals_segments \
               WHERE tenant = ?1 ORDER BY processor, segment",
    segments_of: "SELECT processor, segment, mask, position, fence, owner, state, details FROM annals_segments \
                  WHERE tenant = ?1 AND processor = ?2 ORDER BY segment",
    hold_segments: "",
    lock_segments: "SELECT processor, segment, mask, position, fence, owner, state, details FROM annals_segments \
                    WHERE tenant = ?1 AND processor = ?2 ORDER BY segment FOR UPDATE",
    add_segment: OWN,
    change_segment: "UPDATE annals_segments SET mask = ?4, position = ?5, fence = fence + 1, owner = ?7, state = ?8, \
                     details = ?9 WHERE tenant = ?1 AND processor = ?2 AND segment = ?3 AND fence = ?6",
    remove_segment: "DELETE FROM annals_segments WHERE tenant = ?1 AND processor = ?2 AND segment = ?3 AND fence = ?4",
    token: "SELECT min(position) FROM annals_segments WHERE tenant = ?1 AND processor = ?2",
    advance: OWN,
    guard: OWN,

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
    remove_entries: OWN,
    add_entries: OWN,
    clear_entries: "DELETE FROM annals_index_entries WHERE tenant = ?1 AND view = ?2 AND view_version = ?3",
    clear_entries_of: "DELETE FROM annals_index_entries \
                       WHERE tenant = ?1 AND view = ?2 AND view_version = ?3 AND document_key = ?4",

    find_sagas: OWN,
    sagas: OWN,
    associations: OWN,
    add_sagas: OWN,
    update_sagas: OWN,
    drop_associations: OWN,
    add_associations: OWN,
    end_associations: OWN,
    add_history: OWN,
    history: "SELECT saga_id, at, entry FROM annals_saga_history \
              WHERE tenant = ?1 AND saga = ?2 AND saga_id = ?3 ORDER BY place",
    add_waiting: OWN,
    take_waiting: OWN,
    waiting: "SELECT number, input FROM annals_saga_waiting \
              WHERE tenant = ?1 AND saga = ?2 AND saga_id = ?3 ORDER BY number",
    list_sagas: include_str!("statements/list_sagas.sql"),
    count_sagas: include_str!("statements/count_sagas.sql"),
    ended_sagas: include_str!("statements/ended_sagas.sql"),
    forget_history: OWN,
    forget_waiting: OWN,
    forget_sagas: OWN,

    add_effects: OWN,
    due_effects: include_str!("statements/due_effects.sql"),
    next_effect: include_str!("statements/next_effect.sql"),
    open_effects: include_str!("statements/open_effects.sql"),
    effects_of: include_str!("statements/effects_of.sql"),
    waiting_effects: include_str!("statements/waiting_effects.sql"),
    parked_effects: include_str!("statements/parked_effects.sql"),
    effects_in_scope: include_str!("statements/effects_in_scope.sql"),
    open_among: OWN,
    finish_effects: OWN,
    postpone_effect: "UPDATE annals_effects SET attempts = ?3, not_before = coalesce(?4, not_before), parked = ?5 \
                      WHERE tenant = ?1 AND command_id = ?2",
    hold_labels: "",
    drop_labels: OWN,
    drop_scope: "DELETE FROM annals_effects WHERE tenant = ?1 AND saga = ?2 AND scope = ?3",

    set_timers: OWN,
    cancel_timers: OWN,
    end_timers: OWN,
    timers: OWN,
    due_timers: "SELECT tenant, saga, saga_id, slice, name, due FROM annals_timers \
                 WHERE tenant = ?1 AND saga = ?2 AND (slice & ?3) = ?4 AND due <= ?5 \
                 ORDER BY due, saga_id, name LIMIT ?6",
    next_timer: "SELECT due FROM annals_timers WHERE tenant = ?1 AND saga = ?2 AND (slice & ?3) = ?4 \
                 ORDER BY due LIMIT 1",

    held_sequences: OWN,
    count_letters: include_str!("statements/count_letters.sql"),
    add_letter: OWN,
    update_letter: "UPDATE annals_dead_letters SET attempts = ?5, state = ?6, retry_at = ?7, error = ?8 \
                    WHERE tenant = ?1 AND processor = ?2 AND position = ?3 AND place = ?4",
    remove_letter: "DELETE FROM annals_dead_letters WHERE tenant = ?1 AND processor = ?2 AND position = ?3 AND place = ?4",
    clear_letters: "DELETE FROM annals_dead_letters WHERE tenant = ?1 AND processor = ?2 AND position > ?3",
    dead_letters: include_str!("statements/dead_letters.sql"),
    letter_count: include_str!("statements/letter_count.sql"),
    due_letters: include_str!("statements/due_letters.sql"),
    next_letter: include_str!("statements/next_letter.sql"),
    letter_of_stream: include_str!("statements/letter_of_stream.sql"),
};
