//! Items with a stored name.

use std::any::{TypeId, type_name};

use super::Location;

/// An item with a stored name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) item: &'static str,
    pub(super) id: TypeId,
    pub(super) location: Location,
}

impl Named {
    pub(super) fn of<T: 'static>(name: &'static str, location: Location) -> Self {
        Self { name, item: type_name::<T>(), id: TypeId::of::<T>(), location }
    }
}
