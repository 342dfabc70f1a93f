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
    #[enrich]
    fn nothing(placed: &[OrderPlaced]) {}

    #[enrich(once)]
    async fn no_events(now: Now) -> u32 {
        7
    }

    #[enrich]
    fn events_last(now: Now, placed: &[OrderPlaced]) -> u64 {
        7
    }

    #[enrich]
    fn with_a_document(&mut self, placed: &[OrderPlaced]) -> i64 {
        7
    }

    #[handle(keys = labels)]
    fn placed(&mut self, event: &OrderPlaced) {}
}

fn main() {}
