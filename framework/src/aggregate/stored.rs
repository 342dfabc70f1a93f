//! Aggregates whose state is stored as it is, and not built from events.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::message::{CodecError, Event, Payloads, Version};
use crate::store::records::ViewId;
use crate::store::{DocumentWrite, Journal, StoreError};

use super::lifecycle::Applied;
use super::{Aggregate, AppliedTo, Events, Lifecycle};

/// An aggregate whose state is a row of its own: `#[aggregate(name = "cart", state_stored)]`.
///
/// Its handlers take `&mut self`, change the state directly, and publish events with `events.record(..)`; nothing is
/// applied from events, so that it has no `#[event_sourcing]`. The row and the events are stored together. The version of
/// such an aggregate counts the changes of its row.
///
/// It knows no past states and no snapshots; everything else is as with other aggregates. Prefer events as the truth, and
/// take this where a state is large, changes often, and nobody asks how it came to be.
///
/// ```
/// use annals::prelude::*;
///
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "cart.put", reply = usize)]
/// # struct Put { #[target] cart: String, sku: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "cart.filled")] struct Filled { sku: String }
/// #[derive(Aggregate, Serialize, Deserialize, Default, Clone)]
/// #[aggregate(name = "cart", state_stored)]
/// struct Cart { skus: Vec<String> }
///
/// #[command_handlers]
/// impl Cart {
///     #[handle(create_if_missing)]
///     fn put(&mut self, command: Put, events: &mut Events<Self>) -> usize {
///         self.skus.push(command.sku.clone());
///         events.record(Filled { sku: command.sku });
///         self.skus.len()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not apply every event that it emits",
    note = "add a method with `#[apply]` for it to the `#[event_sourcing]` block of `{Self}`"
)]
pub trait StateStored: Aggregate + Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<S: StateStored, E: Event> AppliedTo<S> for E {
    fn apply_to(&self, _state: &mut S) -> Applied {
        Ok(Lifecycle::Keep)
    }
}

impl<S: StateStored> Events<S> {
    /// The aggregate has ended with this command: it takes no others, and its id is not used again.
    pub fn end(&mut self) {
        self.ends();
    }
}

/// How the row of an aggregate is read and written.
pub struct StoredState<A> {
    encode: fn(&A, Lifecycle, &Payloads) -> Result<Vec<u8>, CodecError>,
    decode: fn(&[u8], &Payloads) -> Result<Body<A>, CodecError>,
}

/// A row.
#[derive(Debug, Serialize, Deserialize)]
struct Body<S> {
    state: S,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

/// A row as it was read.
#[derive(Debug)]
pub(crate) struct StoredRow<A> {
    pub(crate) state: A,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) version: Version,
}

/// Why a row cannot be read.
#[derive(Debug)]
pub(crate) enum RowError {
    Store(StoreError),
    Codec(CodecError),
}

impl<A: Serialize + DeserializeOwned> StoredState<A> {
    /// Rows in JSON, whatever the codec of events is, so that they are readable in plain SQL.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "generated code calls it by name")]
    pub fn new() -> Self {
        Self {
            encode: |state, lifecycle, payloads| {
                payloads.encode_document(&Body { state, ended: lifecycle == Lifecycle::End })
            },
            decode: |bytes, payloads| payloads.decode(bytes),
        }
    }
}

impl<A: Aggregate> StoredState<A> {
    /// Reads the row of the aggregate `id`.
    pub(crate) async fn read(&self, journal: &Journal, id: &str) -> Result<Option<StoredRow<A>>, RowError> {
        let found = journal.store().documents(&view::<A>(journal), &[id.to_owned()]).await.map_err(RowError::Store)?;
        let Some(document) = found.into_iter().next() else { return Ok(None) };
        let Body { state, ended } = (self.decode)(&document.body, journal.payloads()).map_err(RowError::Codec)?;
        let lifecycle = if ended { Lifecycle::End } else { Lifecycle::Keep };
        let version = Version::new(document.revision).unwrap_or(Version::FIRST);
        Ok(Some(StoredRow { state, lifecycle, version }))
    }

    /// The write that brings the row of `id` from the version `before` to `state`.
    pub(crate) fn write(
        &self,
        journal: &Journal,
        id: &str,
        before: Option<Version>,
        (state, lifecycle): (&A, Lifecycle),
    ) -> Result<DocumentWrite, CodecError> {
        Ok(DocumentWrite {
            view: view::<A>(journal),
            key: id.to_owned(),
            read_revision: before.map_or(0, Version::get),
            document: Some((self.encode)(state, lifecycle, journal.payloads())?),
        })
    }
}

fn view<A: Aggregate>(journal: &Journal) -> ViewId {
    journal.view_id(&format!("$state:{}", A::NAME), 1)
}

impl<A> std::fmt::Debug for StoredState<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredState")
    }
}
