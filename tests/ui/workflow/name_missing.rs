#![allow(unused)]

use annals::prelude::*;

#[derive(Workflow, Serialize, Deserialize, Clone)]
struct OrderFlow {
    order: String,
}

fn main() {}
