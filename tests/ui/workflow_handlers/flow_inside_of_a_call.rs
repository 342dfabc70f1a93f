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
    async fn run(self, flow: Flow<Self>) -> Result<(), Never> {
        let inside = flow.clone();
        flow.call("sleep", |_| async move {
            let _ = inside.sleep(Duration::from_secs(1));
            Ok(())
        })
        .await;
        Ok(())
    }
}

fn main() {}
