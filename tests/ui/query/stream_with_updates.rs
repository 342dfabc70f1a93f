#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.all", stream = u64, update = u64)]
struct AllOrders;

fn main() {}
