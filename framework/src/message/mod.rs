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
mod violation;

#[cfg(feature = "compression")]
pub use codec::Compression;
#[cfg(feature = "message-pack")]
pub use codec::MessagePackCodec;
pub use codec::{Codec, CodecError, Decode, JsonCodec, Payloads};
pub use command::{Command, DomainError, Never};
pub use event::Event;
pub use id::{CommandId, EventId, SagaId};
pub use location::Location;
pub use metadata::Metadata;
pub use name::Name;
pub use place::{Position, StreamId, Version};
pub use query::{
    AnsweredByAll, AnsweredByOne, Gather, Handlers, Query, QueryKind, Single, StreamQuery, SubscriptionQuery, Updated,
    UpdatesOf,
};
pub use recorded::{Recorded, RecordedEvent, StoredMetadata};
pub use tag::Tag;
pub use time::{Clock, ParseTimestampError, SystemClock, Timestamp};
pub use upcaster::{
    Arity, Asks, Dropped, IntoUpcasted, Json, LiftError, Lifting, MessageKind, Parts, Pass, Target, UpcastError,
    UpcastStep, Upcasted, UpcasterFault, Upcasters,
};
pub use violation::{Violation, Violations};

pub(crate) use upcaster::{Chains, TagsOf, Yield};
