//! Errors as problem details. Source: RFC 9457.

use annals::store::AppendError;
use annals::view::ViewError;
use annals::{CommandFailure, QueryError, SendError};
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::{OrderError, OrderId};
use crate::error::chain;

/// Why a request was not answered as hoped for.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    /// What kind of problem it is; the same text for the same kind.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "number")]
    status: StatusCode,
    detail: String,
    /// Whether the same request may succeed later. Told by the header `Retry-After`.
    #[serde(skip)]
    transient: bool,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl ToString) -> Self {
        Self { kind, title, status, detail: detail.to_string(), transient: false }
    }

    pub(super) fn no_such_order(order: &OrderId) -> Self {
        let detail = format!("there is no order `{order}`");
        Self::new(StatusCode::NOT_FOUND, "urn:order-stock:no-such-order", "No such order", detail)
    }

    pub(super) fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "about:blank", "Not Found", "there is nothing at this address")
    }

    pub(super) fn wrong_method() -> Self {
        let detail = "this address takes another method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "about:blank", "Method Not Allowed", detail)
    }

    /// The request is understood, but asks for something that cannot be.
    pub(super) fn invalid(detail: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "urn:order-stock:invalid", "Invalid request", detail)
    }

    /// The key of a request came with something else before.
    pub(super) fn key_taken() -> Self {
        Self::invalid("this `Idempotency-Key` was used for another order")
    }

    fn conflict(kind: &'static str, title: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, kind, title, detail)
    }

    /// The machinery failed. The cause goes to the log and not to the client.
    fn failed(error: &dyn std::error::Error, transient: bool) -> Self {
        tracing::error!(error = chain(error), transient, "request failed");
        if transient {
            let detail = "the request could not be carried out at present; it may be repeated";
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "urn:order-stock:unavailable", "Unavailable", detail)
        } else {
            let detail = "the request could not be carried out, and repeating it will not help";
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "urn:order-stock:failed", "Failed", detail)
        }
    }
}

impl From<SendError<OrderError>> for Problem {
    fn from(error: SendError<OrderError>) -> Self {
        match error {
            SendError::Rejected(error @ OrderError::NoSuchOrder) => {
                Self::new(StatusCode::NOT_FOUND, "urn:order-stock:no-such-order", "No such order", error)
            }
            SendError::Rejected(error @ OrderError::NothingOrdered) => Self::invalid(error),
            SendError::Rejected(error @ OrderError::Rejected(_)) => {
                Self::conflict("urn:order-stock:rejected", "The order has been rejected", chain(&error))
            }
            SendError::Failed(failure) => Self::from(failure),
        }
    }
}

impl From<CommandFailure> for Problem {
    fn from(failure: CommandFailure) -> Self {
        let transient = failure.is_transient();
        let problem = match failure {
            CommandFailure::AlreadyExists { stream } => {
                let detail = format!("there is an order `{}` already", stream.id());
                Self::conflict("urn:order-stock:exists", "The order exists", detail)
            }
            CommandFailure::NotFound { stream } => Self::no_such_order(&OrderId::from(stream.id())),
            CommandFailure::IdTaken { .. } => Self::key_taken(),
            CommandFailure::Conflict { .. } => {
                let detail = "others changed the order at the same time; the request may be repeated";
                Self::conflict("urn:order-stock:conflict", "The order is being changed", detail)
            }
            CommandFailure::Append(AppendError::Limit(limit)) => Self::invalid(limit),
            other => Self::failed(&other, transient),
        };
        Self { transient, ..problem }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let transient = matches!(error, QueryError::Stale { .. } | QueryError::Failed { .. });
        Self { transient, ..Self::failed(&error, transient) }
    }
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        let transient = !matches!(error, ViewError::Parked { .. });
        Self { transient, ..Self::failed(&error, transient) }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let kind = "urn:order-stock:unreadable";
        Self::new(rejection.status(), kind, "The request cannot be read", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        let kind = "urn:order-stock:unreadable";
        Self::new(rejection.status(), kind, "The address cannot be read", rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, transient) = (self.status, self.transient);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if transient {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use annals::{CommandId, StreamId};

    use super::*;

    fn answer(failure: CommandFailure) -> (u16, bool) {
        let response = Problem::from(failure).into_response();
        (response.status().as_u16(), response.headers().contains_key(header::RETRY_AFTER))
    }

    #[test]
    fn only_what_may_succeed_later_says_when_to_try_again() {
        let stream = || StreamId::new("order", "o-1");
        let source = || annals::store::Conflict::Stream { stream: stream(), expected: "none".into(), actual: None };
        assert_eq!(answer(CommandFailure::NotFound { stream: stream() }), (404, false));
        assert_eq!(answer(CommandFailure::AlreadyExists { stream: stream() }), (409, false));
        assert_eq!(
            answer(CommandFailure::IdTaken { id: CommandId::new(), taken_by: "order.place".into() }),
            (422, false)
        );
        assert_eq!(answer(CommandFailure::Conflict { attempts: 9, source: source() }), (409, true));
        assert_eq!(answer(CommandFailure::Busy { stream: stream(), waiting: 9, limit: 9 }), (503, true));
        assert_eq!(answer(CommandFailure::Timeout { after: Duration::from_secs(9) }), (503, true));
        assert_eq!(answer(AppendError::Unavailable { source: "gone".into() }.into()), (503, true));
        assert_eq!(answer(CommandFailure::NoHandler { command: "order.place".into() }), (500, false));
    }
}
