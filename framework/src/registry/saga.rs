//! What a saga declares, and the tasks that run it.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::command::CommandBus;
use crate::deadline::Scheduler;
use crate::handler::{Requirement, Resources};
use crate::processor::EventComponent;
use crate::saga::{Dispatcher, SagaComponent, SagaHandlers, SagaTimers, Wake, processor_of};
use crate::store::{Claim, Journal};

use super::Location;
use super::named::Named;

/// The handlers of a saga.
pub(super) struct SagaDeclaration {
    pub(super) saga: Named,
    pub(super) requirements: Vec<Requirement>,
    /// What is wrong with the list of steps.
    pub(super) faults: Vec<String>,
    pub(super) build: fn(&SagaParts) -> Arc<dyn EventComponent>,
    pub(super) tasks: TasksFn,
}

type TasksFn = fn(SagaParts, Arc<CommandBus>, watch::Receiver<Option<Claim>>) -> Vec<BoxFuture<'static, ()>>;

/// What the tasks of a saga share.
#[derive(Clone)]
pub(crate) struct SagaParts {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) stop: CancellationToken,
}

impl SagaDeclaration {
    pub(super) fn of<S: SagaHandlers>(location: Location) -> Self {
        Self {
            saga: Named::of::<S>(S::NAME, location),
            requirements: S::requirements(),
            faults: faults_of_steps::<S>(),
            build: |parts| {
                Arc::new(SagaComponent::<S> {
                    journal: parts.journal.clone(),
                    resources: Arc::clone(&parts.resources),
                    wake: Arc::clone(&parts.wake),
                    saga: PhantomData,
                })
            },
            tasks: |parts, bus, claim| {
                let dispatcher = Dispatcher::<S> {
                    journal: parts.journal.clone(),
                    resources: Arc::clone(&parts.resources),
                    bus,
                    claim: claim.clone(),
                    wake: Arc::clone(&parts.wake),
                    stop: parts.stop.clone(),
                    saga: PhantomData,
                };
                let timers = SagaTimers::<S> {
                    journal: parts.journal.clone(),
                    resources: parts.resources,
                    wake: parts.wake,
                    saga: PhantomData,
                };
                let scheduler = Scheduler { journal: parts.journal, target: Arc::new(timers), claim, stop: parts.stop };
                vec![Box::pin(dispatcher.run()), Box::pin(scheduler.run())]
            },
        }
    }

    /// The processor that brings events to the saga.
    pub(super) fn processor(&self) -> String {
        processor_of(self.saga.name)
    }
}

fn faults_of_steps<S: SagaHandlers>() -> Vec<String> {
    let Some(steps) = S::steps() else { return Vec::new() };
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for name in steps.names() {
        if name.is_empty() {
            faults.push("a command stands before the first `step(..)`".to_owned());
        } else if !names.insert(name) {
            faults.push(format!("the step `{name}` is declared twice"));
        }
    }
    if names.is_empty() {
        faults.push("the list is empty".to_owned());
    }
    faults
}
