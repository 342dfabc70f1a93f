#![allow(unused)]

use annals::prelude::*;
use std::time::Duration;

#[derive(Workflow, Serialize, Deserialize, Clone)]
#[workflow(name = "order-flow")]
struct OrderFlow {
    order: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
    shop: String,
}

#[workflow_handlers(fast)]
impl OrderFlow {
    #[start(key = order)]
    async fn placed(&self, event: OrderPlaced, now: Timestamp) {}

    #[run(once)]
    #[awaits(OrderPlaced, key = order)]
    #[awaits(OrderPlaced, by = shop, with = order, given)]
    #[awaits]
    fn run(&self, flow: Flow<Self>, more: u32) -> u32 {
        std::time::Instant::now();
        0
    }

    #[run]
    async fn again(self) {
        let both = futures_util::join!(async {}, async {});
    }

    #[part]
    fn piece(&self) {}

    #[handle]
    fn other(&self) {}

    #[awaits(OrderPlaced, by = order)]
    fn elsewhere(&self) {}
}

fn main() {}
