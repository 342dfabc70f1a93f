//! The money of one customer.

use std::collections::BTreeMap;

use super::*;

/// The money of one customer. Invariant: `left` and what `paid` holds always add up to what the account was opened
/// with; an order is paid for at most once.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "account", snapshot(every = 100))]
pub struct Account {
    known: bool,
    left: Money,
    /// What was paid for each order: nothing once it was paid back, so that a late repeat of its payment has no effect.
    paid: BTreeMap<OrderId, Money>,
}

#[command_handlers]
impl Account {
    #[handle(create)]
    fn open(command: OpenAccount) -> AccountOpened {
        let OpenAccount { customer, balance } = command;
        AccountOpened { customer, balance }
    }

    #[handle(create_if_missing)]
    fn take(&self, command: TakePayment) -> Result<Option<PaymentTaken>, PaymentError> {
        let TakePayment { customer, order, amount } = command;
        match self.left {
            _ if !self.known => Err(PaymentError::UnknownCustomer),
            _ if self.paid.contains_key(&order) => Ok(None),
            left if left < amount => Err(PaymentError::Declined { left }),
            _ => Ok(Some(PaymentTaken { customer, order, amount })),
        }
    }

    #[handle(create_if_missing)]
    fn refund(&self, command: RefundPayment) -> Option<PaymentRefunded> {
        let RefundPayment { customer, order } = command;
        let amount = *self.paid.get(&order)?;
        (!amount.is_zero()).then_some(PaymentRefunded { customer, order, amount })
    }
}

#[event_sourcing]
impl Account {
    #[apply]
    fn opened(&mut self, event: &AccountOpened) {
        (self.known, self.left) = (true, event.balance);
    }

    #[apply]
    fn taken(&mut self, event: &PaymentTaken) {
        self.left -= event.amount;
        self.paid.insert(event.order.clone(), event.amount);
    }

    #[apply]
    fn refunded(&mut self, event: &PaymentRefunded) {
        self.left += event.amount;
        self.paid.insert(event.order.clone(), Money::default());
    }
}
