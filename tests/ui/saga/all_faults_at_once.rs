#![allow(unused)]

use annals::prelude::*;

#[derive(Saga, Serialize, Deserialize, Default, Clone)]
#[saga(title = "fulfilment")]
struct Fulfilment<T> {
    order: T,
}

fn main() {}
