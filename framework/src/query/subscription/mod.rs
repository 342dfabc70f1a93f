//! Subscription queries: a first answer, then updates.
//!
//! A subscription is registered before its first answer is computed, so that nothing is missed between the two. Updates
//! come from changes of the view documents that the handler has read, and from whoever emits them ([`QueryUpdates`]).

mod call;
mod emitter;
mod error;
mod following;
mod subscribers;

pub use call::{SubscribeCall, Subscription, Updates};
pub use emitter::QueryUpdates;
pub use error::SubscriptionError;

pub(crate) use subscribers::Subscribers;
