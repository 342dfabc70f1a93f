//! The event side as a specification: processors, views, SQL handlers, sagas, deadlines, effects, queries, dead letters,
//! restarts. Each behaviour is shown on memory and on SQLite where it applies.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod aggregate_deadlines;
mod attention;
mod auction;
mod book;
mod cases;
mod catch_up;
mod crash;
mod dead_letters;
mod deadlines;
mod defects;
mod document_keys;
mod errand;
mod etags;
mod external;
mod external_ends;
mod gather;
mod given;
mod inline_handlers;
mod kit_sql;
mod modes;
mod pace;
mod persistent;
mod persistent_faults;
mod processors;
mod queries;
mod query_interceptors;
mod rebuild;
mod recurring;
mod retention;
mod saga_versions;
mod sagas;
mod schedule;
mod schedule_scopes;
mod settled;
mod sql_handlers;
mod steps;
mod steps_kit;
mod streams;
mod subscriptions;
mod tallies;
mod tokens;
mod tours;
mod updates;
mod view_enrichment;
mod view_indexes;
mod view_keys;
mod view_memory;
mod view_reads;
mod view_sql;
mod view_versions;
mod views;
mod workflows;
