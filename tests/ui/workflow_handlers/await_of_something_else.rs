#![allow(unused)]

use annals::prelude::*;
use std::time::Duration;

#[derive(Workflow, Serialize, Deserialize, Clone)]
#[workflow(name = "order-flow")]
struct OrderFlow {
    order: String,
}

async fn answer() -> u32 {
    7
}

#[workflow_handlers]
impl OrderFlow {
    #[run]
    async fn run(self, flow: Flow<Self>) -> Result<u32, Never> {
        Ok(answer().await)
    }
}

fn main() {}
