#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Serialize, Deserialize, Default, Clone)]
#[aggregate(name = "cart", state_stored, snapshot(every = 10))]
struct Cart;

fn main() {}
