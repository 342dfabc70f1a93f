//! Aggregates whose state is stored as it is, and not built from events.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::message::{CodecError, Event, Payloads, Position, StreamId, Version};
use crate::store::records::ViewId;
use crate::store::{DocumentWrite, IndexChange, Journal};

use super::lifecycle::Applied;
use super::{Aggregate, AppliedTo, Events, Lifecycle, LoadError, Sourced};

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
    encode: fn(Body<&A>, &Payloads) -> Result<Vec<u8>, CodecError>,
    decode: fn(&[u8], &Payloads) -> Result<Body<A>, CodecError>,
}

/// What a row says.
#[derive(Debug, Serialize, Deserialize)]
struct Body<S> {
    state: S,
    /// The changes of the row. The revision of the document counts how often it was written.
    version: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

/// A row as it was read.
#[derive(Debug)]
pub(crate) struct StoredRow<A> {
    /// Its state; `None` where there is no row.
    pub(crate) sourced: Option<Sourced<A>>,
    /// Whoever writes it says that this is what was read.
    pub(crate) revision: u64,
}

impl<A: Serialize + DeserializeOwned> StoredState<A> {
    /// Rows in JSON, whatever the codec of events is, so that they are readable in plain SQL.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "generated code calls it by name")]
    pub fn new() -> Self {
        Self {
            encode: |body, payloads| payloads.encode_document(&body),
            decode: |bytes, payloads| payloads.decode(bytes),
        }
    }
}

impl<A: Aggregate> StoredState<A> {
    /// Reads the row of the aggregate behind `stream`.
    ///
    /// # Errors
    /// When the store does not answer, or the row is not one of this aggregate.
    pub(crate) async fn read(&self, journal: &Journal, stream: &StreamId) -> Result<StoredRow<A>, LoadError> {
        let found = journal.store().documents(&rows_of::<A>(journal), &[stream.id().to_owned()]).await?;
        let Some(document) = found.into_iter().next() else { return Ok(StoredRow { sourced: None, revision: 0 }) };
        let decoded = (self.decode)(&document.body, journal.payloads());
        let body = decoded.map_err(|source| LoadError::Row { stream: stream.clone(), source })?;
        let sourced = Sourced {
            state: body.state,
            version: Version::new(body.version).unwrap_or(Version::FIRST),
            position: Position::START,
            lifecycle: if body.ended { Lifecycle::End } else { Lifecycle::Keep },
        };
        Ok(StoredRow { sourced: Some(sourced), revision: document.revision })
    }

    /// The write that makes the row of `id`, read at `revision`, that of `after`. Where that is as it was, the write makes
    /// sure that nobody has changed it.
    pub(crate) fn write(
        &self,
        journal: &Journal,
        id: &str,
        revision: u64,
        after: Option<&Sourced<A>>,
    ) -> Result<DocumentWrite, CodecError> {
        let body = |sourced: &Sourced<A>| {
            let (version, ended) = (sourced.version.get(), sourced.lifecycle == Lifecycle::End);
            (self.encode)(Body { state: &sourced.state, version, ended }, journal.payloads())
        };
        Ok(DocumentWrite {
            view: rows_of::<A>(journal),
            key: id.to_owned(),
            read_revision: revision,
            document: after.map(body).transpose()?,
            index: IndexChange::default(),
        })
    }
}

/// Where the rows of the type are.
pub(crate) fn rows_of<A: Aggregate>(journal: &Journal) -> ViewId {
    journal.view_id(&format!("$state:{}", A::NAME), 1)
}

impl<A> std::fmt::Debug for StoredState<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredState")
    }
}
