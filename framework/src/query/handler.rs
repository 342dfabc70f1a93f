//! How a query is answered.

use futures_util::future::BoxFuture;

use crate::handler::{Context, Requirement};
use crate::message::Query;

use super::QueryError;

/// The query `Self` is answered by the component `H`. `#[query_handlers]` implements it for each `#[handle]`.
#[diagnostic::on_unimplemented(
    message = "`{H}` has no handler for the query `{Self}`",
    note = "add an async method with `#[handle]` that takes it to a `#[query_handlers]` block of `{H}`"
)]
pub trait AnsweredBy<H>: Query {
    /// Answers. `component` is missing only where no handler of the block takes `&self`.
    fn answer<'a>(
        self,
        component: Option<&'a H>,
        context: &'a Context<'a>,
    ) -> BoxFuture<'a, Result<Self::Reply, QueryError>>;

    /// What the handler's parameters need.
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}
