#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Serialize, Deserialize, Default, Clone)]
#[aggregate(name = "order", snapshot = 100)]
struct Order;

#[event_sourcing]
impl Order {
    #[apply]
    fn placed(&mut self, _event: &OrderPlaced) {}
}

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

fn main() {}
