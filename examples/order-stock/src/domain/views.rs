//! What people look at: orders, and what is left of each article.

use super::*;

/// An order and how far it has come.
#[derive(View, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[view(name = "order-summary", key = OrderId)]
pub struct OrderSummary {
    pub order: OrderId,
    pub sku: Sku,
    pub quantity: u32,
    /// What is set aside for it.
    pub held: u32,
    pub status: Status,
}

#[view_handlers]
impl OrderSummary {
    #[handle(key = order)]
    fn placed(&mut self, event: OrderPlaced) {
        *self = Self { order: event.order, sku: event.sku, quantity: event.quantity, held: 0, status: Status::Pending };
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
}

/// What is left of an article.
#[derive(View, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[view(name = "stock-level", key = Sku)]
pub struct StockLevel {
    pub name: String,
    pub left: u32,
    pub held: u32,
}

#[view_handlers]
impl StockLevel {
    #[handle(key = sku)]
    fn added(&mut self, event: ArticleAdded) {
        *self = Self { name: event.name, left: event.quantity, held: 0 };
    }

    #[handle(key = sku)]
    fn reserved(&mut self, event: &StockReserved) {
        self.left -= event.quantity;
        self.held += event.quantity;
    }

    #[handle(key = sku)]
    fn released(&mut self, event: &StockReleased) {
        self.left += event.quantity;
        self.held -= event.quantity;
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
