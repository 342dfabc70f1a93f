#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed", revision = 2)]
struct OrderPlaced {
    order: String,
}

struct Line;

#[upcasters]
impl OrderPlaced {
    #[upcast(from = 1, into(Line))]
    fn lift(payload: Json) -> Vec<Upcasted> {
        Vec::new()
    }
}

fn main() {}
