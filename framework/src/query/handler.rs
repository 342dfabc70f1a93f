//! How a query is answered.

use futures_util::future::BoxFuture;

use crate::handler::{Context, Requirement};
use crate::message::{Query, StreamQuery};

use super::{QueryError, Rows};

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

/// The query `Self` is answered by the component `H` with a stream of rows. `#[query_handlers]` implements it for each
/// `#[handle]` that returns `impl Stream` or takes `&mut Rows<..>`.
#[diagnostic::on_unimplemented(
    message = "`{H}` has no handler for the streaming query `{Self}`",
    note = "add a method with `#[handle]` that takes it and returns `impl Stream` to a `#[query_handlers]` block of `{H}`"
)]
pub trait StreamedBy<H>: StreamQuery {
    /// Writes the answer into `rows`, which takes a row when the caller asks for it.
    fn stream<'a>(
        self,
        component: Option<&'a H>,
        context: &'a Context<'a>,
        rows: Rows<Self::Row>,
    ) -> BoxFuture<'a, Result<(), QueryError>>;

    /// What the handler's parameters need.
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}
