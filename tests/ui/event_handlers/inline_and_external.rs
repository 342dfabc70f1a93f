#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[derive(Default)]
struct Sales;

#[event_handlers(processor = "sales", inline, external)]
impl Sales {
    #[handle]
    async fn placed(&self, event: &OrderPlaced) -> Result<(), HandlerError> {
        todo!()
    }
}

fn main() {}
