#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed", revision = 2)]
struct OrderPlaced {
    order: String,
}

#[upcasters]
impl OrderPlaced {
    #[upcast(from = 1, into())]
    fn lift(payload: Json) -> Vec<Upcasted> {
        Vec::new()
    }
}

fn main() {}
