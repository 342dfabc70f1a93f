//! What a saga declares, and the tasks that run it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::command::CommandBus;
use crate::command::delivery::Courier;
use crate::deadline::Scheduler;
use crate::handler::{Requirement, Resources};
use crate::processor::EventComponent;
use crate::saga::{
    self, Dispatcher, Family, Handling, Relative, Relatives, SagaComponent, SagaConfig, SagaCourier, SagaHandlers,
    SagaObserver, SagaRetention, SagaTimers, Upkeep, Wake, processor_of,
};
use crate::store::{Claim, Journal};
use crate::workflow::{Flowing, WorkflowHandlers};

use super::Location;
use super::named::Named;

/// The handlers of a saga.
pub(super) struct SagaDeclaration {
    pub(super) saga: Named,
    pub(super) requirements: Vec<Requirement>,
    pub(super) retention: Option<SagaRetention>,
    /// What is wrong with the list of steps, and with the versions of the state.
    pub(super) faults: Vec<String>,
    pub(super) build: fn(&SagaParts) -> Arc<dyn EventComponent>,
    pub(super) relative: fn(&SagaParts) -> Arc<dyn Relative>,
    pub(super) tasks: TasksFn,
}

type TasksFn = fn(SagaParts, Arc<CommandBus>, watch::Receiver<Vec<Claim>>) -> Vec<BoxFuture<'static, ()>>;

/// What the tasks of a saga share.
#[derive(Clone)]
pub(crate) struct SagaParts {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) relatives: Relatives,
    pub(crate) observer: SagaObserver,
    pub(crate) config: SagaConfig,
    pub(crate) stop: CancellationToken,
}

impl SagaDeclaration {
    pub(super) fn of<S: SagaHandlers>(location: Location) -> Self {
        let course = S::course().map(|course| course.faults()).unwrap_or_default();
        Self {
            saga: Named::of::<S>(S::NAME, location),
            requirements: S::requirements(),
            retention: S::RETENTION,
            faults: course.into_iter().chain(saga::faults::<S>()).collect(),
            build: |parts| {
                Arc::new(SagaComponent::<S> {
                    journal: parts.journal.clone(),
                    resources: Arc::clone(&parts.resources),
                    wake: Arc::clone(&parts.wake),
                    handling: Arc::new(Handling::new(&parts.journal.chains().events)),
                    observer: parts.observer.clone(),
                })
            },
            relative: |parts| {
                Arc::new(Family::<S> {
                    journal: parts.journal.clone(),
                    resources: Arc::clone(&parts.resources),
                    handling: Arc::new(Handling::new(&parts.journal.chains().events)),
                    wake: Arc::clone(&parts.wake),
                    observer: parts.observer.clone(),
                    relatives: Arc::downgrade(&parts.relatives),
                })
            },
            tasks: tasks::<S>,
        }
    }

    /// The function of a workflow, which is a saga underneath.
    pub(super) fn of_workflow<W: WorkflowHandlers>(location: Location) -> Self {
        Self { saga: Named::of::<W>(W::NAME, location), ..Self::of::<Flowing<W>>(location) }
    }

    /// The processor that brings events to the saga.
    pub(super) fn processor(&self) -> String {
        processor_of(self.saga.name)
    }
}

fn tasks<S: SagaHandlers>(
    parts: SagaParts,
    bus: Arc<CommandBus>,
    claims: watch::Receiver<Vec<Claim>>,
) -> Vec<BoxFuture<'static, ()>> {
    let SagaParts { journal, resources, wake, relatives, observer, config, stop } = parts;
    let handling = Arc::new(Handling::<S>::new(&journal.chains().events));
    let courier = SagaCourier {
        courier: Courier { bus: Arc::clone(&bus), journal: journal.clone() },
        resources: Arc::clone(&resources),
        handling: Arc::clone(&handling),
        relatives: Arc::clone(&relatives),
    };
    let dispatcher = Dispatcher {
        journal: journal.clone(),
        resources: Arc::clone(&resources),
        bus,
        courier: Arc::new(courier),
        handling: Arc::clone(&handling),
        relatives,
        claims: claims.clone(),
        wake: Arc::clone(&wake),
        observer: observer.clone(),
        stop: stop.clone(),
    };
    let upkeep = Upkeep {
        journal: journal.clone(),
        saga: S::NAME,
        config,
        observer: observer.clone(),
        claims: claims.clone(),
        stop: stop.clone(),
    };
    let timers = SagaTimers { journal: journal.clone(), resources, handling, wake, observer };
    let scheduler = Scheduler { journal, target: Arc::new(timers), claims, stop };
    vec![Box::pin(dispatcher.run()), Box::pin(scheduler.run()), Box::pin(upkeep.run())]
}
