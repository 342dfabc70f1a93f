//! The commands that only look: show, history, at, stock, accounts.

use annals::aggregate::AsOf;
use annals::{Metadata, Timestamp};
use comfy_table::Cell;

use super::output::{BOLD, FAINT, print, styled, table};
use super::summary::{AccountRow, StockRow, status};
use super::{Failure, database};
use crate::domain::{Bill, Order, OrderId};
use crate::views::FindOrder;

/// There is no such order, or there was none.
#[derive(Debug, thiserror::Error)]
enum NotThere {
    #[error("there is no order `{0}`")]
    Order(OrderId),
    #[error("the order `{order}` was placed later than {time}")]
    Yet { order: OrderId, time: Timestamp },
}

/// Shows an order.
pub(super) async fn show(db: Option<String>, order: &OrderId) -> Result<(), Failure> {
    let app = database::open_existing(db).await?;
    let found = app.query(FindOrder { order: order.clone() }).await?;
    app.shutdown().await?;
    let summary = found.ok_or_else(|| NotThere::Order(order.clone()))?;
    let mut table = table(&["Order", "Article", "#Quantity", "#Set aside", "Customer", "#Price", "#Paid", "Status"]);
    table.add_row([
        Cell::new(&summary.order).add_attribute(comfy_table::Attribute::Bold),
        Cell::new(&summary.sku),
        Cell::new(summary.quantity),
        Cell::new(summary.held),
        payer(summary.bill.as_ref()),
        price(summary.bill.as_ref()),
        Cell::new(summary.paid),
        status(&summary.status),
    ]);
    print(&table.to_string())
}

/// Who pays; nobody for an order that costs nothing.
fn payer(bill: Option<&Bill>) -> Cell {
    Cell::new(bill.map(|bill| bill.customer.to_string()).unwrap_or_default())
}

fn price(bill: Option<&Bill>) -> Cell {
    Cell::new(bill.map(|bill| bill.amount).unwrap_or_default())
}

/// Shows every event of an order.
pub(super) async fn history(db: Option<String>, order: &OrderId) -> Result<(), Failure> {
    let app = database::open_existing(db).await?;
    let history = app.aggregate::<Order>(order).history().await?;
    app.shutdown().await?;
    if history.is_empty() {
        return Err(NotThere::Order(order.clone()).into());
    }
    let mut text = String::new();
    for entry in history {
        let recorded = &entry.recorded;
        text.push_str(&format!(
            "{} {} {}\n  {}\n  {}\n",
            styled(FAINT, format_args!("{:>3}", recorded.version)),
            recorded.recorded_at,
            styled(BOLD, &entry.name),
            entry.payload,
            styled(FAINT, cause(recorded.metadata())),
        ));
    }
    print(&text)
}

/// What caused an event, and what its command carried along.
fn cause(metadata: &Metadata) -> String {
    let mut text = format!("caused by command {}", metadata.causation_id().unwrap_or("of unknown id"));
    for (key, value) in metadata.iter() {
        if key != Metadata::CAUSATION_ID && key != Metadata::CORRELATION_ID {
            text.push_str(&format!(", {key} {value}"));
        }
    }
    text
}

/// Shows an order as it was at an instant.
pub(super) async fn at(db: Option<String>, order: &OrderId, time: Timestamp) -> Result<(), Failure> {
    let app = database::open_existing(db).await?;
    let found = app.aggregate::<Order>(order).as_of(AsOf::Time(time)).await?;
    let exists = app.aggregate::<Order>(order).load().await?.is_some();
    app.shutdown().await?;
    let Some(then) = found else {
        let order = order.clone();
        return Err(if exists { NotThere::Yet { order, time } } else { NotThere::Order(order) }.into());
    };
    let mut table = table(&["Order", "Article", "#Quantity", "Customer", "#Price", "Status", "#Version"]);
    table.add_row([
        Cell::new(order).add_attribute(comfy_table::Attribute::Bold),
        Cell::new(&then.state.sku),
        Cell::new(then.state.quantity),
        payer(then.state.bill.as_ref()),
        price(then.state.bill.as_ref()),
        status(&then.state.status),
        Cell::new(then.version),
    ]);
    print(&table.to_string())
}

/// Shows what is left of each article.
pub(super) async fn stock(db: Option<String>) -> Result<(), Failure> {
    let app = database::open_existing(db).await?;
    let rows = StockRow::all(&app).await?;
    app.shutdown().await?;
    print(&StockRow::table(&rows).to_string())
}

/// Shows what each customer has left.
pub(super) async fn accounts(db: Option<String>) -> Result<(), Failure> {
    let app = database::open_existing(db).await?;
    let rows = AccountRow::all(&app).await?;
    app.shutdown().await?;
    print(&AccountRow::table(&rows).to_string())
}
