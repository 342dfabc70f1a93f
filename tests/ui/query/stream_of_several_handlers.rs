#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.all", stream = u64, gather)]
struct AllOrders;

fn main() {}
