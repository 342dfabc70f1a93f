//! What `#[upcast]` methods are turned into.
//!
//! Which trait a type has decides what it means: method resolution takes the first of several traits that applies, in the order
//! of the number of references in front of the type that each is implemented for.

use std::any::TypeId;
use std::fmt::Display;
use std::marker::PhantomData;

use serde::Serialize;

use crate::aggregate::Aggregate;
use crate::message::{
    Arity, Asks, CodecError, Command, Event, IntoUpcasted, Json, LiftError, Lifting, Location, MessageKind, Target,
    UpcastStep, Upcasted, Yield,
};

/// Finds out what a block of upcasters lifts.
#[derive(Debug)]
pub struct Owner<T>(PhantomData<T>);

/// What a block of upcasters belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Owned {
    kind: MessageKind,
    current: Target,
    id: TypeId,
}

impl<T> Owner<T> {
    /// A probe for `T`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "generated code calls it by name")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Taken for an event.
pub trait ViaEvent {
    /// What is lifted.
    fn owned(&self) -> Owned;
}

impl<T: Event> ViaEvent for &&&Owner<T> {
    fn owned(&self) -> Owned {
        Owned { kind: MessageKind::Event, current: Target::event::<T>(), id: TypeId::of::<T>() }
    }
}

/// Taken for a command.
pub trait ViaCommands {
    /// What is lifted.
    fn owned(&self) -> Owned;
}

impl<T: Command> ViaCommands for &&Owner<T> {
    fn owned(&self) -> Owned {
        Owned { kind: MessageKind::Command, current: Target::new(T::NAME, T::REVISION), id: TypeId::of::<T>() }
    }
}

/// Taken for an aggregate: its snapshots.
pub trait ViaAggregate {
    /// What is lifted.
    fn owned(&self) -> Owned;
}

impl<T: Aggregate> ViaAggregate for &Owner<T> {
    fn owned(&self) -> Owned {
        let revision = T::snapshots().and_then(|snapshots| snapshots.revision()).unwrap_or_default();
        Owned { kind: MessageKind::Snapshot, current: Target::new(T::NAME, revision), id: TypeId::of::<T>() }
    }
}

/// Taken for anything else, and refused there.
pub trait ViaNothing<T> {
    /// What is lifted.
    fn owned(&self) -> Owned
    where
        T: Lifted;
}

impl<T> ViaNothing<T> for Owner<T> {
    fn owned(&self) -> Owned
    where
        T: Lifted,
    {
        T::owned()
    }
}

/// What has upcasters. It is never implemented: whatever may have some is known otherwise.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that has upcasters",
    note = "expected an event, a command, or an aggregate, whose snapshots are lifted"
)]
pub trait Lifted {
    /// What is lifted.
    fn owned() -> Owned;
}

/// Finds out what the output of an upcaster means.
#[derive(Debug)]
pub struct OutputOf<T>(PhantomData<fn() -> T>);

impl<T> OutputOf<T> {
    /// A probe for `T`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "generated code calls it by name")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// A probe for the type of `_value`.
    pub const fn of(_value: &T) -> Self {
        Self(PhantomData)
    }
}

/// Taken for a `Result`.
pub trait ViaFallible<T, E> {
    /// A probe for what it holds.
    fn inner(&self) -> OutputOf<T>;
    /// What it holds.
    ///
    /// # Errors
    /// What the upcaster said.
    fn held(&self, output: Result<T, E>) -> Result<T, LiftError>;
}

impl<T, E: Display> ViaFallible<T, E> for &OutputOf<Result<T, E>> {
    fn inner(&self) -> OutputOf<T> {
        OutputOf::new()
    }

    fn held(&self, output: Result<T, E>) -> Result<T, LiftError> {
        output.map_err(|error| LiftError::Refused(error.to_string()))
    }
}

/// Taken for anything but a `Result`.
pub trait ViaInfallible<T> {
    /// A probe for the same.
    fn inner(&self) -> OutputOf<T>;
    /// The same.
    ///
    /// # Errors
    /// None.
    fn held(&self, output: T) -> Result<T, LiftError>;
}

impl<T> ViaInfallible<T> for OutputOf<T> {
    fn inner(&self) -> Self {
        Self::new()
    }

    fn held(&self, output: T) -> Result<T, LiftError> {
        Ok(output)
    }
}

/// Taken for events, and for lists of them.
pub trait ViaParts<T> {
    /// What the type says.
    fn yields(&self) -> Yield;
    /// The events.
    ///
    /// # Errors
    /// When JSON cannot express one.
    fn upcasted(&self, output: T) -> Result<Vec<Upcasted>, LiftError>;
}

impl<T: IntoUpcasted + 'static> ViaParts<T> for &&&OutputOf<T> {
    fn yields(&self) -> Yield {
        let mut targets = Vec::new();
        T::targets(&mut targets);
        Yield { arity: T::ARITY, targets, is_next: T::is_next(), output: TypeId::of::<T>() }
    }

    fn upcasted(&self, output: T) -> Result<Vec<Upcasted>, LiftError> {
        let mut upcasted = Vec::new();
        output.into_upcasted(&mut upcasted)?;
        Ok(upcasted)
    }
}

/// Taken for what serde could write, and what is no payload all the same: lists of what is no event, and bare values. It is
/// refused.
pub trait ViaScalar<T> {
    /// Nothing: [`Self::upcasted`] is refused.
    fn yields(&self) -> Yield {
        Yield { arity: Arity::Any, targets: Vec::new(), is_next: false, output: TypeId::of::<()>() }
    }

    /// The events.
    ///
    /// # Errors
    /// When JSON cannot express one.
    fn upcasted(&self, output: T) -> Result<Vec<Upcasted>, LiftError>
    where
        T: IntoUpcasted + 'static,
    {
        (&&&&OutputOf::<T>::new()).upcasted(output)
    }
}

impl<T> ViaScalar<Option<T>> for &&OutputOf<Option<T>> {}
impl<T> ViaScalar<Vec<T>> for &&OutputOf<Vec<T>> {}
impl<T, const N: usize> ViaScalar<[T; N]> for &&OutputOf<[T; N]> {}
macro_rules! scalars {
    ($($scalar:ty)*) => {$( impl ViaScalar<$scalar> for &&OutputOf<$scalar> {} )*};
}
scalars! { () bool char String &'static str u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 usize isize }
macro_rules! tuples {
    ($(($($part:ident)*))*) => {$( impl<$($part),*> ViaScalar<($($part,)*)> for &&OutputOf<($($part,)*)> {} )*};
}
tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

/// Taken for a struct of the next revision.
pub trait ViaPayload<T> {
    /// What the type says.
    fn yields(&self) -> Yield;
    /// The payload.
    ///
    /// # Errors
    /// When JSON cannot express it.
    fn upcasted(&self, output: T) -> Result<Vec<Upcasted>, LiftError>;
}

impl<T: Serialize + 'static> ViaPayload<T> for &OutputOf<T> {
    fn yields(&self) -> Yield {
        Yield { arity: Arity::One, targets: Vec::new(), is_next: true, output: TypeId::of::<T>() }
    }

    fn upcasted(&self, output: T) -> Result<Vec<Upcasted>, LiftError> {
        let payload: Json = serde_json::to_value(&output).map_err(CodecError::new)?;
        Ok(vec![Upcasted::next(payload)])
    }
}

/// Taken for anything else, and refused there.
pub trait ViaNoPayload<T> {
    /// Nothing: [`Self::upcasted`] is refused.
    fn yields(&self) -> Yield {
        Yield { arity: Arity::Any, targets: Vec::new(), is_next: false, output: TypeId::of::<()>() }
    }

    /// The events.
    ///
    /// # Errors
    /// When JSON cannot express one.
    fn upcasted(&self, output: T) -> Result<Vec<Upcasted>, LiftError>
    where
        T: IntoUpcasted + 'static,
    {
        (&&&&OutputOf::<T>::new()).upcasted(output)
    }
}

impl<T> ViaNoPayload<T> for OutputOf<T> {}

/// An `#[upcast]` method.
#[derive(Debug)]
pub struct StepOf {
    /// What its block belongs to.
    pub owned: Owned,
    /// The other stored name that it lifts.
    pub name: Option<&'static str>,
    /// The stored revision that it lifts.
    pub from: u32,
    /// The revision afterwards, if it is stated.
    pub to: Option<u32>,
    /// What its output says.
    pub yields: Yield,
    /// The events that it names.
    pub into: Vec<Target>,
    /// What it asks for.
    pub asks: Asks,
    /// The method.
    pub lift: fn(&mut Lifting<'_>) -> Result<Vec<Upcasted>, LiftError>,
    /// Where it is written.
    pub location: Location,
}

/// The step that a method stands for.
#[must_use]
pub fn upcast_step(step: StepOf) -> UpcastStep {
    let StepOf { owned, name, from, to, yields, into, asks, lift, location } = step;
    let own = owned.current;
    let is_current = yields.output == owned.id;
    let next = Target::new(own.name, to.unwrap_or(if is_current { own.revision } else { from.saturating_add(1) }));
    // A list of named events holds the next revision only if that is said.
    let holds_next = yields.is_next && (into.is_empty() || to.is_some());
    let mut targets = yields.targets;
    targets.extend(into);
    targets.extend(holds_next.then_some(next));
    targets.sort_unstable();
    targets.dedup();
    let from = Target::new(name.unwrap_or(own.name), from);
    UpcastStep { kind: owned.kind, from, to: next, into: targets, arity: yields.arity, asks, lift, location }
}
