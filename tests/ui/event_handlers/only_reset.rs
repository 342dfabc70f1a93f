#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[derive(Default)]
struct Sales;

#[event_handlers(processor = "sales")]
impl Sales {
    #[reset]
    async fn reset(&self) {}
}

fn main() {}
