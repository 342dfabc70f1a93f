#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(nam = "order.count", answer = u64)]
enum CountOrders {}

fn main() {}
