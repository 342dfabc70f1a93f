//! What a command is.

use std::error::Error;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Tag;

/// A request to change something, addressed to one handler. Derive it with `#[derive(Command)]`.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[command(name = "order.place")]` | the stored name | required |
/// | `#[command(error = OrderError)]` | why the domain may refuse | [`Never`] |
/// | `#[command(reply = Total)]` | what the handler answers | `()` |
/// | `#[target]` on a field | the id of the aggregate; its text is the stream's id | none |
/// | `#[tag]` on a field | a value that a decision's boundary can name | none |
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Command, Serialize, Deserialize, Debug, Clone)]
/// #[command(name = "light.switch", reply = bool)]
/// struct Switch { #[target] lamp: String }
///
/// assert_eq!(Switch { lamp: "hall".into() }.target().as_deref(), Some("hall"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    note = "annotate the struct with `#[derive(Command)]` and `#[command(name = \"..\")]`"
)]
pub trait Command: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What the handler answers.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Why the domain may refuse.
    type Error: DomainError;

    /// The stored name, such as `order.place`.
    const NAME: &'static str;
    /// The field marked `#[target]`.
    const TARGET: Option<&'static str> = None;
    /// The fields marked `#[tag]`.
    const TAG_KEYS: &'static [&'static str] = &[];

    /// The id of the aggregate that handles this command; `None` where no field is marked `#[target]`.
    fn target(&self) -> Option<String> {
        None
    }

    /// The values that a decision's boundary can name.
    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }
}

/// Why the domain said no. It is stored with the command's id, so that a repeat gets the same answer, and it
/// comes back typed to the sender and to the saga that sent the command.
pub trait DomainError: Error + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<E: Error + Serialize + DeserializeOwned + Send + Sync + 'static> DomainError for E {}

/// The error of a command that the domain never refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Never {}
