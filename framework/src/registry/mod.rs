//! What `inventory` collected and what the builder was given, checked once at start.
//!
//! `inventory` visits entries in link order, so nothing here depends on the order of arrival: everything is sorted by
//! name. A dependency that no code mentions is not linked and registers nothing; write `use my_handlers as _;`.

mod build;
mod catalogue;
mod check;
mod named;
mod problem;
mod registrar;
mod saga;

pub use crate::message::Location;
pub use problem::Problem;
pub use registrar::{Component, Registrar};

pub(crate) use build::{Built, Ingredients};
pub(crate) use check::Surroundings;

use std::any::TypeId;

/// One annotated item, as the macros submit it to `inventory`.
#[derive(Debug)]
pub struct Registration {
    owner: fn() -> TypeId,
    register: fn(&mut Registrar),
}

inventory::collect!(Registration);

impl Registration {
    /// An item that belongs to the type `T`.
    #[must_use]
    pub const fn of<T: 'static>(register: fn(&mut Registrar)) -> Self {
        Self { owner: TypeId::of::<T>, register }
    }

    /// Everything that was annotated in the linked crates; with `owners`, only what belongs to these types.
    pub(crate) fn collect(registrar: &mut Registrar, owners: Option<&[TypeId]>) {
        for registration in inventory::iter::<Self> {
            if owners.is_none_or(|owners| owners.contains(&(registration.owner)())) {
                (registration.register)(registrar);
            }
        }
    }
}
