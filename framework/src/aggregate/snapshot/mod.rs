//! Snapshots: a cache of states, never the truth.

mod error;
mod policy;

pub use error::SnapshotError;
pub use policy::SnapshotPolicy;

pub(crate) use policy::Passed;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{CodecError, Payloads};

/// How the states of an aggregate are stored as snapshots, and when. `#[aggregate(snapshot(..))]` writes it.
///
/// ```
/// use annals::aggregate::{SnapshotPolicy, Snapshots};
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
/// #[derive(Serialize, Deserialize, Default, Clone)]
/// struct Lamp { on: bool }
///
/// #[event_sourcing]
/// impl Lamp {
///     #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; }
/// }
///
/// impl Aggregate for Lamp {
///     const NAME: &'static str = "lamp";
///
///     fn snapshots() -> Option<Snapshots<Self>> {
///         // Another schema when the shape of `Lamp` changes.
///         Some(Snapshots::new("1", SnapshotPolicy::on_request().every(100)))
///     }
/// }
/// ```
pub struct Snapshots<A> {
    /// The shape of the state, at most 512 bytes. A snapshot of another shape is ignored before it is decoded.
    pub schema: &'static str,
    /// When snapshots are made, as far as the application does not say otherwise
    /// ([`Builder::snapshots`](crate::app::Builder::snapshots)).
    pub policy: SnapshotPolicy,
    encode: fn(&A, &Payloads) -> Result<Vec<u8>, CodecError>,
    decode: fn(&[u8], &Payloads) -> Result<A, CodecError>,
}

impl<A: Serialize + DeserializeOwned> Snapshots<A> {
    /// States of the shape `schema`, written with the application's codec when `policy` says so.
    #[must_use]
    pub fn new(schema: &'static str, policy: SnapshotPolicy) -> Self {
        Self {
            schema,
            policy,
            encode: |state, payloads| payloads.encode(state),
            decode: |bytes, payloads| payloads.decode(bytes),
        }
    }
}

impl<A> Snapshots<A> {
    /// The revision that the schema begins with: `2` of `2-8f3a..`. Upcasters lift snapshots of older revisions.
    #[must_use]
    pub fn revision(&self) -> Option<u32> {
        revision_of(self.schema)
    }

    pub(crate) fn encode(&self, state: &A, payloads: &Payloads) -> Result<Vec<u8>, CodecError> {
        (self.encode)(state, payloads)
    }

    pub(crate) fn decode(&self, bytes: &[u8], payloads: &Payloads) -> Result<A, CodecError> {
        (self.decode)(bytes, payloads)
    }
}

/// The revision that a schema begins with.
pub(crate) fn revision_of(schema: &str) -> Option<u32> {
    schema.split('-').next().unwrap_or(schema).parse().ok()
}

impl<A> Clone for Snapshots<A> {
    fn clone(&self) -> Self {
        Self { schema: self.schema, policy: self.policy.clone(), encode: self.encode, decode: self.decode }
    }
}

impl<A> fmt::Debug for Snapshots<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("schema", &self.schema).field("policy", &self.policy).finish_non_exhaustive()
    }
}
