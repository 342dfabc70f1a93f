//! From a placed order to a decided one.

use std::time::Duration;

use super::*;

/// How long an order waits for its stock before it is rejected.
const RESERVATION_TIME: Duration = Duration::from_secs(60);

/// Reserves stock for an order and decides on the order accordingly.
///
/// The saga of an approved order stays open, since the order may still be cancelled. Its commands are sent one after
/// the other, so a release always meets the reservation before it, however late that was answered: stock cannot leak.
#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "order-fulfilment")]
pub struct Fulfilment {
    order: OrderId,
    sku: Sku,
}

#[saga_handlers]
impl Fulfilment {
    #[start(by = order)]
    fn placed(&mut self, event: &OrderPlaced, effects: &mut Effects) {
        let OrderPlaced { order, sku, quantity, .. } = event.clone();
        *self = Self { order: order.clone(), sku: sku.clone() };
        effects.send(ReserveStock { sku, order, quantity });
        effects.deadline("reservation", RESERVATION_TIME);
    }

    #[handle(by = order)]
    fn reserved(&mut self, event: &StockReserved, effects: &mut Effects) {
        effects.cancel_deadline("reservation");
        effects.send(ApproveOrder { order: event.order.clone() });
    }

    #[rejected]
    fn refused(&mut self, command: &ReserveStock, why: &StockError, effects: &mut Effects) {
        effects.cancel_deadline("reservation");
        effects.send(RejectOrder { order: command.order.clone(), reason: why.clone() });
    }

    #[deadline("reservation")]
    fn overdue(&mut self, effects: &mut Effects) {
        effects.send(RejectOrder { order: self.order.clone(), reason: StockError::Overdue });
    }

    /// An overdue order may have been given stock all the same.
    #[end(by = order)]
    fn rejected(&mut self, event: &OrderRejected, effects: &mut Effects) {
        if event.reason == StockError::Overdue {
            effects.send(ReleaseStock { sku: self.sku.clone(), order: self.order.clone() });
        }
    }

    #[end(by = order)]
    fn cancelled(&mut self, _: &OrderCancelled, effects: &mut Effects) {
        effects.send(ReleaseStock { sku: self.sku.clone(), order: self.order.clone() });
    }
}
