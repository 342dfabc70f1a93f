//! What decides on commands: an aggregate over its stream, or a decision over its boundary.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::aggregate::{Aggregate, Decision, EventSourced, HandledBy, Repository};
use crate::message::Tag;

use super::boundary::BoundaryHandler;
use super::bus::CommandHandler;
use super::execute::Executor;
use super::lane::Lanes;
use super::stream::StreamHandler;

/// A state that decides on commands. `#[derive(Aggregate)]` and `#[derive(Decision)]` implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot decide on commands",
    note = "annotate the struct with `#[derive(Aggregate)]` or `#[derive(Decision, Default)]`; a handler outside \
            aggregates is an `async fn`"
)]
pub trait CommandTarget: EventSourced {
    /// What keeps its decisions consistent.
    type Consistency: Consistency<Self>;
}

/// What keeps a decision consistent: [`StreamConsistency`] or [`BoundaryConsistency`].
pub trait Consistency<S>: sealed::Handlers<S> + 'static {
    /// Whether it matters that the target exists.
    const CHECKS_CREATION: bool;

    /// Whether a decision on a command with the tags `command` sees an event with the tags `event`.
    #[must_use]
    fn sees(command: &[Tag], event: &[Tag]) -> bool;
}

/// The version of the aggregate's own stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamConsistency;

impl<A: Aggregate> Consistency<A> for StreamConsistency {
    const CHECKS_CREATION: bool = true;

    fn sees(_command: &[Tag], _event: &[Tag]) -> bool {
        true
    }
}

/// The events inside the decision's boundary.
#[derive(Debug, Clone, Copy)]
pub struct BoundaryConsistency;

impl<D: Decision> Consistency<D> for BoundaryConsistency {
    const CHECKS_CREATION: bool = false;

    fn sees(command: &[Tag], event: &[Tag]) -> bool {
        command.iter().any(|tag| D::BOUNDARY.contains(&tag.key()) && event.contains(tag))
    }
}

/// Stands for all handlers outside aggregates.
struct Services;

/// The lanes of an application: all commands of one state share them.
pub struct Lanekeeper {
    executor: Executor,
    lanes: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Lanekeeper {
    pub(crate) fn new(executor: Executor) -> Self {
        Self { executor, lanes: HashMap::new() }
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// The handler of `C` by `S`.
    pub(crate) fn handler<S: CommandTarget, C: HandledBy<S>>(&mut self) -> Arc<dyn CommandHandler> {
        <S::Consistency as sealed::Handlers<S>>::handler::<C>(self)
    }

    /// The lanes of handlers outside aggregates, by command id.
    pub(crate) fn services(&mut self) -> Arc<Lanes<()>> {
        self.lanes::<Services, ()>("command")
    }

    /// The lanes of the state `S`, which hold states of type `A`.
    fn lanes<S: 'static, A: Send + Sync + 'static>(&mut self, category: &'static str) -> Arc<Lanes<A>> {
        let config = Arc::clone(&self.executor.config);
        let shared =
            self.lanes.entry(TypeId::of::<S>()).or_insert_with(|| Arc::new(Lanes::<A>::new(category, &config)));
        Arc::clone(shared).downcast().unwrap_or_else(|_| Arc::new(Lanes::new(category, &config)))
    }
}

impl std::fmt::Debug for Lanekeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanekeeper").field("states", &self.lanes.len()).finish_non_exhaustive()
    }
}

mod sealed {
    use super::{
        Aggregate, Arc, BoundaryConsistency, BoundaryHandler, CommandHandler, Decision, HandledBy, Lanekeeper,
        PhantomData, Repository, StreamConsistency, StreamHandler,
    };

    /// Makes the handlers of the commands of `S`.
    #[expect(private_interfaces, reason = "the trait is sealed: nobody outside calls it")]
    pub trait Handlers<S> {
        /// The handler of `C`.
        fn handler<C: HandledBy<S>>(lanes: &mut Lanekeeper) -> Arc<dyn CommandHandler>;
    }

    #[expect(private_interfaces, reason = "the trait is sealed: nobody outside calls it")]
    impl<A: Aggregate> Handlers<A> for StreamConsistency {
        fn handler<C: HandledBy<A>>(lanes: &mut Lanekeeper) -> Arc<dyn CommandHandler> {
            Arc::new(StreamHandler::<A, C> {
                lanes: lanes.lanes::<A, A>(A::NAME),
                repository: Repository::new(lanes.executor().journal.clone()),
                executor: lanes.executor().clone(),
                command: PhantomData,
            })
        }
    }

    #[expect(private_interfaces, reason = "the trait is sealed: nobody outside calls it")]
    impl<D: Decision> Handlers<D> for BoundaryConsistency {
        fn handler<C: HandledBy<D>>(lanes: &mut Lanekeeper) -> Arc<dyn CommandHandler> {
            Arc::new(BoundaryHandler::<D, C> {
                lanes: lanes.lanes::<D, ()>(D::NAME),
                executor: lanes.executor().clone(),
                types: PhantomData,
            })
        }
    }
}
