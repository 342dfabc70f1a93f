#![allow(unused)]

use annals::prelude::*;
use std::time::Duration;

#[derive(Workflow, Serialize, Deserialize, Clone)]
#[workflow(name = "order-flow")]
struct OrderFlow {
    order: String,
}

#[workflow_handlers]
impl OrderFlow {
    #[run]
    async fn run(self, flow: Flow<Self>) -> Result<u32, Never> {
        let mut tries = 0;
        let changed = &mut tries;
        let total: u32 = flow
            .call("total", |_| async move {
                *changed += 1;
                Ok(*changed)
            })
            .await;
        Ok(total + tries)
    }
}

fn main() {}
