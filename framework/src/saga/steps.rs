//! A saga as a plain list of steps, with compensation in reverse order.
//!
//! Each step may send a command. When it is accepted the next step runs; when it is rejected the steps before it are
//! compensated, newest first. The shape of the declaration follows Eventuate Tram's saga definitions.

use std::fmt;

use crate::message::Command;

use super::Saga;
use super::effects::Effects;

type CommandFn<S> = Box<dyn Fn(&S, &'static str, &mut Effects) + Send + Sync>;
type ConditionFn<S> = Box<dyn Fn(&S) -> bool + Send + Sync>;

/// A checked list of steps, in order.
pub struct Steps<S>(pub(crate) Vec<Step<S>>);

/// One step.
pub struct Step<S> {
    pub(crate) name: &'static str,
    pub(crate) invoke: Option<CommandFn<S>>,
    pub(crate) compensate: Option<CommandFn<S>>,
    pub(crate) when: Option<ConditionFn<S>>,
}

/// Begins a list of steps.
///
/// ```
/// use annals::prelude::*;
/// use annals::saga::{Steps, steps};
///
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.reserve")] struct Reserve;
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.release")] struct Release;
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.charge")] struct Charge;
/// #[derive(Saga, Serialize, Deserialize, Default, Clone)]
/// #[saga(name = "purchase")]
/// struct Purchase;
///
/// fn purchase() -> Steps<Purchase> {
///     steps()
///         .step("reserve").invoke(|_| Reserve).compensate(|_| Release)
///         .step("charge").invoke(|_| Charge)
///         .into()
/// }
/// ```
pub fn steps<S: Saga>() -> StepsBuilder<S> {
    StepsBuilder { steps: Vec::new() }
}

/// A list of steps in the making.
#[must_use]
pub struct StepsBuilder<S> {
    steps: Vec<Step<S>>,
}

impl<S: Saga> StepsBuilder<S> {
    /// Begins the step `name`. An instance remembers the name, so it must stay the same while instances run.
    pub fn step(mut self, name: &'static str) -> Self {
        self.steps.push(Step { name, invoke: None, compensate: None, when: None });
        self
    }

    /// The step sends this command. A step without one is done at once.
    pub fn invoke<C: Command>(self, command: impl Fn(&S) -> C + Send + Sync + 'static) -> Self {
        self.with_step(|step| step.invoke = Some(sends(command)))
    }

    /// When a later step is rejected, this command undoes the step. It must not be rejected.
    pub fn compensate<C: Command>(self, command: impl Fn(&S) -> C + Send + Sync + 'static) -> Self {
        self.with_step(|step| step.compensate = Some(sends(command)))
    }

    /// The step is left out where this is false when its turn comes. One that was taken is also undone.
    pub fn when(self, condition: impl Fn(&S) -> bool + Send + Sync + 'static) -> Self {
        self.with_step(|step| step.when = Some(Box::new(condition)))
    }

    /// Changes the newest step; before the first `step(..)`, makes one without a name, which start-up reports.
    fn with_step(mut self, change: impl FnOnce(&mut Step<S>)) -> Self {
        if self.steps.is_empty() {
            self = self.step("");
        }
        if let Some(step) = self.steps.last_mut() {
            change(step);
        }
        self
    }
}

fn sends<S, C: Command>(command: impl Fn(&S) -> C + Send + Sync + 'static) -> CommandFn<S> {
    Box::new(move |saga, step, effects| effects.plan(&command(saga), Some(step)))
}

impl<S> Steps<S> {
    /// The names of the steps, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|step| step.name)
    }
}

impl<S> From<StepsBuilder<S>> for Steps<S> {
    fn from(builder: StepsBuilder<S>) -> Self {
        Self(builder.steps)
    }
}

impl<S> fmt::Debug for Steps<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|step| step.name)).finish()
    }
}

impl<S> fmt::Debug for Step<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for StepsBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|step| step.name)).finish()
    }
}
