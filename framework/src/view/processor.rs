//! Folds events into stored documents, a page at a time.

use std::collections::{BTreeSet, HashMap};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;

use crate::command::inline::Inline;
use crate::handler::{Context, HandlerError, Resources, panic_message};
use crate::message::{Position, RecordedEvent};
use crate::processor::{Batch, EventComponent};
use crate::store::{Document, DocumentWrite, Journal, Limits, StoreTransaction};

use super::fold::{Keep, ViewHandlers, ViewStep};

/// The view `V` as a component of a processor, or inside appends.
pub(crate) struct ViewComponent<V> {
    journal: Journal,
    resources: Arc<Resources>,
    names: Vec<&'static str>,
    view: PhantomData<fn() -> V>,
}

impl<V: ViewHandlers> ViewComponent<V> {
    pub(crate) fn new(journal: Journal, resources: Arc<Resources>) -> Self {
        let names: BTreeSet<&'static str> = V::SOURCES.iter().map(|source| source.event).collect();
        Self { journal, resources, names: names.into_iter().collect(), view: PhantomData }
    }

    /// Which document `event` concerns, and how.
    pub(super) fn route(&self, event: &RecordedEvent) -> Result<Option<ViewStep<V>>, HandlerError> {
        let step = V::route(self.journal.decode(event)?)?;
        if let Some(step) = &step {
            // Here the event alone fails; when its batch is written, everything in it would, again and again.
            Limits::default().check_document_key(&step.key)?;
        }
        Ok(step)
    }

    /// Folds one event into a document; `None` is a document that does not exist. A panic is an error.
    pub(super) fn fold(
        &self,
        document: Option<V>,
        step: ViewStep<V>,
        event: &RecordedEvent,
    ) -> Result<Option<V>, HandlerError> {
        let context =
            Context::new(self.journal.now(), event.recorded.metadata(), &self.resources).with_recorded(&event.recorded);
        let mut document = document.unwrap_or_default();
        let folded = std::panic::catch_unwind(AssertUnwindSafe(|| (step.fold)(&mut document, &context)));
        let kept = folded.map_err(|panic| {
            HandlerError::new(format!("a handler of view `{}` panicked: {}", V::NAME, panic_message(&*panic)))
        })?;
        Ok(match kept? {
            Keep::Update => Some(document),
            Keep::Delete => None,
        })
    }

    pub(super) fn read(&self, document: &Document) -> Result<V, HandlerError> {
        Ok(self.journal.payloads().decode(&document.body)?)
    }

    fn write(&self, document: Option<&V>) -> Result<Option<Vec<u8>>, HandlerError> {
        Ok(document.map(|document| self.journal.payloads().encode(document)).transpose()?)
    }

    pub(super) fn id(&self) -> crate::store::records::ViewId {
        self.journal.view_id(V::NAME, V::VERSION)
    }
}

#[async_trait]
impl<V: ViewHandlers> EventComponent for ViewComponent<V> {
    fn label(&self) -> &str {
        V::NAME
    }

    fn events(&self) -> &[&'static str] {
        &self.names
    }

    fn batch(&self) -> Box<dyn Batch + '_> {
        Box::new(ViewBatch { component: self, steps: HashMap::new(), documents: HashMap::new() })
    }

    async fn reset(&self, transaction: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        Ok(transaction.clear_documents(&self.id()).await?)
    }
}

/// The documents of a page, kept in memory until all its events are folded.
struct ViewBatch<'a, V> {
    component: &'a ViewComponent<V>,
    steps: HashMap<Position, ViewStep<V>>,
    /// By key; the flag says whether the document is to be written.
    documents: HashMap<String, (Option<V>, bool)>,
}

impl<V: ViewHandlers> ViewBatch<'_, V> {
    async fn load(
        &mut self,
        keys: BTreeSet<String>,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        let missing: Vec<String> = keys.into_iter().filter(|key| !self.documents.contains_key(key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        for document in transaction.documents(&self.component.id(), &missing).await? {
            let read = self.component.read(&document)?;
            self.documents.insert(document.key, (Some(read), false));
        }
        for key in missing {
            self.documents.entry(key).or_insert((None, false));
        }
        Ok(())
    }
}

#[async_trait]
impl<V: ViewHandlers> Batch for ViewBatch<'_, V> {
    async fn prepare(
        &mut self,
        events: &[&RecordedEvent],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        let mut keys = BTreeSet::new();
        for event in events {
            // An event that cannot be decoded is reported when its turn comes.
            if let Ok(Some(step)) = self.component.route(event) {
                keys.insert(step.key.clone());
                self.steps.insert(event.recorded.position, step);
            }
        }
        self.load(keys, transaction).await
    }

    async fn handle(
        &mut self,
        event: &RecordedEvent,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        let step = match self.steps.remove(&event.recorded.position) {
            Some(step) => step,
            None => match self.component.route(event)? {
                Some(step) => step,
                None => return Ok(()),
            },
        };
        self.load(BTreeSet::from([step.key.clone()]), transaction).await?;
        let key = step.key.clone();
        let document = self.documents.remove(&key).and_then(|(document, _)| document);
        let folded = self.component.fold(document, step, event)?;
        self.documents.insert(key, (folded, true));
        Ok(())
    }

    async fn finish(self: Box<Self>, transaction: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        let mut writes = Vec::new();
        for (key, (document, changed)) in self.documents {
            if changed {
                writes.push((key, self.component.write(document.as_ref())?));
            }
        }
        if !writes.is_empty() {
            writes.sort();
            transaction.write_documents(&self.component.id(), writes).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<V: ViewHandlers> Inline for ViewComponent<V> {
    fn turns(&self, events: &[RecordedEvent]) -> Result<Vec<String>, HandlerError> {
        let mut turns = Vec::new();
        for event in events.iter().filter(|event| self.names.contains(&event.recorded.name.as_str())) {
            turns.extend(self.route(event)?.map(|step| format!("{}/{}", V::NAME, step.key)));
        }
        Ok(turns)
    }

    async fn writes(&self, events: &[RecordedEvent]) -> Result<Vec<DocumentWrite>, HandlerError> {
        let mut steps = Vec::new();
        for event in events.iter().filter(|event| self.names.contains(&event.recorded.name.as_str())) {
            if let Some(step) = self.route(event)? {
                steps.push((step, event));
            }
        }
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let keys: BTreeSet<String> = steps.iter().map(|(step, _)| step.key.clone()).collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let id = self.id();
        let mut documents: HashMap<String, (u64, Option<V>)> = HashMap::new();
        for document in self.journal.store().documents(&id, &keys).await? {
            let read = self.read(&document)?;
            documents.insert(document.key, (document.revision, Some(read)));
        }
        for (step, event) in steps {
            let (revision, document) = documents.remove(&step.key).unwrap_or((0, None));
            let key = step.key.clone();
            let folded = self.fold(document, step, event)?;
            documents.insert(key, (revision, folded));
        }
        let mut writes = Vec::new();
        for (key, (read_revision, document)) in documents {
            writes.push(DocumentWrite {
                view: id.clone(),
                key,
                read_revision,
                document: self.write(document.as_ref())?,
            });
        }
        Ok(writes)
    }
}
