#![allow(unused)]

use annals::prelude::*;

#[derive(Workflow, Serialize, Deserialize, Clone)]
#[workflow(name = "order flow", version = 0, speed = 2)]
#[workflow(name = "again")]
struct OrderFlow<T> {
    order: T,
}

fn main() {}
