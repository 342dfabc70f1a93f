//! Errors as problem details. Source: RFC 9457.

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
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl ToString) -> Self {
        Self { kind, title, status, detail: detail.to_string() }
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

    pub(super) fn conflict(kind: &'static str, title: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, kind, title, detail)
    }

    /// The machinery failed. The cause goes to the log and not to the client.
    fn unavailable(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = chain(error), "request failed");
        let detail = "the request could not be carried out at present; it may be repeated";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "urn:order-stock:unavailable", "Unavailable", detail)
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
            SendError::Failed(CommandFailure::AlreadyExists { stream }) => {
                let detail = format!("there is an order `{}` already", stream.id());
                Self::conflict("urn:order-stock:exists", "The order exists", detail)
            }
            SendError::Failed(failure) => Self::unavailable(&failure),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        Self::unavailable(&error)
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
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
