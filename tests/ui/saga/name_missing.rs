#![allow(unused)]

use annals::prelude::*;

#[derive(Saga, Serialize, Deserialize, Default, Clone)]
#[saga]
struct Fulfilment;

fn main() {}
