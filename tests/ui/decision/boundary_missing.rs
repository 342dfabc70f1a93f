#![allow(unused)]

use annals::prelude::*;

#[derive(Decision, Default, Clone)]
struct Enrolment;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[event_sourcing]
impl Enrolment {
    #[apply]
    fn placed(&mut self, _event: &OrderPlaced) {}
}

fn main() {}
