//! What an application usually needs: `use annals::prelude::*;`

pub use crate::aggregate::{Aggregate, Decision, Events};
pub use crate::app::Annals;
pub use crate::command::Gateway;
pub use crate::handler::{HandlerError, Now, Shared};
pub use crate::message::{
    Command, CommandId, Event, EventId, Json, Metadata, Never, Position, Query, Recorded, StreamId, Timestamp, Version,
};
pub use crate::query::QueryError;
pub use crate::saga::{Effects, Saga, Steps, steps};
#[cfg(feature = "sqlite")]
pub use crate::store::SqliteTransaction;
pub use crate::view::{Keep, View, Views};
pub use annals_macros::*;
pub use serde::{Deserialize, Serialize};
#[cfg(feature = "sqlite")]
pub use sqlx::SqlitePool;
