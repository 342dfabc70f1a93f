//! What a command is.

use std::error::Error;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Tag, Violations};

/// A request to change something, addressed to one handler. Derive it with `#[derive(Command)]`.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[command(name = "order.place")]` | the stored name | required |
/// | `#[command(revision = 2)]` | the shape of the payload; older ones that sagas have sent are lifted by `#[upcasters]` | 1 |
/// | `#[command(error = OrderError)]` | why the domain may refuse | [`Never`] |
/// | `#[command(reply = Total)]` | what the handler answers | `()` |
/// | `#[target]` on a field | the id of the aggregate; its text is the stream's id | none |
/// | `#[command(roles("clerk", "manager"))]` | who may send it: the metadata names one of these roles | anybody |
/// | `#[command(validate)]` | the rules on its fields (`garde::Validate`) are checked before it is handled | no rules |
/// | `#[tag]` on a field | a value that a decision's boundary can name | none |
/// | `#[routing]` on a field | what `#[handle(sequential)]` keeps in order | the target |
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
    /// The shape of the payload that this program writes where a command is stored.
    const REVISION: u32 = 1;
    /// The field marked `#[target]`.
    const TARGET: Option<&'static str> = None;
    /// The fields marked `#[tag]`.
    const TAG_KEYS: &'static [&'static str] = &[];

    /// The field marked `#[routing]`.
    const ROUTING: Option<&'static str> = None;
    /// Who may send it: one of these roles stands in its metadata under [`Metadata::ROLES`](super::Metadata::ROLES).
    /// Empty for everybody.
    const ROLES: &'static [&'static str] = &[];
    /// Whether [`Command::validate`] has rules to check.
    const VALIDATED: bool = false;

    /// The id of the aggregate that handles this command; `None` where no field is marked `#[target]`.
    fn target(&self) -> Option<String> {
        None
    }

    /// What has to be kept in order: commands with the same routing key go one after the other where their handler asks for
    /// it. `None` stands for the target.
    fn routing_key(&self) -> Option<String> {
        None
    }

    /// Checks rules on what is in the command, that need to know nothing else.
    ///
    /// # Errors
    /// All rules that are broken.
    fn validate(&self) -> Result<(), Violations> {
        Ok(())
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
