//! What decides on the next move of an instance besides its handlers.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::handler::Resources;
use crate::message::{Payloads, Upcasters};
use crate::store::Effect;

use super::effects::Effects;
use super::error::SagaError;
use super::handlers::ChildEnd;

/// An input, as a list of steps or a workflow sees it. The handlers for it have run before.
#[derive(Debug)]
pub enum Input<'a> {
    /// The instance has begun.
    Begun,
    /// An event was handled.
    Event,
    /// A command, or a call, was accepted; the reply is encoded.
    Accepted(&'a Effect, &'a [u8]),
    /// A command was rejected; the domain's error is encoded.
    Rejected(&'a Effect, &'a [u8]),
    /// A saga that was begun has ended: with its stored name, and the step that had begun it.
    Ended(&'a ChildEnd<&'a [u8]>, &'a str, Option<&'a str>),
    /// A deadline has passed.
    Deadline(&'a str),
    /// A command that could not be delivered was left out by hand.
    Skipped(&'a Effect),
    /// Somebody wants undone what was done.
    Compensate,
}

/// A list of steps, or a workflow. What it remembers is one JSON text, or lies in the state.
#[doc(hidden)]
pub trait Course<S>: Send + Sync {
    /// Takes `input`. `progress` is what it remembers.
    ///
    /// # Errors
    /// When the instance needs attention: nothing of what was done is kept.
    fn take(
        &self,
        saga: &mut S,
        progress: &mut Option<String>,
        input: &Input<'_>,
        effects: &mut Effects,
    ) -> Result<(), SagaError>;

    /// Whether it answers to the deadline `name`.
    fn has_deadline(&self, name: &str) -> bool;

    /// Whether it waits for the answer to `effect`.
    fn awaits(&self, effect: &Effect) -> bool;

    /// Whether it can undo what was done.
    fn compensates(&self) -> bool;

    /// The code of an effect of the kind [`EffectKind::Call`](crate::store::EffectKind::Call), which is run outside of
    /// transactions and gives an encoded result. `None` where there is none.
    fn call(
        &self,
        saga: &S,
        effect: &Effect,
        payloads: &Payloads,
        resources: &Arc<Resources>,
    ) -> Option<BoxFuture<'static, Result<Vec<u8>, crate::handler::HandlerError>>> {
        let _ = (saga, effect, payloads, resources);
        None
    }

    /// Learns what lifts older events.
    fn lifts_with(&mut self, upcasters: &Upcasters) {
        let _ = upcasters;
    }

    /// What is wrong with it.
    fn faults(&self) -> Vec<String> {
        Vec::new()
    }
}
