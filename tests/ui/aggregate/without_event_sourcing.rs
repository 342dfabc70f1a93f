#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "order")]
struct Order;

fn main() {}
