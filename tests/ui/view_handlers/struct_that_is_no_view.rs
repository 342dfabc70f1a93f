#![allow(unused)]

use annals::prelude::*;

struct Orders;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[view_handlers]
impl Orders {
    #[handle(key = order)]
    fn placed(&mut self, event: &OrderPlaced) {}
}

fn main() {}
