//! The only door for generated code. Nothing here is public API.

pub use inventory;

#[path = "private/described.rs"]
mod described;
#[path = "private/upcast.rs"]
mod upcast;

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::Json;

pub use crate::aggregate::{
    Aggregate, Applied, AppliedTo, Creation, Deadlines, Decision, Entities, Entity, EventSourced, Events, EvolveError,
    HandledBy, IntoEvents, IntoLifecycle, Lifecycle, Misfit, Refusal, SnapshotPolicy, Snapshots, StateStored,
    StoredState, UniqueKey,
};
pub use crate::catalogue::{Described, Field, Presence, Shape, Types, Variant};
pub use crate::command::{
    BoundaryConsistency, CommandTarget, IntoRefusal, ServedBy, StateConsistency, StreamConsistency, UnitOfWork,
};
pub use crate::handler::{Context, ContextError, FromContext, HandlerError, Requirement};
pub use crate::message::{
    Asks, Command, Decode, DomainError, Event, Gather, Lifting, Metadata, Never, Query, Single, StreamQuery, Tag,
    Target, UpcastError, UpcastStep, Updated, Violations,
};
pub use crate::processor::{EventHandlers, ExternalHandlers};
pub use crate::query::{AnsweredBy, QueryError, Rows, StreamedBy};
pub use crate::registry::{Component, Location, Registrar, Registration};
pub use crate::saga::{
    BeginFn, DeadlineHandler, Effects, EndHandler, RejectionHandler, ReplyHandler, Saga, SagaHandlers, SagaInput,
    SagaRetention, SagaRole, StateUpcast, Steps,
};
pub use crate::store::{Association, Criteria, StoreTransaction};
pub use crate::view::index::value::Wraps;
pub use crate::view::{
    Enrichment, Index, IndexEntries, IndexValue, Indexed, IntoKeep, Keep, LiftDocument, View, ViewHandlers, ViewMode,
    ViewSource, ViewStep, lift_document,
};
pub use crate::workflow::{AwaitedBy, Flow, FoundBy, Workflow, WorkflowHandlers, WorkflowInput};
pub use described::Inside;
pub use futures_util::future::BoxFuture;
pub use upcast::{OutputOf, Owner, StepOf, upcast_step};

/// The transaction that a handler asks for as `&mut T`.
///
/// # Errors
/// When the store's transactions are of another type.
pub fn transaction<T: 'static>(transaction: &mut dyn StoreTransaction) -> Result<&mut T, ContextError> {
    transaction.as_any_mut().downcast_mut::<T>().ok_or_else(|| {
        ContextError::new(std::any::type_name::<T>(), "and the store's transactions are of another type")
    })
}

/// Checks the rules that `#[derive(garde::Validate)]` has put on a command.
///
/// # Errors
/// All rules that are broken.
pub fn validate<C: Validated>(command: &C) -> Result<(), Violations> {
    command.check()
}

/// A command whose fields have rules.
#[diagnostic::on_unimplemented(
    message = "the fields of `{Self}` have no rules that could be checked",
    note = "`#[command(validate)]` needs `#[derive(garde::Validate)]` on the struct",
    note = "and the Cargo feature `validation` of `annals`"
)]
pub trait Validated {
    /// Checks them.
    ///
    /// # Errors
    /// All rules that are broken.
    fn check(&self) -> Result<(), Violations>;
}

#[cfg(feature = "validation")]
#[diagnostic::do_not_recommend]
impl<C: garde::Validate<Context: Default>> Validated for C {
    fn check(&self) -> Result<(), Violations> {
        garde::Validate::validate(self).map_err(Violations::from)
    }
}

/// The component of a handler that takes `&self`.
///
/// # Errors
/// When there is none; start-up rules that out.
pub fn component<H>(component: Option<&H>) -> Result<&H, ContextError> {
    component.ok_or_else(|| ContextError::new(std::any::type_name::<H>(), "and there is no such component"))
}

/// The component of a query handler that takes `&self`. Where it has fields, the answer rests on more than documents.
///
/// # Errors
/// When there is none; start-up rules that out.
pub fn answering<'a, H>(component: Option<&'a H>, context: &Context<'_>) -> Result<&'a H, ContextError> {
    if size_of::<H>() > 0 {
        context.beside();
    }
    self::component(component)
}

/// Has the rows of a handler's stream handed to the caller, until the first error.
///
/// # Errors
/// What the handler said.
pub async fn forward<R: Send, T: crate::query::IntoRow<R>>(
    stream: impl futures_util::Stream<Item = T> + Send,
    rows: Rows<R>,
) -> Result<(), QueryError> {
    rows.forward(stream).await
}

/// Finds out whether a type has a default, without demanding it: method resolution takes [`ViaDefault`] where it
/// applies and falls back to [`ViaResource`].
#[derive(Debug)]
pub struct Probe<T>(PhantomData<T>);

impl<T> Probe<T> {
    /// A probe for `T`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "generated code calls it by name")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Taken for a type with a default.
pub trait ViaDefault<T> {
    /// How its component comes to be.
    fn component(&self) -> Component<T>;
}

impl<T: Default> ViaDefault<T> for Probe<T> {
    fn component(&self) -> Component<T> {
        Component::Default(T::default)
    }
}

/// Taken for a type without a default.
pub trait ViaResource<T> {
    /// How its component comes to be.
    fn component(&self) -> Component<T>;
}

impl<T> ViaResource<T> for &Probe<T> {
    fn component(&self) -> Component<T> {
        Component::Resource
    }
}

/// Finds out whether a decision's state is made from the command: [`ViaCommand`] where `From<&C>` applies, else
/// [`ViaBlank`].
#[derive(Debug)]
pub struct Initial<'a, S, C>(pub &'a C, pub PhantomData<S>);

/// Taken where the state is made from the command.
pub trait ViaCommand<S> {
    /// The state before the first event.
    fn initial(&self) -> S;
}

impl<'a, S: From<&'a C>, C> ViaCommand<S> for Initial<'a, S, C> {
    fn initial(&self) -> S {
        S::from(self.0)
    }
}

/// Taken where it is not.
pub trait ViaBlank<S> {
    /// The state before the first event.
    fn initial(&self) -> S;
}

impl<S: Default, C> ViaBlank<S> for &Initial<'_, S, C> {
    fn initial(&self) -> S {
        S::default()
    }
}

/// Estimates what a state takes in memory: [`ViaText`] where serde can write it, else [`ViaValue`].
#[derive(Debug)]
pub struct Size<'a, A>(pub &'a A);

/// Taken for a state that serde can write.
pub trait ViaText {
    /// Bytes, about.
    fn estimate(&self) -> usize;
}

impl<A: serde::Serialize> ViaText for Size<'_, A> {
    fn estimate(&self) -> usize {
        let mut written = Written(0);
        match serde_json::to_writer(&mut written, self.0) {
            Ok(()) => size_of::<A>().saturating_add(written.0),
            Err(_) => size_of::<A>(),
        }
    }
}

/// Taken for any other state.
pub trait ViaValue {
    /// Bytes, about.
    fn estimate(&self) -> usize;
}

impl<A> ViaValue for &Size<'_, A> {
    fn estimate(&self) -> usize {
        size_of::<A>()
    }
}

/// Counts what is written, and keeps nothing.
struct Written(usize);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Brings the fall-backs of [`Probe`], [`Initial`] and [`Size`] into scope.
pub mod via {
    pub use super::described::{ViaDescribed, ViaName};
    pub use super::upcast::{
        ViaAggregate, ViaCommands, ViaEvent, ViaFallible, ViaInfallible, ViaNoPayload, ViaNothing, ViaParts,
        ViaPayload, ViaScalar,
    };
    pub use super::{ViaBlank, ViaCommand, ViaDefault, ViaResource, ViaText, ViaValue};
}

/// How an aggregate keeps snapshots; a function, so that a state that serde does not know is named in the error.
#[must_use]
pub fn snapshots<A: serde::Serialize + serde::de::DeserializeOwned>(
    schema: &'static str,
    policy: SnapshotPolicy,
) -> Snapshots<A> {
    Snapshots::new(schema, policy)
}

/// Snapshots of `A` also on the event `E`; a function, so that one that `A` does not apply is named in the error.
pub fn snapshot_on<A, E: SnapshotEvent<A>>(policy: SnapshotPolicy) -> SnapshotPolicy {
    policy.on::<E>()
}

/// `#[apply(end)]` stands in a block of `S`.
pub fn ends<S: crate::aggregate::MayEnd>() {}

/// Compiles where a command of an aggregate says which one it is for.
pub const fn addressed<S: CommandTarget, C: Command>() {
    assert!(
        !<S::Consistency as crate::command::Consistency<S>>::CHECKS_CREATION || C::TARGET.is_some(),
        "a command of an aggregate has no field marked `#[target]`: mark the one that holds the aggregate's id"
    );
}

/// How the row of an aggregate is kept; a function, so that a state that serde does not know is named in the error.
#[must_use]
pub fn stored<A: serde::Serialize + serde::de::DeserializeOwned>() -> StoredState<A> {
    StoredState::new()
}

/// An event that the aggregate `A` applies, and on which it may be kept as a snapshot.
#[diagnostic::on_unimplemented(
    message = "a snapshot of `{A}` cannot be made on `{Self}`, which is no event that it applies",
    label = "expected an event that `{A}` applies",
    note = "add a method with `#[apply]` that takes `&{Self}` to the `#[event_sourcing]` block of `{A}`"
)]
pub trait SnapshotEvent<A>: Event {}

#[diagnostic::do_not_recommend]
impl<A, E: AppliedTo<A>> SnapshotEvent<A> for E {}

/// The text of a view's key.
#[must_use]
pub fn key_text<V: View>(key: &V::Key) -> String {
    key.to_string()
}

/// The texts of the keys of many documents, each once, in their order.
#[must_use]
pub fn key_texts<'a, V: View>(keys: impl IntoIterator<Item = &'a V::Key>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for key in keys {
        let text = key.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// Keys that a function has made, of an event of the type `E`.
pub fn keys_of<V: View, E, I: IntoIterator<Item = V::Key>>(of: fn(&E) -> I, event: &E) -> Vec<V::Key> {
    of(event).into_iter().collect()
}

/// By what the instance of a saga is found.
#[must_use]
pub fn association(key: &str, value: &dyn std::fmt::Display) -> Association {
    Association::new(key, value)
}

/// By what the instances of a saga are found, where an event has several values, or may have none.
pub fn associations<I: IntoIterator<Item: std::fmt::Display>>(key: &str, values: I) -> Vec<Association> {
    values.into_iter().map(|value| Association::new(key, value)).collect()
}

/// The same, where a function makes the values of the event.
pub fn associations_by<E, I: IntoIterator<Item: std::fmt::Display>>(
    key: &str,
    of: fn(&E) -> I,
    event: &E,
) -> Vec<Association> {
    associations(key, of(event))
}

/// Lifts the state of a saga by one version.
///
/// # Errors
/// When the old state does not have the shape that the function takes.
pub fn lift_state<P: DeserializeOwned, R: Serialize>(lift: fn(P) -> R, state: Json) -> Result<Json, String> {
    let old = serde_json::from_value(state).map_err(|error| error.to_string())?;
    serde_json::to_value(lift(old)).map_err(|error| error.to_string())
}

/// The text of a value by which events find their instance.
#[must_use]
pub fn value_text(value: &dyn std::fmt::Display) -> String {
    value.to_string()
}

/// What the function of a workflow awaits, as it is: the compiler sees whether it is a step.
pub fn step<S: crate::workflow::Step>(step: S) -> S {
    step
}

/// A future of which the macro has checked what it awaits.
pub fn part<F: Future>(future: F) -> crate::workflow::Part<F> {
    crate::workflow::Part::checked(future)
}

/// The refusal of a command for an entity that is not there.
pub fn no_entity<E>(entities: &'static str, id: &dyn std::fmt::Display) -> Refusal<E> {
    Refusal::NoEntity { entities, id: id.to_string() }
}

/// What a handler fails with is the error that its command states.
#[diagnostic::on_unimplemented(
    message = "the handler fails with `{Self}`, but the error of its command is `{E}`",
    label = "expected `{E}`",
    note = "the error is stated with the command, as in `#[command(name = \"..\", error = {Self})]`"
)]
pub trait IsError<E> {
    /// The rejection.
    fn rejected(self) -> Refusal<E>;
}

impl<E> IsError<E> for E {
    fn rejected(self) -> Refusal<E> {
        Refusal::Rejected(self)
    }
}

/// What a handler answers is the reply that its message states.
#[diagnostic::on_unimplemented(
    message = "the handler answers `{Self}`, but the reply of its message is `{R}`",
    label = "expected `{R}`",
    note = "the reply is stated with the message, as in `reply = {Self}`",
    note = "a handler of an aggregate that answers something takes `events: &mut Events<Self>` and returns the answer"
)]
pub trait IsReply<R> {
    /// The reply.
    fn reply(self) -> R;
}

impl<R> IsReply<R> for R {
    fn reply(self) -> R {
        self
    }
}

/// What a `#[rejected]` method takes is the error of its command.
#[diagnostic::on_unimplemented(
    message = "the method takes `{W}`, but the error of its command is `{Self}`",
    label = "expected `{Self}`"
)]
pub trait IsReason<W> {
    /// The error.
    fn reason(&self) -> &W;
}

impl<W> IsReason<W> for W {
    fn reason(&self) -> &W {
        self
    }
}

/// What an `#[accepted]` method takes is the reply of its command.
#[diagnostic::on_unimplemented(
    message = "the method takes `{W}`, but the reply of its command is `{Self}`",
    label = "expected `{Self}`"
)]
pub trait IsReplyOf<W: ?Sized> {
    /// The reply.
    fn reply(&self) -> &W;
}

impl<W> IsReplyOf<W> for W {
    fn reply(&self) -> &W {
        self
    }
}

impl IsReplyOf<str> for String {
    fn reply(&self) -> &str {
        self
    }
}

/// What a query handler may fail with.
#[diagnostic::on_unimplemented(
    message = "a query handler cannot fail with `{Self}`",
    note = "expected `QueryError` or an error that converts into it; `HandlerError` takes every error by `?`"
)]
pub trait IntoQueryError {
    /// Why there is no answer.
    fn into_query_error(self) -> QueryError;
}

impl<E: Into<QueryError>> IntoQueryError for E {
    fn into_query_error(self) -> QueryError {
        self.into()
    }
}

/// What an event handler may fail with.
#[diagnostic::on_unimplemented(
    message = "an event handler cannot fail with `{Self}`",
    note = "expected `HandlerError`, or an error that implements `std::error::Error`"
)]
pub trait IntoHandlerError {
    /// Why the event could not be handled.
    fn into_handler_error(self) -> HandlerError;
}

impl<E: Into<HandlerError>> IntoHandlerError for E {
    fn into_handler_error(self) -> HandlerError {
        self.into()
    }
}
