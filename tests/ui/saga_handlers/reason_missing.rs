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

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "order.place", error = OrderError)]
struct PlaceOrder {
    #[target]
    order: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct OrderError;

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no")
    }
}

impl std::error::Error for OrderError {}

#[saga_handlers]
impl Fulfilment {
    #[start(by = order)]
    fn placed(&mut self, event: &OrderPlaced, effects: &mut Effects) {}

    #[rejected]
    fn refused(&mut self, command: &PlaceOrder) {}
}

fn main() {}
