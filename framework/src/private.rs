//! The only door for generated code. Nothing here is public API.

pub use inventory;

use std::marker::PhantomData;

pub use crate::aggregate::{
    Aggregate, AppliedTo, Creation, Decision, EventSourced, Events, EvolveError, HandledBy, IntoEvents, Refusal,
    SnapshotPolicy,
};
pub use crate::command::{BoundaryConsistency, CommandTarget, IntoRefusal, ServedBy, StreamConsistency};
pub use crate::handler::{Context, ContextError, FromContext, HandlerError, Requirement};
pub use crate::message::{
    Command, Decode, DomainError, Event, Json, Never, Query, Recorded, Tag, UpcastError, UpcastStep,
};
pub use crate::processor::EventHandlers;
pub use crate::query::{AnsweredBy, QueryError};
pub use crate::registry::{Component, Location, Registrar, Registration};
pub use crate::saga::{DeadlineHandler, Effects, RejectionHandler, Saga, SagaHandlers, SagaInput, SagaRole, Steps};
pub use crate::store::{Association, StoreTransaction};
pub use crate::view::{IntoKeep, Keep, View, ViewHandlers, ViewMode, ViewSource, ViewStep};
pub use futures_util::future::BoxFuture;

/// The transaction that a handler asks for as `&mut T`.
///
/// # Errors
/// When the store's transactions are of another type.
pub fn transaction<T: 'static>(transaction: &mut dyn StoreTransaction) -> Result<&mut T, ContextError> {
    transaction.as_any_mut().downcast_mut::<T>().ok_or_else(|| {
        ContextError::new(std::any::type_name::<T>(), "and the store's transactions are of another type")
    })
}

/// The component of a handler that takes `&self`.
///
/// # Errors
/// When there is none; start-up rules that out.
pub fn component<H>(component: Option<&H>) -> Result<&H, ContextError> {
    component.ok_or_else(|| ContextError::new(std::any::type_name::<H>(), "and there is no such component"))
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

/// What an `#[upcast]` method may return: the payload, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "an upcaster cannot return `{Self}`",
    note = "expected the lifted payload, `Json`, or a `Result` of it"
)]
pub trait IntoLifted {
    /// The lifted payload, or why there is none.
    ///
    /// # Errors
    /// What the upcaster said.
    fn into_lifted(self) -> Result<Json, String>;
}

impl IntoLifted for Json {
    fn into_lifted(self) -> Result<Json, String> {
        Ok(self)
    }
}

impl<E: std::fmt::Display> IntoLifted for Result<Json, E> {
    fn into_lifted(self) -> Result<Json, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Brings the fall-backs of [`Probe`] and [`Initial`] into scope.
pub mod via {
    pub use super::{ViaBlank, ViaCommand, ViaDefault, ViaResource};
}

/// The snapshot policy of an aggregate; a function, so that a state that serde does not know is named in the error.
#[must_use]
pub fn snapshots<A: serde::Serialize + serde::de::DeserializeOwned>(
    every: u64,
    schema: &'static str,
) -> SnapshotPolicy<A> {
    SnapshotPolicy::new(every, schema)
}

/// The text of a view's key.
#[must_use]
pub fn key_text<V: View>(key: &V::Key) -> String {
    key.to_string()
}

/// By what the instance of a saga is found.
#[must_use]
pub fn association(key: &str, value: &dyn std::fmt::Display) -> Association {
    Association { key: key.to_owned(), value: value.to_string() }
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
