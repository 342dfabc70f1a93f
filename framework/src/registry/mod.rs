//! What `inventory` collected and what the builder was given, checked once at start.
//!
//! `inventory` visits entries in link order, so nothing here depends on the order of arrival: everything is sorted by
//! name. A dependency that no code mentions is not linked and registers nothing; write `use my_handlers as _;`.

mod location;
mod registrar;

pub use location::Location;
pub use registrar::{Component, Registrar};

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

    pub(crate) fn owner(&self) -> TypeId {
        (self.owner)()
    }

    pub(crate) fn apply(&self, registrar: &mut Registrar) {
        (self.register)(registrar);
    }
}
