//! Reading the documents of a view.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::Stream;
use tokio::time::Instant;

use crate::handler::{Context, ContextError, FromContext, Reads, Requirement, Resources};
use crate::message::{Position, Tag};
use crate::processor::{Behind, Processors};
use crate::query::Mark;
use crate::store::error::BoxError;
use crate::store::{Criteria, Criterion, Document, Journal, Read};

use super::processor::ViewComponent;
use super::{View, ViewHandlers, ViewMode};

/// How long [`Views::after`] waits unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
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
        self.find(&key.to_string()).await.map_err(failed::<V>)
    }

    /// At most `limit` documents in the order of their keys' text, after the key `after`. A live view folds all its
    /// events for that.
    ///
    /// # Errors
    /// When the store does not answer, or a live view cannot be folded.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, V)>, ViewError> {
        self.page(after, limit).await.map_err(failed::<V>)
    }

    /// Waits until the view has folded what was sent (`&sent`), or everything up to a position, at most five seconds.
    ///
    /// # Errors
    /// [`ViewError::Stale`] when it takes longer; [`ViewError::Parked`] when what was sent is a dead letter.
    pub async fn after(self, mark: impl Into<Mark>) -> Result<Self, ViewError> {
        let Mark { position, stream } = mark.into();
        if V::MODE == ViewMode::Asynchronous {
            let processor = processor_name::<V>();
            let waited = self.access.processors.wait(&processor, position, stream.as_ref(), PATIENCE).await;
            waited.map_err(|behind| match behind {
                Behind::Late { reached, waited, .. } => {
                    ViewError::Stale { view: V::NAME, reached, wanted: position, waited }
                }
                Behind::Parked { .. } => ViewError::Parked { view: V::NAME },
                Behind::Store(error) => failed::<V>(error),
            })?;
        }
        Ok(self)
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
            signal.borrow_and_update();
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
                signal.borrow_and_update();
                let document = match views.find(&key).await {
                    Ok(document) => document,
                    Err(error) => {
                        // Whoever goes on listening does not ask a broken store in a tight loop.
                        tokio::time::sleep(POLL).await;
                        return Some((Err(failed::<V>(error)), (views, key, signal, last)));
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
    fn signal(&self) -> tokio::sync::watch::Receiver<Position> {
        match (V::MODE, self.access.processors.get(&processor_name::<V>())) {
            (ViewMode::Asynchronous, Some(progress)) => progress.position.subscribe(),
            _ => self.access.journal.store().appended(),
        }
    }

    async fn find(&self, key: &str) -> Result<Option<V>, BoxError> {
        self.note(|reads| reads.key(V::NAME, key));
        if V::MODE == ViewMode::Live {
            let folded = self.fold(Some(key)).await?;
            return Ok(folded.into_iter().find(|(folded, _)| folded == key).map(|(_, document)| document));
        }
        let id = self.access.journal.view_id(V::NAME, V::VERSION);
        let found = self.access.journal.store().documents(&id, &[key.to_owned()]).await?;
        self.note(|reads| reads.found(|| format!("{id}/{key}"), || bytes_of(&found)));
        found.first().map(|document| Ok(self.access.journal.payloads().decode(&document.body)?)).transpose()
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, V)>, BoxError> {
        self.note(|reads| reads.span(V::NAME, after));
        let page: Vec<(String, V)> = if V::MODE == ViewMode::Live {
            let folded = self.fold(None).await?.into_iter();
            folded.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).take(limit).collect()
        } else {
            let id = self.access.journal.view_id(V::NAME, V::VERSION);
            let found = self.access.journal.store().scan_documents(&id, after, limit).await?;
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
    fn note(&self, note: impl FnOnce(&Reads)) {
        if let Some(reads) = &self.reads {
            note(reads);
            if V::MODE == ViewMode::Live {
                // What is folded is nowhere stored, and has no fingerprint.
                reads.beside();
            }
        }
    }

    /// Folds the events of one key, or all of them, as they are now.
    async fn fold(&self, key: Option<&str>) -> Result<BTreeMap<String, V>, BoxError> {
        let journal = &self.access.journal;
        let resources = self.access.resources.get().and_then(Weak::upgrade).unwrap_or_default();
        let component = ViewComponent::<V>::new(journal.clone(), resources);
        let mut documents = BTreeMap::new();
        let mut after = Position::START;
        loop {
            let page = journal.read(Read::matching(criteria::<V>(key), after)).await?;
            for event in &page.events {
                let steps = component.route(event).await.map_err(crate::handler::HandlerError::into_source)?;
                for step in steps.into_iter().filter(|step| key.is_none_or(|key| step.key == key)) {
                    let document_key = step.key.clone();
                    let document = documents.remove(&document_key);
                    let folded =
                        component.fold(document, step, event).map_err(crate::handler::HandlerError::into_source)?;
                    if let Some(folded) = folded {
                        documents.insert(document_key, folded);
                    }
                }
            }
            after = page.scanned;
            if !page.more {
                return Ok(documents);
            }
        }
    }
}

/// The events that a live view folds for `key`, or for all keys.
fn criteria<V: ViewHandlers>(key: Option<&str>) -> Criteria {
    V::SOURCES.iter().fold(Criteria::none(), |criteria, source| {
        let named = Criterion::names([source.event]);
        criteria.or(match key {
            Some(key) => named.and_tag(Tag::new(source.key, key)),
            None => named,
        })
    })
}

/// Name of the processor that feeds the asynchronous view `V`, for `app.processors()`: its replay, its dead letters.
#[must_use]
pub fn processor_name<V: View>() -> String {
    format!("view:{}@{}", V::NAME, V::VERSION)
}

/// What tells found documents apart from others.
fn bytes_of(found: &[Document]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Document { key, body, .. } in found {
        for part in [key.as_bytes(), body] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

fn failed<V: View>(error: impl Into<BoxError>) -> ViewError {
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
