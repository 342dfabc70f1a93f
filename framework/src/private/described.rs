//! Types inside messages and states.

use std::marker::PhantomData;

use crate::catalogue::{Described, Types};

/// Finds out whether a type inside another one is described: [`ViaDescribed`] where it is, else [`ViaName`].
#[derive(Debug)]
pub struct Inside<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized> Inside<T> {
    /// A probe for `T`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "generated code calls it by name")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Taken for a type that is described.
pub trait ViaDescribed {
    /// Adds it to `types`, and what is inside it.
    fn describe(&self, types: &mut Types);
}

impl<T: Described> ViaDescribed for Inside<T> {
    fn describe(&self, types: &mut Types) {
        if types.add(T::type_name(), T::shape) {
            T::describe_nested(types);
        }
    }
}

/// Taken for any other type, which is known by its name alone.
pub trait ViaName {
    /// Adds nothing.
    fn describe(&self, _: &mut Types) {}
}

impl<T: ?Sized> ViaName for &Inside<T> {}
