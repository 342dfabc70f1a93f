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
pub trait Query: Send + Sync + 'static {
    /// What the handler answers.
    type Reply: Send + 'static;

    /// The name, such as `order.find`.
    const NAME: &'static str;
}
