//! What a handler may ask for: the parameters after its message.
//!
//! A handler names the types that it needs, and gets them, as with axum's extractors:
//!
//! | parameter | where | gives |
//! |---|---|---|
//! | [`Now`] | everywhere | the instant of handling, by the application's clock |
//! | [`Metadata`](crate::Metadata), `&Metadata` | everywhere | what the message carried besides its payload |
//! | [`Version`](crate::Version) | commands of aggregates, events | the newest version of the stream; the version of the event |
//! | [`Model<D>`](crate::aggregate::Model) | commands of aggregates and decisions | the state of another decision |
//! | [`Unseen`](crate::command::Unseen) | commands of aggregates | the events that the caller has not seen |
//! | [`CommandId`](crate::CommandId) | commands | the id of the command |
//! | [`EventId`](crate::EventId), `&Recorded` | events, except in inline views | what is known about the event |
//! | [`Shared<T>`], `&T` | everywhere | a resource given to `Annals::builder().resource(..)` or by the store |
//! | [`Gateway`](crate::Gateway) | handlers outside aggregates, query handlers | a way to send commands |
//! | [`Views<V>`](crate::Views) | query handlers, event handlers | the documents of a view |
//! | [`QueryUpdates`](crate::query::QueryUpdates) | handlers outside aggregates, event handlers | a way to tell subscribers of queries |
//! | [`Scheduler`](crate::command::Scheduler) | handlers outside aggregates, event handlers | a way to schedule commands and events |
//! | [`&mut UnitOfWork`](crate::command::UnitOfWork) | commands outside aggregates | several decisions in one append |
//! | [`&mut Deadlines`](crate::aggregate::Deadlines) | commands of aggregates and decisions | commands that the aggregate wants to get later |
//! | [`&mut Events<Self>`](crate::aggregate::Events) | commands of aggregates and decisions | where events go one by one, beside a reply |
//! | `&mut SqliteTransaction` | event handlers | the transaction that the tracking token commits in |
//!
//! [`FromContext`] is open: implement it for a type of your own.

mod after_commit;
mod context;
pub(crate) mod error;
mod panic;
mod param;
mod reads;
mod resources;

pub(crate) use after_commit::{AfterCommit, Later};
pub use context::Context;
pub use error::{ContextError, FailureClass, HandlerError};
pub(crate) use panic::panic_message;
pub use param::{FromContext, ModelKey, Now, Requirement, Shared};
pub(crate) use reads::{Fingerprints, Reads};
pub use resources::Resources;
