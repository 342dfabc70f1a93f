//! Folds events into stored documents, a page at a time.

use std::collections::{BTreeSet, HashMap};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;

use crate::command::inline::Inline;
use crate::handler::{AfterCommit, Context, HandlerError, Resources, panic_message};
use crate::message::{Decode, Position, RecordedEvent};
use crate::processor::{Batch, EventComponent};
use crate::store::{Document, DocumentWrite, Journal, Limits, StoreTransaction};

use super::ViewMode;
use super::changes::{ViewChanges, record_change, record_replay};
use super::fold::{Keep, ViewHandlers, ViewStep};

/// The view `V` as a component of a processor, or inside appends.
pub(crate) struct ViewComponent<V> {
    journal: Journal,
    resources: Arc<Resources>,
    pub(super) names: Vec<&'static str>,
    /// Who is told of documents that a processor has changed.
    changes: ViewChanges,
    view: PhantomData<fn() -> V>,
}

impl<V: ViewHandlers> ViewComponent<V> {
    pub(crate) fn new(journal: Journal, resources: Arc<Resources>) -> Self {
        let names: BTreeSet<&'static str> = V::SOURCES.iter().map(|source| source.event).collect();
        let names = names.into_iter().collect();
        Self { journal, resources, names, changes: ViewChanges::default(), view: PhantomData }
    }

    /// Reports each document that is changed to `changes`.
    pub(crate) fn reporting_to(self, changes: ViewChanges) -> Self {
        Self { changes, ..self }
    }

    /// Which documents the parts of `event` concern, and how.
    pub(super) async fn route(&self, event: &RecordedEvent) -> Result<Vec<ViewStep<V>>, HandlerError> {
        let mut steps = Vec::new();
        for part in self.journal.decode(event).await? {
            steps.extend(routed(part)?);
        }
        Ok(steps)
    }

    /// The same for an event that was just decided on, which no upcaster lifts.
    fn route_new(&self, event: &RecordedEvent) -> Result<Option<ViewStep<V>>, HandlerError> {
        routed(Decode::of(event, self.journal.payloads()))
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
        Ok(document.map(|document| self.journal.payloads().encode_document(document)).transpose()?)
    }

    pub(super) fn id(&self) -> crate::store::records::ViewId {
        self.journal.view_id(V::NAME, V::VERSION)
    }
}

fn routed<V: ViewHandlers>(part: Decode<'_>) -> Result<Option<ViewStep<V>>, HandlerError> {
    let step = V::route(part)?;
    if let Some(step) = &step {
        // Here the event alone fails; when its batch is written, everything in it would, again and again.
        Limits::default().check_document_key(&step.key)?;
    }
    Ok(step)
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

    async fn reset(&self, transaction: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        transaction.clear_documents(&self.id()).await?;
        record_replay(&self.id(), transaction).await?;
        let (after, changes) = (AfterCommit::default(), self.changes.clone());
        after.later().push(move || changes.changed(V::NAME, None));
        Ok(after)
    }
}

/// The documents of a page, kept in memory until all its events are folded.
struct ViewBatch<'a, V> {
    component: &'a ViewComponent<V>,
    steps: HashMap<Position, Vec<ViewStep<V>>>,
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
            if let Ok(steps) = self.component.route(event).await {
                keys.extend(steps.iter().map(|step| step.key.clone()));
                self.steps.insert(event.recorded.position, steps);
            }
        }
        self.load(keys, transaction).await
    }

    async fn handle(
        &mut self,
        event: &RecordedEvent,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        let steps = match self.steps.remove(&event.recorded.position) {
            Some(steps) => steps,
            None => self.component.route(event).await?,
        };
        for step in steps {
            self.load(BTreeSet::from([step.key.clone()]), transaction).await?;
            let key = step.key.clone();
            let document = self.documents.remove(&key).and_then(|(document, _)| document);
            let folded = self.component.fold(document, step, event)?;
            self.documents.insert(key, (folded, true));
        }
        Ok(())
    }

    async fn finish(self: Box<Self>, transaction: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        let after = AfterCommit::default();
        let mut writes = Vec::new();
        for (key, (document, changed)) in self.documents {
            if changed {
                writes.push((key, self.component.write(document.as_ref())?));
            }
        }
        if !writes.is_empty() {
            writes.sort();
            let keys: Vec<String> = writes.iter().map(|(key, _)| key.clone()).collect();
            transaction.write_documents(&self.component.id(), writes).await?;
            if V::MODE == ViewMode::Asynchronous {
                record_change(&self.component.id(), transaction).await?;
            }
            let changes = self.component.changes.clone();
            after.later().push(move || changes.changed(V::NAME, Some(&keys)));
        }
        Ok(after)
    }
}

#[async_trait]
impl<V: ViewHandlers> Inline for ViewComponent<V> {
    fn turns(&self, events: &[RecordedEvent]) -> Result<Vec<String>, HandlerError> {
        let mut turns = Vec::new();
        for event in events.iter().filter(|event| self.names.contains(&event.recorded.name.as_str())) {
            turns.extend(self.route_new(event)?.map(|step| format!("{}/{}", V::NAME, step.key)));
        }
        Ok(turns)
    }

    async fn writes(&self, events: &[RecordedEvent]) -> Result<Vec<DocumentWrite>, HandlerError> {
        let mut steps = Vec::new();
        for event in events.iter().filter(|event| self.names.contains(&event.recorded.name.as_str())) {
            steps.extend(self.route_new(event)?.map(|step| (step, event)));
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
