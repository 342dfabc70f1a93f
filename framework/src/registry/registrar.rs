//! Takes declarations, one method for each kind.

use crate::aggregate::{Aggregate, Decision, EventSourced, HandledBy};
use crate::command::{CommandTarget, ServedBy};
use crate::message::{Command, Event, Query, UpcastStep};
use crate::processor::EventHandlers;
use crate::query::AnsweredBy;
use crate::saga::{Saga, SagaHandlers};
use crate::view::{View, ViewHandlers};

use super::Location;

/// How the component behind a handler comes to be.
#[derive(Debug)]
pub enum Component<H> {
    /// No handler takes `&self`.
    None,
    /// From the resources, or else made by its `Default`.
    Default(fn() -> H),
    /// From the resources alone.
    Resource,
}

impl<H> Clone for Component<H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for Component<H> {}

/// Everything that an application declares. The macros call it through `inventory`; a builder may call it by hand.
#[derive(Debug, Default)]
pub struct Registrar {}

impl Registrar {
    /// An event.
    pub fn event<E: Event>(&mut self, location: Location) {}
    /// A command.
    pub fn command<C: Command>(&mut self, location: Location) {}
    /// A query.
    pub fn query<Q: Query>(&mut self, location: Location) {}
    /// An aggregate.
    pub fn aggregate<A: Aggregate>(&mut self, location: Location) {}
    /// A decision.
    pub fn decision<D: Decision>(&mut self, location: Location) {}
    /// The events that change a state.
    pub fn event_sourcing<S: EventSourced>(&mut self, location: Location) {}
    /// A command decided by an aggregate or a decision.
    pub fn command_handler<S: CommandTarget, C: HandledBy<S>>(&mut self, location: Location) {}
    /// A command handled outside aggregates.
    pub fn service_handler<H: Send + Sync + 'static, C: ServedBy<H>>(
        &mut self,
        component: Component<H>,
        location: Location,
    ) {
    }
    /// A view.
    pub fn view<V: View>(&mut self, location: Location) {}
    /// The handlers of a view.
    pub fn view_handlers<V: ViewHandlers>(&mut self, location: Location) {}
    /// Event handlers with rows of their own.
    pub fn event_handlers<H: EventHandlers>(&mut self, component: Component<H>, location: Location) {}
    /// A query handler.
    pub fn query_handler<H: Send + Sync + 'static, Q: AnsweredBy<H>>(
        &mut self,
        component: Component<H>,
        location: Location,
    ) {
    }
    /// A saga.
    pub fn saga<S: Saga>(&mut self, location: Location) {}
    /// The handlers of a saga.
    pub fn saga_handlers<S: SagaHandlers>(&mut self, location: Location) {}
    /// A step of an upcaster.
    pub fn upcaster(&mut self, step: UpcastStep) {}
}
