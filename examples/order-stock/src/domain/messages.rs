//! What is said: commands ask, events tell, errors refuse. One message, one line.

use super::*;

// ---- orders

/// Who pays how much for an order.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Bill { pub customer: CustomerId, pub amount: Money }

/// Asks for an order of one article. An order is placed once; one without a bill costs nothing.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "order.place", error = OrderError)]
pub struct PlaceOrder { #[target] pub order: OrderId, pub sku: Sku, pub quantity: u32, pub bill: Option<Bill> }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.placed")]
pub struct OrderPlaced { pub order: OrderId, pub sku: Sku, pub quantity: u32, pub bill: Option<Bill> }

/// Decides for the order. Without effect on one that is decided.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "order.approve")]
pub struct ApproveOrder { #[target] pub order: OrderId }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.approved")]
pub struct OrderApproved { pub order: OrderId }

/// Decides against the order. Without effect on one that is decided.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "order.reject")]
pub struct RejectOrder { #[target] pub order: OrderId, pub reason: Reason }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.rejected")]
pub struct OrderRejected { pub order: OrderId, pub reason: Reason }

/// Why an order was rejected: stored as the stock says it, since before there were payments only the stock could be the
/// reason. So no two variants of the two may have the same name.
#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[error(transparent)] #[serde(untagged)]
pub enum Reason { Stock(StockError), Payment(PaymentError) }

/// Takes an order back, before or after it was approved. Cancelling twice is the same as once.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "order.cancel", error = OrderError)]
pub struct CancelOrder { #[target] pub order: OrderId }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.cancelled")]
pub struct OrderCancelled { pub order: OrderId }

/// Why an order could not be placed or cancelled.
#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum OrderError {
    #[error("an order needs a quantity of at least 1")] NothingOrdered,
    #[error("there is no such order")] NoSuchOrder,
    #[error("the order has been rejected")] Rejected(#[source] Reason),
}

// ---- stock

/// Takes a new article into stock.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "stock.add")]
pub struct AddArticle { #[target] pub sku: Sku, pub name: String, pub quantity: u32 }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "stock.added")]
pub struct ArticleAdded { pub sku: Sku, pub name: String, pub quantity: u32 }

/// Sets stock aside for an order. An order reserves once; a repeat has no further effect.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "stock.reserve", error = StockError)]
pub struct ReserveStock { #[target] pub sku: Sku, pub order: OrderId, pub quantity: u32 }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "stock.reserved")]
pub struct StockReserved { pub sku: Sku, pub order: OrderId, pub quantity: u32 }

/// Gives back what an order holds, if it holds anything.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "stock.release")]
pub struct ReleaseStock { #[target] pub sku: Sku, pub order: OrderId }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "stock.released")]
pub struct StockReleased { pub sku: Sku, pub order: OrderId, pub quantity: u32 }

/// Why an order got no stock.
#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum StockError {
    #[error("unknown article")] UnknownArticle,
    #[error("too little stock")] TooLittle { left: u32 },
    #[error("not reserved in time")] Overdue,
}
