//! What other writers do while a handler is between its state and its append.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use annals::handler::{Context, ContextError, FromContext};
use annals::prelude::*;
use annals::store::{Append, NewEvent, SharedStore};

/// What a test does while a handler is between its state and its append, and how often the handler has run.
#[derive(Default)]
pub struct Waits {
    pause: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    runs: Arc<AtomicUsize>,
}

impl Waits {
    /// While the handler runs for the first time, another writer stores `event`. The test needs a runtime of several
    /// threads.
    pub fn storing(store: SharedStore, event: NewEvent) -> Self {
        let runtime = tokio::runtime::Handle::current();
        Self::once(move || {
            let append = Append { events: vec![event], ..Append::default() };
            tokio::task::block_in_place(|| runtime.block_on(store.append(append))).unwrap();
        })
    }

    fn once(run: impl FnOnce() + Send + 'static) -> Self {
        Self { pause: Mutex::new(Some(Box::new(run))), ..Self::default() }
    }

    /// Counts the runs of the handler.
    pub fn runs(&self) -> impl Fn() -> usize + use<> {
        let runs = Arc::clone(&self.runs);
        move || runs.load(Ordering::Relaxed)
    }

    fn meet(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        if let Some(run) = self.pause.lock().unwrap().take() {
            run();
        }
    }
}

/// A parameter of handlers: the test's pause, if it wants one.
pub struct Waiting(Option<Arc<Waits>>);

impl FromContext for Waiting {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(Self(context.resources().shared()))
    }
}

impl Waiting {
    /// The handler has seen its state, and goes on to decide.
    pub fn meet(&self) {
        if let Some(waits) = &self.0 {
            waits.meet();
        }
    }
}

/// `event` as another writer stores it.
pub fn foreign<E: Event>(stream: StreamId, event: &E) -> NewEvent {
    NewEvent {
        stream,
        id: EventId::new(),
        name: E::NAME.into(),
        revision: E::REVISION,
        payload: serde_json::to_vec(event).unwrap(),
        metadata: Arc::default(),
        tags: event.tags(),
        recorded_at: Timestamp::from_micros(1),
    }
}
