//! A request that may be repeated.

use std::convert::Infallible;

use annals::CommandId;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::{Uuid, uuid};

/// The scope of the ids of commands that came over HTTP.
const REQUESTS: Uuid = uuid!("b0a6f3f5-58cd-53c9-9a35-0b9f2d8b7c11");

/// The id of the command that a request sends: the same for each repeat of the request.
///
/// It is made from the address and the header `Idempotency-Key`; a request without the header is never a repeat.
/// Source: draft-ietf-httpapi-idempotency-key-header.
#[derive(Debug)]
pub(super) struct RequestId(pub(super) CommandId);

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(key) = parts.headers.get("idempotency-key") else { return Ok(Self(CommandId::new())) };
        let name = format!("{} {}", parts.uri.path(), String::from_utf8_lossy(key.as_bytes()));
        Ok(Self(CommandId::derived(REQUESTS, &name)))
    }
}
