//! Workflows: long processes that are written as one `async fn`. Each step that the function awaits is recorded, and found
//! again when the function runs from its beginning after a restart.
//!
//! An instance of a workflow is an instance of a saga: its record is the saga's state, and commits together with its effects
//! and timers.

mod call;
mod error;
mod flow;
mod flowing;
mod handle;
mod input;
mod record;
mod replay;
mod saga;
mod steps;

pub use call::{Call, IdempotencyKey};
pub use error::WorkflowError;
pub use flow::Flow;
pub(crate) use flowing::{Finished, Flowing};
pub use handle::{ResultOf, WorkflowResult, WorkflowsHandle};
pub use input::WorkflowInput;
pub use steps::{
    Calling, Child, ChildFailure, First, Join, JoinAll, Joined, Part, Race, Sending, Sleeping, Step, Waiting, Within,
};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{Decode, Event, UpcastError};
use crate::saga::SagaRetention;
use crate::store::Association;

/// The input of a long process that is written as a function. Derive it with `#[derive(Workflow)]`.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[workflow(name = "order-flow")]` | the stored name | required |
/// | `#[workflow(version = 2)]` | counts the changes of its function; an instance remembers the one that it was begun under | 1 |
/// | `#[workflow(retention = "30d")]` | how long ended instances stay: a number with `s`, `m`, `h` or `d`, or `"forever"` | what [`Builder::sagas`](crate::app::Builder::sagas) says: for ever |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no workflow",
    note = "annotate the struct with `#[derive(Workflow)]` and `#[workflow(name = \"..\")]`"
)]
pub trait Workflow: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The stored name.
    const NAME: &'static str;
    /// Counts the changes of its function.
    const VERSION: u32 = 1;
    /// How long ended instances stay; `None` for what [`Builder::sagas`](crate::app::Builder::sagas) says.
    const RETENTION: Option<SagaRetention> = None;
}

/// The function of a workflow, and the events that concern it. `#[workflow_handlers]` implements it.
#[diagnostic::on_unimplemented(
    message = "the workflow `{Self}` has no function",
    note = "add an `impl {Self}` block with `#[workflow_handlers]` and an `async fn` marked `#[run]`"
)]
pub trait WorkflowHandlers: Workflow {
    /// What the function gives when it succeeds.
    type Output: Serialize + DeserializeOwned + Send + 'static;
    /// Why it fails. Before the instance ends, what it has done is undone.
    type Error: Serialize + DeserializeOwned + Send + 'static;

    /// Names of the events that begin it, or that it can wait for.
    const EVENTS: &'static [&'static str];

    /// Decodes `event`, and says which instance it concerns; `None` for an event that concerns none.
    ///
    /// # Errors
    /// When the event cannot be decoded.
    fn route(event: Decode<'_>) -> Result<Option<WorkflowInput<Self>>, UpcastError>;

    /// By what the events find an instance with this input.
    fn associations(&self) -> Vec<Association> {
        Vec::new()
    }

    /// The function. It does nothing but await steps, and does the same each time that it is given the same.
    fn run(self, flow: Flow<Self>) -> impl Future<Output = Result<Self::Output, Self::Error>>;
}

/// An event that the function of `W` can wait for.
#[diagnostic::on_unimplemented(
    message = "the workflow `{W}` does not wait for the event `{Self}`",
    note = "say how it finds its instance, above the method marked `#[run]`: `#[awaits({Self}, by = order)]`"
)]
pub trait AwaitedBy<W>: Event {
    /// The field by which it is found.
    const KEY: &'static str;
}

/// An event whose field has the value of a field of the workflow's input.
#[diagnostic::on_unimplemented(
    message = "the workflow `{W}` does not say how it finds the event `{Self}`",
    note = "above the method marked `#[run]`, `#[awaits({Self}, by = order)]` compares the event's field with the input's field of that name; \
            `#[awaits({Self}, by = payment, with = purchase)]` with another one",
    note = "where the value is known later only, give it: `flow.event_of::<{Self}>(value)`"
)]
pub trait FoundBy<W>: AwaitedBy<W> {
    /// The value, as text.
    fn value(input: &W) -> String;
}
