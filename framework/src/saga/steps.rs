//! A saga as a plain list of steps, with compensation in reverse order.
//!
//! Each step may send a command, begin another saga, or change the state. When it is accepted the next step runs; when it is
//! rejected the steps before it are compensated, newest first. The shape of the declaration follows Eventuate Tram's saga
//! definitions.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use crate::message::{Command, Payloads, Timestamp};
use crate::store::EffectKind;

use super::Saga;
use super::effects::Effects;
use super::error::SagaError;

type PlanFn<S> = Box<dyn Fn(&S, &'static str, Timestamp, &mut Effects) + Send + Sync>;
type LocalFn<S> = Box<dyn Fn(&mut S) -> Result<(), String> + Send + Sync>;
type ConditionFn<S> = Box<dyn Fn(&S) -> bool + Send + Sync>;
type ReplyFn<S> = Box<dyn Fn(&mut S, &[u8], &Payloads) -> Result<(), SagaError> + Send + Sync>;
type RejectionFn<S> = Box<dyn Fn(&mut S, &[u8], &Payloads) -> Result<Otherwise, SagaError> + Send + Sync>;

/// A checked list of steps, in order.
pub struct Steps<S>(pub(crate) Vec<Step<S>>);

/// One step.
pub struct Step<S> {
    pub(crate) name: &'static str,
    /// Steps with the same number other than 0 run side by side.
    pub(crate) group: u32,
    pub(crate) when: Option<ConditionFn<S>>,
    pub(crate) action: Option<Action<S>>,
    pub(crate) compensation: Option<Action<S>>,
    pub(crate) retry: Option<(u32, Duration)>,
    pub(crate) within: Option<Duration>,
}

/// What a step does, or what undoes it.
pub(crate) struct Action<S> {
    pub(crate) does: Does<S>,
    pub(crate) on_reply: Option<ReplyFn<S>>,
    pub(crate) on_rejection: Option<RejectionFn<S>>,
}

pub(crate) enum Does<S> {
    /// Plans something whose answer is waited for.
    Send(PlanFn<S>),
    /// Plans something that is not waited for.
    Notify(PlanFn<S>),
    /// Changes the state.
    Locally(LocalFn<S>),
}

/// What a rejection leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Otherwise {
    /// The steps that were taken are undone, newest first. The default.
    Compensate,
    /// The step counts as left out, and the next one runs.
    Continue,
    /// The command is sent again after this time, as a new one.
    RetryAfter(Duration),
}

/// Begins a list of steps.
///
/// ```
/// use std::time::Duration;
///
/// use annals::prelude::*;
/// use annals::saga::{Otherwise, Steps, steps};
///
/// # #[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)] #[error("no")] struct Full;
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.reserve", reply = u32, error = Full)] struct Reserve;
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.release")] struct Release;
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.charge")] struct Charge;
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.tell")] struct Tell;
/// #[derive(Saga, Serialize, Deserialize, Default, Clone)]
/// #[saga(name = "purchase")]
/// struct Purchase { seat: Option<u32> }
///
/// fn purchase() -> Steps<Purchase> {
///     steps()
///         .step("reserve")
///             .invoke(|_| Reserve)
///             .on_reply(|purchase: &mut Purchase, seat| purchase.seat = Some(*seat))
///             .retry(3, Duration::from_secs(5))
///             .compensate(|_| Release)
///         .step("charge").invoke(|_| Charge).within(Duration::from_secs(60))
///         .step("tell").notify(|_| Tell)
///         .into()
/// }
/// ```
pub fn steps<S: Saga>() -> StepsBuilder<S> {
    StepsBuilder { steps: Vec::new(), groups: 0, group: 0, part: Part::Action, last: PhantomData }
}

/// A list of steps in the making. `L` is the command whose answer [`StepsBuilder::on_reply`] and
/// [`StepsBuilder::on_rejection`] are about: the one that was declared last.
#[must_use]
pub struct StepsBuilder<S, L = ()> {
    steps: Vec<Step<S>>,
    groups: u32,
    /// The group of what is declared now.
    group: u32,
    part: Part,
    last: PhantomData<fn() -> L>,
}

/// Whose answer was declared last.
#[derive(Clone, Copy)]
enum Part {
    Action,
    Compensation,
}

/// In the place of a command: a saga that a step begins.
#[derive(Debug)]
pub struct Begun<C>(PhantomData<fn() -> C>);

impl<S: Saga, L> StepsBuilder<S, L> {
    /// Begins the step `name`. An instance remembers the name, so it must stay the same while instances run.
    pub fn step(mut self, name: &'static str) -> StepsBuilder<S> {
        let group = self.group;
        self.steps.push(Step { name, group, when: None, action: None, compensation: None, retry: None, within: None });
        self.about(Part::Action)
    }

    /// These steps run side by side. When all of them have been answered the next step runs; when one of them was rejected,
    /// the others are waited for, and then everything that was taken is undone.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// # use annals::saga::{Steps, steps};
    /// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.hotel")] struct BookHotel;
    /// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.unhotel")] struct CancelHotel;
    /// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.car")] struct RentCar;
    /// # #[derive(Saga, Serialize, Deserialize, Default, Clone)] #[saga(name = "trip")] struct Trip {}
    /// fn trip() -> Steps<Trip> {
    ///     steps()
    ///         .together(|steps| steps
    ///             .step("hotel").invoke(|_| BookHotel).compensate(|_| CancelHotel)
    ///             .step("car").invoke(|_| RentCar))
    ///         .into()
    /// }
    /// ```
    pub fn together<M>(mut self, steps: impl FnOnce(StepsBuilder<S>) -> StepsBuilder<S, M>) -> StepsBuilder<S> {
        self.groups += 1;
        self.group = self.groups;
        let mut inside = steps(self.about(Part::Action)).about(Part::Action);
        inside.group = 0;
        inside
    }

    /// The step sends this command, and waits for its answer. A step that does nothing is done at once.
    pub fn invoke<C: Command>(self, command: impl Fn(&S) -> C + Send + Sync + 'static) -> StepsBuilder<S, C> {
        self.does(Part::Action, Does::Send(sends(EffectKind::Command, command)))
    }

    /// The step sends this command, and does not wait for its answer: a rejection has no effect.
    pub fn notify<C: Command>(self, command: impl Fn(&S) -> C + Send + Sync + 'static) -> StepsBuilder<S> {
        self.does(Part::Action, Does::Notify(sends(EffectKind::Notice, command)))
    }

    /// The step changes the state. An error counts as a rejection.
    pub fn local<E: fmt::Display>(
        self,
        change: impl Fn(&mut S) -> Result<(), E> + Send + Sync + 'static,
    ) -> StepsBuilder<S> {
        let change = move |saga: &mut S| change(saga).map_err(|error| error.to_string());
        self.does(Part::Action, Does::Locally(Box::new(change)))
    }

    /// The step begins an instance of another saga, and waits for its end: one that is compensated or aborted counts as a
    /// rejection.
    pub fn begin<C: Saga>(self, child: impl Fn(&S) -> C + Send + Sync + 'static) -> StepsBuilder<S, Begun<C>> {
        let plan = move |saga: &S, step: &'static str, at: Timestamp, effects: &mut Effects| {
            let state = effects.payloads().encode(&child(saga));
            effects.plan(EffectKind::Saga, C::NAME, C::VERSION, state, Some(step), at, None);
        };
        self.does(Part::Action, Does::Send(Box::new(plan)))
    }

    /// When a later step is rejected, this command undoes the step. It should not be rejected: the instance then needs
    /// attention, unless [`StepsBuilder::on_rejection`] behind it says otherwise.
    pub fn compensate<C: Command>(self, command: impl Fn(&S) -> C + Send + Sync + 'static) -> StepsBuilder<S, C> {
        self.does(Part::Compensation, Does::Send(sends(EffectKind::Command, command)))
    }

    /// When a later step is rejected, this command undoes the step, and its answer is not waited for.
    pub fn compensate_with_notice<C: Command>(
        self,
        command: impl Fn(&S) -> C + Send + Sync + 'static,
    ) -> StepsBuilder<S> {
        self.does(Part::Compensation, Does::Notify(sends(EffectKind::Notice, command)))
    }

    /// When a later step is rejected, this change of the state undoes the step.
    pub fn compensate_locally(self, change: impl Fn(&mut S) + Send + Sync + 'static) -> StepsBuilder<S> {
        let change = move |saga: &mut S| {
            change(saga);
            Ok(())
        };
        self.does(Part::Compensation, Does::Locally(Box::new(change)))
    }

    /// The step is left out where this is false when its turn comes. One that was taken is also undone.
    pub fn when(self, condition: impl Fn(&S) -> bool + Send + Sync + 'static) -> Self {
        self.with_step(|step| step.when = Some(Box::new(condition)))
    }

    /// When the command of the step is rejected, it is sent again, as a new one, up to `times` times, each time after `pause`.
    pub fn retry(self, times: u32, pause: Duration) -> Self {
        self.with_step(|step| step.retry = Some((times, pause)))
    }

    /// When there is no answer within `duration`, the step counts as rejected. Nobody knows then what has become of its
    /// command, so the step is undone as well: its compensation must bear that there is nothing to undo.
    pub fn within(self, duration: Duration) -> Self {
        self.with_step(|step| step.within = Some(duration))
    }

    fn does<M>(self, part: Part, does: Does<S>) -> StepsBuilder<S, M> {
        let action = Action { does, on_reply: None, on_rejection: None };
        let with = self.with_step(|step| match part {
            Part::Action => step.action = Some(action),
            Part::Compensation => step.compensation = Some(action),
        });
        with.about(part)
    }

    fn about<M>(self, part: Part) -> StepsBuilder<S, M> {
        let Self { steps, groups, group, .. } = self;
        StepsBuilder { steps, groups, group, part, last: PhantomData }
    }

    /// Changes the newest step; before the first `step(..)`, makes one without a name, which start-up reports.
    fn with_step(mut self, change: impl FnOnce(&mut Step<S>)) -> Self {
        if self.steps.is_empty() {
            self = self.step("").about(Part::Action);
        }
        if let Some(step) = self.steps.last_mut() {
            change(step);
        }
        self
    }

    fn with_action(self, change: impl FnOnce(&mut Action<S>)) -> Self {
        let part = self.part;
        self.with_step(|step| {
            let action = match part {
                Part::Action => &mut step.action,
                Part::Compensation => &mut step.compensation,
            };
            if let Some(action) = action {
                change(action);
            }
        })
    }
}

impl<S: Saga, C: Command> StepsBuilder<S, C> {
    /// What is done with the reply to the command that was declared last.
    pub fn on_reply(self, handle: impl Fn(&mut S, &C::Reply) + Send + Sync + 'static) -> Self {
        self.with_action(|action| {
            action.on_reply = Some(Box::new(move |saga, reply, payloads| {
                let reply = payloads.decode(reply).map_err(|source| SagaError::command(C::NAME, source))?;
                handle(saga, &reply);
                Ok(())
            }));
        })
    }

    /// What a rejection of the command that was declared last leads to, once there are no retries left.
    pub fn on_rejection(self, handle: impl Fn(&mut S, &C::Error) -> Otherwise + Send + Sync + 'static) -> Self {
        self.with_action(|action| {
            action.on_rejection = Some(Box::new(move |saga, error, payloads| {
                let error = payloads.decode(error).map_err(|source| SagaError::command(C::NAME, source))?;
                Ok(handle(saga, &error))
            }));
        })
    }
}

impl<S: Saga, C: Saga> StepsBuilder<S, Begun<C>> {
    /// What is done with the last state of the saga that the step has begun, when that has come to its end.
    pub fn on_end(self, handle: impl Fn(&mut S, &C) + Send + Sync + 'static) -> Self {
        self.with_action(|action| {
            action.on_reply = Some(Box::new(move |saga, state, payloads| {
                let state = payloads.decode(state).map_err(|source| SagaError::State { saga: C::NAME, source })?;
                handle(saga, &state);
                Ok(())
            }));
        })
    }
}

fn sends<S, C: Command>(kind: EffectKind, command: impl Fn(&S) -> C + Send + Sync + 'static) -> PlanFn<S> {
    Box::new(move |saga, step, at, effects| {
        let step = (kind == EffectKind::Command).then_some(step);
        effects.command(kind, &command(saga), step, at);
    })
}

impl<S> Steps<S> {
    /// The names of the steps, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|step| step.name)
    }
}

impl<S, L> From<StepsBuilder<S, L>> for Steps<S> {
    fn from(builder: StepsBuilder<S, L>) -> Self {
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

impl<S, L> fmt::Debug for StepsBuilder<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|step| step.name)).finish()
    }
}
