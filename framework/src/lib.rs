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
//! | keep a read model | `#[derive(View)]`, `#[view_handlers]` | [`view`] |
//! | write rows of one's own | `#[event_handlers(processor = "..")]` | [`processor`] |
//! | answer questions | `#[query_handlers]` | [`query`] |
//! | drive a long process | `#[derive(Saga)]`, `#[saga_handlers]` | [`saga`] |
//! | read old events | `#[upcasters]` | [`UpcastStep`](message::UpcastStep) |
//!
//! Whatever a macro does can be written by hand with public traits and [`Annals::builder`]. What is promised stands in
//! [`guarantees`](mod@guarantees).
//!
//! # Cargo features
//!
//! | feature | gives | default |
//! |---|---|---|
//! | `sqlite` | the embedded SQLite store, `SqliteTransaction` and `SqlitePool` for handlers | yes |
//! | `mysql` | the store on a MySQL 8 or MariaDB 10.11 server, `MySqlTransaction` and `MySqlPool` for handlers | no |

// The macros name the crate `::annals`, also inside it.
extern crate self as annals;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod aggregate;
pub mod app;
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
pub mod testing;
pub mod view;

#[doc = include_str!("docs/guarantees.md")]
pub mod guarantees {}

/// The programs of the README, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use aggregate::{Aggregate, AsOf, Decision, HistoryEntry, LoadError};
pub use annals_macros::*;
pub use app::{Annals, Error, Result, StartError};
pub use command::{CommandFailure, Gateway, SendError, Sent};
pub use message::{
    Clock, Command, CommandId, Event, EventId, Metadata, Position, Query, RecordedEvent, StreamId, SystemClock, Tag,
    Timestamp, Version,
};
pub use query::QueryError;
pub use saga::Saga;
pub use uuid::Uuid;
pub use view::{View, ViewError, Views};
