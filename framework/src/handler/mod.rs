//! What a handler may ask for: the parameters after its message.
//!
//! A handler names the types that it needs, and gets them, as with axum's extractors:
//!
//! | parameter | where | gives |
//! |---|---|---|
//! | [`Now`] | everywhere | the instant of handling, by the application's clock |
//! | [`Metadata`](crate::Metadata), `&Metadata` | everywhere | what the message carried besides its payload |
//! | [`Version`](crate::Version) | commands of aggregates, events | the newest version of the stream; the version of the event |
//! | [`CommandId`](crate::CommandId) | commands | the id of the command |
//! | [`EventId`](crate::EventId), `&Recorded` | events, except in inline views | what is known about the event |
//! | [`Shared<T>`], `&T` | everywhere | a resource given to `Annals::builder().resource(..)` or by the store |
//! | [`Gateway`](crate::Gateway) | handlers outside aggregates, query handlers | a way to send commands |
//! | [`Views<V>`](crate::Views) | query handlers, event handlers | the documents of a view |
//! | `&mut SqliteTransaction` | event handlers | the transaction that the tracking token commits in |
//!
//! [`FromContext`] is open: implement it for a type of your own.

mod context;
pub(crate) mod error;
mod panic;
mod param;
mod resources;

pub use context::Context;
pub use error::{ContextError, HandlerError};
pub(crate) use panic::panic_message;
pub use param::{FromContext, Now, Requirement, Shared};
pub use resources::Resources;
