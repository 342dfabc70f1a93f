//! One stream, for operators.

use crate::message::{StreamId, Version};

use super::SharedStore;
use super::append::Expected;
use super::error::ReadError;
use super::maintain::StreamError;
use super::stream::{Retention, StreamChange, StreamInfo};

/// One stream, to look at and to change its life. What each change means for readers is said at [`StreamChange`].
#[derive(Clone)]
#[must_use]
pub struct StreamHandle {
    store: SharedStore,
    tenant: String,
    stream: StreamId,
    expected: Expected,
}

impl StreamHandle {
    pub(crate) fn new(store: SharedStore, tenant: String, stream: StreamId) -> Self {
        Self { store, tenant, stream, expected: Expected::Any }
    }

    /// Changes the stream only if it is as `expected`.
    pub fn expecting(mut self, expected: Expected) -> Self {
        self.expected = expected;
        self
    }

    /// What is known about it; `None` when it never had an event.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn info(&self) -> Result<Option<StreamInfo>, ReadError> {
        self.store.stream_info(&self.tenant, &self.stream).await
    }

    /// Hides all its events; the next append goes on behind the last version. [`StreamChange::Delete`].
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn delete(&self) -> Result<StreamInfo, StreamError> {
        self.change(StreamChange::Delete).await
    }

    /// Ends it for good: its id is never used again. [`StreamChange::Tombstone`].
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn tombstone(&self) -> Result<StreamInfo, StreamError> {
        self.change(StreamChange::Tombstone).await
    }

    /// Hides the events before `version`. [`StreamChange::TruncateBefore`].
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn truncate_before(&self, version: Version) -> Result<StreamInfo, StreamError> {
        self.change(StreamChange::TruncateBefore(version)).await
    }

    /// Says how much of it the next scavenge keeps. [`StreamChange::Retain`].
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn retain(&self, retention: Retention) -> Result<StreamInfo, StreamError> {
        self.change(StreamChange::Retain(retention)).await
    }

    /// Closes it; its events are then read by its id alone. [`StreamChange::Archive`].
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn archive(&self) -> Result<StreamInfo, StreamError> {
        self.change(StreamChange::Archive).await
    }

    /// Undoes an archive or a delete. [`StreamChange::Restore`].
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn restore(&self) -> Result<StreamInfo, StreamError> {
        self.change(StreamChange::Restore).await
    }

    async fn change(&self, change: StreamChange) -> Result<StreamInfo, StreamError> {
        self.store.change_stream(&self.tenant, &self.stream, self.expected, change).await
    }
}

impl std::fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamHandle")
            .field("tenant", &self.tenant)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
