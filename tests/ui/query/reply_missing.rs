#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.count")]
struct CountOrders;

fn main() {}
