#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[derive(Default)]
struct Sales;

#[event_handlers(process = "sales")]
impl Sales {
    #[handle]
    async fn placed(self, event: &mut OrderPlaced, tx: &mut u32, other: &mut u64) -> u32 {
        todo!()
    }

    #[reset(all)]
    async fn clear(&mut self) {}

    #[reset]
    async fn clean(&self) {}
}

fn main() {}
