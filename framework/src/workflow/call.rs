//! Code with side effects that a workflow runs: once for each success, and its result is recorded.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::handler::{ContextError, HandlerError, Resources};
use crate::message::CommandId;

/// Names one call of one instance, the same each time that it is tried. Hand it to the other system, so that a call which is
/// tried again has one effect there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(CommandId);

impl IdempotencyKey {
    pub(crate) fn new(id: CommandId) -> Self {
        Self(id)
    }

    /// The key as a UUID.
    #[must_use]
    pub fn uuid(self) -> uuid::Uuid {
        self.0.uuid()
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the code of a call is given.
#[derive(Debug, Clone)]
pub struct Call {
    key: IdempotencyKey,
    attempt: u32,
    resources: Arc<Resources>,
}

impl Call {
    pub(crate) fn new(key: IdempotencyKey, attempt: u32, resources: Arc<Resources>) -> Self {
        Self { key, attempt, resources }
    }

    /// The same each time that this call is tried.
    #[must_use]
    pub fn key(&self) -> IdempotencyKey {
        self.key
    }

    /// Which try this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// A value that was given with [`Builder::resource`](crate::app::Builder::resource).
    ///
    /// # Errors
    /// When there is none of this type.
    pub fn resource<T: Send + Sync + 'static>(&self) -> Result<&T, HandlerError> {
        let found = self.resources.get::<T>();
        found.ok_or_else(|| HandlerError::permanent(ContextError::no_resource(type_name::<T>())))
    }
}

/// The code of a call, which gives its result in JSON.
pub(crate) type Captured = Box<dyn FnOnce(Call) -> BoxFuture<'static, Result<Vec<u8>, HandlerError>> + Send>;
