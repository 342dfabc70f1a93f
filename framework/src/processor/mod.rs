//! Processors follow the event store, hand events to handlers, and keep tracking tokens that commit with what the
//! handlers write.
//!
//! A processor is divided into segments, each with a token of its own. Several nodes share them: each claims as many as
//! are its part, and what a node has claimed that dies or hangs goes to the others. A fencing number, checked in the
//! transaction of the handlers, sees to it that nobody writes who has lost a claim.
//!
//! A handler that fails stops only its own sequence, which is the events of one stream, or what the
//! [`SequencingPolicy`] says, or one document of a view: the event is undone and put among the dead letters, later events
//! of the sequence behind it, and others go on. It is tried again with growing pauses, then parked until somebody retries
//! or evicts it.

mod ahead;
mod building;
mod catch_up;
mod claims;
mod component;
mod config;
mod control;
mod details;
mod error;
mod external;
mod failure;
mod flight;
mod handlers;
mod handlers_component;
mod handling;
mod health;
mod idempotency;
mod kept;
mod letters;
mod newer;
mod node;
mod outside;
mod passage;
mod progress;
mod rate;
mod routed;
mod sequence;
mod side_effects;
mod start;
mod status;
mod streaming;
mod work;

pub use config::{ProcessorConfig, SettingError};
pub use control::ProcessorsHandle;
pub use error::ProcessorError;
pub use external::ExternalHandlers;
pub use failure::{ErrorPolicy, FailedEvent, OnError};
pub use handlers::EventHandlers;
pub use health::{Ailment, Health};
pub use idempotency::IdempotencyKey;
pub use newer::NewerRevision;
pub use node::NodeConfig;
pub use passage::{Attempt, ReplayContext, ReplayStatus, ResetTo};
pub use sequence::{SequenceFn, SequencingPolicy};
pub use side_effects::SideEffects;
pub use start::StartAt;
pub use status::{ProcessorStatus, SegmentFailure, SegmentStatus};

pub(crate) use building::{Family, is_read, ready_at};
pub(crate) use catch_up::{catch_up, leave_inline};
pub(crate) use claims::{claim_whole, found_all};
pub(crate) use component::{Batch, EventComponent, Finished, ProcessorParts, Step};
pub(crate) use details::{is_replaying, reached};
pub(crate) use external::ExternalComponent;
pub(crate) use handlers_component::HandlersComponent;
pub(crate) use handling::handle_with;
pub(crate) use idempotency::Receiver;
pub(crate) use kept::Carried;
pub(crate) use node::Node;
pub(crate) use passage::Passage;
pub(crate) use progress::{Behind, Here, Processors};
pub(crate) use side_effects::Outbox;
pub(crate) use streaming::StreamingProcessor;
