//! Tests that read as the specification, without a database.
//!
//! | test of | begins with |
//! |---|---|
//! | an aggregate or a decision | [`given`] |
//! | a saga | [`given_saga`] |
//! | a workflow | [`given_workflow`], [`given_workflow_of`] |
//! | a view | [`given_view`] |
//! | upcasters | [`upcast`], [`given_stored`] |
//! | what is stored, against files of before | [`golden`] |
//! | the whole application, with queries, event handlers and SQL | [`app`] |
//! | what holds after any history, with the feature `proptest` | `any_history` |
//! | a store of your own | [`compliance`] |
//!
//! Events are given as values, by [`recorded`] from a file, or as what came of commands ([`Given::after`]). Time comes from
//! a [`TestClock`]. A step that does not hold panics at the line of the test, and says what was expected, what was there,
//! and in which fields they differ. The [guide](crate::guide::testing) shows all of it.

mod aggregate;
mod app;
mod children;
mod clock;
mod commands;
pub mod compliance;
mod deadlines;
mod decided;
mod diff;
mod facts;
pub mod golden;
mod matcher;
mod messages;
mod observed;
#[cfg(feature = "proptest")]
mod property;
mod recorded;
mod saga;
mod upcast;
mod view;
mod workflow;

pub use aggregate::{Given, given, given_state};
pub use app::{AppSetup, TestApp, app};
pub use clock::TestClock;
pub use commands::{CommandMatcher, Commands, sending};
pub use decided::Decided;
pub use facts::Facts;
pub use matcher::{EventMatcher, matching};
pub use observed::{Answer, Observed};
#[cfg(feature = "proptest")]
pub use property::{AnyCommand, Histories, any_history, command};
pub use recorded::{RecordedStream, recorded};
pub use saga::{GivenSaga, given_saga};
pub use upcast::{GivenStored, Upcast, given_stored, upcast, upcast_named};
pub use view::{GivenView, given_enriched_view, given_view};
pub use workflow::{GivenWorkflow, given_workflow, given_workflow_of};
