//! Events for consumers outside of the application.
//!
//! Two ways lead out of the log:
//!
//! | | who keeps the place | order | consumers of one event |
//! |---|---|---|---|
//! | a [catch-up subscription](CatchUp), `app.events()` | the consumer | of the log | each that asks |
//! | a [persistent subscription](SubscriptionsHandle), `app.subscriptions()` | the database | none, or pinned | one |
//!
//! A persistent subscription lies in the database with everything that is under way, so that its consumers may be on any
//! node, and come and go. There is no leader: whoever has room takes the next events, in a short transaction that has the
//! right to the subscription's row. Rules are plain code over the rows in hand (`book`), the same on every backend; a backend
//! keeps rows and tells the time ([`store::subscriptions`](crate::store::subscriptions)).

mod ahead;
mod book;
mod catch_up;
mod config;
mod consumer;
mod delivery;
mod desk;
mod driver;
mod error;
mod event;
mod filter;
mod following;
mod handle;
mod load;
mod roster;
mod status;
mod turn;

pub use catch_up::{CatchUp, TypedCatchUp};
pub use config::{ConsumerConfig, Start, Strategy, SubscriptionConfig};
pub use consumer::Consumer;
pub use delivery::{Answering, Delivery, Nack, ack_all};
pub use error::{AnswerError, CatchUpError, ConsumeError, EventError, SettingError, SubscriptionError};
pub use event::{EventPart, SubscribedEvent};
pub use filter::Filter;
pub use following::{Following, Item};
pub(crate) use handle::Subscribed;
pub use handle::SubscriptionsHandle;
pub use status::{ConsumerStatus, Parked, ParkedEvent, SubscriptionStatus};
