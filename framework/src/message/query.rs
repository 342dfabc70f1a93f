//! What a query is.

use std::marker::PhantomData;

use super::Never;

/// A question, answered from read models: by one handler, or with `gather` by several. Derive it with
/// `#[derive(Query)]`.
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
    note = "annotate the struct with `#[derive(Query)]` and `#[query(name = \"..\", reply = ..)]`",
    note = "a query with `stream = ..` is asked with `app.query_stream(..)`, and its handler returns `impl Stream` or takes \
            `rows: &mut Rows<..>`"
)]
pub trait Query: Send + Sync + 'static {
    /// What a handler answers.
    type Reply: Send + 'static;

    /// Who answers, and what subscribers get: [`Single`], [`Updated`] or [`Gather`].
    type Kind: QueryKind;

    /// The name, such as `order.find`.
    const NAME: &'static str;
}

/// A question whose answer is a stream of rows: `#[query(name = "..", stream = Row)]`.
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Query)]
/// #[query(name = "order.all", stream = String)]
/// struct AllOrders;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query whose answer is a stream",
    note = "annotate the struct with `#[derive(Query)]` and `#[query(name = \"..\", stream = ..)]`",
    note = "a query with `reply = ..` is asked with `app.query(..)`, and its handler returns the reply"
)]
pub trait StreamQuery: Send + Sync + 'static {
    /// One row of the answer.
    type Row: Send + 'static;

    /// The name, such as `order.all`.
    const NAME: &'static str;
}

/// Answered by one handler. An update is a new reply. What `#[query(reply = ..)]` means.
#[derive(Debug)]
pub enum Single {}

/// Answered by one handler. Updates are values of another type, which somebody emits. What `#[query(update = U)]` means.
#[derive(Debug)]
pub struct Updated<U>(PhantomData<fn() -> U>, Never);

/// Answered by every handler there is. What `#[query(gather)]` means.
#[derive(Debug)]
pub enum Gather {}

/// Who answers a query, and what its subscribers get.
pub trait QueryKind: sealed::Sealed + Send + Sync + 'static {
    /// How many handlers the query may have.
    const HANDLERS: Handlers;
}

/// How many handlers a query may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handlers {
    /// One; a second one is a problem at start.
    One,
    /// Any number.
    Several,
}

impl QueryKind for Single {
    const HANDLERS: Handlers = Handlers::One;
}

impl<U: 'static> QueryKind for Updated<U> {
    const HANDLERS: Handlers = Handlers::One;
}

impl QueryKind for Gather {
    const HANDLERS: Handlers = Handlers::Several;
}

/// The kinds of query that one handler answers.
#[diagnostic::on_unimplemented(
    message = "this query is declared with `gather`: several handlers answer it",
    note = "ask it with `app.query_all(..)`"
)]
pub trait AnsweredByOne: QueryKind {}

impl AnsweredByOne for Single {}
impl<U: 'static> AnsweredByOne for Updated<U> {}

/// The kinds of query that several handlers answer.
#[diagnostic::on_unimplemented(
    message = "this query is not declared with `gather`: one handler answers it",
    note = "ask it with `app.query(..)`, or declare it with `#[query(name = \"..\", reply = .., gather)]`"
)]
pub trait AnsweredByAll: QueryKind {}

impl AnsweredByAll for Gather {}

/// What subscribers of `Q` get after the first answer.
pub trait UpdatesOf<Q: Query>: AnsweredByOne {
    /// One update.
    type Update: Clone + Send + Sync + 'static;

    /// Whether a new reply is an update.
    const FOLLOWS_VIEWS: bool;

    /// What the next reply is compared with; `None` where replies are no updates.
    fn remember(reply: &Q::Reply) -> Option<Self::Update>;

    /// The update that `reply` is, if it differs from what was sent last.
    fn update(last: &mut Option<Self::Update>, reply: Q::Reply) -> Option<Self::Update>;
}

impl<Q: Query> UpdatesOf<Q> for Single
where
    Q::Reply: Clone + PartialEq + Sync,
{
    type Update = Q::Reply;

    const FOLLOWS_VIEWS: bool = true;

    fn remember(reply: &Q::Reply) -> Option<Q::Reply> {
        Some(reply.clone())
    }

    fn update(last: &mut Option<Q::Reply>, reply: Q::Reply) -> Option<Q::Reply> {
        if last.as_ref() == Some(&reply) {
            return None;
        }
        *last = Some(reply.clone());
        Some(reply)
    }
}

impl<Q: Query, U: Clone + Send + Sync + 'static> UpdatesOf<Q> for Updated<U> {
    type Update = U;

    const FOLLOWS_VIEWS: bool = false;

    fn remember(_: &Q::Reply) -> Option<U> {
        None
    }

    fn update(_: &mut Option<U>, _: Q::Reply) -> Option<U> {
        None
    }
}

/// A query that can be subscribed to. Every query with one handler is, if it is `Clone` and its replies can be compared.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be subscribed to",
    note = "expected a query with one handler that implements `Clone`, and a reply that implements `Clone`, `PartialEq` and \
            `Sync`: a reply that is the same is not sent again",
    note = "a reply of another kind has updates of their own: `#[query(name = \"..\", reply = .., update = ..)]`"
)]
pub trait SubscriptionQuery: Query + Clone {
    /// What subscribers get after the first answer: replies, or what `update = ..` states.
    type Update: Clone + Send + Sync + 'static;

    #[doc(hidden)]
    const FOLLOWS_VIEWS: bool;

    #[doc(hidden)]
    fn remember(reply: &Self::Reply) -> Option<Self::Update>;

    #[doc(hidden)]
    fn update(last: &mut Option<Self::Update>, reply: Self::Reply) -> Option<Self::Update>;
}

#[diagnostic::do_not_recommend]
impl<Q: Query + Clone> SubscriptionQuery for Q
where
    Q::Kind: UpdatesOf<Q>,
{
    type Update = <Q::Kind as UpdatesOf<Q>>::Update;

    const FOLLOWS_VIEWS: bool = <Q::Kind as UpdatesOf<Q>>::FOLLOWS_VIEWS;

    fn remember(reply: &Q::Reply) -> Option<Self::Update> {
        <Q::Kind as UpdatesOf<Q>>::remember(reply)
    }

    fn update(last: &mut Option<Self::Update>, reply: Q::Reply) -> Option<Self::Update> {
        <Q::Kind as UpdatesOf<Q>>::update(last, reply)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Single {}
    impl<U> Sealed for super::Updated<U> {}
    impl Sealed for super::Gather {}
}
