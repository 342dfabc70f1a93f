//! An application framework for CQRS and event sourcing.
//!
//! You annotate plain types: messages, aggregates, views, sagas. [`Annals::open`] finds them, opens a store, and runs
//! them. Decisions are pure and are tested [without a database](testing); what was decided is stored as events, and
//! everything else follows from these.
//!
//! | to | write | see |
//! |---|---|---|
//! | state a message | `#[derive(Command)]`, `#[derive(Event)]`, `#[derive(Query)]` | [`message`] |
//! | decide on commands | `#[derive(Aggregate)]`, `#[command_handlers]`, `#[event_sourcing]` | [`aggregate`], [`command`] |
//! | decide over several aggregates | `#[derive(Decision, Default)]` | [`trait@Decision`] |
//! | keep a read model | `#[derive(View)]`, `#[view_handlers]` | [`view`], [`guide::views`] |
//! | write rows of one's own | `#[event_handlers(processor = "..")]` | [`processor`], [`guide::processors`] |
//! | answer questions | `#[query_handlers]` | [`query`] |
//! | drive a long process | `#[derive(Saga)]`, `#[saga_handlers]` | [`saga`] |
//! | write a long process as one function | `#[derive(Workflow)]`, `#[workflow_handlers]` | [`workflow`], [`guide::workflows`] |
//! | read what old programs have stored | `#[upcasters]` | [`guide::evolution`] |
//!
//! [`guide`] has a page for each theme, and a [table](guide::axon) for those who come from Axon.
//!
//! Whatever a macro does can be written by hand with public traits and [`Annals::builder`]. What is promised stands in
//! [`guarantees`](mod@guarantees); how commands are sent and tried again in [`guide::commands`], what is to happen later in
//! [`guide::deadlines`].
//!
//! # Cargo features
//!
//! | feature | gives | default |
//! |---|---|---|
//! | `sqlite` | the embedded SQLite store, `SqliteTransaction` and `SqlitePool` for handlers | yes |
//! | `postgres` | the store on a PostgreSQL server, 12 or newer, `PostgresTransaction` and `PgPool` for handlers | no |
//! | `tower` | `tower` layers around the dispatch of commands | no |
//! | `validation` | rules on the fields of commands, with `garde` | no |
//! | `rate-limit` | the interceptor `RateLimit` | no |
//! | `metrics` | counters and times of commands, sagas and timers in the `metrics` facade | no |
//! | `message-pack` | payloads in MessagePack beside JSON: [`Builder::codec`](app::Builder::codec) | no |
//! | `compression` | large payloads compressed by zstd | no |
//! | `proptest` | [`any_history`](testing) in the test kit: properties of histories, with the crate `proptest` | no |
//! | `mysql` | the store on a MySQL 8 or MariaDB 10.11 server, `MySqlTransaction` and `MySqlPool` for handlers | no |

// The macros name the crate `::annals`, also inside it.
extern crate self as annals;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod aggregate;
pub mod app;
pub mod catalogue;
pub mod command;
pub(crate) mod deadline;
pub mod handler;
pub mod message;
pub mod prelude;
pub mod processor;
pub mod query;
pub mod registry;
pub mod saga;
pub mod store;
pub mod subscription;
pub mod testing;
pub mod view;
pub mod workflow;

#[doc = include_str!("docs/guarantees.md")]
pub mod guarantees {}

/// A page for each theme.
pub mod guide {
    #[doc = include_str!("docs/aggregates.md")]
    pub mod aggregates {}
    #[doc = include_str!("docs/axon.md")]
    pub mod axon {}
    #[doc = include_str!("docs/commands.md")]
    pub mod commands {}
    #[doc = include_str!("docs/dead_letters.md")]
    pub mod dead_letters {}
    #[doc = include_str!("docs/deadlines.md")]
    pub mod deadlines {}
    #[doc = include_str!("docs/decisions.md")]
    pub mod decisions {}
    #[doc = include_str!("docs/evolution.md")]
    pub mod evolution {}
    #[doc = include_str!("docs/processes.md")]
    pub mod processes {}
    #[doc = include_str!("docs/processors.md")]
    pub mod processors {}
    #[doc = include_str!("docs/queries.md")]
    pub mod queries {}
    #[doc = include_str!("docs/rebuild.md")]
    pub mod rebuild {}
    #[doc = include_str!("docs/sagas.md")]
    pub mod sagas {}
    #[doc = include_str!("docs/steps.md")]
    pub mod steps {}
    #[doc = include_str!("docs/subscriptions.md")]
    pub mod subscriptions {}
    #[doc = include_str!("docs/testing.md")]
    pub mod testing {}
    #[doc = include_str!("docs/units.md")]
    pub mod units {}
    #[doc = include_str!("docs/views.md")]
    pub mod views {}
    #[doc = include_str!("docs/workflows.md")]
    pub mod workflows {}
}

/// The programs of the README, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use aggregate::{Aggregate, AsOf, Decision, HistoryEntry, LoadError};
pub use annals_macros::*;
pub use app::{Annals, Error, Result, StartError};
pub use catalogue::catalogue;
pub use command::{CommandFailure, Gateway, SendError, Sent};
pub use message::{
    Clock, Command, CommandId, Event, EventId, Metadata, Position, Query, RecordedEvent, StreamId, StreamQuery,
    SystemClock, Tag, Timestamp, Version,
};
pub use query::QueryError;
pub use saga::Saga;
pub use uuid::Uuid;
pub use view::{View, ViewError, Views};
pub use workflow::Workflow;
