//! Sagas: long processes that are pure. A saga takes events, rejections and deadlines, and answers with effects as
//! values. State, associations, effects, timers and tracking token commit together.

mod config;
mod control;
mod course;
mod dispatcher;
mod effects;
mod error;
mod family;
mod handlers;
mod handling;
mod history;
pub(crate) mod instance;
pub(crate) mod instances;
#[cfg(feature = "metrics")]
mod metrics;
mod monitor;
mod processor;
mod state;
mod steps;
mod steps_engine;
mod timers;
mod upkeep;

pub use config::{SagaConfig, SagaRetention};
pub use control::{SagaHandle, SagaInstance, SagasHandle};
#[doc(hidden)]
pub use course::{Course, Input};
pub(crate) use dispatcher::Dispatcher;
pub use effects::{Effects, Planned, PlannedTimer};
pub use error::SagaError;
pub(crate) use family::{Family, Relative, Relatives, SagaCourier};
pub use handlers::{
    AnswerFn, BeginFn, ChildEnd, DeadlineHandler, EndHandler, RejectionHandler, ReplyHandler, SagaHandlers, SagaInput,
    SagaRole,
};
pub(crate) use handling::Handling;
pub use history::{HistoryEffect, HistoryEntry, HistoryInput, Intervention, ParentSaga};
#[cfg(feature = "metrics")]
pub use metrics::MetricsMonitor;
pub(crate) use monitor::SagaObserver;
pub use monitor::{EffectOutcome, InputKind, OpenInstances, SagaMonitor};
pub(crate) use processor::{SagaComponent, Wake};
pub use state::StateUpcast;
pub(crate) use state::faults;
pub use steps::{Begun, Otherwise, Step, Steps, StepsBuilder, steps};
pub(crate) use timers::SagaTimers;
pub(crate) use upkeep::Upkeep;

pub use crate::store::{Association, SagaCount, SagaFilter, SagaStatus};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The state of a long process.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[saga(name = "order-fulfilment")]` | the stored name | required |
/// | `#[saga(version = 2)]` | the shape of the state; older ones are lifted by `#[upcast(from = 1)]` methods of the handlers | 1 |
/// | `#[saga(history = false)]` | what happens to instances is not written down | it is |
/// | `#[saga(retention = "30d")]` | how long ended instances stay: a number with `s`, `m`, `h` or `d`, or `"forever"` | what [`Builder::sagas`](crate::app::Builder::sagas) says: for ever |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no saga",
    note = "annotate the struct with `#[derive(Saga)]` and `#[saga(name = \"..\")]`"
)]
pub trait Saga: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static {
    /// The stored name.
    const NAME: &'static str;
    /// The shape of the state that this program writes.
    const VERSION: u32 = 1;
    /// Whether what happens to instances is written down.
    const HISTORY: bool = true;
    /// How long ended instances stay; `None` for what [`Builder::sagas`](crate::app::Builder::sagas) says.
    const RETENTION: Option<SagaRetention> = None;
}

/// Name of the processor that brings events to the saga `S`, for `app.processors()`: its dead letters.
#[must_use]
pub fn processor_name<S: Saga>() -> String {
    processor_of(S::NAME)
}

pub(crate) fn processor_of(saga: &str) -> String {
    format!("saga:{saga}")
}
