#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed", revision = 2)]
struct OrderPlaced {
    order: String,
}

struct Old;

#[upcasters]
impl OrderPlaced {
    #[upcast(from = 1)]
    fn lift(old: Old) -> Json {
        Json::Null
    }
}

fn main() {}
