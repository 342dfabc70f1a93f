#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Default, Clone)]
#[aggregate(category = "order", snapshot(evry = 100, after = "soon", after = "1s", revision = 0))]
struct Order<T>(T);

fn main() {}
