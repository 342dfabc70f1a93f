//! An order: placed once, decided once.

use super::*;

/// An order of one article. Invariant: it is approved or rejected at most once, and never after it was cancelled.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "order", snapshot(every = 100))]
pub struct Order {
    pub sku: Sku,
    pub quantity: u32,
    pub bill: Option<Bill>,
    pub status: Status,
}

/// How far an order has come.
#[derive(Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
pub enum Status {
    /// Nobody has placed it.
    #[default]
    Unknown,
    Pending,
    Approved,
    Rejected(Reason),
    Cancelled,
}

#[command_handlers]
impl Order {
    #[handle(create)]
    fn place(command: PlaceOrder) -> Result<OrderPlaced, OrderError> {
        let PlaceOrder { order, sku, quantity, bill } = command;
        match quantity {
            0 => Err(OrderError::NothingOrdered),
            _ => Ok(OrderPlaced { order, sku, quantity, bill }),
        }
    }

    #[handle]
    fn approve(&self, command: ApproveOrder) -> Option<OrderApproved> {
        (self.status == Status::Pending).then_some(OrderApproved { order: command.order })
    }

    #[handle]
    fn reject(&self, command: RejectOrder) -> Option<OrderRejected> {
        let RejectOrder { order, reason } = command;
        (self.status == Status::Pending).then_some(OrderRejected { order, reason })
    }

    /// An order that nobody has placed is refused by this rule and not by its missing stream. So the answer is kept
    /// under the command's id, and a repeat of the command spares an order that was placed later.
    #[handle(create_if_missing)]
    fn cancel(&self, command: CancelOrder) -> Result<Option<OrderCancelled>, OrderError> {
        match &self.status {
            Status::Unknown => Err(OrderError::NoSuchOrder),
            Status::Pending | Status::Approved => Ok(Some(OrderCancelled { order: command.order })),
            Status::Rejected(reason) => Err(OrderError::Rejected(reason.clone())),
            Status::Cancelled => Ok(None),
        }
    }
}

#[event_sourcing]
impl Order {
    #[apply]
    fn placed(&mut self, event: &OrderPlaced) {
        let OrderPlaced { sku, quantity, bill, .. } = event.clone();
        *self = Self { sku, quantity, bill, status: Status::Pending };
    }

    #[apply]
    fn approved(&mut self, _: &OrderApproved) {
        self.status = Status::Approved;
    }

    #[apply]
    fn rejected(&mut self, event: &OrderRejected) {
        self.status = Status::Rejected(event.reason.clone());
    }

    #[apply]
    fn cancelled(&mut self, _: &OrderCancelled) {
        self.status = Status::Cancelled;
    }
}
