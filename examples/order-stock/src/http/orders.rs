//! Placing, reading and cancelling an order.

use annals::Annals;
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use serde::Deserialize;

use super::idempotency::RequestId;
use super::problem::Problem;
use crate::domain::{CancelOrder, Money, OrderId, PlaceOrder};
use crate::names;
use crate::views::{FindOrder, OrderSummary};

/// What a client sends to place an order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    order: String,
    sku: String,
    quantity: u32,
    /// Who pays.
    customer: Option<String>,
    /// What the order costs in all; without it nothing.
    price: Option<Money>,
}

pub(super) async fn place(
    State(app): State<Annals>,
    RequestId(id): RequestId,
    body: Result<Json<NewOrder>, JsonRejection>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<OrderSummary>), Problem> {
    let Json(NewOrder { order, sku, quantity, customer, price }) = body?;
    let (order, sku) = (named(&order)?, names::sku(&sku).map_err(Problem::invalid)?);
    let bill = names::bill(customer.as_deref(), price).map_err(Problem::invalid)?;
    let command = PlaceOrder { order: order.clone(), sku: sku.clone(), quantity, bill: bill.clone() };
    let placed = app.send(command).id(id).await?;

    let found = app.query(FindOrder { order: order.clone() }).after(&placed).await?;
    match found {
        Some(found) if found.sku == sku && found.quantity == quantity && found.bill == bill => {
            let location = format!("/orders/{}", percent_encoded(&order.to_string()));
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(found)))
        }
        _ => Err(Problem::key_taken()),
    }
}

pub(super) async fn read(
    State(app): State<Annals>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<OrderSummary>, Problem> {
    let order = named(&path?)?;
    let found = app.query(FindOrder { order: order.clone() }).await?;
    found.map(Json).ok_or_else(|| Problem::no_such_order(&order))
}

pub(super) async fn cancel(
    State(app): State<Annals>,
    RequestId(id): RequestId,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<OrderSummary>, Problem> {
    let order = named(&path?)?;
    let cancelled = app.send(CancelOrder { order: order.clone() }).id(id).await?;
    let found = app.query(FindOrder { order: order.clone() }).after(&cancelled).await?;
    found.map(Json).ok_or_else(|| Problem::no_such_order(&order))
}

/// The order that a client names.
pub(super) fn named(order: &str) -> Result<OrderId, Problem> {
    names::order(order).map_err(Problem::invalid)
}

/// `text` as one segment of a path. Source: RFC 3986, section 2.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn a_name_becomes_one_segment_of_a_path() {
        assert_eq!(percent_encoded("o-1_~.x"), "o-1_~.x");
        assert_eq!(percent_encoded("a/b ü"), "a%2Fb%20%C3%BC");
    }
}
