//! What each customer has left.

use super::*;

/// What a customer has left, and has paid.
#[derive(View, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[view(name = "account-balance", key = CustomerId)]
pub struct AccountBalance {
    pub left: Money,
    /// For all orders together, without what was paid back.
    pub paid: Money,
}

#[view_handlers]
impl AccountBalance {
    #[handle(key = customer)]
    fn opened(&mut self, event: &AccountOpened) {
        *self = Self { left: event.balance, paid: Money::default() };
    }

    #[handle(key = customer)]
    fn taken(&mut self, event: &PaymentTaken) {
        self.left -= event.amount;
        self.paid += event.amount;
    }

    #[handle(key = customer)]
    fn refunded(&mut self, event: &PaymentRefunded) {
        self.left += event.amount;
        self.paid -= event.amount;
    }
}
