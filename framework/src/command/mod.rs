//! Commands: the bus, the gateway, interceptors, and the execution of decisions.
//!
//! The way of a command: interceptors around dispatch; the lane of its aggregate, one command at a time on this node;
//! interceptors around handling; the state from memory, or from snapshot and events; the handler; the append; the reply
//! with its position. A decision that meets a conflict is run again, unless the caller named the version it expects.

mod attempt;
mod boundary;
mod brought;
mod bus;
mod cache;
mod check;
pub(crate) mod class;
mod config;
pub(crate) mod delivery;
pub(crate) mod error;
pub(crate) mod execute;
mod gateway;
mod handler;
mod held;
mod in_flight;
pub(crate) mod inline;
mod interceptor;
pub mod interceptors;
mod key_index;
mod keys;
mod lane;
#[cfg(feature = "tower")]
mod layer;
mod message;
#[cfg(feature = "metrics")]
mod metrics;
mod monitor;
pub(crate) mod placed;
mod retry;
pub(crate) mod schedule;
mod service;
mod state;
mod stream;
mod target;
mod trial;
mod unseen;
mod work;

pub use bus::CommandBus;
pub use cache::CacheUse;
pub use config::CommandConfig;
pub use error::{CommandError, CommandFailure, Rejection, SendError};
pub use gateway::{Gateway, SendCall, Sent};
pub use handler::{IntoRefusal, ServedBy};
pub use interceptor::{CommandInterceptor, Next, Onward};
pub(crate) use key_index::index as index_keys;
pub use key_index::{DoubleKey, KeyIndex};
#[cfg(feature = "tower")]
pub use layer::{CommandLayer, CommandService};
pub use message::{CommandMessage, CommandResult, Executed, Priority, Purpose};
#[cfg(feature = "metrics")]
pub(crate) use metrics::Known;
#[cfg(feature = "metrics")]
pub use metrics::MetricsMonitor;
pub use monitor::{CommandMonitor, CommandOutcome};
pub use retry::RetryPolicy;
pub use schedule::{
    Missed, Recurring, RecurringError, RecurringHandle, RecurringSchedule, ScheduleCall, Scheduled, ScheduledKind,
    Scheduler,
};
pub use target::{BoundaryConsistency, CommandTarget, Consistency, StateConsistency, StreamConsistency};
pub use trial::{Trial, TrialCall};
pub use unseen::{Unseen, UnseenEvent};
pub use work::UnitOfWork;

pub(crate) use bus::{BusParts, CommandHandler, Dispatching, Format, FormatOf, Route};
pub(crate) use check::Checks;
pub(crate) use lane::{Usage, document_lanes};
#[cfg(feature = "tower")]
pub(crate) use layer::Layered;
pub(crate) use monitor::Observer;
pub(crate) use retry::Retries;
pub(crate) use service::ServiceHandler;
pub(crate) use target::Lanekeeper;
