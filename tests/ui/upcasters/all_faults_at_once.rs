#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed", revision = 3)]
struct OrderPlaced {
    order: String,
}

#[upcasters]
impl OrderPlaced {
    #[upcast(form = 1)]
    async fn lift(&self, payload: &Json, recorded: Recorded, now: Now) {
        todo!()
    }

    #[upcast(from = 2, to = 2)]
    fn raise(payload: Json) -> Json {
        todo!()
    }

    #[upcast(from = 2)]
    fn more(payload: Json) -> Json {
        todo!()
    }
}

fn main() {}
