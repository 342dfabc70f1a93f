#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.all", reply = Vec<u64>, stream = u64)]
struct AllOrders;

fn main() {}
