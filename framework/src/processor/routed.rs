//! A page of events with what is to be done for them.

use std::sync::Arc;

use crate::handler::HandlerError;
use crate::message::{Position, RecordedEvent};
use crate::store::{Journal, Page, Read, ReadError};

use super::component::{EventComponent, Step};
use super::sequence::{SequencingPolicy, by_stream};

/// A page that was read and routed. That is done for the next page while this one is handled.
pub(crate) struct Routed {
    pub(crate) events: Vec<RecordedEvent>,
    /// In the order of the events.
    pub(crate) items: Vec<Item>,
    /// How far the store has looked.
    pub(crate) scanned: Position,
    /// Whether there may be more behind it.
    pub(crate) more: bool,
}

/// A step of one component for one event.
pub(crate) struct Item {
    /// Which of the events.
    pub(crate) event: usize,
    /// Which of the components.
    pub(crate) component: usize,
    /// Which of the event's steps, over all components.
    pub(crate) place: u32,
    /// Its work is gone once it was taken.
    pub(crate) step: Step,
    /// Why the event could not be decoded.
    pub(crate) fault: Option<Arc<HandlerError>>,
}

impl Item {
    /// The same for another segment, of a step for which nothing was worked out.
    pub(crate) fn again(&self) -> Self {
        let Step { sequence, hash, .. } = &self.step;
        let step = Step { sequence: sequence.clone(), hash: *hash, work: None };
        Self { step, fault: self.fault.clone(), ..*self }
    }
}

/// What routing needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Router {
    pub(crate) journal: Journal,
    pub(crate) components: Arc<[Arc<dyn EventComponent>]>,
    pub(crate) policy: SequencingPolicy,
}

impl Router {
    /// Reads a page and routes it.
    pub(crate) async fn page(self, read: Read) -> Result<Routed, ReadError> {
        let page = self.journal.read(read).await?;
        Ok(self.routed(page).await)
    }

    /// Routes a page.
    pub(crate) async fn routed(&self, page: Page) -> Routed {
        let mut items = Vec::with_capacity(page.events.len());
        for (number, event) in page.events.iter().enumerate() {
            self.route(number, event, &mut items).await;
        }
        Routed { events: page.events, items, scanned: page.scanned, more: page.more }
    }

    /// The steps of one event.
    pub(crate) async fn steps(&self, event: &RecordedEvent) -> Vec<Item> {
        let mut items = Vec::new();
        self.route(0, event, &mut items).await;
        items
    }

    async fn route(&self, number: usize, event: &RecordedEvent, items: &mut Vec<Item>) {
        let mut place = 0;
        for (component, routes) in self.components.iter().enumerate() {
            let mut put = |step, fault| {
                items.push(Item { event: number, component, place, step, fault });
                place += 1;
            };
            match routes.route(event, &self.policy).await {
                Ok(steps) => steps.into_iter().for_each(|step| put(step, None)),
                // What cannot be decoded belongs to its stream: nothing else is known of it.
                Err(error) => put(by_stream(event), Some(Arc::new(error))),
            }
        }
    }
}
