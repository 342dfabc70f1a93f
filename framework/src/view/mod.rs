//! Views: read models as documents keyed by a field.
//!
//! A view is a plain struct that folds events, one document for each key. One word says when: `asynchronous` (the
//! default: a processor follows the store), `inline` (in the append's own transaction) or `live` (folded when read).
//!
//! Documents are found by their keys, by [indexes](index) of their fields, and in plain SQL; see
//! [`guide::views`](crate::guide::views).

mod built;
mod changes;
mod cursor;
mod enrich;
mod fold;
mod followed;
mod follower;
mod handle;
pub mod index;
mod memory;
mod processor;
mod query;
mod rebuild;
mod seen;
mod shape;

pub use cursor::{Cursor, CursorError};
pub use enrich::{Enriched, Enrichment};
pub use fold::{IntoKeep, Keep, Key, ViewHandlers, ViewSource, ViewStep};
pub use handle::{ViewError, Views, processor_name};
pub use index::{Filter, Index, IndexEntries, IndexOperand, IndexValue, Indexed, Order};
pub use query::{PAGE, Versioned, ViewPage, ViewQuery};
pub use rebuild::{ViewVersion, ViewVersionState};
pub use seen::{SeenCall, SeenError};

pub(crate) use built::BuiltViews;
pub(crate) use changes::{Interest, Standing, ViewChanges, Written};
pub(crate) use followed::FollowedView;
pub(crate) use follower::Follower;
pub(crate) use handle::ViewAccess;
pub(crate) use processor::ViewComponent;
pub(crate) use shape::{IndexedView, check_indexes};

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{CodecError, Payloads};

/// A read model of one document for each key.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[view(name = "order-summary")]` | the stored name | required |
/// | `#[view(key = OrderId)]` | the type of the key; its text identifies the document | required |
/// | `#[view(version = 2)]` | raise it when shape or rules change: the documents are then built anew beside those of the version before, and are read when all of them are there; an inline view is brought up at start, before commands are taken | 1 |
/// | `#[view(from = OrderSummaryV1)]` | how documents of the version before look: as long as this version is built for the first time, readers get those, turned by `From<OrderSummaryV1>` | readers wait, then fail with [`ViewError::Building`] |
/// | `#[view(asynchronous)]`, `#[view(inline)]`, `#[view(live)]` | when events are folded | `asynchronous` |
/// | `#[index]` on a field | documents are found by its value: a constant [`Index`] of the field's name, in capital letters | none |
/// | `#[index(name = "buyer")]` | the stored name of the index | the field's name |
///
/// An index that is added, removed or renamed needs another version, as a change of the shape does; start-up says so.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no view",
    note = "annotate the struct with `#[derive(View)]` and `#[view(name = \"..\", key = ..)]`"
)]
pub trait View: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static {
    /// The type of the key.
    type Key: Display + Send + Sync + 'static;
    /// The stored name.
    const NAME: &'static str;
    /// The version of its shape and rules.
    const VERSION: u32 = 1;
    /// When events are folded.
    const MODE: ViewMode = ViewMode::Asynchronous;
    /// How a document of the version before becomes one of this, where `from` says so: for readers, as long as this version is
    /// built.
    const LIFT: Option<LiftDocument<Self>> = None;
    /// Names of its indexes; `#[index]` on a field adds one.
    const INDEXES: &'static [&'static str] = &[];

    /// Adds what the document is found by.
    fn index(&self, entries: &mut IndexEntries) {
        let _ = entries;
    }
}

/// Makes a document of an older version, as stored, one of this version.
pub type LiftDocument<V> = fn(&Payloads, &[u8]) -> Result<V, CodecError>;

/// What `#[view(from = Older)]` stands for.
///
/// # Errors
/// When the document is no `Older`.
pub fn lift_document<Older: DeserializeOwned, V: From<Older>>(
    payloads: &Payloads,
    body: &[u8],
) -> Result<V, CodecError> {
    payloads.decode::<Older>(body).map(V::from)
}

/// When the events of a view are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewMode {
    /// A processor follows the store; documents and tracking token commit together.
    Asynchronous,
    /// In the transaction of the append: readers never see an event without its document. Appends for one document, and
    /// the commands of one aggregate whose events concern such documents, go one after the other.
    Inline,
    /// When a document is read, from the events tagged with its key; nothing is stored.
    Live,
}
