//! What others know of a view without knowing its type.

use std::sync::Arc;

use async_trait::async_trait;

use crate::handler::HandlerError;
use crate::message::RecordedEvent;
use crate::store::Journal;
use crate::store::records::ViewId;

use super::processor::ViewComponent;
use super::{ViewHandlers, ViewMode, processor_name};

/// A view, for queries that read it.
#[derive(Clone)]
pub(crate) struct FollowedView {
    pub(crate) name: &'static str,
    pub(crate) id: ViewId,
    pub(crate) mode: ViewMode,
    /// Name of the processor, where it is asynchronous.
    pub(crate) processor: String,
    pub(super) documents: Arc<dyn DocumentKeys>,
}

/// Tells which documents events concern.
#[async_trait]
pub(super) trait DocumentKeys: Send + Sync {
    /// Names of the events that the view folds.
    fn events(&self) -> &[&'static str];

    /// The keys of the documents that `event` concerns.
    async fn keys(&self, event: &RecordedEvent) -> Result<Vec<String>, HandlerError>;
}

impl FollowedView {
    pub(crate) fn of<V: ViewHandlers>(journal: &Journal) -> Self {
        Self {
            name: V::NAME,
            id: journal.view_id(V::NAME, V::VERSION),
            mode: V::MODE,
            processor: processor_name::<V>(),
            documents: Arc::new(ViewComponent::<V>::new(journal.clone(), Arc::default())),
        }
    }
}

#[async_trait]
impl<V: ViewHandlers> DocumentKeys for ViewComponent<V> {
    fn events(&self) -> &[&'static str] {
        &self.names
    }

    async fn keys(&self, event: &RecordedEvent) -> Result<Vec<String>, HandlerError> {
        Ok(self.route(event).await?.into_iter().map(|step| step.key).collect())
    }
}
