//! What decides on commands: an aggregate over its stream, or a decision over its boundary.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::Arc;

use crate::aggregate::{
    Aggregate, Decision, EventSourced, HandledBy, Repository, SnapshotPolicy, StateStored, StoredState, boundary_for,
};
use crate::store::Criteria;

use super::boundary::BoundaryHandler;
use super::brought::Needs;
use super::bus::CommandHandler;
use super::execute::Executor;
use super::interceptor::Interceptors;
use super::lane::{Lanes, Usage};
use super::state::StateHandler;
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
    /// Whether the state is built from events, and changes through them alone.
    const FROM_EVENTS: bool = true;

    /// The events that a decision on `command` sees; `None` stands for those of the target's stream.
    #[must_use]
    fn boundary<C: HandledBy<S>>(command: &C) -> Option<Criteria>;
}

/// The version of the aggregate's own stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamConsistency;

impl<A: Aggregate> Consistency<A> for StreamConsistency {
    const CHECKS_CREATION: bool = true;

    fn boundary<C: HandledBy<A>>(_command: &C) -> Option<Criteria> {
        None
    }
}

/// The events inside the decision's boundary.
#[derive(Debug, Clone, Copy)]
pub struct BoundaryConsistency;

impl<D: Decision> Consistency<D> for BoundaryConsistency {
    const CHECKS_CREATION: bool = false;

    fn boundary<C: HandledBy<D>>(command: &C) -> Option<Criteria> {
        Some(boundary_for::<D, C>(command))
    }
}

/// The version of the aggregate's own row.
#[derive(Debug, Clone, Copy)]
pub struct StateConsistency;

impl<A: StateStored> Consistency<A> for StateConsistency {
    const CHECKS_CREATION: bool = true;
    const FROM_EVENTS: bool = false;

    fn boundary<C: HandledBy<A>>(_command: &C) -> Option<Criteria> {
        None
    }
}

/// Stands for all handlers outside aggregates.
struct Services;

/// Stands for the handlers of the component `H` that run one after the other.
struct SequenceOf<H>(PhantomData<fn() -> H>);

/// The lanes of an application: all commands of one state share them.
pub struct Lanekeeper {
    executor: Executor,
    /// When snapshots are made, where the application says so.
    policies: HashMap<TypeId, SnapshotPolicy>,
    lanes: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    /// What the caches of states hold, by the stored name of the aggregate.
    caches: BTreeMap<&'static str, Arc<Usage>>,
}

impl Lanekeeper {
    pub(crate) fn new(executor: Executor, policies: HashMap<TypeId, SnapshotPolicy>) -> Self {
        Self { executor, policies, lanes: HashMap::new(), caches: BTreeMap::new() }
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// The handler of `C` by `S`.
    pub(crate) fn handler<S: CommandTarget, C: HandledBy<S>>(&mut self) -> Arc<dyn CommandHandler> {
        <S::Consistency as sealed::Handlers<S>>::handler::<C>(self)
    }

    /// Loads aggregates of the type `A`.
    fn repository<A: Aggregate>(&self) -> Repository<A> {
        Repository::new(self.executor.journal.clone()).with_policy(self.policies.get(&TypeId::of::<A>()))
    }

    /// What the caches of states hold, in the order of the aggregates' stored names.
    pub(crate) fn into_caches(self) -> Vec<Arc<Usage>> {
        self.caches.into_values().collect()
    }

    fn lanes_of<A: Aggregate>(&mut self) -> Arc<Lanes<A>> {
        let lanes = self.lanes::<A, A>(A::NAME);
        self.caches.insert(A::NAME, Arc::clone(lanes.usage()));
        lanes
    }

    /// The lanes of handlers outside aggregates, by command id.
    pub(crate) fn services(&mut self) -> Arc<Lanes<()>> {
        self.lanes::<Services, ()>("command")
    }

    /// The lanes of the component `H` outside aggregates, by routing key.
    pub(crate) fn sequence<H: 'static>(&mut self) -> Arc<Lanes<()>> {
        let name = std::any::type_name::<H>();
        self.lanes::<SequenceOf<H>, ()>(name.rsplit("::").next().unwrap_or(name))
    }

    /// Has the handlers that are made from now on run inside `interceptors`.
    pub(crate) fn surround(&mut self, interceptors: Interceptors) {
        self.executor.handling = interceptors;
    }

    /// The lanes of the state `S`, which hold states of type `A`.
    fn lanes<S: 'static, A: Send + Sync + 'static>(&mut self, category: &'static str) -> Arc<Lanes<A>> {
        let config = Arc::clone(&self.executor.config);
        let fresh = || Arc::new(Lanes::<A>::new(category, &config).watched_by(self.executor.observer.clone()));
        let shared = self.lanes.entry(TypeId::of::<S>()).or_insert_with(|| fresh());
        Arc::clone(shared).downcast().unwrap_or_else(|_| fresh())
    }
}

impl std::fmt::Debug for Lanekeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanekeeper").field("states", &self.lanes.len()).finish_non_exhaustive()
    }
}

mod sealed {
    use super::{
        Aggregate, Arc, BoundaryConsistency, BoundaryHandler, CommandHandler, Decision, HandledBy, Lanekeeper, Needs,
        PhantomData, StateConsistency, StateHandler, StateStored, StoredState, StreamConsistency, StreamHandler,
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
                lanes: lanes.lanes_of::<A>(),
                repository: lanes.repository::<A>(),
                executor: lanes.executor().clone(),
                needs: Needs::of(&C::requirements()),
                command: PhantomData,
            })
        }
    }

    #[expect(private_interfaces, reason = "the trait is sealed: nobody outside calls it")]
    impl<A: StateStored> Handlers<A> for StateConsistency {
        fn handler<C: HandledBy<A>>(lanes: &mut Lanekeeper) -> Arc<dyn CommandHandler> {
            Arc::new(StateHandler::<A, C> {
                lanes: lanes.lanes::<A, ()>(A::NAME),
                rows: StoredState::new(),
                needs: Needs::of(&C::requirements()),
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
                needs: Needs::of(&C::requirements()),
                types: PhantomData,
            })
        }
    }
}
