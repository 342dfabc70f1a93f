//! What an upcaster gives.

use std::any::TypeId;

use serde::Serialize;

use super::{Json, LiftError};
use crate::message::{CodecError, Event};

/// A stored name at one of its revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The stored name.
    pub name: &'static str,
    /// The revision.
    pub revision: u32,
}

impl Target {
    /// `name` at `revision`.
    #[must_use]
    pub const fn new(name: &'static str, revision: u32) -> Self {
        Self { name, revision }
    }

    /// The event `E` as this program writes it.
    #[must_use]
    pub const fn event<E: Event>() -> Self {
        Self::new(E::NAME, E::REVISION)
    }
}

/// One event that an upcaster gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Upcasted {
    /// What it is; `None` for the next revision of what was lifted.
    pub(crate) target: Option<Target>,
    pub(crate) payload: Json,
}

impl Upcasted {
    /// The event itself, for a list of events of several types.
    ///
    /// # Errors
    /// When JSON cannot express it.
    pub fn of<E: Event>(event: &E) -> Result<Self, CodecError> {
        Self::named(Target::event::<E>(), event)
    }

    /// An event by its name and revision, from anything that serde can write.
    ///
    /// # Errors
    /// When JSON cannot express it.
    pub fn named(target: Target, payload: &impl Serialize) -> Result<Self, CodecError> {
        Ok(Self { target: Some(target), payload: serde_json::to_value(payload).map_err(CodecError::new)? })
    }

    /// The next revision of what was lifted.
    #[must_use]
    pub fn next(payload: Json) -> Self {
        Self { target: None, payload }
    }
}

/// The event means nothing any more: `-> Dropped`.
///
/// ```
/// use annals::message::Dropped;
/// use annals::prelude::*;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "order.placed")]
/// struct OrderPlaced { order: String }
///
/// #[upcasters]
/// impl OrderPlaced {
///     #[upcast(name = "order.viewed", from = 1)]
///     fn forget_views(_old: Json) -> Dropped {
///         Dropped
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped;

/// How many an upcaster gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// None, one or several.
    Any,
}

/// What an upcaster may return where it gives other than one payload of the next revision: an event, `Option`, `Vec`, an array
/// or a tuple of events, [`Upcasted`], [`Dropped`].
#[diagnostic::on_unimplemented(
    message = "an upcaster cannot return `{Self}`",
    note = "expected the lifted payload (`Json`, the event itself, or a struct that serde can write)",
    note = "for several events or none: `Option`, `Vec`, an array or a tuple of events, `Vec<Upcasted>` or `Dropped`",
    note = "an upcaster that may fail returns a `Result` of it"
)]
pub trait IntoUpcasted {
    /// How many there may be.
    const ARITY: Arity = Arity::Any;

    /// What the type itself says about the names and revisions.
    fn targets(targets: &mut Vec<Target>);

    /// Whether it may hold the next revision of what was lifted.
    fn is_next() -> bool {
        false
    }

    /// Adds the events, in order.
    ///
    /// # Errors
    /// When JSON cannot express one.
    fn into_upcasted(self, upcasted: &mut Vec<Upcasted>) -> Result<(), LiftError>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> IntoUpcasted for E {
    const ARITY: Arity = Arity::One;

    fn targets(targets: &mut Vec<Target>) {
        targets.push(Target::event::<E>());
    }

    fn into_upcasted(self, upcasted: &mut Vec<Upcasted>) -> Result<(), LiftError> {
        upcasted.push(Upcasted::of(&self)?);
        Ok(())
    }
}

impl IntoUpcasted for Json {
    const ARITY: Arity = Arity::One;

    fn targets(_: &mut Vec<Target>) {}

    fn is_next() -> bool {
        true
    }

    fn into_upcasted(self, upcasted: &mut Vec<Upcasted>) -> Result<(), LiftError> {
        upcasted.push(Upcasted::next(self));
        Ok(())
    }
}

impl IntoUpcasted for Upcasted {
    fn targets(_: &mut Vec<Target>) {}

    fn is_next() -> bool {
        true
    }

    fn into_upcasted(self, upcasted: &mut Vec<Upcasted>) -> Result<(), LiftError> {
        upcasted.push(self);
        Ok(())
    }
}

impl IntoUpcasted for Dropped {
    fn targets(_: &mut Vec<Target>) {}

    fn into_upcasted(self, _: &mut Vec<Upcasted>) -> Result<(), LiftError> {
        Ok(())
    }
}

macro_rules! lists {
    ($(impl<T $(, const $n:ident: usize)?> for $list:ty;)*) => {$(
        impl<T: IntoUpcasted $(, const $n: usize)?> IntoUpcasted for $list {
            fn targets(targets: &mut Vec<Target>) {
                T::targets(targets);
            }

            fn is_next() -> bool {
                T::is_next()
            }

            fn into_upcasted(self, upcasted: &mut Vec<Upcasted>) -> Result<(), LiftError> {
                self.into_iter().try_for_each(|inner| inner.into_upcasted(upcasted))
            }
        }
    )*};
}
lists! { impl<T> for Option<T>; impl<T> for Vec<T>; impl<T, const N: usize> for [T; N]; }

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        impl<$($part: IntoUpcasted),*> IntoUpcasted for ($($part,)*) {
            fn targets(targets: &mut Vec<Target>) {
                $($part::targets(targets);)*
            }

            fn is_next() -> bool {
                false $(|| $part::is_next())*
            }

            #[allow(non_snake_case, reason = "each part is named after its type")]
            fn into_upcasted(self, upcasted: &mut Vec<Upcasted>) -> Result<(), LiftError> {
                let ($($part,)*) = self;
                $($part.into_upcasted(upcasted)?;)*
                Ok(())
            }
        }
    )*};
}
tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

/// What the type that an upcaster returns says.
#[derive(Debug, Clone)]
pub struct Yield {
    pub(crate) arity: Arity,
    pub(crate) targets: Vec<Target>,
    pub(crate) is_next: bool,
    pub(crate) output: TypeId,
}
