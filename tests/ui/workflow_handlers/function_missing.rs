#![allow(unused)]

use annals::prelude::*;
use std::time::Duration;

#[derive(Workflow, Serialize, Deserialize, Clone)]
#[workflow(name = "order-flow")]
struct OrderFlow {
    order: String,
}

#[workflow_handlers]
impl OrderFlow {}

fn main() {}
