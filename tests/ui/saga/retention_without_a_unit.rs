#![allow(unused)]

use annals::prelude::*;

#[derive(Saga, Serialize, Deserialize, Default, Clone)]
#[saga(name = "order-fulfilment", retention = "30")]
struct Fulfilment {
    order: String,
}

#[saga_handlers]
impl Fulfilment {
    #[begin]
    fn begin(&mut self) {}
}

fn main() {}
