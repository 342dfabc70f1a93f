//! Moves an instance through its declared steps.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::message::{CodecError, Payloads};
use crate::store::{Effect, SagaStatus};

use super::Saga;
use super::course::{Course, Input};
use super::effects::Effects;
use super::error::SagaError;
use super::steps::{Action, Does, Otherwise, Step, Steps};

/// Deadlines of steps have this before the step's name.
const DEADLINE: &str = "step ";

/// Where an instance stands in its list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct StepState {
    /// The steps that were taken up together last; one of them, unless they run side by side.
    current: Vec<String>,
    /// Those of them that were not answered, and how often each was tried again.
    open: BTreeMap<String, u32>,
    /// One of them was rejected: when all are answered, everything that was taken is undone.
    #[serde(default)]
    refused: bool,
    /// Whether the instance is on its way back.
    #[serde(default)]
    compensating: bool,
    /// Steps that were taken and not undone, in order.
    taken: Vec<String>,
}

impl<S: Saga> Course<S> for Steps<S> {
    fn take(
        &self,
        saga: &mut S,
        progress: &mut Option<String>,
        input: &Input<'_>,
        effects: &mut Effects,
    ) -> Result<(), SagaError> {
        let state = match progress.as_deref() {
            Some(json) => serde_json::from_str(json)
                .map_err(|error| SagaError::State { saga: S::NAME, source: CodecError::new(error) })?,
            None if matches!(input, Input::Begun) => StepState::default(),
            // It has not begun, or has ended.
            None => return Ok(()),
        };
        let mut walk = Walk { steps: self, saga, state, effects };
        walk.take(input)?;
        // Names are always JSON.
        *progress = walk.effects.ended.is_none().then(|| serde_json::to_string(&walk.state).unwrap_or_default());
        Ok(())
    }

    fn has_deadline(&self, name: &str) -> bool {
        // That of a step which is gone says so when it fires.
        name.starts_with(DEADLINE)
    }

    fn awaits(&self, effect: &Effect) -> bool {
        effect.step.is_some()
    }

    fn compensates(&self) -> bool {
        true
    }

    fn faults(&self) -> Vec<String> {
        let (mut faults, mut names) = (Vec::new(), BTreeSet::new());
        for step in &self.0 {
            if step.name.is_empty() {
                faults.push("a step has no name, or a command stands before the first `step(..)`".to_owned());
            } else if !names.insert(step.name) {
                faults.push(format!("the step `{}` is declared twice", step.name));
            }
            let sends = step.action.as_ref().is_some_and(|action| matches!(action.does, Does::Send(_)));
            if step.action.is_none() && step.compensation.is_none() && !step.name.is_empty() {
                faults.push(format!(
                    "the step `{}` does nothing: write what it invokes, notifies or does behind it",
                    step.name
                ));
            }
            if step.within.is_some_and(|within| within.is_zero()) {
                faults.push(format!(
                    "the step `{}` has no time to be answered: `within` needs more than zero",
                    step.name
                ));
            }
            if !sends && (step.within.is_some() || step.retry.is_some()) {
                faults
                    .push(format!("the step `{}` waits for no answer: it needs no `within` and no `retry`", step.name));
            }
        }
        if names.is_empty() {
            faults.push("the list is empty".to_owned());
        }
        faults
    }
}

/// An instance on its way.
struct Walk<'a, S> {
    steps: &'a Steps<S>,
    saga: &'a mut S,
    state: StepState,
    effects: &'a mut Effects,
}

impl<'a, S: Saga> Walk<'a, S> {
    fn take(&mut self, input: &Input<'_>) -> Result<(), SagaError> {
        match input {
            Input::Begun => self.forward(0),
            Input::Event => Ok(()),
            Input::Accepted(effect, reply) => self.accepted(effect.step.as_deref(), reply),
            Input::Rejected(effect, error) => self.rejected(effect.step.as_deref(), &effect.name, error),
            Input::Ended(end, _, step) if end.status == SagaStatus::Completed => self.accepted(*step, end.state),
            Input::Ended(_, saga, step) => self.child_failed(*step, saga),
            Input::Deadline(name) => self.overdue(name),
            Input::Skipped(effect) => self.left_out(effect.step.as_deref()),
            Input::Compensate => self.turn_round(),
        }
    }

    /// A step was answered well.
    fn accepted(&mut self, step: Option<&str>, reply: &[u8]) -> Result<(), SagaError> {
        let Some(name) = step.filter(|name| self.state.open.contains_key(*name)) else { return Ok(()) };
        let step = self.step(name)?;
        if let Some(on_reply) = self.action(step).and_then(|action| action.on_reply.as_ref()) {
            on_reply(self.saga, reply, &self.payloads())?;
        }
        self.close(name);
        if !self.state.compensating {
            self.state.taken.push(name.to_owned());
        }
        self.go_on()
    }

    /// The command of a step was rejected.
    fn rejected(&mut self, step: Option<&str>, command: &str, error: &[u8]) -> Result<(), SagaError> {
        let Some(name) = step.filter(|name| self.state.open.contains_key(*name)) else { return Ok(()) };
        let step = self.step(name)?;
        let attempts = self.state.open.get(name).copied().unwrap_or_default();
        if let Some((_, pause)) = step.retry.filter(|(times, _)| attempts < *times && !self.state.compensating) {
            return self.again(step, pause);
        }
        let decided = match self.action(step).and_then(|action| action.on_rejection.as_ref()) {
            Some(on_rejection) => on_rejection(self.saga, error, &self.payloads())?,
            None => Otherwise::Compensate,
        };
        match decided {
            Otherwise::RetryAfter(pause) => self.again(step, pause),
            Otherwise::Continue => {
                self.close(name);
                self.go_on()
            }
            Otherwise::Compensate if self.state.compensating => {
                let (step, command, error) = (name.to_owned(), command.to_owned(), self.payloads().to_text(error));
                Err(SagaError::CompensationRejected { saga: S::NAME, step, command, error })
            }
            Otherwise::Compensate => {
                self.close(name);
                self.state.refused = true;
                self.go_on()
            }
        }
    }

    /// The saga that a step had begun has not come to its end.
    fn child_failed(&mut self, step: Option<&str>, _: &str) -> Result<(), SagaError> {
        let Some(name) = step.filter(|name| self.state.open.contains_key(*name)) else { return Ok(()) };
        self.step(name)?;
        self.close(name);
        self.state.refused = true;
        self.go_on()
    }

    /// There was no answer in time. What has become of the command is not known: the step is undone as well.
    fn overdue(&mut self, deadline: &str) -> Result<(), SagaError> {
        let Some(name) = deadline.strip_prefix(DEADLINE).filter(|name| self.state.open.contains_key(*name)) else {
            return Ok(());
        };
        if self.state.compensating {
            return Ok(());
        }
        self.step(name)?;
        self.give_up(name);
        self.go_on()
    }

    /// The command of a step was left out by hand.
    fn left_out(&mut self, step: Option<&str>) -> Result<(), SagaError> {
        let Some(name) = step.filter(|name| self.state.open.contains_key(*name)) else { return Ok(()) };
        self.close(name);
        let gone = self.state.current.iter().all(|name| self.step(name).is_err());
        if gone && self.state.open.is_empty() && !self.state.compensating && !self.state.refused {
            // Behind the last step that was taken and that the list still has.
            let known = self.steps.0.iter().rposition(|step| self.state.taken.iter().any(|name| name == step.name));
            return self.forward(known.map_or(0, |last| last + 1));
        }
        self.go_on()
    }

    /// Somebody wants undone what was done. What the list no longer has cannot be undone, and is passed over.
    fn turn_round(&mut self) -> Result<(), SagaError> {
        if self.state.compensating {
            return Err(SagaError::NothingToUndo { saga: S::NAME });
        }
        for name in self.state.open.keys().cloned().collect::<Vec<_>>() {
            self.give_up(&name);
        }
        let steps = self.steps;
        self.state.taken.retain(|name| {
            let known = steps.0.iter().any(|step| step.name == name);
            if !known {
                tracing::warn!(saga = S::NAME, step = name, "a step that the list no longer has is not undone");
            }
            known
        });
        self.state.refused = true;
        self.go_on()
    }

    fn give_up(&mut self, name: &str) {
        self.effects.withdraw(name);
        self.close(name);
        self.state.taken.push(name.to_owned());
        self.state.refused = true;
    }

    fn close(&mut self, name: &str) {
        self.state.open.remove(name);
        if self.steps.0.iter().any(|step| step.name == name && step.within.is_some()) {
            self.effects.cancel_deadline(format!("{DEADLINE}{name}"));
        }
    }

    /// Sends the command of a step again, as a new one.
    fn again(&mut self, step: &Step<S>, pause: std::time::Duration) -> Result<(), SagaError> {
        *self.state.open.entry(step.name.to_owned()).or_default() += 1;
        let at = self.effects.now().plus(pause);
        if let Some(Action { does: Does::Send(plan), .. }) = self.action(step) {
            plan(self.saga, step.name, at, self.effects);
        }
        Ok(())
    }

    /// Goes on when all steps of a group were answered.
    fn go_on(&mut self) -> Result<(), SagaError> {
        if !self.state.open.is_empty() {
            return Ok(());
        }
        if self.state.compensating || self.state.refused {
            return self.backward();
        }
        // Behind the last of the steps that were taken up together and that the list still has.
        let known = self.steps.0.iter().rposition(|step| self.state.current.iter().any(|name| name == step.name));
        let Some(last) = known else {
            let step = self.state.current.first().cloned().unwrap_or_default();
            return Err(SagaError::UnknownStep { saga: S::NAME, step });
        };
        let group = self.steps.0[last].group;
        let behind = self.steps.0[last..].iter().take_while(|step| group != 0 && step.group == group).count();
        self.forward(last + behind.max(1))
    }

    /// Runs from the step at `index` to the next one that waits for an answer. After the last the saga has ended.
    fn forward(&mut self, mut index: usize) -> Result<(), SagaError> {
        let steps = self.steps;
        while let Some(first) = steps.0.get(index) {
            let length =
                steps.0[index..].iter().take_while(|step| first.group != 0 && step.group == first.group).count();
            let stage = &steps.0[index..index + length.max(1)];
            index += stage.len();
            self.take_up(stage);
            if self.state.refused && self.state.open.is_empty() {
                return self.backward();
            }
            if !self.state.open.is_empty() {
                self.effects.stage(self.state.current.join(" + "));
                return Ok(());
            }
        }
        self.effects.end();
        Ok(())
    }

    /// Takes up the steps of a stage whose conditions hold.
    fn take_up(&mut self, stage: &[Step<S>]) {
        let now = self.effects.now();
        self.state.current = stage.iter().map(|step| step.name.to_owned()).collect();
        let applies = |step: &&Step<S>, saga: &S| step.when.as_ref().is_none_or(|when| when(saga));
        let applying: Vec<&Step<S>> = stage.iter().filter(|step| applies(step, self.saga)).collect();
        let mut sends = Vec::new();
        for step in applying {
            match step.action.as_ref().map(|action| &action.does) {
                Some(Does::Send(plan)) => {
                    self.state.open.insert(step.name.to_owned(), 0);
                    if let Some(within) = step.within {
                        self.effects.deadline(format!("{DEADLINE}{}", step.name), within);
                    }
                    sends.push((plan, step.name));
                }
                Some(Does::Notify(plan)) => {
                    plan(self.saga, step.name, now, self.effects);
                    self.state.taken.push(step.name.to_owned());
                }
                Some(Does::Locally(change)) => match change(self.saga) {
                    Ok(()) => self.state.taken.push(step.name.to_owned()),
                    Err(error) => {
                        self.effects.refused.push((step.name.to_owned(), error));
                        self.state.refused = true;
                        break;
                    }
                },
                None => self.state.taken.push(step.name.to_owned()),
            }
        }
        let saga = &*self.saga;
        match &sends[..] {
            [(plan, name)] => plan(saga, name, now, self.effects),
            several => self.effects.together(|effects| {
                several.iter().for_each(|(plan, name)| plan(saga, name, now, effects));
            }),
        }
    }

    /// Undoes the steps taken, newest first, up to the next one that waits for an answer. After the first the saga has ended.
    fn backward(&mut self) -> Result<(), SagaError> {
        self.state.compensating = true;
        let now = self.effects.now();
        while let Some(name) = self.state.taken.last().cloned() {
            let step = self.step(&name).map_err(|_| SagaError::CannotUndo { saga: S::NAME, step: name.clone() })?;
            self.state.taken.pop();
            match step.compensation.as_ref().map(|action| &action.does) {
                Some(Does::Send(plan)) => {
                    plan(self.saga, step.name, now, self.effects);
                    self.effects.stage(step.name);
                    self.state.open.insert(name.clone(), 0);
                    self.state.current = vec![name];
                    return Ok(());
                }
                Some(Does::Notify(plan)) => plan(self.saga, step.name, now, self.effects),
                Some(Does::Locally(change)) => {
                    // What undoes a step locally cannot fail.
                    let _ = change(self.saga);
                }
                None => {}
            }
        }
        self.effects.end_compensated();
        Ok(())
    }

    fn action<'s>(&self, step: &'s Step<S>) -> Option<&'s Action<S>> {
        if self.state.compensating { step.compensation.as_ref() } else { step.action.as_ref() }
    }

    fn step(&self, name: &str) -> Result<&'a Step<S>, SagaError> {
        let steps: &'a Steps<S> = self.steps;
        let found = steps.0.iter().find(|step| step.name == name);
        found.ok_or_else(|| SagaError::UnknownStep { saga: S::NAME, step: name.to_owned() })
    }

    fn payloads(&self) -> Payloads {
        self.effects.payloads().clone()
    }
}
