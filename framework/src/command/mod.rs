//! Commands: the bus, the gateway, interceptors, and the execution of decisions.
//!
//! The way of a command: interceptors around dispatch; the lane of its aggregate, one command at a time on this node;
//! interceptors around handling; the state from memory, or from snapshot and events; the handler; the append; the reply
//! with its position. A decision that meets a conflict is run again, unless the caller named the version it expects.

mod attempt;
mod boundary;
mod bus;
mod config;
pub(crate) mod error;
pub(crate) mod execute;
mod gateway;
mod handler;
pub(crate) mod inline;
mod interceptor;
mod lane;
mod message;
mod service;
mod stream;
mod target;

pub use bus::CommandBus;
pub use config::CommandConfig;
pub use error::{CommandError, CommandFailure, Rejection, SendError};
pub use gateway::{Gateway, SendCall, Sent};
pub use handler::{IntoRefusal, ServedBy};
pub use interceptor::{CommandInterceptor, Next};
pub use message::{CommandMessage, CommandResult, Executed};
pub use target::{BoundaryConsistency, CommandTarget, Consistency, StreamConsistency};

pub(crate) use bus::{CommandHandler, Format, FormatOf, Route};
pub(crate) use lane::document_lanes;
pub(crate) use service::ServiceHandler;
pub(crate) use target::Lanekeeper;
