#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "order")]
struct Order;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[event_sourcing]
impl Order {
    #[apply]
    fn noted(&mut self, event: &OrderNoted) {}
}

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.noted")]
struct OrderNoted;

#[event_sourcing]
impl Order {
    #[apply]
    fn placed(&mut self, event: &OrderPlaced) {}
}

fn main() {}
