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

#[derive(Serialize, Deserialize)]
struct Amount(u32);

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order.paid")]
struct OrderPaid {
    amount: Amount,
}

#[saga_handlers]
impl Fulfilment {
    #[start(by = amount)]
    fn paid(&mut self, event: &OrderPaid) {}
}

fn main() {}
