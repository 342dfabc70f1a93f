//! A query on its way, and its answer, with the types behind a box so that interceptors see every query alike.

use std::any::Any;
use std::fmt;

use crate::message::Metadata;

use super::{ETag, QueryError};

/// A query on its way to its handlers.
pub struct QueryMessage {
    /// Its name.
    pub name: &'static str,
    /// How it is asked.
    pub manner: Manner,
    /// What it carries besides its payload.
    pub metadata: Metadata,
    query: Box<dyn Any + Send + Sync>,
    pub(crate) tagging: Tagging,
}

/// Whether an answer may have a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tagging {
    Allowed,
    Forbidden,
}

/// How a query is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Manner {
    /// One handler answers: the answer is a `Q::Reply`.
    Single,
    /// All handlers answer: the answer is a [`Gathered<Q::Reply>`](crate::query::Gathered).
    Gather,
    /// The answer is a stream, which begins when it is first polled. It cannot be looked into.
    Stream,
    /// One handler answers a subscriber, for the first time or again: the answer is a `Q::Reply`.
    Subscription,
}

impl QueryMessage {
    pub(crate) fn new<Q: Send + Sync + 'static>(
        name: &'static str,
        manner: Manner,
        metadata: Metadata,
        query: Q,
    ) -> Self {
        Self { name, manner, metadata, query: Box::new(query), tagging: Tagging::Allowed }
    }

    /// The query, if it is a `Q`.
    #[must_use]
    pub fn query<Q: 'static>(&self) -> Option<&Q> {
        self.query.downcast_ref()
    }

    /// The query, to be changed, if it is a `Q`.
    pub fn query_mut<Q: 'static>(&mut self) -> Option<&mut Q> {
        self.query.downcast_mut()
    }

    /// Has the query answered in full, and without a tag, whatever the caller has. An interceptor whose answers depend on
    /// more than the query, such as who asks, calls it before it goes on: the tag of an answer to one caller must not stand
    /// for the answer to another.
    pub fn without_tag(&mut self) {
        self.tagging = Tagging::Forbidden;
    }

    /// What the handler gets.
    pub(crate) fn into_parts<Q: 'static>(self) -> Result<(Q, Metadata), QueryError> {
        let Self { name, metadata, query, .. } = self;
        let query = query.downcast::<Q>().map_err(|_| QueryError::foreign(name, "query"))?;
        Ok((*query, metadata))
    }
}

impl fmt::Debug for QueryMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryMessage")
            .field("name", &self.name)
            .field("manner", &self.manner)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// The answer to a query.
pub struct QueryAnswer {
    /// `None` where the caller has the answer already.
    value: Option<Box<dyn Any + Send>>,
    etag: Option<ETag>,
}

impl QueryAnswer {
    /// An answer in place of the handler's: a `Q::Reply`, or what [`Manner`] says. It has no tag.
    #[must_use]
    pub fn new<T: Send + 'static>(value: T) -> Self {
        Self { value: Some(Box::new(value)), etag: None }
    }

    pub(crate) fn tagged<T: Send + 'static>(value: T, etag: Option<ETag>) -> Self {
        Self { etag, ..Self::new(value) }
    }

    pub(crate) fn unchanged(etag: ETag) -> Self {
        Self { value: None, etag: Some(etag) }
    }

    /// The answer, if it is a `T`; `None` also where the caller has it already.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.value.as_ref()?.downcast_ref()
    }

    /// The answer, to be changed, if it is a `T`. It loses its tag, which stands for what the handler said.
    pub fn get_mut<T: 'static>(&mut self) -> Option<&mut T> {
        self.etag = self.etag.take().filter(|_| self.value.is_none());
        self.value.as_mut()?.downcast_mut()
    }

    /// The answer with its tag; `None` in place of an answer that the caller has already.
    pub(crate) fn into_parts<T: 'static>(self, query: &str) -> Result<(Option<T>, Option<ETag>), QueryError> {
        let value = self.value.map(|value| value.downcast::<T>()).transpose();
        let value = value.map_err(|_| QueryError::foreign(query, "reply"))?;
        Ok((value.map(|value| *value), self.etag))
    }

    pub(crate) fn into_value<T: 'static>(self, query: &str) -> Result<T, QueryError> {
        self.into_parts(query)?.0.ok_or_else(|| QueryError::foreign(query, "reply"))
    }
}

impl fmt::Debug for QueryAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryAnswer").field("etag", &self.etag).finish_non_exhaustive()
    }
}

/// What comes of a query.
pub type QueryResult = Result<QueryAnswer, QueryError>;
