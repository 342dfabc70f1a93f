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

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::{Effects, Saga, SagaError, StepState, Steps};
    use crate::message::{Command, Never, Payloads, Timestamp};
    use crate::saga::steps;

    #[derive(Serialize, Deserialize, Default, Clone)]
    struct Trip {
        by_car: bool,
    }

    impl Saga for Trip {
        const NAME: &'static str = "trip";
    }

    #[derive(Serialize, Deserialize)]
    struct Act<const N: usize>;

    impl<const N: usize> Command for Act<N> {
        type Reply = ();
        type Error = Never;
        const NAME: &'static str = ["book hotel", "cancel hotel", "rent car", "return car", "charge"][N];
    }

    fn trip() -> Steps<Trip> {
        steps()
            .step("prepare")
            .step("hotel")
            .invoke(|_| Act::<0>)
            .compensate(|_| Act::<1>)
            .step("insure")
            .step("car")
            .when(|trip: &Trip| trip.by_car)
            .invoke(|_| Act::<2>)
            .compensate(|_| Act::<3>)
            .step("charge")
            .invoke(|_| Act::<4>)
            .into()
    }

    /// Takes the answers one after the other; gives the commands that were sent, and whether the saga has ended.
    fn travel(saga: &Trip, accepted: &[bool]) -> (Vec<&'static str>, bool) {
        let steps = trip();
        let mut effects = Effects::new(Timestamp::EPOCH, Payloads::json());
        let mut state = steps.begin(saga, &mut effects);
        for accepted in accepted {
            let stored = serde_json::to_string(&state.expect("a command is under way")).unwrap();
            let read: StepState = serde_json::from_str(&stored).unwrap();
            let next = match accepted {
                true => steps.accepted(read, saga, &mut effects),
                false => steps.rejected(read, "command", "error", saga, &mut effects),
            };
            state = next.unwrap();
        }
        assert_eq!(state.is_none(), effects.ended);
        (effects.commands.iter().map(|command| command.name).collect(), effects.ended)
    }

    #[test]
    fn each_step_waits_for_the_one_before() {
        let by_car = Trip { by_car: true };
        assert_eq!(travel(&by_car, &[]), (vec!["book hotel"], false));
        assert_eq!(travel(&by_car, &[true]), (vec!["book hotel", "rent car"], false));
        assert_eq!(travel(&by_car, &[true; 3]), (vec!["book hotel", "rent car", "charge"], true));
    }

    #[test]
    fn a_step_whose_condition_does_not_hold_is_left_out() {
        let by_train = Trip { by_car: false };
        assert_eq!(travel(&by_train, &[true; 2]), (vec!["book hotel", "charge"], true));
        assert_eq!(
            travel(&by_train, &[true, false, true]),
            (vec!["book hotel", "charge", "cancel hotel"], true),
            "and is not undone"
        );
    }

    #[test]
    fn what_was_done_is_undone_newest_first() {
        let by_car = Trip { by_car: true };
        let all = vec!["book hotel", "rent car", "charge", "return car", "cancel hotel"];
        assert_eq!(travel(&by_car, &[true, true, false, true, true]), (all, true));
        // What was refused was not done.
        assert_eq!(travel(&by_car, &[true, false, true]), (vec!["book hotel", "rent car", "cancel hotel"], true));
        assert_eq!(travel(&by_car, &[false]), (vec!["book hotel"], true), "nothing to undo");
    }

    #[test]
    fn a_compensation_that_is_rejected_needs_attention() {
        let (steps, saga) = (trip(), Trip { by_car: false });
        let mut effects = Effects::new(Timestamp::EPOCH, Payloads::json());
        let state = StepState { current: "hotel".into(), compensating: true, taken: Vec::new() };
        let error = steps.rejected(state, "cancel hotel", "too late", &saga, &mut effects).unwrap_err();
        let expected = "the compensation `cancel hotel` of step `hotel` of saga `trip` was rejected: too late";
        assert_eq!(error.to_string(), expected);
        assert!(effects.commands.is_empty() && !effects.ended);
    }

    #[test]
    fn an_instance_in_a_step_that_is_gone_needs_attention() {
        let (steps, saga) = (trip(), Trip::default());
        let mut effects = Effects::new(Timestamp::EPOCH, Payloads::json());
        let state = |current: &str, taken: &[&str]| StepState {
            current: current.to_owned(),
            compensating: false,
            taken: taken.iter().map(ToString::to_string).collect(),
        };
        let results = [
            steps.accepted(state("flight", &[]), &saga, &mut effects),
            steps.rejected(state("flight", &[]), "c", "e", &saga, &mut effects),
            steps.rejected(state("charge", &["flight"]), "c", "e", &saga, &mut effects),
        ];
        for result in results {
            assert!(matches!(result, Err(SagaError::UnknownStep { ref step, .. }) if step == "flight"), "{result:?}");
        }
    }
}
