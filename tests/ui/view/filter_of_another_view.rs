#![allow(unused)]

use annals::prelude::*;

#[derive(View, Serialize, Deserialize, Clone, Default)]
#[view(name = "orders", key = String)]
struct Orders {
    #[index]
    customer: String,
    #[index]
    total: i64,
    #[index]
    labels: Vec<String>,
    note: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[view_handlers]
impl Orders {
    #[handle(key = order)]
    fn placed(&mut self, event: &OrderPlaced) {}
}

#[derive(View, Serialize, Deserialize, Clone, Default)]
#[view(name = "parcels", key = String)]
struct Parcels {
    #[index]
    weight: u32,
}

fn read(orders: Views<Orders>) {
    let heavy = orders.filter(Parcels::WEIGHT.at_least(20));
}

fn main() {}
