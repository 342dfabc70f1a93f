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

#[event_sourcing(ignore("", "a", "a"), skip)]
impl Order {
    #[apply]
    async fn placed(&self, event: OrderPlaced) {}

    #[apply]
    fn put(&mut self, event: &OrderPlaced, now: Now) -> bool {
        todo!()
    }

    #[upcast(from = 1)]
    fn noted(&mut self) {}
}

fn main() {}
