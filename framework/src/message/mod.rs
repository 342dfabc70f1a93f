//! Messages: what a command, an event and a query are, and what every message carries.
//!
//! A message is a plain struct. Its stored name is stated, never derived from a Rust path, so that a renamed
//! type or a moved module leaves old data readable.

mod codec;
mod command;
mod event;
mod id;
mod location;
mod metadata;
mod name;
mod place;
mod query;
mod recorded;
mod tag;
mod time;
mod upcaster;

pub use codec::{Codec, CodecError, Decode, JsonCodec, Payloads};
pub use command::{Command, DomainError, Never};
pub use event::Event;
pub use id::{CommandId, EventId, SagaId};
pub use location::Location;
pub use metadata::Metadata;
pub use name::Name;
pub use place::{Position, StreamId, Version};
pub use query::Query;
pub use recorded::{Recorded, RecordedEvent, StoredMetadata};
pub use tag::Tag;
pub use time::{Clock, ParseTimestampError, SystemClock, Timestamp};
pub use upcaster::{Json, UpcastError, UpcastStep, UpcasterFault, Upcasters};
