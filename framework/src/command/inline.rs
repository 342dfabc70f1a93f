//! Work that an append includes: documents of inline views.

use async_trait::async_trait;

use crate::handler::HandlerError;
use crate::message::RecordedEvent;
use crate::store::DocumentWrite;

/// Turns events that are about to be stored into writes of the same append. Its error refuses the append.
#[async_trait]
pub(crate) trait Inline: Send + Sync {
    /// The documents that `events` concern, as texts that no other document has. Appends for one document take turns on
    /// this node.
    fn turns(&self, events: &[RecordedEvent]) -> Result<Vec<String>, HandlerError>;

    /// Reads what it needs and gives the writes; the append is refused if what was read has changed by then, and this
    /// is asked again. Positions and versions of `events` are not known yet.
    async fn writes(&self, events: &[RecordedEvent]) -> Result<Vec<DocumentWrite>, HandlerError>;
}
