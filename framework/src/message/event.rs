//! What an event is.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Tag;

/// A fact that happened. Derive it with `#[derive(Event)]`.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[event(name = "order.placed")]` | the stored name | required |
/// | `#[event(revision = 2)]` | the shape of the payload; older shapes are lifted by `#[upcasters]` | 1 |
/// | `#[tag]` on a field | makes the event findable by this field, in a boundary or a live view | none |
///
/// A tagged field of type `Option` or `Vec` gives a tag for each value it holds.
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "light.switched", revision = 2)]
/// struct Switched { #[tag] lamp: String, on: bool }
///
/// assert_eq!(Switched::REVISION, 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    note = "annotate the struct with `#[derive(Event)]` and `#[event(name = \"..\")]`"
)]
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The stored name, such as `order.placed`.
    const NAME: &'static str;
    /// The shape of the payload that this program writes.
    const REVISION: u32 = 1;
    /// The fields marked `#[tag]`.
    const TAG_KEYS: &'static [&'static str] = &[];

    /// The tags under which this event is found.
    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }
}
