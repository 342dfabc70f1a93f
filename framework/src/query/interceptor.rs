//! Interceptors: code around every query.

use std::sync::Arc;

use async_trait::async_trait;

use super::message::{QueryMessage, QueryResult};

/// Code around a query: before it goes on, after its answer, or instead.
///
/// It runs in the caller's task, once for each question: around all handlers of a gathered query, around the opening of a
/// stream, and around each answer that a subscriber gets, the first one and those that a change of a view causes. Updates
/// that somebody emits do not pass it. A check of what the caller holds already
/// ([`QueryCall::unless_unchanged`](super::QueryCall::unless_unchanged)) lies inside it; one that changes answers by who
/// asks calls [`QueryMessage::without_tag`] first. Interceptors run in the order in
/// which they were added.
///
/// ```
/// use annals::query::{Next, QueryError, QueryInterceptor, QueryMessage, QueryResult};
///
/// /// Answers only those who are signed in.
/// struct SignedIn;
///
/// #[async_trait::async_trait]
/// impl QueryInterceptor for SignedIn {
///     async fn intercept(&self, query: QueryMessage, next: Next<'_>) -> QueryResult {
///         if query.metadata.get("user").is_none() {
///             return Err(QueryError::Refused { reason: "sign in first".into() });
///         }
///         next.run(query).await
///     }
/// }
///
/// let builder = annals::Annals::builder().query_interceptor(SignedIn);
/// ```
#[async_trait]
pub trait QueryInterceptor: Send + Sync + 'static {
    /// Answers `query`, usually by handing it, changed or not, to `next`.
    async fn intercept(&self, query: QueryMessage, next: Next<'_>) -> QueryResult;
}

/// The rest of the way to the handlers.
pub struct Next<'a> {
    rest: &'a [Arc<dyn QueryInterceptor>],
    last: &'a dyn Last,
}

/// What stands behind the last interceptor.
#[async_trait]
pub(crate) trait Last: Send + Sync {
    async fn run(&self, query: QueryMessage) -> QueryResult;
}

impl<'a> Next<'a> {
    pub(crate) fn new(interceptors: &'a [Arc<dyn QueryInterceptor>], last: &'a dyn Last) -> Self {
        Self { rest: interceptors, last }
    }

    /// Goes on.
    ///
    /// # Errors
    /// What the handler or a later interceptor ends in.
    pub async fn run(self, query: QueryMessage) -> QueryResult {
        match self.rest.split_first() {
            Some((first, rest)) => first.intercept(query, Next { rest, last: self.last }).await,
            None => self.last.run(query).await,
        }
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Next").field("interceptors", &self.rest.len()).finish_non_exhaustive()
    }
}
