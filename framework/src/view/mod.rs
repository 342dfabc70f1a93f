//! Views: read models as documents keyed by a field.
//!
//! A view is a plain struct that folds events, one document for each key. One word says when: `asynchronous` (the
//! default: a processor follows the store), `inline` (in the append's own transaction) or `live` (folded when read).

mod changes;
mod fold;
mod followed;
mod follower;
mod handle;
mod processor;

pub use fold::{IntoKeep, Keep, ViewHandlers, ViewSource, ViewStep};
pub use handle::{ViewError, Views, processor_name};

pub(crate) use changes::{Interest, Standing, ViewChanges, Written};
pub(crate) use followed::FollowedView;
pub(crate) use follower::Follower;
pub(crate) use handle::ViewAccess;
pub(crate) use processor::ViewComponent;

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A read model of one document for each key.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[view(name = "order-summary")]` | the stored name | required |
/// | `#[view(key = OrderId)]` | the type of the key; its text identifies the document | required |
/// | `#[view(version = 2)]` | raise it when shape or rules change: the documents are then built anew; an inline view is brought up at start, before commands are taken | 1 |
/// | `#[view(asynchronous)]`, `#[view(inline)]`, `#[view(live)]` | when events are folded | `asynchronous` |
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
