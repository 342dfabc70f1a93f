//! An order and how far it has come.

use super::*;

/// An order and how far it has come.
#[derive(View, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[view(name = "order-summary", version = 2, key = OrderId)]
pub struct OrderSummary {
    pub order: OrderId,
    pub sku: Sku,
    pub quantity: u32,
    /// What is set aside for it.
    pub held: u32,
    /// Who pays how much; an order without a bill costs nothing.
    pub bill: Option<Bill>,
    /// What was paid for it, and not paid back.
    pub paid: Money,
    pub status: Status,
}

#[view_handlers]
impl OrderSummary {
    #[handle(key = order)]
    fn placed(&mut self, event: OrderPlaced) {
        let OrderPlaced { order, sku, quantity, bill } = event;
        *self = Self { order, sku, quantity, bill, status: Status::Pending, ..Self::default() };
    }

    #[handle(key = order)]
    fn approved(&mut self, _: &OrderApproved) {
        self.status = Status::Approved;
    }

    #[handle(key = order)]
    fn rejected(&mut self, event: OrderRejected) {
        self.status = Status::Rejected(event.reason);
    }

    #[handle(key = order)]
    fn cancelled(&mut self, _: &OrderCancelled) {
        self.status = Status::Cancelled;
    }

    #[handle(key = order)]
    fn reserved(&mut self, event: &StockReserved) {
        self.held = event.quantity;
    }

    #[handle(key = order)]
    fn released(&mut self, _: &StockReleased) {
        self.held = 0;
    }

    #[handle(key = order)]
    fn taken(&mut self, event: &PaymentTaken) {
        self.paid = event.amount;
    }

    #[handle(key = order)]
    fn refunded(&mut self, _: &PaymentRefunded) {
        self.paid = Money::default();
    }
}

/// Asks for one order.
#[derive(Query, Debug, Clone)]
#[query(name = "order.find", reply = Option<OrderSummary>)]
pub struct FindOrder {
    pub order: OrderId,
}

#[query_handlers]
impl OrderSummary {
    #[handle]
    async fn find(query: FindOrder, orders: Views<OrderSummary>) -> Result<Option<OrderSummary>, QueryError> {
        Ok(orders.get(&query.order).await?)
    }
}
