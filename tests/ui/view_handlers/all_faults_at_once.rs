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

#[view_handlers(live)]
impl Orders {
    #[handle(by = order)]
    fn placed(&self, event: &mut OrderPlaced) {}

    #[handle(key = order)]
    async fn put(&mut self) {}
}

fn main() {}
