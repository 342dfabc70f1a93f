#![allow(unused)]

use annals::prelude::*;
use std::time::Duration;

#[derive(Workflow, Serialize, Deserialize, Clone)]
#[workflow(name = "order-flow")]
struct OrderFlow {
    order: String,
}

struct Quote(u32);

#[workflow_handlers]
impl OrderFlow {
    #[run]
    async fn run(self, flow: Flow<Self>) -> Result<(), Never> {
        let quote: Quote = flow.call("quote", |_| async move { Ok(Quote(7)) }).await;
        Ok(())
    }
}

fn main() {}
