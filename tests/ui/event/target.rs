#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order.placed")]
struct OrderPlaced {
    #[target]
    order: String,
}

fn main() {}
