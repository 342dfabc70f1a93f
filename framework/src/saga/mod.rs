//! Sagas: long processes that are pure. A saga takes events, rejections and deadlines, and answers with effects as
//! values. State, associations, effects, timers and tracking token commit together.

mod control;
mod dispatcher;
mod effects;
mod error;
mod handlers;
pub(crate) mod instance;
mod processor;
mod steps;
mod steps_engine;
mod timers;

pub use control::{ParkedCommand, SagasHandle};
pub(crate) use dispatcher::Dispatcher;
pub use effects::{Effects, PlannedCommand, PlannedTimer};
pub use error::SagaError;
pub use handlers::{DeadlineHandler, RejectionHandler, SagaHandlers, SagaInput, SagaRole};
pub(crate) use processor::{SagaComponent, Wake};
pub(crate) use timers::SagaTimers;

pub use steps::{Step, Steps, StepsBuilder, steps};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The state of a long process.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[saga(name = "order-fulfilment")]` | the stored name | required |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no saga",
    note = "annotate the struct with `#[derive(Saga)]` and `#[saga(name = \"..\")]`"
)]
pub trait Saga: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static {
    /// The stored name.
    const NAME: &'static str;
}

/// Name of the processor that brings events to the saga `S`, for `app.processors()`: its dead letters.
#[must_use]
pub fn processor_name<S: Saga>() -> String {
    processor_of(S::NAME)
}

pub(crate) fn processor_of(saga: &str) -> String {
    format!("saga:{saga}")
}
