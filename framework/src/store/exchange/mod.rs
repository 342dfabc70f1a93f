//! Events with everything that is stored about them, on their way out of one store and into another.
//!
//! [`Export`] writes JSON lines, [`Importer`] reads them back; both hold a page at a time, tell how far they are, and
//! go on after a stop.

mod export;
mod import;
mod line;

use crate::message::{EventId, Metadata, Name, Position, StreamId, Tag, Timestamp, Version};

use super::plan::{Facts, Place, StreamState};
use super::stream::{StreamInfo, Visibility};

pub use export::{Export, ExportError, Exported};
pub use import::{ImportFileError, Importer};
pub use line::Line;

/// How far an export or import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Position of the last event that was taken.
    pub position: Position,
    /// Events so far.
    pub events: u64,
    /// Position of the last event there is; `None` where the end is not known, as on an import.
    pub head: Option<Position>,
}

/// An event with everything that is stored about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Whose data this is.
    pub tenant: String,
    /// Global position.
    pub position: Position,
    /// The stream.
    pub stream: StreamId,
    /// Place in the stream.
    pub version: Version,
    /// The event's id.
    pub id: EventId,
    /// The stored name, as it was written.
    pub name: Name,
    /// The revision of the payload, as it was written.
    pub revision: u32,
    /// The payload as it was written.
    pub payload: Vec<u8>,
    /// What the event carries besides its payload.
    pub metadata: Metadata,
    /// The tags under which it is found.
    pub tags: Vec<Tag>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who sees it: never [`Visibility::Hidden`] on the way out.
    pub visibility: Visibility,
}

/// What one import writes, atomically. Positions, versions, ids and times are kept.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Events in the order of their positions, each behind the store's head, or already stored exactly there: then it is
    /// passed over, so that an import that was stopped goes on by repeating its last part.
    pub events: Vec<StoredEvent>,
    /// Streams that have a status or a retention of their own.
    pub streams: Vec<StreamInfo>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Events that were written.
    pub written: u64,
    /// Events that were there already.
    pub known: u64,
    /// The store's head afterwards.
    pub head: Position,
}

/// Why an import was refused. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Another event has the position, the version or the id. Import into an empty store, or one that holds an earlier
    /// part of the same events.
    #[error("event {id} cannot take position {position}: {reason}")]
    Taken {
        /// The event.
        id: EventId,
        /// The position that it has in the import.
        position: Position,
        /// What is in the way.
        reason: String,
    },
    /// The input exceeds a documented limit.
    #[error(transparent)]
    Limit(#[from] super::limits::LimitError),
    /// The database does not answer. The call can be repeated.
    #[error("the event store is unavailable")]
    Unavailable {
        /// What the database said.
        source: super::error::BoxError,
    },
}

/// Decides which events of `import` are to be written, given what the store knows about their streams and ids; the rules
/// are the same on every backend.
///
/// # Errors
/// [`ImportError::Taken`] names the first event that is in the way of another one.
pub fn admit(import: &Import, mut facts: Facts) -> Result<Vec<&StoredEvent>, ImportError> {
    let mut fresh = Vec::with_capacity(import.events.len());
    for event in &import.events {
        let place = Place {
            tenant: event.tenant.clone(),
            stream: event.stream.clone(),
            version: event.version,
            position: event.position,
        };
        let key = (event.tenant.clone(), event.stream.clone());
        let newest = facts.streams.get(&key).map(|state| state.newest);
        let taken = |reason| Err(ImportError::Taken { id: event.id, position: event.position, reason });
        match facts.events.get(&event.id) {
            Some(known) if *known == place => continue,
            Some(known) => return taken(format!("its id is stored already, at position {}", known.position)),
            None if event.position <= facts.head => {
                return taken(format!("the store has got to position {} already", facts.head));
            }
            None if newest.is_some_and(|newest| event.version <= newest) => {
                return taken(format!("stream `{}` has a version {} already", event.stream, event.version));
            }
            None => {}
        }
        facts.head = event.position;
        facts.streams.insert(key, StreamState::open(event.version));
        facts.events.insert(event.id, place);
        fresh.push(event);
    }
    Ok(fresh)
}
