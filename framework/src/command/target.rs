//! What decides on commands: an aggregate over its stream, or a decision over its boundary.

use crate::aggregate::{Aggregate, Decision, EventSourced};

/// A state that decides on commands. `#[derive(Aggregate)]` and `#[derive(Decision)]` implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot decide on commands",
    note = "annotate the struct with `#[derive(Aggregate)]` or `#[derive(Decision, Default)]`; a handler outside \
            aggregates is an `async fn`"
)]
pub trait CommandTarget: EventSourced {
    /// What keeps its decisions consistent.
    type Consistency: Consistency<Self>;
}

/// What keeps a decision consistent.
pub trait Consistency<S>: Send + Sync + 'static {}

/// The version of the aggregate's own stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamConsistency;

impl<A: Aggregate> Consistency<A> for StreamConsistency {}

/// The events inside the decision's boundary.
#[derive(Debug, Clone, Copy)]
pub struct BoundaryConsistency;

impl<D: Decision> Consistency<D> for BoundaryConsistency {}
