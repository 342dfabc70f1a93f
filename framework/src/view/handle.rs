//! Reading the documents of a view.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::handler::{Context, ContextError, FromContext, Reads, Requirement, Resources};
use crate::message::{Position, Tag};
use crate::processor::{Behind, Here, Processors};
use crate::query::Mark;
use crate::store::error::BoxError;
use crate::store::records::ViewId;
use crate::store::{Criteria, Criterion, Document, Journal, Read, Store};

use super::built::{BuiltViews, Source};
use super::changes::ViewChanges;
use super::cursor::CursorError;
use super::processor::ViewComponent;
use super::query::Versioned;
use super::{View, ViewHandlers, ViewMode};

/// How long [`Views::after`] waits unless told otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Documents of an older version that are read at once.
const OLDER_PAGE: usize = 1000;
/// How often a waiting reader looks for what other processes have written.
const POLL: Duration = Duration::from_millis(100);

/// The documents of the view `V`. A query handler takes it as a parameter; `app.view::<V>()` gives it too.
pub struct Views<V> {
    access: ViewAccess,
    /// Notes what is read, where that is of interest.
    reads: Option<Arc<Reads>>,
    view: PhantomData<fn() -> V>,
}

/// What reading a view needs; a resource of every application.
#[derive(Clone)]
pub(crate) struct ViewAccess {
    pub(crate) journal: Journal,
    pub(crate) processors: Processors,
    pub(crate) built: BuiltViews,
    /// Who is told of documents that have changed.
    pub(crate) changes: ViewChanges,
    /// The resources that this is one of.
    pub(crate) resources: Arc<OnceLock<Weak<Resources>>>,
}

/// Why a view could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The view has not come as far as was asked in the time given.
    #[error("view `{view}` has reached position {reached} of {wanted} after {waited:?}")]
    Stale {
        /// The view.
        view: &'static str,
        /// Where it is.
        reached: Position,
        /// Where it should be.
        wanted: Position,
        /// How long was waited.
        waited: Duration,
    },
    /// The document has not become what was waited for in the time given.
    #[error("document `{key}` of view `{view}` has not become what was waited for after {waited:?}")]
    Timeout {
        /// The view.
        view: &'static str,
        /// The document's key.
        key: String,
        /// How long was waited.
        waited: Duration,
    },
    /// An event that the view depends on is a dead letter.
    #[error("an event of view `{view}` is a dead letter")]
    Parked {
        /// The view.
        view: &'static str,
    },
    /// The cursor is none of a query with this order. Begin with the first page.
    #[error("a page of view `{view}` cannot begin there")]
    Cursor {
        /// The view.
        view: &'static str,
        /// What is wrong with it.
        source: CursorError,
    },
    /// The view is built for the first time, or anew in a new version, and is not read before it is complete. Ask again later;
    /// `#[view(from = ..)]` has the version before read meanwhile.
    #[error("view `{view}` in version {version} is not built yet: {}% are done", (done * 100.0).floor())]
    Building {
        /// The view.
        view: &'static str,
        /// Its version.
        version: u32,
        /// The part that is done, from 0 to 1.
        done: f64,
    },
    /// The documents could not be read or folded.
    #[error("view `{view}` cannot be read")]
    Failed {
        /// The view.
        view: &'static str,
        /// Why.
        source: BoxError,
    },
}

impl From<ViewError> for crate::query::QueryError {
    fn from(error: ViewError) -> Self {
        Self::failed(error)
    }
}

impl<V: ViewHandlers> Views<V> {
    pub(crate) fn new(access: ViewAccess) -> Self {
        Self { access, reads: None, view: PhantomData }
    }

    /// The document with this key.
    ///
    /// # Errors
    /// When the store does not answer, or a live view cannot be folded.
    pub async fn get(&self, key: &V::Key) -> Result<Option<V>, ViewError> {
        Ok(self.get_versioned(key).await?.map(|found| found.document))
    }

    /// The document with this key and its revision, for work on condition that it has not changed: an `ETag`, say.
    ///
    /// # Errors
    /// When the store does not answer, or a live view cannot be folded.
    pub async fn get_versioned(&self, key: &V::Key) -> Result<Option<Versioned<V>>, ViewError> {
        let source = self.source().await?;
        self.find(&key.to_string(), &source).await.map_err(failed::<V>)
    }

    /// At most `limit` documents in the order of their keys' text, after the key `after`. A live view folds all its
    /// events for that.
    ///
    /// # Errors
    /// When the store does not answer, or a live view cannot be folded.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, V)>, ViewError> {
        let source = self.source().await?;
        self.page(after, limit, &source).await.map_err(failed::<V>)
    }

    /// Waits until the view has folded what was sent (`&sent`), or everything up to a position, at most five seconds.
    ///
    /// # Errors
    /// [`ViewError::Stale`] when it takes longer; [`ViewError::Parked`] when what was sent is a dead letter.
    pub async fn after(self, mark: impl Into<Mark>) -> Result<Self, ViewError> {
        self.wait_until(mark, PATIENCE).await?;
        Ok(self)
    }

    /// Waits until the view has folded what was sent (`&sent`), or everything up to a position, at most as long as `patience`.
    ///
    /// # Errors
    /// [`ViewError::Stale`] when it takes longer; [`ViewError::Parked`] when what was sent is a dead letter.
    pub async fn wait_until(&self, mark: impl Into<Mark>, patience: Duration) -> Result<(), ViewError> {
        let Mark { position, stream } = mark.into();
        if V::MODE == ViewMode::Asynchronous {
            let processor = processor_name::<V>();
            let waited = self.access.processors.wait(&processor, position, stream.as_ref(), patience).await;
            waited.map_err(|behind| match behind {
                Behind::Late { reached, waited, .. } => {
                    ViewError::Stale { view: V::NAME, reached, wanted: position, waited }
                }
                Behind::Parked { .. } => ViewError::Parked { view: V::NAME },
                Behind::Store(error) => failed::<V>(error),
            })?;
        }
        Ok(())
    }

    /// Waits until the document with this key is as `wanted` says, and gives it.
    ///
    /// # Errors
    /// [`ViewError::Timeout`] when that takes longer than `timeout`.
    pub async fn wait_for(
        &self,
        key: &V::Key,
        timeout: Duration,
        wanted: impl Fn(Option<&V>) -> bool,
    ) -> Result<Option<V>, ViewError> {
        let deadline = Instant::now() + timeout;
        let mut signal = self.signal();
        loop {
            signal.note();
            let document = self.get(key).await?;
            if wanted(document.as_ref()) {
                return Ok(document);
            }
            if Instant::now() >= deadline {
                return Err(ViewError::Timeout { view: V::NAME, key: key.to_string(), waited: timeout });
            }
            let _ = tokio::time::timeout_at((Instant::now() + POLL).min(deadline), signal.changed()).await;
        }
    }

    /// The document with this key as it is now, and then whenever it has changed.
    pub fn changes(&self, key: &V::Key) -> impl Stream<Item = Result<Option<V>, ViewError>> + Send + use<V> {
        let (views, key, signal) = (self.clone(), key.to_string(), self.signal());
        futures_util::stream::unfold((views, key, signal, None), |(views, key, mut signal, last)| async move {
            let mut last: Option<Vec<u8>> = last;
            loop {
                signal.note();
                let found = match views.source().await {
                    Ok(source) => views.find(&key, &source).await.map_err(failed::<V>),
                    Err(error) => Err(error),
                };
                let document = match found {
                    Ok(found) => found.map(|found| found.document),
                    Err(error) => {
                        // Whoever goes on listening does not ask a broken store in a tight loop.
                        tokio::time::sleep(POLL).await;
                        return Some((Err(error), (views, key, signal, last)));
                    }
                };
                let encoded = views.access.journal.payloads().encode(&document).unwrap_or_default();
                if last.as_ref() != Some(&encoded) {
                    last = Some(encoded);
                    return Some((Ok(document), (views, key, signal, last)));
                }
                let _ = tokio::time::timeout(POLL, signal.changed()).await;
            }
        })
    }

    /// Changes when there may be something new to read.
    fn signal(&self) -> Signal {
        match (V::MODE, self.access.processors.get(&processor_name::<V>())) {
            (ViewMode::Asynchronous, Some(progress)) => Signal::Handled(progress.here.subscribe()),
            _ => Signal::Appended(self.access.journal.store().appended()),
        }
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.access.journal
    }

    /// Who is told of documents that have changed.
    pub(super) fn changes_of_documents(&self) -> &ViewChanges {
        &self.access.changes
    }

    pub(super) fn resources(&self) -> Arc<Resources> {
        self.access.resources.get().and_then(Weak::upgrade).unwrap_or_default()
    }

    pub(super) fn id(&self) -> ViewId {
        self.access.journal.view_id(V::NAME, V::VERSION)
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.access.journal.store()
    }

    pub(super) fn versioned(&self, Document { key, revision, body }: Document) -> Result<Versioned<V>, BoxError> {
        Ok(Versioned { key, revision, document: self.access.journal.payloads().decode(&body)? })
    }

    /// What is read: of an asynchronous view that is being built, the version before, or nothing.
    pub(super) async fn source(&self) -> Result<Source, ViewError> {
        if V::MODE != ViewMode::Asynchronous {
            return Ok(Source::Own);
        }
        match self.access.built.source::<V>(&self.access.journal).await.map_err(failed::<V>)? {
            Source::Nothing { done } => Err(ViewError::Building { view: V::NAME, version: V::VERSION, done }),
            source => Ok(source),
        }
    }

    /// A document of the version before.
    fn lifted(&self, Document { key, revision, body }: Document) -> Result<Versioned<V>, BoxError> {
        let lift = V::LIFT.ok_or("the documents of an older version cannot be read")?;
        Ok(Versioned { key, revision, document: lift(self.access.journal.payloads(), &body)? })
    }

    /// All documents of the version before.
    pub(super) async fn older(&self, id: &ViewId) -> Result<Vec<Versioned<V>>, BoxError> {
        self.note_outside();
        let mut all: Vec<Versioned<V>> = Vec::new();
        loop {
            let after = all.last().map(|found| found.key.clone());
            let page = self.store().scan_documents(id, after.as_deref(), OLDER_PAGE).await?;
            let more = page.len() == OLDER_PAGE;
            for document in page {
                all.push(self.lifted(document)?);
            }
            if !more {
                return Ok(all);
            }
        }
    }

    async fn find(&self, key: &str, source: &Source) -> Result<Option<Versioned<V>>, BoxError> {
        self.note(|reads| reads.key(V::NAME, key));
        if let Source::Older(id) = source {
            self.note_outside();
            let found = self.store().documents(id, &[key.to_owned()]).await?;
            return found.into_iter().next().map(|document| self.lifted(document)).transpose();
        }
        if V::MODE == ViewMode::Live {
            let folded = self.fold(Some(key)).await?;
            return Ok(folded.into_iter().find(|folded| folded.key == key));
        }
        let id = self.id();
        let found = self.store().documents(&id, &[key.to_owned()]).await?;
        self.note(|reads| reads.found(|| format!("{id}/{key}"), || bytes_of(&found)));
        found.into_iter().next().map(|document| self.versioned(document)).transpose()
    }

    async fn page(&self, after: Option<&str>, limit: usize, source: &Source) -> Result<Vec<(String, V)>, BoxError> {
        self.note(|reads| reads.span(V::NAME, after));
        if let Source::Older(id) = source {
            self.note_outside();
            let found = self.store().scan_documents(id, after, limit).await?.into_iter();
            return found.map(|document| self.lifted(document).map(|found| (found.key, found.document))).collect();
        }
        let page: Vec<(String, V)> = if V::MODE == ViewMode::Live {
            let folded = self.fold(None).await?.into_iter().map(|folded| (folded.key, folded.document));
            folded.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).take(limit).collect()
        } else {
            let id = self.id();
            let found = self.store().scan_documents(&id, after, limit).await?;
            self.note(|reads| reads.found(|| format!("{id}?{limit}>{after:?}"), || bytes_of(&found)));
            let payloads = self.access.journal.payloads();
            let page = found.into_iter().map(|document| Ok((document.key, payloads.decode(&document.body)?)));
            page.collect::<Result<_, BoxError>>()?
        };
        if let Some((last, _)) = page.last().filter(|_| page.len() == limit) {
            self.note(|reads| reads.span_ends(V::NAME, after, last));
        }
        Ok(page)
    }

    /// Notes what is read, where that is of interest.
    pub(super) fn note(&self, note: impl FnOnce(&Reads)) {
        if let Some(reads) = &self.reads {
            note(reads);
            if V::MODE == ViewMode::Live {
                // What is folded is nowhere stored, and has no fingerprint.
                reads.beside();
            }
        }
    }

    /// What is read of an older version has no fingerprint: it is not there any more when this one is.
    fn note_outside(&self) {
        if let Some(reads) = &self.reads {
            reads.beside();
        }
    }

    /// Folds the events of one key, or all of them, as they are now; in the order of the keys.
    pub(super) async fn fold(&self, key: Option<&str>) -> Result<Vec<Versioned<V>>, BoxError> {
        let journal = &self.access.journal;
        let resources = self.resources();
        let component = ViewComponent::<V>::new(journal.clone(), resources);
        // With the number of events that each document has seen, which goes on after a removal.
        let mut documents: BTreeMap<String, (u64, Option<V>)> = BTreeMap::new();
        let mut after = Position::START;
        loop {
            let page = journal.read(Read::matching(criteria::<V>(key), after)).await?;
            let events: Vec<_> = page.events.iter().collect();
            let enrichment = component.enrich(&events).await.map_err(crate::handler::HandlerError::into_source)?;
            for event in &page.events {
                let steps = component.route(event).await.map_err(crate::handler::HandlerError::into_source)?;
                for step in steps.into_iter().filter(|step| key.is_none_or(|key| step.key == key)) {
                    let document_key = step.key.clone();
                    let (seen, document) = documents.remove(&document_key).unwrap_or((0, None));
                    let folded = component
                        .fold(document, step, event, &enrichment)
                        .map_err(crate::handler::HandlerError::into_source)?;
                    documents.insert(document_key, (seen + 1, folded));
                }
            }
            after = page.scanned;
            if !page.more {
                let there = documents.into_iter().filter_map(|(key, (revision, document))| {
                    document.map(|document| Versioned { key, revision, document })
                });
                return Ok(there.collect());
            }
        }
    }
}

/// Changes when there may be something new to read.
enum Signal {
    Appended(watch::Receiver<Position>),
    Handled(watch::Receiver<Here>),
}

impl Signal {
    /// From now on only later changes count.
    fn note(&mut self) {
        match self {
            Self::Appended(appended) => drop(appended.borrow_and_update()),
            Self::Handled(handled) => drop(handled.borrow_and_update()),
        }
    }

    async fn changed(&mut self) {
        // Where the sender is gone nothing changes any more; whoever waits looks again after a while.
        let gone = match self {
            Self::Appended(appended) => appended.changed().await.is_err(),
            Self::Handled(handled) => handled.changed().await.is_err(),
        };
        if gone {
            std::future::pending::<()>().await;
        }
    }
}

/// The events that a live view folds for `key`, or for all keys.
pub(super) fn criteria<V: ViewHandlers>(key: Option<&str>) -> Criteria {
    V::SOURCES.iter().fold(Criteria::none(), |criteria, source| {
        let named = Criterion::names([source.event]);
        criteria.or(match (key, source.key) {
            (Some(key), Some(field)) => named.and_tag(Tag::new(field, key)),
            _ => named,
        })
    })
}

/// Name of the processor that feeds the asynchronous view `V`, for `app.processors()`: its replay, its dead letters.
#[must_use]
pub fn processor_name<V: View>() -> String {
    format!("view:{}@{}", V::NAME, V::VERSION)
}

/// What tells found documents apart from others.
pub(super) fn bytes_of(found: &[Document]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Document { key, body, .. } in found {
        for part in [key.as_bytes(), body] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

pub(super) fn failed<V: View>(error: impl Into<BoxError>) -> ViewError {
    ViewError::Failed { view: V::NAME, source: error.into() }
}

impl<V: View> FromContext for Views<V> {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(Self { access: context.part::<ViewAccess>()?.clone(), reads: context.reads().cloned(), view: PhantomData })
    }

    fn requirement() -> Requirement {
        Requirement::View(V::NAME)
    }
}

impl<V> Clone for Views<V> {
    fn clone(&self) -> Self {
        Self { access: self.access.clone(), reads: self.reads.clone(), view: PhantomData }
    }
}

impl<V: View> fmt::Debug for Views<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Views").field(&V::NAME).finish()
    }
}
