//! What is said to and by accounts. One message, one line.

use super::*;

/// Opens a customer's account with this much in it.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "account.open")]
pub struct OpenAccount { #[target] pub customer: CustomerId, pub balance: Money }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "account.opened")]
pub struct AccountOpened { pub customer: CustomerId, pub balance: Money }

/// Takes money out of an account for an order. An order is paid for once; a repeat has no further effect.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "payment.take", error = PaymentError)]
pub struct TakePayment { #[target] pub customer: CustomerId, pub order: OrderId, pub amount: Money }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "payment.taken")]
pub struct PaymentTaken { pub customer: CustomerId, pub order: OrderId, pub amount: Money }

/// Pays back what was taken for an order, if anything was.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "payment.refund")]
pub struct RefundPayment { #[target] pub customer: CustomerId, pub order: OrderId }

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "payment.refunded")]
pub struct PaymentRefunded { pub customer: CustomerId, pub order: OrderId, pub amount: Money }

/// Why an order was not paid for.
#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum PaymentError {
    #[error("unknown customer")] UnknownCustomer,
    #[error("payment declined")] Declined { left: Money },
    #[error("not paid in time")] Unpaid,
}
