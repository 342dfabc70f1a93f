#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed", revision = 2)]
struct OrderPlaced {
    order: String,
}

struct Line;

#[upcasters]
impl Line {
    #[upcast(from = 1)]
    fn lift(payload: Json) -> Json {
        payload
    }
}

fn main() {}
