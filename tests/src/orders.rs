//! Orders reserve stock through a saga: small enough to read, large enough to test everything with.

use std::time::Duration;

use annals::prelude::*;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
pub enum OrderError {
    #[error("nothing is ordered")]
    Empty,
    #[error("the order is decided: {0}")]
    Decided(String),
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
pub enum StockError {
    #[error("only {left} left")]
    SoldOut { left: u32 },
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.place", error = OrderError)]
pub struct PlaceOrder {
    #[target]
    pub order: String,
    pub sku: String,
    pub quantity: u32,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.add-lines", error = OrderError, reply = u32)]
pub struct AddLines {
    #[target]
    pub order: String,
    pub quantities: Vec<u32>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.approve", error = OrderError)]
pub struct ApproveOrder {
    #[target]
    pub order: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.reject", error = OrderError)]
pub struct RejectOrder {
    #[target]
    pub order: String,
    pub reason: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "stock.add")]
pub struct AddStock {
    #[target]
    pub sku: String,
    pub quantity: u32,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "stock.reserve", error = StockError)]
pub struct ReserveStock {
    #[target]
    pub sku: String,
    pub order: String,
    pub quantity: u32,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.placed")]
pub struct OrderPlaced {
    #[tag]
    pub order: String,
    pub sku: String,
    pub quantity: u32,
    pub at: Timestamp,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.line-added")]
pub struct LineAdded {
    #[tag]
    pub order: String,
    pub quantity: u32,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.approved")]
pub struct OrderApproved {
    #[tag]
    pub order: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.rejected")]
pub struct OrderRejected {
    #[tag]
    pub order: String,
    pub reason: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "stock.added")]
pub struct StockAdded {
    pub sku: String,
    pub quantity: u32,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "stock.reserved")]
pub struct StockReserved {
    pub sku: String,
    #[tag]
    pub order: String,
    pub quantity: u32,
}

/// An order. It is decided once.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "order", snapshot(every = 5))]
pub struct Order {
    pub quantity: u32,
    pub decided: Option<String>,
}

#[command_handlers]
impl Order {
    #[handle(create)]
    fn place(command: PlaceOrder, now: Now) -> Result<OrderPlaced, OrderError> {
        let PlaceOrder { order, sku, quantity } = command;
        if quantity == 0 {
            return Err(OrderError::Empty);
        }
        Ok(OrderPlaced { order, sku, quantity, at: now.into() })
    }

    #[handle]
    fn add_lines(&mut self, command: AddLines, events: &mut Events<Self>) -> Result<u32, OrderError> {
        for quantity in command.quantities {
            if quantity == 0 {
                return Err(OrderError::Empty);
            }
            events.apply(self, LineAdded { order: command.order.clone(), quantity });
        }
        Ok(self.quantity)
    }

    #[handle]
    fn approve(&self, command: &ApproveOrder) -> Result<Option<OrderApproved>, OrderError> {
        self.decide("approved").map(|new| new.then(|| OrderApproved { order: command.order.clone() }))
    }

    #[handle]
    fn reject(&self, command: RejectOrder) -> Result<Option<OrderRejected>, OrderError> {
        let RejectOrder { order, reason } = command;
        self.decide("rejected").map(|new| new.then_some(OrderRejected { order, reason }))
    }

    /// Whether this is a new decision; the same one twice is none.
    fn decide(&self, decision: &str) -> Result<bool, OrderError> {
        match &self.decided {
            None => Ok(true),
            Some(decided) if decided == decision => Ok(false),
            Some(decided) => Err(OrderError::Decided(decided.clone())),
        }
    }
}

#[event_sourcing]
impl Order {
    #[apply]
    fn placed(&mut self, event: &OrderPlaced) {
        self.quantity = event.quantity;
    }

    #[apply]
    fn line_added(&mut self, event: &LineAdded) {
        self.quantity += event.quantity;
    }

    #[apply]
    fn approved(&mut self, _event: &OrderApproved) {
        self.decided = Some("approved".to_owned());
    }

    #[apply]
    fn rejected(&mut self, _event: &OrderRejected) {
        self.decided = Some("rejected".to_owned());
    }
}

/// The stock of one article; never below zero.
#[derive(Aggregate, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "stock")]
pub struct Stock {
    pub left: u32,
}

#[command_handlers]
impl Stock {
    #[handle(create_if_missing)]
    fn add(&self, command: AddStock) -> StockAdded {
        StockAdded { sku: command.sku, quantity: command.quantity }
    }

    #[handle(create_if_missing)]
    fn reserve(&self, command: ReserveStock) -> Result<StockReserved, StockError> {
        let ReserveStock { sku, order, quantity } = command;
        if quantity > self.left {
            return Err(StockError::SoldOut { left: self.left });
        }
        Ok(StockReserved { sku, order, quantity })
    }
}

#[event_sourcing]
impl Stock {
    #[apply]
    fn added(&mut self, event: &StockAdded) {
        self.left += event.quantity;
    }

    #[apply]
    fn reserved(&mut self, event: &StockReserved) {
        self.left -= event.quantity;
    }
}

/// What became of an order.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "order-summary", key = String)]
pub struct OrderSummary {
    pub sku: String,
    pub quantity: u32,
    pub status: String,
}

#[view_handlers]
impl OrderSummary {
    #[handle(key = order)]
    fn placed(&mut self, event: &OrderPlaced) {
        *self = Self { sku: event.sku.clone(), quantity: event.quantity, status: "placed".to_owned() };
    }

    #[handle(key = order)]
    fn approved(&mut self, _event: &OrderApproved) {
        self.status = "approved".to_owned();
    }

    #[handle(key = order)]
    fn rejected(&mut self, event: &OrderRejected) {
        self.status = format!("rejected: {}", event.reason);
    }
}

#[derive(Query, Debug)]
#[query(name = "order.find", reply = Option<OrderSummary>)]
pub struct FindOrder {
    pub order: String,
}

#[query_handlers]
impl OrderSummary {
    #[handle]
    async fn find(query: FindOrder, orders: Views<OrderSummary>) -> Result<Option<OrderSummary>, QueryError> {
        Ok(orders.get(&query.order).await?)
    }
}

/// How long a reservation may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Reserves stock for an order, then approves or rejects it.
#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[saga(name = "order-fulfilment")]
pub struct Fulfilment {
    pub order: String,
}

#[saga_handlers]
impl Fulfilment {
    #[start(by = order)]
    fn placed(&mut self, event: &OrderPlaced, effects: &mut Effects) {
        self.order = event.order.clone();
        effects.send(ReserveStock { sku: event.sku.clone(), order: event.order.clone(), quantity: event.quantity });
        effects.deadline("reservation", PATIENCE);
    }

    #[handle(by = order)]
    fn reserved(&mut self, event: &StockReserved, effects: &mut Effects) {
        effects.cancel_deadline("reservation");
        effects.send(ApproveOrder { order: event.order.clone() });
    }

    #[rejected]
    fn refused(&mut self, command: &ReserveStock, why: &StockError, effects: &mut Effects) {
        effects.send(RejectOrder { order: command.order.clone(), reason: why.to_string() });
    }

    #[deadline("reservation")]
    fn overdue(&mut self, effects: &mut Effects) {
        effects.send(RejectOrder { order: self.order.clone(), reason: "no answer".to_owned() });
    }

    #[end(by = order)]
    fn approved(&mut self, _event: &OrderApproved) {}

    #[end(by = order)]
    fn rejected(&mut self, _event: &OrderRejected) {}
}
