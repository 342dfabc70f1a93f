//! Following an order live.

use annals::view::ViewError;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::Shop;
use super::orders::named;
use super::problem::Problem;
use crate::views::OrderSummary;

/// The order as it is now, then each time it changes, until the client leaves or the server shuts down.
///
/// Each event is named `order` and carries what `GET /orders/{id}` would answer.
pub(super) async fn follow(
    State(shop): State<Shop>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, ViewError>>>, Problem> {
    let order = named(&path?)?;
    let orders = shop.app.view::<OrderSummary>();
    if orders.get(&order).await?.is_none() {
        return Err(Problem::no_such_order(&order));
    }
    let changes = orders.changes(&order).try_filter_map(async |order| Ok(order.map(|order| to_event(&order))));
    let until_closing = changes.take_until(shop.closing.cancelled_owned());
    Ok(Sse::new(until_closing).keep_alive(KeepAlive::default()))
}

fn to_event(order: &OrderSummary) -> Event {
    let event = Event::default().event("order");
    match event.json_data(order) {
        Ok(event) => event,
        Err(error) => Event::default().comment(error.to_string()),
    }
}
