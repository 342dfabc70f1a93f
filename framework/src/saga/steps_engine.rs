//! Moves an instance through its declared steps.

use serde::{Deserialize, Serialize};

use super::Saga;
use super::effects::Effects;
use super::error::SagaError;
use super::steps::{Step, Steps};

/// Where an instance stands in its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepState {
    /// The step whose command is under way.
    current: String,
    /// Whether that command undoes the step.
    compensating: bool,
    /// Steps that were taken and not undone, in order.
    taken: Vec<String>,
}

impl<S: Saga> Steps<S> {
    /// Takes the first step.
    pub(crate) fn begin(&self, saga: &S, effects: &mut Effects) -> Option<StepState> {
        self.forward(0, Vec::new(), saga, effects)
    }

    /// The command of the current step was accepted.
    pub(crate) fn accepted(
        &self,
        mut state: StepState,
        saga: &S,
        effects: &mut Effects,
    ) -> Result<Option<StepState>, SagaError> {
        let index = self.index::<S>(&state.current)?;
        if state.compensating {
            return self.backward(state.taken, saga, effects);
        }
        state.taken.push(state.current);
        Ok(self.forward(index + 1, state.taken, saga, effects))
    }

    /// The command of the current step was rejected; `command` and `error` say which and why.
    pub(crate) fn rejected(
        &self,
        state: StepState,
        command: &str,
        error: &str,
        saga: &S,
        effects: &mut Effects,
    ) -> Result<Option<StepState>, SagaError> {
        self.index::<S>(&state.current)?;
        if state.compensating {
            return Err(SagaError::CompensationRejected {
                saga: S::NAME,
                step: state.current,
                command: command.to_owned(),
                error: error.to_owned(),
            });
        }
        self.backward(state.taken, saga, effects)
    }

    /// Runs from the step at `index` to the next one that sends a command. After the last the saga has ended.
    fn forward(&self, index: usize, mut taken: Vec<String>, saga: &S, effects: &mut Effects) -> Option<StepState> {
        for step in self.0.iter().skip(index) {
            if !step.applies(saga) {
                continue;
            }
            if let Some(invoke) = &step.invoke {
                invoke(saga, step.name, effects);
                return Some(StepState { current: step.name.to_owned(), compensating: false, taken });
            }
            taken.push(step.name.to_owned());
        }
        effects.end();
        None
    }

    /// Undoes the steps taken, newest first, up to the next one that sends a command. After the first the saga has ended.
    fn backward(
        &self,
        mut taken: Vec<String>,
        saga: &S,
        effects: &mut Effects,
    ) -> Result<Option<StepState>, SagaError> {
        while let Some(name) = taken.pop() {
            let step = &self.0[self.index::<S>(&name)?];
            if let Some(compensate) = &step.compensate {
                compensate(saga, step.name, effects);
                return Ok(Some(StepState { current: name, compensating: true, taken }));
            }
        }
        effects.end();
        Ok(None)
    }

    fn index<T: Saga>(&self, name: &str) -> Result<usize, SagaError> {
        let found = self.0.iter().position(|step| step.name == name);
        found.ok_or_else(|| SagaError::UnknownStep { saga: T::NAME, step: name.to_owned() })
    }
}

impl<S> Step<S> {
    fn applies(&self, saga: &S) -> bool {
        self.when.as_ref().is_none_or(|when| when(saga))
    }
}
