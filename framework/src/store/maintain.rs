//! What an operator does to a store: the life of streams, cleaning, export and import.

use async_trait::async_trait;

use crate::message::{Position, StreamId, Timestamp, Version};

use super::append::Expected;
use super::error::{BoxError, ReadError, StoreError};
use super::exchange::{Import, ImportError, Imported, StoredEvent};
use super::stream::{Scavenged, StreamChange, StreamInfo, StreamStatus};
use super::transaction::StoreTransaction;

/// What an operator does to a store.
///
/// Readers and writers go on meanwhile. Everything here is atomic, but for [`Maintain::scavenge`], which goes forward
/// in small transactions.
#[async_trait]
pub trait Maintain: Send + Sync {
    /// What is known about `stream`; `None` when it never had an event.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer.
    async fn stream_info(&self, tenant: &str, stream: &StreamId) -> Result<Option<StreamInfo>, ReadError>;

    /// Changes the life of `stream`, if it is as `expected`; see [`StreamChange`] for what readers see afterwards.
    ///
    /// # Errors
    /// [`StreamError`] says what is in the way; then nothing was changed.
    async fn change_stream(
        &self,
        tenant: &str,
        stream: &StreamId,
        expected: Expected,
        change: StreamChange,
    ) -> Result<StreamInfo, StreamError>;

    /// Removes what is hidden and what its stream's [`Retention`](super::Retention) no longer keeps at `now`, and
    /// reports what it removed. It can be stopped and repeated at any time.
    ///
    /// The newest event of the store always stays, so that its position is not given out again. An event id that was
    /// removed is no longer known: an append with it would be stored.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer; what was removed until then stays removed.
    async fn scavenge(&self, now: Timestamp) -> Result<Scavenged, StoreError>;

    /// The events of all tenants after `after` in the order of their positions, at most `limit`, without the hidden
    /// ones, exactly as they are stored.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer.
    async fn export(&self, after: Position, limit: usize) -> Result<Vec<StoredEvent>, ReadError>;

    /// The streams of all tenants that have a status or a retention of their own, in the order of tenant, category and
    /// id, after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer.
    async fn export_streams(
        &self,
        after: Option<(&str, &StreamId)>,
        limit: usize,
    ) -> Result<Vec<StreamInfo>, ReadError>;

    /// Stores events under the positions, versions and times that they have.
    ///
    /// # Errors
    /// [`ImportError`] says which event is in the way; then nothing was written.
    async fn import(&self, import: Import) -> Result<Imported, ImportError>;

    /// Begins a transaction in which plain SQL may change and remove events, which the database refuses otherwise.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn begin_maintenance(&self) -> Result<Box<dyn StoreTransaction>, StoreError>;
}

/// Why the life of a stream was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream never had an event.
    #[error("stream `{stream}` has no events")]
    NotFound {
        /// The stream.
        stream: StreamId,
    },
    /// The stream is not as expected. Look again.
    #[error(transparent)]
    Conflict(#[from] super::error::Conflict),
    /// The stream's status does not allow the change.
    #[error("stream `{stream}` is {status}: {reason}")]
    Status {
        /// The stream.
        stream: StreamId,
        /// Its status.
        status: StreamStatus,
        /// What does not go, and the remedy.
        reason: &'static str,
    },
    /// The newest event always stays.
    #[error("stream `{stream}` cannot be truncated before version {before}: its newest event, version {newest}, stays")]
    BeyondNewest {
        /// The stream.
        stream: StreamId,
        /// The version asked for.
        before: Version,
        /// The newest version.
        newest: Version,
    },
    /// A retention that keeps no event at all. Keep at least 1, or delete the stream.
    #[error("a retention of 0 events for stream `{stream}` is refused: the newest event stays, so keep at least 1")]
    NothingKept {
        /// The stream.
        stream: StreamId,
    },
    /// The database does not answer. The call can be repeated.
    #[error("the store is unavailable")]
    Unavailable {
        /// What the database said.
        source: BoxError,
    },
}

/// A change in the life of a stream, checked: what a backend has to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamStep {
    /// The status afterwards.
    pub status: StreamStatus,
    /// Events before this version are hidden; `None` leaves the mark of truncation as it is.
    pub truncate_before: Option<Version>,
    /// The retention afterwards; `None` leaves it as it is.
    pub retention: Option<super::stream::Retention>,
    /// Whether the snapshots of the stream go.
    pub drops_snapshots: bool,
}

/// Decides what `change` means for a stream that is as `info` says; the rules are the same on every backend.
///
/// # Errors
/// As [`Maintain::change_stream`].
pub fn step(
    stream: &StreamId,
    info: Option<&StreamInfo>,
    expected: Expected,
    change: &StreamChange,
) -> Result<StreamStep, StreamError> {
    let seen = info.filter(|info| !matches!(info.status, StreamStatus::Deleted | StreamStatus::Tombstoned));
    let seen = seen.and_then(|info| info.newest);
    if !expected.holds_for(seen) {
        let expected = expected.to_string();
        return Err(super::error::Conflict::Stream { stream: stream.clone(), expected, actual: seen }.into());
    }
    let Some((info, newest)) = info.and_then(|info| Some((info, info.newest?))) else {
        return Err(StreamError::NotFound { stream: stream.clone() });
    };
    let refused = |reason| Err(StreamError::Status { stream: stream.clone(), status: info.status, reason });
    let keeps = StreamStep { status: info.status, truncate_before: None, retention: None, drops_snapshots: false };
    match (change, info.status) {
        (StreamChange::Tombstone, StreamStatus::Tombstoned) => Ok(keeps),
        (_, StreamStatus::Tombstoned) => refused("that cannot be undone; use another stream id"),
        (StreamChange::Tombstone, _) => {
            Ok(StreamStep { status: StreamStatus::Tombstoned, drops_snapshots: true, ..keeps })
        }
        (StreamChange::Delete, _) => Ok(StreamStep { status: StreamStatus::Deleted, drops_snapshots: true, ..keeps }),
        (StreamChange::Archive, StreamStatus::Deleted) => refused("restore it before it is archived"),
        (StreamChange::Archive, _) => Ok(StreamStep { status: StreamStatus::Archived, ..keeps }),
        (StreamChange::Restore, _) => Ok(StreamStep { status: StreamStatus::Open, ..keeps }),
        (StreamChange::TruncateBefore(_) | StreamChange::Retain(_), StreamStatus::Deleted) => {
            refused("restore it first")
        }
        (StreamChange::TruncateBefore(before), _) if *before > newest => {
            Err(StreamError::BeyondNewest { stream: stream.clone(), before: *before, newest })
        }
        (StreamChange::TruncateBefore(before), _) => Ok(StreamStep { truncate_before: Some(*before), ..keeps }),
        (StreamChange::Retain(retention), _) if retention.max_count == Some(0) => {
            Err(StreamError::NothingKept { stream: stream.clone() })
        }
        (StreamChange::Retain(retention), _) => Ok(StreamStep { retention: Some(*retention), ..keeps }),
    }
}
