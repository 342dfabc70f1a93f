//! What has gone wrong with projections elsewhere, and which test shows that it does not here.
//!
//! Paths begin at `tests/tests`; `compliance` is the suite in `framework/src/testing`, which every store passes.
//!
//! | defect | test that shows it |
//! |---|---|
//! | events of slow writers are passed over and lost | `durability/held.rs`: `on_.._no_reader_passes_an_append_in_flight`; `compliance`: `concurrent_appends_keep_positions_dense_for_readers`; `flow/tokens.rs`: `what_was_appended_after_a_page_was_read_ahead_is_handled`; [`log::nothing_is_lost_while_many_append_at_the_same_time`] |
//! | a hole in the log is waited for for ever | `compliance`: `a_transaction_that_is_dropped_gives_out_no_position`; [`log::what_was_never_stored_is_neither_waited_for_nor_handled`], [`log::places_from_which_events_were_removed_hold_nothing_up`] |
//! | nobody can read while a view is built anew, or half of it is read | `flow/rebuild.rs`: `the_old_version_is_read_until_the_new_one_is_complete`, `a_view_over_old_events_is_not_read_before_it_is_built` |
//! | a rebuild sends messages again | `flow/rebuild.rs`: `side_effects_pass_from_version_to_version_without_a_gap_or_a_double`; `flow/processors.rs`: `a_reset_replays_and_handlers_know_why`; `flow/tokens.rs`: `a_reset_in_the_middle_of_a_replay_makes_nothing_new` |
//! | a processor of rare events reads everything again, and shows no progress | `compliance`: `a_filtered_reader_advances_past_what_it_skipped`; `flow/pace.rs`; [`log::what_concerns_nobody_is_passed_over_once`] |
//! | a rebuild hangs at a bad event and says nothing | [`rebuilds::what_stops_a_view_that_is_built_is_named_and_it_goes_on_from_there`] |
//! | a rebuild takes another way than events, and builds something else | `flow/processors.rs`: `segments_are_divided_and_merged_under_way`; [`rebuilds::a_view_that_is_built_is_the_fold_of_all_events_whatever_happens_meanwhile`] |
//! | a read after a command does not show it | `flow/queries.rs`: `everybody_reads_their_own_write_while_others_write_too`; `flow/processors.rs`: `a_command_is_answered_when_the_views_that_are_named_show_it` |
//! | who waits for views waits for others too, or for several times | `flow/queries.rs`: `a_query_waits_for_the_views_that_its_handler_asks_for`; [`waits::one_patience_is_for_all_views_that_are_named_and_for_no_other`], [`waits::a_handler_that_waits_for_a_view_holds_it_up_no_longer_than_it_says`] |
//! | a handler that fails takes the program, or everything behind it, along | `flow/dead_letters.rs`: `the_events_behind_a_failed_one_wait_and_other_sequences_go_on`, `a_handler_that_never_returns_stops_only_its_own_sequence`; `flow/processors.rs`: `what_becomes_of_an_error_the_policy_says`; `durability/nodes/poison.rs` |
//! | what was stored in another shape stops everything | `app/upcasters.rs`: `views_and_sagas_find_events_under_their_old_names`; `app/newer.rs`; `flow/view_indexes.rs`: `documents_with_other_indexes_are_refused_at_start_until_the_version_is_raised`; [`rebuilds::a_document_that_cannot_be_read_stops_its_own_events_alone_and_can_be_built_anew`] |
//! | either everything is one after the other, or nothing keeps its order | `flow/processors.rs`: `what_belongs_together_is_as_the_policy_says`; `flow/view_keys.rs`: `writers_of_one_document_lose_no_event_and_its_revision_tells_its_versions_apart` |
//! | tests sleep, and fail at times | `flow/settled.rs`; `flow/view_versions.rs`: `a_replay_takes_the_dead_letters_along`, with a clock that the test moves |
//! | a log that all share slows its writers down | `store/postgres.rs`: `appends_do_not_wait_for_a_handlers_transaction`; `store/mysql.rs`: `appends_do_not_wait_for_transactions` |
//! | a place that is an instant loses or repeats events | `flow/dead_letters.rs`: `a_letter_does_not_wait_for_a_clock_that_was_wrong`; [`log::clocks_that_are_put_back_lose_and_repeat_nothing`] |
//! | one node does everything, and nobody takes over | `flow/tokens.rs`: `two_applications_share_the_segments`, `what_is_stopped_on_one_node_goes_to_the_others`; `durability/nodes/replacement.rs` |
//! | looking on is what a database is busy with | `durability/nodes/idle.rs`; [`waits::whoever_looks_at_processors_writes_nothing`] |
//! | what is done for one tenant befalls others | `compliance`: `records_of_tenants_never_mix`; [`log::what_is_done_to_the_processors_of_one_tenant_concerns_no_other`] |
//! | handlers begin before what they handle is committed, or tell others before they are | `flow/updates.rs`: `what_was_emitted_in_a_transaction_leaves_after_its_commit_and_never_if_it_is_rolled_back`; `flow/schedule.rs`: `a_handler_outside_schedules_and_an_event_handler_does_in_its_transaction`; [`log::what_was_never_stored_is_neither_waited_for_nor_handled`] |

mod log;
mod rebuilds;
mod waits;
