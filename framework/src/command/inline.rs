//! Work that an append includes: documents of inline views, rows of inline event handlers.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::handler::{AfterCommit, HandlerError};
use crate::message::RecordedEvent;
use crate::processor::{EventComponent, Passage, ProcessorConfig, SequencingPolicy, handle_with};
use crate::store::{DocumentWrite, StoreTransaction};

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

/// Event handlers with rows of their own in the append's transaction. Their error refuses the append. Cheap to clone.
#[derive(Clone)]
pub(crate) struct InlineRows {
    components: Arc<[Arc<dyn EventComponent>]>,
    config: Arc<ProcessorConfig>,
    never: CancellationToken,
}

impl InlineRows {
    pub(crate) fn new(components: Vec<Arc<dyn EventComponent>>, config: &Arc<ProcessorConfig>) -> Self {
        Self { components: components.into(), config: Arc::clone(config), never: CancellationToken::new() }
    }

    /// Whether there are none at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// Whether any of `events` is handled.
    pub(crate) fn concerned(&self, events: &[RecordedEvent]) -> bool {
        events.iter().any(|event| self.components.iter().any(|component| handles(&**component, event)))
    }

    /// Has `events` handled, whose positions and versions are not known yet. Gives what is to be done after the commit.
    pub(crate) async fn handle(
        &self,
        events: &[RecordedEvent],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<AfterCommit, RowsRefused> {
        let after = AfterCommit::default();
        for component in self.components.iter() {
            let refused = |source| RowsRefused { by: component.label().to_owned(), source };
            let mut steps = Vec::new();
            for event in events.iter().filter(|event| handles(&**component, event)) {
                let routed = component.route(event, &SequencingPolicy::Stream).await.map_err(refused)?;
                steps.extend(routed.into_iter().map(|step| (event, step, Passage::default())));
            }
            if !steps.is_empty() {
                let handled = handle_with(&**component, steps, transaction, &self.config, &self.never).await;
                after.join(handled.map_err(refused)?);
            }
        }
        Ok(after)
    }
}

/// Why rows could not be written.
pub(crate) struct RowsRefused {
    /// The handlers.
    pub(crate) by: String,
    pub(crate) source: HandlerError,
}

fn handles(component: &dyn EventComponent, event: &RecordedEvent) -> bool {
    component.events().contains(&event.recorded.name.as_str())
}
