#![allow(unused)]

use annals::prelude::*;

#[derive(View, Serialize, Deserialize, Clone, Default)]
#[view(name = "orders", key = String)]
struct Orders {
    count: u32,
}

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[view_handlers]
impl Orders {
    #[handle(key = order)]
    fn placed(&mut self, event: &OrderPlaced) -> bool {
        true
    }
}

fn main() {}
