//! Interceptors as the builder was given them, and which of them a command passes.

use std::any::{TypeId, type_name};
use std::sync::Arc;

use crate::message::Location;

use super::interceptor::{CommandInterceptor, Interceptors};

/// An interceptor with the commands that it is for.
#[derive(Clone)]
pub(crate) struct Placed {
    interceptor: Arc<dyn CommandInterceptor>,
    only: Option<Only>,
}

/// A type that an interceptor is for: a command, or what handles commands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Only {
    pub(crate) id: TypeId,
    pub(crate) item: &'static str,
    pub(crate) location: Location,
}

impl Placed {
    /// For all commands.
    pub(crate) fn everywhere(interceptor: impl CommandInterceptor) -> Self {
        Self { interceptor: Arc::new(interceptor), only: None }
    }

    /// For commands of the type `T`, or for those that `T` handles.
    pub(crate) fn of<T: 'static>(interceptor: impl CommandInterceptor, location: Location) -> Self {
        let only = Only { id: TypeId::of::<T>(), item: type_name::<T>(), location };
        Self { interceptor: Arc::new(interceptor), only: Some(only) }
    }

    pub(crate) fn only(&self) -> Option<Only> {
        self.only
    }
}

/// Those of `placed` that all commands pass.
pub(crate) fn for_all(placed: &[Placed]) -> Interceptors {
    placed.iter().filter(|placed| placed.only.is_none()).map(|placed| Arc::clone(&placed.interceptor)).collect()
}

/// Those of `placed` that a command passes that concerns `types`; `None` where they are those that all commands pass.
pub(crate) fn for_one(placed: &[Placed], types: [TypeId; 2]) -> Option<Interceptors> {
    let concerns = |placed: &&Placed| placed.only.is_none_or(|only| types.contains(&only.id));
    let special = placed.iter().filter(concerns).any(|placed| placed.only.is_some());
    special.then(|| placed.iter().filter(concerns).map(|placed| Arc::clone(&placed.interceptor)).collect())
}
