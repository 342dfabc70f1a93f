//! Folds events into stored documents, a page at a time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;

use crate::command::inline::Inline;
use crate::handler::{AfterCommit, Context, HandlerError, Resources, panic_message};
use crate::message::{Decode, Position, RecordedEvent, Timestamp};
use crate::processor::{Batch, Carried, EventComponent, Finished, Outbox, Passage, ResetTo, SequencingPolicy, Step};
use crate::store::{
    Document, DocumentChange, DocumentWrite, IndexChange, IndexEntry, Journal, Limits, StoreError, StoreTransaction,
};

use super::changes::{ViewChanges, record_change, record_replay};
use super::enrich::Enrichment;
use super::fold::{Keep, ViewHandlers, ViewStep};
use super::memory::Memory;
use super::{ViewMode, index};

/// The entries of a document that is not there.
static NO_ENTRIES: BTreeSet<IndexEntry> = BTreeSet::new();

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

    pub(super) async fn decode<'a>(&'a self, event: &'a RecordedEvent) -> Result<Vec<Decode<'a>>, HandlerError> {
        Ok(self.journal.decode(event).await?.collect())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.journal.now()
    }

    pub(super) fn resources(&self) -> &Resources {
        &self.resources
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
    fn route_new(&self, event: &RecordedEvent) -> Result<Vec<ViewStep<V>>, HandlerError> {
        routed(Decode::of(event, self.journal.payloads()))
    }

    /// Folds one event into a document; `None` is a document that does not exist. A panic is an error.
    pub(super) fn fold(
        &self,
        document: Option<V>,
        step: ViewStep<V>,
        event: &RecordedEvent,
        enrichment: &Enrichment,
    ) -> Result<Option<V>, HandlerError> {
        self.fold_in(document, step, event, enrichment, None)
    }

    /// The same for an event that a processor hands over.
    fn fold_in(
        &self,
        document: Option<V>,
        step: ViewStep<V>,
        event: &RecordedEvent,
        enrichment: &Enrichment,
        passage: Option<(&Passage, &Outbox)>,
    ) -> Result<Option<V>, HandlerError> {
        let ViewStep { key, fold } = step;
        let mut context = Context::of_event(self.journal.now(), &event.recorded, &self.resources)
            .with_document_key(&key)
            .with_brought(Some(enrichment));
        if let Some((passage, outbox)) = passage {
            context = context.with_passage(passage).with_outbox(outbox);
        }
        let mut document = document.unwrap_or_default();
        let folded = std::panic::catch_unwind(AssertUnwindSafe(|| fold(&mut document, &context)));
        let kept = folded.map_err(|panic| {
            HandlerError::new(format!("a handler of view `{}` panicked: {}", V::NAME, panic_message(&*panic)))
        })?;
        Ok(match kept? {
            Keep::Update => {
                // Here the event alone fails; when its batch is written, everything in it would, again and again.
                index::entries(Some(&document))?;
                Some(document)
            }
            Keep::Delete => None,
        })
    }

    pub(super) fn read(&self, document: &Document) -> Result<V, HandlerError> {
        Ok(self.journal.payloads().decode(&document.body)?)
    }

    pub(super) fn write(&self, document: Option<&V>) -> Result<Option<Vec<u8>>, HandlerError> {
        Ok(document.map(|document| self.journal.payloads().encode_document(document)).transpose()?)
    }

    /// The entries of a document, where there are none yet.
    pub(super) fn new_entries(&self, document: Option<&V>) -> Result<IndexChange, HandlerError> {
        index::change(&NO_ENTRIES, document)
    }

    /// Records that documents have changed, for other nodes.
    pub(super) async fn tell(&self, transaction: &mut dyn StoreTransaction) -> Result<(), StoreError> {
        record_change(&self.id(), transaction).await
    }

    pub(super) fn id(&self) -> crate::store::records::ViewId {
        self.journal.view_id(V::NAME, V::VERSION)
    }
}

fn routed<V: ViewHandlers>(part: Decode<'_>) -> Result<Vec<ViewStep<V>>, HandlerError> {
    let steps = V::route(part)?;
    for step in &steps {
        // Here the event alone fails; when its batch is written, everything in it would, again and again.
        Limits::default().check_document_key(&step.key)?;
    }
    Ok(steps)
}

#[async_trait]
impl<V: ViewHandlers> EventComponent for ViewComponent<V> {
    fn label(&self) -> &str {
        V::NAME
    }

    fn events(&self) -> &[&'static str] {
        &self.names
    }

    /// The events of a document are one sequence, whatever streams they come from.
    async fn route(&self, event: &RecordedEvent, _: &SequencingPolicy) -> Result<Vec<Step>, HandlerError> {
        let steps = ViewComponent::route(self, event).await?;
        Ok(steps.into_iter().map(|step| Step::of(step.key.as_str()).with(step)).collect())
    }

    fn batch(&self, Carried { memory, limit }: Carried) -> Box<dyn Batch + '_> {
        let outbox = Outbox::default();
        outbox.of(V::NAME);
        let memory = memory.and_then(|memory| memory.downcast::<Memory<V>>().ok());
        let mut memory = memory.map(|memory| *memory).unwrap_or_default();
        memory.turn();
        // Appends write the documents of inline views without asking any processor.
        let limit = if V::MODE == ViewMode::Asynchronous { limit } else { 0 };
        Box::new(ViewBatch { component: self, memory, limit, changed: Vec::new(), enrichment: None, outbox })
    }

    async fn reset(&self, to: &ResetTo, transaction: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        if to.position > Position::START {
            return Err(HandlerError::new("the documents of a view come from all events: reset it to the oldest"));
        }
        transaction.clear_documents(&self.id()).await?;
        record_replay(&self.id(), transaction).await?;
        let (after, changes) = (AfterCommit::default(), self.changes.clone());
        after.later().push(move || changes.changed(V::NAME, None));
        Ok(after)
    }
}

/// The documents of a page, kept in memory until all its events are folded, and some of them until later pages.
struct ViewBatch<'a, V> {
    component: &'a ViewComponent<V>,
    memory: Memory<V>,
    /// How many bytes of documents are kept behind the page.
    limit: usize,
    /// Keys of documents to be written.
    changed: Vec<String>,
    /// What was looked up for the page, and for which events.
    enrichment: Option<(BTreeSet<Position>, Enrichment)>,
    /// What the handlers have sent.
    outbox: Outbox,
}

impl<V: ViewHandlers> ViewBatch<'_, V> {
    async fn load(
        &mut self,
        keys: impl Iterator<Item = &str> + Send,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        // Once each, which is fewer than there are events, and in the order in which a database has them.
        let missing: HashSet<&str> = keys.filter(|key| !self.memory.has(key)).collect();
        let mut missing: Vec<String> = missing.into_iter().map(str::to_owned).collect();
        missing.sort_unstable();
        if missing.is_empty() {
            return Ok(());
        }
        let id = self.component.id();
        let found = match V::MODE {
            // Its segment alone writes the document.
            ViewMode::Asynchronous => transaction.own_documents(&id, &missing).await?,
            _ => transaction.documents(&id, &missing).await?,
        };
        for document in found {
            let read = self.component.read(&document)?;
            let entries = index::entries(Some(&read))?;
            self.memory.add(document.key, Some(read), entries, document.body.len());
        }
        for key in missing {
            if !self.memory.has(&key) {
                self.memory.add(key, None, BTreeSet::new(), 0);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl<V: ViewHandlers> Batch for ViewBatch<'_, V> {
    async fn prepare(
        &mut self,
        steps: &mut [(&RecordedEvent, &mut Step)],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        // What cannot be looked up fails the events that need it, when their turn comes.
        if V::ENRICHES {
            let mut seen = BTreeSet::new();
            let events: Vec<&RecordedEvent> =
                steps.iter().map(|(event, _)| *event).filter(|event| seen.insert(event.recorded.position)).collect();
            if let Ok(found) = self.component.enrich(&events).await {
                self.enrichment = Some((seen, found));
            }
        }
        let keys: Vec<&str> = steps.iter().map(|(_, step)| step.sequence.as_deref().unwrap_or_default()).collect();
        self.load(keys.into_iter(), transaction).await
    }

    async fn handle(
        &mut self,
        event: &RecordedEvent,
        mut step: Step,
        passage: &Passage,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        let step: ViewStep<V> = step.take().ok_or_else(|| HandlerError::new("the step of a view has no work"))?;
        if !self.memory.has(&step.key) {
            self.load(std::iter::once(step.key.as_str()), transaction).await?;
        }
        let Self { component, memory, changed, enrichment, outbox, .. } = self;
        let alone;
        let enrichment = match enrichment {
            Some((events, found)) if events.contains(&event.recorded.position) => &*found,
            _ => {
                alone = component.enrich(&[event]).await?;
                &alone
            }
        };
        let Some(kept) = memory.of(&step.key) else {
            return Err(HandlerError::new("a document was not looked for"));
        };
        if !std::mem::replace(&mut kept.changed, true) {
            changed.push(step.key.clone());
        }
        kept.document = component.fold_in(kept.document.take(), step, event, enrichment, Some((passage, outbox)))?;
        outbox.check()
    }

    async fn finish(self: Box<Self>, transaction: &mut dyn StoreTransaction) -> Result<Finished, HandlerError> {
        let after = AfterCommit::default();
        let Self { component, mut memory, limit, mut changed, outbox, .. } = *self;
        outbox.store(transaction, &after).await?;
        if changed.is_empty() {
            return Ok(after.into());
        }
        changed.sort_unstable();
        let mut writes = Vec::with_capacity(changed.len());
        for key in &changed {
            let Some(kept) = memory.of(key) else { continue };
            let body = component.write(kept.document.as_ref())?;
            let entries = index::entries(kept.document.as_ref())?;
            let index = IndexChange::between(&kept.entries, &entries);
            memory.stored(key, entries, body.as_ref().map_or(0, Vec::len));
            writes.push(DocumentChange { key: key.clone(), body, index });
        }
        transaction.write_documents(&component.id(), writes).await?;
        if V::MODE == ViewMode::Asynchronous {
            record_change(&component.id(), transaction).await?;
        }
        let changes = component.changes.clone();
        after.later().push(move || changes.changed(V::NAME, Some(&changed)));
        let memory = memory.within(limit).map(|memory| Box::new(memory) as Box<_>);
        Ok(Finished { after, memory })
    }
}

#[async_trait]
impl<V: ViewHandlers> Inline for ViewComponent<V> {
    fn turns(&self, events: &[RecordedEvent]) -> Result<Vec<String>, HandlerError> {
        let mut turns = Vec::new();
        for event in events.iter().filter(|event| self.names.contains(&event.recorded.name.as_str())) {
            turns.extend(self.route_new(event)?.into_iter().map(|step| format!("{}/{}", V::NAME, step.key)));
        }
        Ok(turns)
    }

    async fn writes(&self, events: &[RecordedEvent]) -> Result<Vec<DocumentWrite>, HandlerError> {
        let mut steps = Vec::new();
        for event in events.iter().filter(|event| self.names.contains(&event.recorded.name.as_str())) {
            steps.extend(self.route_new(event)?.into_iter().map(|step| (step, event)));
        }
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let keys: BTreeSet<String> = steps.iter().map(|(step, _)| step.key.clone()).collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let id = self.id();
        let mut documents: HashMap<String, (u64, Option<V>)> = HashMap::new();
        let mut entries: HashMap<String, BTreeSet<IndexEntry>> = HashMap::new();
        for document in self.journal.store().documents(&id, &keys).await? {
            let read = self.read(&document)?;
            entries.insert(document.key.clone(), index::entries(Some(&read))?);
            documents.insert(document.key, (document.revision, Some(read)));
        }
        let parts = events.iter().map(|event| Decode::of(event, self.journal.payloads())).collect();
        let enrichment = self.enrich_parts(parts).await?;
        for (step, event) in steps {
            let (revision, document) = documents.remove(&step.key).unwrap_or((0, None));
            let key = step.key.clone();
            let folded = self.fold(document, step, event, &enrichment)?;
            documents.insert(key, (revision, folded));
        }
        let mut writes = Vec::new();
        for (key, (read_revision, document)) in documents {
            let before = entries.get(&key).unwrap_or(&NO_ENTRIES);
            let (body, index) = (self.write(document.as_ref())?, index::change(before, document.as_ref())?);
            writes.push(DocumentWrite { view: id.clone(), key, read_revision, document: body, index });
        }
        Ok(writes)
    }
}
