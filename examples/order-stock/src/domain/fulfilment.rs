//! From a placed order to a decided one.

use std::time::Duration;

use super::*;

/// How long an order waits for its stock before it is rejected.
pub const RESERVATION_TIME: Duration = Duration::from_secs(60);

/// How long an order with a bill then waits for its payment before it is rejected.
pub const PAYMENT_TIME: Duration = Duration::from_secs(60);

/// Reserves stock for an order, takes the payment, and decides on the order accordingly.
///
/// The saga of an approved order stays open, since the order may still be cancelled. Its commands are sent one after
/// the other, so a refund meets the payment before it and a release the reservation before it, however late those were
/// answered: neither money nor stock can leak. A rejection for lateness takes place behind the late answer as well.
#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "order-fulfilment")]
#[serde(default)]
pub struct Fulfilment {
    order: OrderId,
    sku: Sku,
    bill: Option<Bill>,
    /// The order is too late for its stock: a reservation that is answered now leads to no payment.
    overdue: bool,
    /// The payment was asked for and not declined: it was taken, or may be yet.
    charged: bool,
}

#[saga_handlers]
impl Fulfilment {
    #[start(by = order)]
    fn placed(&mut self, event: &OrderPlaced, effects: &mut Effects) {
        let OrderPlaced { order, sku, quantity, bill } = event.clone();
        *self = Self { order: order.clone(), sku: sku.clone(), bill, ..Self::default() };
        effects.send(ReserveStock { sku, order, quantity });
        effects.deadline("reservation", RESERVATION_TIME);
    }

    #[handle(by = order)]
    fn reserved(&mut self, event: &StockReserved, effects: &mut Effects) {
        effects.cancel_deadline("reservation");
        match self.bill.clone() {
            _ if self.overdue => {}
            None => effects.send(ApproveOrder { order: event.order.clone() }),
            Some(Bill { customer, amount }) => {
                self.charged = true;
                effects.send(TakePayment { customer, order: event.order.clone(), amount });
                effects.deadline("payment", PAYMENT_TIME);
            }
        }
    }

    #[handle(by = order)]
    fn paid(&mut self, event: &PaymentTaken, effects: &mut Effects) {
        effects.cancel_deadline("payment");
        effects.send(ApproveOrder { order: event.order.clone() });
    }

    #[rejected]
    fn refused(&mut self, command: &ReserveStock, why: &StockError, effects: &mut Effects) {
        effects.cancel_deadline("reservation");
        effects.send(RejectOrder { order: command.order.clone(), reason: Reason::Stock(why.clone()) });
    }

    #[rejected]
    fn declined(&mut self, command: &TakePayment, why: &PaymentError, effects: &mut Effects) {
        self.charged = false;
        effects.cancel_deadline("payment");
        effects.send(RejectOrder { order: command.order.clone(), reason: Reason::Payment(why.clone()) });
    }

    #[deadline("reservation")]
    fn not_reserved(&mut self, effects: &mut Effects) {
        self.overdue = true;
        effects.send(RejectOrder { order: self.order.clone(), reason: Reason::Stock(StockError::Overdue) });
    }

    #[deadline("payment")]
    fn not_paid(&mut self, effects: &mut Effects) {
        effects.send(RejectOrder { order: self.order.clone(), reason: Reason::Payment(PaymentError::Unpaid) });
    }

    /// An order that was too late may have been given stock all the same, and may have been paid for.
    #[end(by = order)]
    fn rejected(&mut self, event: &OrderRejected, effects: &mut Effects) {
        match event.reason {
            Reason::Stock(StockError::UnknownArticle | StockError::TooLittle { .. }) => {}
            Reason::Stock(StockError::Overdue) | Reason::Payment(_) => self.give_back(effects),
        }
    }

    #[end(by = order)]
    fn cancelled(&mut self, _: &OrderCancelled, effects: &mut Effects) {
        self.give_back(effects);
    }
}

impl Fulfilment {
    /// Undoes what was done, or is still under way, newest first.
    fn give_back(&self, effects: &mut Effects) {
        if let (true, Some(Bill { customer, .. })) = (self.charged, self.bill.clone()) {
            effects.send(RefundPayment { customer, order: self.order.clone() });
        }
        effects.send(ReleaseStock { sku: self.sku.clone(), order: self.order.clone() });
    }
}
