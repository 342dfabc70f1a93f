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

#[view_handlers]
impl Labels {
    #[handle(keys = numbers)]
    fn placed(&mut self, event: &OrderPlaced) {}
}

fn main() {}
