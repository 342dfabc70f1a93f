//! One instance of a saga while it handles inputs: from its row, through its handlers, to what is written.

use std::panic::AssertUnwindSafe;

use serde::{Deserialize, Serialize};

use crate::handler::{Context, panic_message};
use crate::message::{CommandId, Metadata, Payloads, Recorded, SagaId, Timestamp};
use crate::store::{Association, Effect, SagaRow, SagaWrite, Timer};

use super::effects::{Effects, PlannedTimer};
use super::error::SagaError;
use super::handlers::{SagaHandlers, SagaInput, SagaRole};
use super::steps_engine::StepState;

/// An instance and what has changed about it.
#[derive(Debug, Clone)]
pub(crate) struct Instance<S> {
    row: SagaRow,
    state: S,
    progress: Progress,
    effects: Vec<Effect>,
    timers: Vec<Timer>,
    cancelled: Vec<String>,
    changed: bool,
}

/// What the framework remembers about an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Progress {
    /// The correlation id of the event that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    /// Where it stands in its declared list of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<StepState>,
}

impl<S: SagaHandlers> Instance<S> {
    /// A new instance, begun by a message with `metadata`.
    pub(crate) fn begin(id: SagaId, association: Association, metadata: &Metadata) -> Self {
        let row = SagaRow {
            id,
            revision: 0,
            state: Vec::new(),
            progress: None,
            ended: false,
            effects: 0,
            associations: vec![association],
        };
        let progress = Progress { correlation: metadata.correlation_id().map(str::to_owned), step: None };
        Self::with(row, S::default(), progress)
    }

    /// An instance as stored.
    pub(crate) fn load(row: SagaRow, payloads: &Payloads) -> Result<Self, SagaError> {
        let state = payloads.decode(&row.state).map_err(|source| SagaError::State { saga: S::NAME, source })?;
        let progress = match &row.progress {
            None => Progress::default(),
            Some(json) => serde_json::from_str(json)
                .map_err(|error| SagaError::State { saga: S::NAME, source: crate::message::CodecError::new(error) })?,
        };
        Ok(Self::with(row, state, progress))
    }

    fn with(row: SagaRow, state: S, progress: Progress) -> Self {
        Self { row, state, progress, effects: Vec::new(), timers: Vec::new(), cancelled: Vec::new(), changed: false }
    }

    pub(crate) fn id(&self) -> SagaId {
        self.row.id
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.row.ended
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    pub(crate) fn associations(&self) -> &[Association] {
        &self.row.associations
    }

    /// What a message carries that no other message caused: the conversation that began the instance.
    pub(crate) fn metadata(&self) -> Metadata {
        let correlation = self.progress.correlation.iter();
        correlation.map(|id| (Metadata::CORRELATION_ID, id.as_str())).collect()
    }

    /// Handles an event.
    pub(crate) fn on_event(
        &mut self,
        role: SagaRole,
        handle: &dyn Fn(&mut S, &Context<'_>, &mut Effects) -> Result<(), crate::handler::ContextError>,
        context: &Context<'_>,
        payloads: &Payloads,
        caused: &Metadata,
    ) -> Result<(), SagaError> {
        let begins = self.row.revision == 0 && !self.changed;
        self.run(context.now(), payloads, caused, |state, progress, effects| {
            handle(state, context, effects)?;
            if begins
                && role == SagaRole::Start
                && let Some(steps) = S::steps()
            {
                progress.step = steps.begin(state, effects);
            }
            if role == SagaRole::End {
                effects.end();
            }
            Ok(())
        })
    }

    /// A command of a declared step was accepted.
    pub(crate) fn on_accepted(
        &mut self,
        now: Timestamp,
        payloads: &Payloads,
        caused: &Metadata,
    ) -> Result<(), SagaError> {
        self.run(now, payloads, caused, |state, progress, effects| {
            if let (Some(steps), Some(step)) = (S::steps(), progress.step.take()) {
                progress.step = steps.accepted(step, state, effects)?;
            }
            Ok(())
        })
    }

    /// A command that the instance sent was rejected.
    pub(crate) fn on_rejected(
        &mut self,
        effect: &Effect,
        error: &[u8],
        context: &Context<'_>,
        payloads: &Payloads,
        caused: &Metadata,
    ) -> Result<(), SagaError> {
        let handler = S::rejections().into_iter().find(|handler| handler.command == effect.name);
        let in_steps = effect.step.is_some();
        let described = || payloads.to_text(error);
        if handler.is_none() && !in_steps {
            return Err(SagaError::UnhandledRejection {
                saga: S::NAME,
                command: effect.name.clone(),
                error: described(),
            });
        }
        self.run(context.now(), payloads, caused, |state, progress, effects| {
            if let Some(handler) = handler {
                (handler.handle)(state, &effect.payload, error, payloads, context, effects)?;
            }
            if let (true, Some(steps), Some(step)) = (in_steps, S::steps(), progress.step.clone()) {
                progress.step = steps.rejected(step, &effect.name, &described(), state, effects)?;
            }
            Ok(())
        })
    }

    /// A deadline has passed.
    pub(crate) fn on_deadline(
        &mut self,
        name: &str,
        context: &Context<'_>,
        payloads: &Payloads,
        caused: &Metadata,
    ) -> Result<(), SagaError> {
        let handler = S::deadlines().into_iter().find(|handler| handler.name == name);
        let handler = handler.ok_or_else(|| SagaError::UnknownDeadline { saga: S::NAME, name: name.to_owned() })?;
        self.run(context.now(), payloads, caused, |state, _, effects| Ok((handler.handle)(state, context, effects)?))
    }

    /// Runs handler code on a copy of the state; what it leaves is taken over if it succeeds. A panic is an error.
    fn run(
        &mut self,
        now: Timestamp,
        payloads: &Payloads,
        caused: &Metadata,
        handle: impl FnOnce(&mut S, &mut Progress, &mut Effects) -> Result<(), SagaError>,
    ) -> Result<(), SagaError> {
        let (mut state, mut progress) = (self.state.clone(), self.progress.clone());
        let mut effects = Effects::new(now, payloads.clone());
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| handle(&mut state, &mut progress, &mut effects)));
        ran.map_err(|panic| SagaError::Panicked { saga: S::NAME, message: panic_message(&*panic) })??;
        if let Some((command, source)) = effects.fault.take() {
            return Err(SagaError::command(command, source));
        }
        check_deadlines::<S>(&effects)?;
        (self.state, self.progress) = (state, progress);
        self.take(effects, caused);
        Ok(())
    }

    fn take(&mut self, effects: Effects, caused: &Metadata) {
        let now = effects.now();
        for planned in effects.commands {
            self.row.effects += 1;
            self.effects.push(Effect {
                command: CommandId::derived(self.row.id.uuid(), &self.row.effects.to_string()),
                tenant: String::new(),
                saga: S::NAME.to_owned(),
                saga_id: self.row.id,
                number: self.row.effects,
                name: planned.name.to_owned(),
                payload: planned.payload,
                metadata: Effect::metadata_at(planned.revision, caused),
                step: planned.step.map(str::to_owned),
                attempts: 0,
                not_before: now,
                parked: None,
            });
        }
        for timer in effects.timers {
            match timer {
                PlannedTimer::Cancel(name) => {
                    self.timers.retain(|timer| timer.name != name);
                    self.cancelled.push(name);
                }
                PlannedTimer::Set(name, due) => {
                    self.timers.retain(|timer| timer.name != name);
                    let (tenant, saga) = (String::new(), S::NAME.to_owned());
                    self.timers.push(Timer { tenant, saga, saga_id: self.row.id, name, due });
                }
            }
        }
        self.row.associations.retain(|association| !effects.dissociated.contains(association));
        for association in effects.associated {
            if !self.row.associations.contains(&association) {
                self.row.associations.push(association);
            }
        }
        self.row.ended |= effects.ended;
        self.changed = true;
    }

    /// What is to be written for `tenant`.
    pub(crate) fn into_write(
        mut self,
        tenant: &str,
        at: Timestamp,
        payloads: &Payloads,
    ) -> Result<SagaWrite, SagaError> {
        self.effects.iter_mut().for_each(|effect| tenant.clone_into(&mut effect.tenant));
        self.timers.iter_mut().for_each(|timer| tenant.clone_into(&mut timer.tenant));
        self.row.state = payloads.encode(&self.state).map_err(|source| SagaError::State { saga: S::NAME, source })?;
        self.row.progress = match self.progress == Progress::default() {
            true => None,
            false => serde_json::to_string(&self.progress).ok(),
        };
        if self.row.ended {
            self.row.associations.clear();
            self.timers.clear();
        }
        Ok(SagaWrite {
            tenant: tenant.to_owned(),
            saga: S::NAME.to_owned(),
            row: self.row,
            effects: self.effects,
            timers: self.timers,
            cancelled: self.cancelled,
            at,
        })
    }
}

/// A deadline that nobody handles would be lost when it is due.
fn check_deadlines<S: SagaHandlers>(effects: &Effects) -> Result<(), SagaError> {
    for timer in &effects.timers {
        if let PlannedTimer::Set(name, _) = timer
            && !S::deadlines().iter().any(|handler| handler.name == name)
        {
            return Err(SagaError::UnknownDeadline { saga: S::NAME, name: name.clone() });
        }
    }
    Ok(())
}

/// Brings a part of an event to the instances that it concerns; begins one where it starts one and there is none.
pub(crate) fn deliver<S: SagaHandlers>(
    instances: &mut Vec<Instance<S>>,
    input: &SagaInput<S>,
    part: u32,
    context: &Context<'_>,
    payloads: &Payloads,
    recorded: &Recorded,
) -> Result<(), SagaError> {
    let caused = recorded.metadata().caused_by_event(recorded.id);
    let mut concerned: Vec<&mut Instance<S>> = instances
        .iter_mut()
        .filter(|instance| !instance.has_ended() && instance.associations().contains(&input.association))
        .collect();
    if concerned.is_empty() && input.role == SagaRole::Start {
        let id = match part {
            0 => SagaId::derived(recorded.id.uuid(), S::NAME),
            part => SagaId::derived(recorded.id.uuid(), &format!("{part} {}", S::NAME)),
        };
        let mut instance = Instance::begin(id, input.association.clone(), &caused);
        instance.on_event(input.role, &*input.handle, context, payloads, &caused)?;
        instances.push(instance);
        return Ok(());
    }
    for instance in &mut concerned {
        instance.on_event(input.role, &*input.handle, context, payloads, &caused)?;
    }
    Ok(())
}
