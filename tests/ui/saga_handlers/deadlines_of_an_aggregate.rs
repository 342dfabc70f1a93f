#![allow(unused)]

use annals::prelude::*;

#[derive(Saga, Serialize, Deserialize, Clone, Default)]
#[saga(name = "fulfilment")]
struct Fulfilment;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[saga_handlers]
impl Fulfilment {
    #[start(by = order)]
    fn placed(&mut self, event: &OrderPlaced, deadlines: &mut Deadlines) {}
}

fn main() {}
