#![allow(unused)]

use annals::prelude::*;

#[derive(View, Serialize, Deserialize, Clone, Default)]
#[view(name = "labels", key = String)]
struct Labels {
    count: u32,
}

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
    labels: Vec<String>,
    numbers: Vec<u32>,
}

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.sold")]
struct OrderSold {
    order: String,
    labels: Vec<String>,
}

#[view_handlers]
impl Labels {
    #[handle(key = order, keys = labels)]
    fn placed(&mut self, event: &OrderPlaced) {}

    #[handle(keys = labels)]
    fn sold(&mut self, event: OrderSold) {}
}

fn main() {}
