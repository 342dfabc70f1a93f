//! Queries: the bus, the handlers, and the ways to ask.
//!
//! | to | call | declared with |
//! |---|---|---|
//! | have one handler answer | `app.query(q)` | `reply = R` |
//! | have all handlers answer | `app.query_all(q)` | `reply = R, gather` |
//! | get many rows | `app.query_stream(q)` | `stream = Row` |
//! | be told when the answer changes | `app.subscribe(q)` | `reply = R`, or also `update = U` |
//! | not be sent what one has | `app.query(q).unless_unchanged(etag)` | `reply = R` |
//!
//! Each of them can wait for the read models to include one's own write, with `.after(&sent)`. The guide is
//! [`guide::queries`](crate::guide::queries).

mod bus;
mod call;
mod config;
mod error;
mod etag;
mod gather;
mod handler;
mod interceptor;
mod message;
mod route;
mod rows;
mod stream;
mod subscription;
mod terms;

pub use bus::QueryBus;
pub use call::{Answer, Answered, QueryCall, TaggedCall};
pub use config::QueryConfig;
pub use error::QueryError;
pub use etag::ETag;
pub use gather::{GatherCall, GatherFailure, Gathered};
pub use handler::{AnsweredBy, StreamedBy};
pub use interceptor::{Next, QueryInterceptor};
pub use message::{Manner, QueryAnswer, QueryMessage, QueryResult};
pub use rows::{IntoRow, Rows};
pub use stream::StreamCall;
pub use subscription::{QueryUpdates, SubscribeCall, Subscription, SubscriptionError, Updates};
pub use terms::{Mark, StalePolicy};

pub(crate) use bus::Parts;
pub(crate) use etag::build_id;
pub(crate) use route::{Route, Surroundings};
pub(crate) use subscription::Subscribers;
pub(crate) use terms::Terms;
