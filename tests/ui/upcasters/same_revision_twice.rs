#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed", revision = 3)]
struct OrderPlaced {
    order: String,
}

#[upcasters]
impl OrderPlaced {
    #[upcast(from = 1)]
    fn lift(payload: Json) -> Json {
        todo!()
    }

    #[upcast(from = 1)]
    fn raise(payload: Json) -> Json {
        todo!()
    }
}

fn main() {}
