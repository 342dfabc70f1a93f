//! Snapshots: a cache of states, never the truth.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{CodecError, Payloads};

/// When snapshots of an aggregate are made, and how they are encoded.
pub struct SnapshotPolicy<A> {
    /// A snapshot is made when the stream has passed another so many events.
    pub every: u64,
    /// The shape of the state. A snapshot of another shape is ignored before it is decoded.
    pub schema: &'static str,
    pub(crate) encode: fn(&A, &Payloads) -> Result<Vec<u8>, CodecError>,
    pub(crate) decode: fn(&[u8], &Payloads) -> Result<A, CodecError>,
}

impl<A: Serialize + DeserializeOwned> SnapshotPolicy<A> {
    /// A snapshot after `every` events (at least 1), of the shape `schema`.
    #[must_use]
    pub fn new(every: u64, schema: &'static str) -> Self {
        Self {
            every: every.max(1),
            schema,
            encode: |state, payloads| payloads.encode(state),
            decode: |bytes, payloads| payloads.decode(bytes),
        }
    }
}

impl<A> SnapshotPolicy<A> {
    /// Whether a snapshot is due after a stream went from `before` to `after` events.
    pub(crate) fn is_due(&self, before: u64, after: u64) -> bool {
        before / self.every < after / self.every
    }
}

impl<A> Clone for SnapshotPolicy<A> {
    fn clone(&self) -> Self {
        Self { every: self.every, schema: self.schema, encode: self.encode, decode: self.decode }
    }
}

impl<A> fmt::Debug for SnapshotPolicy<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotPolicy").field("every", &self.every).field("schema", &self.schema).finish()
    }
}
