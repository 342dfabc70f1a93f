//! A workflow as a saga: what comes for an instance is recorded, and the function says what happens next.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use crate::handler::{Context, ContextError, HandlerError, Resources};
use crate::message::{CommandId, Decode, Metadata, Payloads, UpcastError, Upcasters};
use crate::saga::{
    BeginFn, ChildEnd, Course, Effects, Input, Saga, SagaError, SagaHandlers, SagaInput, SagaRetention, SagaRole,
};
use crate::store::{Effect, EffectKind};

use super::call::{Call, IdempotencyKey};
use super::flowing::{Finished, Flowing};
use super::record::{Answer, Came, Entry};
use super::replay::{Formats, Move, call_of};
use super::{Workflow, WorkflowError, WorkflowHandlers, WorkflowInput};

impl<W: Workflow> Saga for Flowing<W> {
    const NAME: &'static str = W::NAME;
    const RETENTION: Option<SagaRetention> = W::RETENTION;
}

impl<W: WorkflowHandlers> SagaHandlers for Flowing<W> {
    const EVENTS: &'static [&'static str] = W::EVENTS;

    fn route(event: Decode<'_>, _: &Metadata) -> Result<Option<SagaInput<Self>>, UpcastError> {
        let Some(input) = W::route(event)? else { return Ok(None) };
        let role = if input.begin.is_some() { SagaRole::Start } else { SagaRole::Handle };
        let associations = vec![input.association.clone()];
        Ok(Some(SagaInput::found_by(role, associations, move |flowing: &mut Self, context, effects| {
            flowing.on_event(&input, context, effects)
        })))
    }

    fn begin() -> Option<BeginFn<Self>> {
        Some(Self::on_begun)
    }

    fn course() -> Option<Box<dyn Course<Self>>> {
        Some(Box::new(Function::default()))
    }
}

impl<W: WorkflowHandlers> Flowing<W> {
    /// Begins the instance, or notes what has arrived.
    fn on_event(
        &mut self,
        input: &WorkflowInput<W>,
        context: &Context<'_>,
        effects: &mut Effects,
    ) -> Result<(), ContextError> {
        if self.begun.is_some() {
            self.arrived = input.arrived.clone().map(|arrived| Entry::Event(arrived.at(context.now())));
        } else if let (Some(begin), Some(recorded)) = (&input.begin, context.recorded()) {
            let scope = CommandId::derived(recorded.id.uuid(), &input.association.text()).uuid();
            self.begin(begin(), context.now(), scope);
            self.associate(effects);
        }
        Ok(())
    }

    /// The instance is begun by hand, or by another workflow.
    fn on_begun(&mut self, context: &Context<'_>, effects: &mut Effects) -> Result<(), ContextError> {
        if let Some(begun) = &mut self.begun {
            begun.at = context.now();
        }
        self.associate(effects);
        Ok(())
    }

    /// Has the events find the instance that its function can wait for.
    fn associate(&self, effects: &mut Effects) {
        let input = self.begun.iter().map(|begun| &begun.input);
        for association in input.flat_map(W::associations) {
            effects.associate(association.key, association.value);
        }
    }
}

/// The function of a workflow, as what decides on the next move of its instances.
#[derive(Default)]
struct Function {
    upcasters: Upcasters,
}

impl<W: WorkflowHandlers> Course<Flowing<W>> for Function {
    fn take(
        &self,
        flowing: &mut Flowing<W>,
        _: &mut Option<String>,
        input: &Input<'_>,
        effects: &mut Effects,
    ) -> Result<(), SagaError> {
        let formats = self.formats(effects.payloads());
        let next = match input {
            Input::Begun => flowing.go_on(&formats)?,
            Input::Event => match flowing.arrived.take() {
                Some(arrived) => flowing.take(arrived, &formats)?,
                None => return Ok(()),
            },
            Input::Compensate => flowing.take(Entry::Undo(effects.now()), &formats)?,
            Input::Skipped(effect) if effect.step.is_some() => {
                return Err(WorkflowError::Skipped { workflow: W::NAME, name: effect.name.clone() }.into());
            }
            other => match came::<W>(other, &formats.payloads)? {
                Some((ask, answer)) => flowing.take(Entry::Came(Came { ask, at: effects.now(), answer }), &formats)?,
                None => return Ok(()),
            },
        };
        effects.stage(next.stage);
        effects.alongside(|effects| next.moves.into_iter().for_each(|planned| plan(planned, effects)));
        Ok(())
    }

    fn has_deadline(&self, name: &str) -> bool {
        number_of_timer(name).is_some()
    }

    fn awaits(&self, effect: &Effect) -> bool {
        effect.step.is_some()
    }

    fn compensates(&self) -> bool {
        true
    }

    fn lifts_with(&mut self, upcasters: &Upcasters) {
        self.upcasters = upcasters.clone();
    }

    fn call(
        &self,
        flowing: &Flowing<W>,
        effect: &Effect,
        payloads: &Payloads,
        resources: &Arc<Resources>,
    ) -> Option<BoxFuture<'static, Result<Vec<u8>, HandlerError>>> {
        let number = number_of(effect.step.as_deref())?;
        let begun = flowing.begun.as_ref()?;
        let code = match call_of(begun, flowing.record.clone(), &self.formats(payloads), number) {
            Ok(code) => code?,
            Err(error) => return Some(Box::pin(async { Err(HandlerError::permanent(error)) })),
        };
        let call = Call::new(IdempotencyKey::new(effect.command), effect.attempts + 1, Arc::clone(resources));
        Some(code(call))
    }
}

impl Function {
    fn formats(&self, payloads: &Payloads) -> Formats {
        Formats { payloads: payloads.clone(), upcasters: self.upcasters.clone() }
    }
}

/// What came of something that was asked for.
fn came<W: Workflow>(input: &Input<'_>, payloads: &Payloads) -> Result<Option<(u64, Answer)>, WorkflowError> {
    let (number, answer) = match input {
        Input::Accepted(effect, reply) => {
            (number_of(effect.step.as_deref()), Answer::Accepted(payloads.to_text(reply)))
        }
        Input::Rejected(effect, error) => {
            (number_of(effect.step.as_deref()), Answer::Rejected(payloads.to_text(error)))
        }
        Input::Deadline(name) => (number_of_timer(name), Answer::Elapsed),
        Input::Ended(end, name, step) => (number_of(*step), ended::<W>(end, name, payloads)?),
        _ => return Ok(None),
    };
    Ok(number.map(|number| (number, answer)))
}

/// How a child has ended.
fn ended<W: Workflow>(end: &ChildEnd<&[u8]>, name: &str, payloads: &Payloads) -> Result<Answer, WorkflowError> {
    /// What is read of the state of a workflow whose type is not known here.
    #[derive(Deserialize)]
    struct Child {
        finished: Option<Finished>,
    }

    let child: Child = payloads.decode(end.state).map_err(|source| {
        let what = format!("the state of the workflow `{name}`");
        WorkflowError::Codec { workflow: W::NAME, what, source }
    })?;
    Ok(match child.finished {
        Some(Finished::Completed(output)) => Answer::Accepted(output),
        Some(Finished::Failed(error)) => Answer::Rejected(error),
        Some(Finished::Undone) | None => Answer::Ended(end.status),
    })
}

/// Has the engine do it.
fn plan(planned: Move, effects: &mut Effects) {
    let now = effects.now();
    match planned {
        Move::Send(number, command) => {
            let step = number.to_string();
            let payload = Ok(command.payload);
            effects.plan(EffectKind::Command, command.name, command.revision, payload, Some(&step), now, None);
        }
        Move::Notice(command) => {
            effects.plan(EffectKind::Notice, command.name, command.revision, Ok(command.payload), None, now, None);
        }
        Move::Begin(number, child) => {
            let step = number.to_string();
            effects.plan(EffectKind::Saga, child.name, child.revision, Ok(child.payload), Some(&step), now, None);
        }
        Move::Call(number, name) => {
            let payload = Ok(b"null".to_vec());
            effects.plan(EffectKind::Call, &name, 1, payload, Some(&number.to_string()), now, None);
        }
        Move::Withdraw(number) => effects.withdraw(&number.to_string()),
        Move::After(number, duration) => effects.deadline(timer(number), duration),
        Move::At(number, instant) => effects.deadline_at(timer(number), instant),
        Move::Cancel(number) => effects.cancel_deadline(timer(number)),
        Move::Associate(key, value) => effects.associate(key, value),
        Move::End(Finished::Completed(_)) => effects.end(),
        Move::End(Finished::Failed(_) | Finished::Undone) => effects.end_compensated(),
    }
}

/// The deadline of what was asked for under this number.
fn timer(number: u64) -> String {
    format!("#{number}")
}

fn number_of_timer(name: &str) -> Option<u64> {
    name.strip_prefix('#')?.parse().ok()
}

fn number_of(step: Option<&str>) -> Option<u64> {
    step?.parse().ok()
}
