//! What every backend must do: one case for each promise in the docs of [`EventStore`](crate::store::EventStore) and
//! [`Store`](crate::store::Store).
//!
//! A backend runs them all with [`store_compliance!`](crate::store_compliance). Each case takes an empty store and
//! panics when a promise is broken; the number of a guarantee refers to the guarantees page.

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod append;
mod conditions;
mod content;
mod documents;
mod effects;
mod exchange;
mod given;
mod joined;
mod processors;
mod reads;
mod records;
mod sagas;
mod streams;
mod subscriptions;

pub use append::*;
pub use conditions::*;
pub use content::*;
pub use documents::*;
pub use effects::*;
pub use exchange::*;
pub use joined::*;
pub use processors::*;
pub use reads::*;
pub use records::*;
pub use sagas::*;
pub use streams::*;
pub use subscriptions::*;

/// Makes one test of each case, in the module where it stands.
///
/// It takes the path of an async function that gives an empty store: an `Arc<dyn Store>`, or anything else that
/// dereferences to a `dyn Store`, such as a guard that also removes the store's file. The calling crate needs `tokio`
/// with the features `macros` and `rt-multi-thread`.
///
/// ```
/// # use std::sync::Arc;
/// # use annals::store::{MemoryStore, SharedStore};
/// async fn open() -> SharedStore {
///     Arc::new(MemoryStore::new())
/// }
///
/// annals::store_compliance!(open);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! store_compliance {
    ($open:path) => {
        $crate::__store_compliance_cases! { $open =>
            positions_and_versions_are_dense
            append_at_a_stale_version_is_a_conflict
            append_at_a_future_version_is_a_conflict
            a_stream_is_started_once
            a_missing_stream_does_not_exist
            any_expects_nothing
            an_append_to_several_streams_is_atomic
            an_append_without_events_checks_its_expectations
            an_empty_append_changes_nothing
            an_append_rests_on_a_stored_event
            appends_keep_the_order_in_which_they_were_handed_over
            of_racing_appends_exactly_one_wins
            a_repeated_append_returns_the_first_places
            a_repeat_is_answered_although_its_expectation_now_fails
            racing_repeats_are_stored_once
            a_partly_stored_append_is_refused
            an_event_id_belongs_to_one_stream
            an_event_id_twice_in_one_append_is_refused
            concurrent_appends_keep_positions_dense_for_readers
            neighbours_of_a_refused_append_are_stored
            an_append_wakes_readers
            a_broken_condition_is_a_conflict
            a_condition_looks_only_after_its_marker
            a_criterion_needs_all_of_its_tags
            a_criterion_matches_any_of_its_names
            any_criterion_breaks_a_condition
            a_condition_without_criteria_always_holds
            disjoint_conditions_never_conflict
            of_racing_decisions_exactly_one_wins
            a_check_by_name_and_a_check_by_tag_cannot_both_win
            each_condition_held_when_the_log_is_replayed
            the_outcome_of_a_command_is_recorded
            a_rejection_is_recorded_without_events
            a_repeated_command_is_answered_with_its_record
            of_racing_executions_exactly_one_is_stored
            old_outcomes_are_forgotten
            an_empty_store_is_read_to_its_start
            all_events_are_read_in_order
            events_are_read_as_they_were_appended
            a_stream_is_read_alone
            a_page_says_how_far_it_has_looked
            a_filtered_reader_advances_past_what_it_skipped
            criteria_select_events
            pages_give_each_event_once
            reads_can_end_at_an_instant
            ranges_have_an_end
            a_stream_is_read_as_of_a_version
            a_category_is_read_alone
            conditions_of_a_read_hold_together
            events_are_counted_without_their_payloads
            a_read_returns_the_head_as_its_marker
            pages_follow_one_another
            a_stream_tells_about_itself
            a_deleted_stream_is_hidden_and_its_versions_go_on
            what_was_deleted_stays_hidden_once_the_stream_goes_on
            a_snapshot_from_before_a_deletion_is_not_read
            an_ended_stream_takes_no_append_ever
            a_truncated_stream_begins_later
            an_archived_stream_is_read_by_its_id_alone
            a_deleted_stream_is_restored
            a_change_of_a_stream_is_guarded
            a_scavenge_removes_what_is_hidden
            a_scavenge_never_gives_a_position_out_again
            retention_takes_effect_with_the_scavenge
            reserved_streams_are_refused
            a_condition_meets_hidden_events
            an_export_shows_everything
            an_import_keeps_positions_and_times
            an_import_goes_on_after_a_stop
            an_import_never_overwrites
            the_life_of_streams_is_exported_and_imported
            payloads_come_back_byte_for_byte
            any_text_names_a_stream
            texts_are_compared_byte_for_byte
            revisions_come_back
            questions_beyond_a_limit_are_refused
            input_beyond_a_limit_is_refused
            tenants_never_mix
            a_large_append_is_stored_whole
            an_append_with_everything_in_it_is_stored_whole
            rows_and_events_commit_together
            a_refused_append_takes_its_rows_along
            a_repeat_at_the_end_of_a_transaction_stores_no_rows
            everything_of_an_append_commits_at_the_end_of_a_transaction
            an_append_sees_what_its_transaction_has_written
            an_append_without_events_commits_its_rows
            a_transaction_that_is_dropped_gives_out_no_position
            conditions_hold_among_appends_and_transactions
            a_commit_is_handed_over_when_it_is_first_polled
            a_commit_with_events_wakes_readers
            what_appends_refuse_transactions_refuse
            no_store_joins_what_is_no_transaction
            a_token_is_kept
            a_write_under_a_lost_claim_is_refused
            tokens_of_several_segments_move_together
            segments_are_changed_as_they_were_read
            of_racing_claims_exactly_one_wins
            no_token_moves_under_a_change
            a_change_waits_for_a_page
            who_waits_for_a_change_sees_all_of_it
            a_node_lives_as_long_as_its_lease
            a_node_that_leaves_gives_up_its_claims
            a_letter_that_was_passed_over_holds_nothing_up
            letters_are_due_in_the_order_of_their_sequence
            own_documents_are_read_as_written
            a_dropped_transaction_leaves_nothing
            a_cancelled_transaction_leaves_nothing
            a_transaction_sees_its_own_writes
            a_mark_is_returned_to
            appends_and_transactions_lose_no_document
            a_stale_document_is_a_conflict
            a_removed_document_keeps_its_revision
            documents_are_scanned_in_key_order
            documents_are_found_by_their_entries
            documents_are_ordered_by_an_index
            entries_change_with_their_document
            entries_change_with_an_append
            indexed_values_are_compared_byte_for_byte
            index_values_beyond_a_limit_are_refused
            queries_find_what_their_definition_says
            a_snapshot_is_found_by_its_schema
            an_older_snapshot_replaces_no_newer_one
            a_snapshot_commits_with_its_append
            records_of_tenants_never_mix
            dead_letters_hold_up_their_sequence
            a_saga_is_kept
            a_stale_saga_is_refused
            a_saga_is_found_by_its_associations
            an_ended_saga_loses_associations_and_timers
            an_added_effect_is_listed_and_replaced
            effects_are_due_in_order
            a_postponed_effect_holds_back_the_next
            the_next_effect_is_known
            timers_are_due_from_their_instant_on
            a_cancelled_timer_is_gone
            segments_share_effects_and_timers
            effects_of_a_group_are_due_together
            an_effect_is_kept
            effects_are_listed_in_pages
            a_name_belongs_to_one_effect
            an_append_schedules_with_its_events
            appends_of_a_batch_schedule_in_their_order
            effects_beyond_a_limit_are_refused
            a_deleted_stream_takes_back_what_waits_for_it
            a_key_belongs_to_one_running_instance
            timers_of_instances_are_known
            a_saga_has_a_history
            inputs_wait_for_their_instance
            sagas_are_listed_and_counted
            ended_sagas_are_forgotten
            a_subscription_is_kept
            a_subscription_is_created_once
            deliveries_are_kept
            many_deliveries_are_kept
            parked_deliveries_are_changed_in_order
            a_removed_subscription_leaves_nothing
            of_a_subscription_one_writes_at_a_time
            a_subscription_that_is_let_go_is_unchanged
            a_subscription_is_told_the_time
            tags_are_found_by_position
            subscriptions_of_tenants_never_mix
            a_name_of_a_subscription_has_a_limit
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_compliance_cases {
    ($open:path => $($case:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let store = $open().await;
            $crate::testing::compliance::$case(&*store).await;
            store.close().await;
        }
    )+};
}
