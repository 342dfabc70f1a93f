//! What all SQL backends share: the statements that are the same everywhere, the mapping of rows, appends, reads and
//! transactions. A backend adds what differs: connections, the statements of its dialect, and what its errors mean.
//!
//! Statements number their parameters (`?1`, `?2`); a backend whose database wants them in another form translates each
//! text once. A list of values goes as one parameter, a JSON array, so that a text never depends on a length.

mod append;
mod dialect;
mod facts;
mod find;
mod insert;
mod join;
mod json;
mod maintain;
mod races;
mod read;
mod rows;
mod sagas;
mod schema;
pub(crate) mod select;
mod session;
mod statements;
mod store;
mod subscriptions;
mod transaction;
mod value;

pub(crate) use append::{AppendLock, Appender, Commit, Failure, raise, write};
pub(crate) use dialect::{AnyOf, Dialect};
pub(crate) use facts::answers_to;
#[cfg(feature = "mysql")]
pub(crate) use insert::effects;
pub(crate) use insert::{Deleted, Placed, Records, deleted, opened, slice};
pub(crate) use join::{Appending, Ended, Unfit};
pub(crate) use read::{Found, Names, corrupt};
pub(crate) use rows::command as command_of;
pub(crate) use schema::{MIGRATIONS, SchemaFault, is_current, migrate, migration};
pub(crate) use select::{Wanted, breaks};
pub(crate) use session::{Session, Statement};
pub(crate) use statements::{InsertEvents, PORTABLE, Statements};
pub(crate) use store::{Handle, SqlStore};
pub(crate) use subscriptions::SubscriptionSql;
pub(crate) use transaction::SqlTransaction;
pub(crate) use value::{Cell, Row, Value, first};
