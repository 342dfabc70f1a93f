#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Default, Clone)]
#[aggregate(category = "order", snapshot(evry = 100, schema = 0))]
struct Order<T>(T);

fn main() {}
