//! What a query is.

/// A question, answered by one handler from read models. Derive it with `#[derive(Query)]`.
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Query)]
/// #[query(name = "order.count", reply = u64)]
/// struct CountOrders;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query",
    note = "annotate the struct with `#[derive(Query)]` and `#[query(name = \"..\", reply = ..)]`"
)]
pub trait Query: Send + Sync + 'static {
    /// What the handler answers.
    type Reply: Send + 'static;

    /// The name, such as `order.find`.
    const NAME: &'static str;
}
