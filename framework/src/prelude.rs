//! What an application usually needs: `use annals::prelude::*;`

pub use crate::aggregate::{Aggregate, Deadlines, Decision, Entity, Events, Lifecycle, Model};
pub use crate::app::Annals;
pub use crate::catalogue::Described;
pub use crate::command::{Gateway, Scheduler, UnitOfWork, Unseen};
pub use crate::handler::{HandlerError, Now, Shared};
pub use crate::message::{
    Command, CommandId, Dropped, Event, EventId, Json, Metadata, Never, Pass, Position, Query, Recorded, StreamId, Tag,
    Timestamp, Upcasted, Version,
};
pub use crate::query::{QueryError, QueryUpdates, Rows};
pub use crate::saga::{Effects, Saga, Steps, steps};
#[cfg(feature = "mysql")]
pub use crate::store::MySqlTransaction;
#[cfg(feature = "postgres")]
pub use crate::store::PostgresTransaction;
#[cfg(feature = "sqlite")]
pub use crate::store::SqliteTransaction;
pub use crate::store::{Criteria, Criterion};
pub use crate::view::{Keep, View, Views};
pub use crate::workflow::{Flow, Workflow};
pub use annals_macros::*;
pub use serde::{Deserialize, Serialize};
#[cfg(feature = "mysql")]
pub use sqlx::MySqlPool;
#[cfg(feature = "postgres")]
pub use sqlx::PgPool;
#[cfg(feature = "sqlite")]
pub use sqlx::SqlitePool;
