//! The words that all parts share: names of orders, articles and customers, and money.

mod money;

use annals::prelude::*;

pub use money::{Money, NoMoney};

/// Names an order; the customer chooses it.
#[derive(Identifier, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(String);

/// Names an article (stock keeping unit).
#[derive(Identifier, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sku(String);

/// Names a customer, who has at most one account.
#[derive(Identifier, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(String);
