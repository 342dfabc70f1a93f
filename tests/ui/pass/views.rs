#![allow(unused)]

use annals::prelude::*;

use annals::view::{Enriched, Key, Order};
use std::collections::{BTreeSet, HashSet};

#[derive(Identifier, Serialize, Deserialize, Clone, Default, PartialEq, Eq, Hash)]
pub struct CustomerId(u64);

#[derive(IndexValue, Serialize, Deserialize, Clone, Copy, Default)]
pub enum Status {
    #[default]
    Open,
    #[serde(rename = "done")]
    Closed,
}

#[derive(IndexValue, Serialize, Deserialize, Clone, Default)]
pub struct Cents {
    amount: i64,
}

#[derive(View, Serialize, Deserialize, Clone, Default)]
#[view(name = "orders", key = String)]
pub struct Orders {
    #[index]
    customer: CustomerId,
    #[index]
    status: Status,
    #[index(name = "price")]
    total: Cents,
    #[index]
    r#type: Option<String>,
    #[index]
    labels: BTreeSet<String>,
    #[index]
    others: HashSet<CustomerId>,
    #[index]
    paid: bool,
    #[index]
    at: Timestamp,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order.placed")]
pub struct OrderPlaced {
    order: String,
    others: HashSet<CustomerId>,
}

#[view_handlers]
impl Orders {
    #[enrich]
    fn names(placed: &[OrderPlaced]) -> Vec<String> {
        Vec::new()
    }

    #[handle(keys = Self::keys)]
    fn placed(&mut self, event: &OrderPlaced, order: Key<String>, names: Enriched<Vec<String>>) -> Keep {
        Keep::Update
    }

    fn keys(event: &OrderPlaced) -> [String; 1] {
        [event.order.clone()]
    }
}

async fn read(orders: Views<Orders>) -> annals::Result<()> {
    let id = CustomerId(7);
    let page = orders
        .filter(Orders::CUSTOMER.is(&id))
        .filter(Orders::STATUS.any_of([Status::Open, Status::Closed]))
        .filter(Orders::TYPE.is("x"))
        .filter(Orders::TYPE.starts_with(&String::from("x")))
        .filter(Orders::TYPE.is(String::new()))
        .filter(Orders::TYPE.is(&String::new()))
        .filter(Orders::LABELS.any_of(["a", "b"]))
        .filter(Orders::LABELS.any_of(&[String::new()]))
        .filter(Orders::OTHERS.is(id))
        .filter(Orders::PAID.is(true))
        .filter(Orders::AT.below(Timestamp::EPOCH))
        .order_by(Orders::TOTAL.descending())
        .order_by(Order::keys_descending())
        .page()
        .await?;
    Ok(())
}

fn main() {
    assert_eq!(Orders::INDEXES, ["customer", "status", "price", "type", "labels", "others", "paid", "at"]);
}
