#![allow(unused)]

use annals::prelude::*;

#[derive(Workflow)]
#[workflow(name = "order-flow")]
struct OrderFlow {
    order: String,
}

fn main() {}
