#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "cart", state_stored)]
struct Cart;

fn main() {}
