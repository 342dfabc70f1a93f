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
        let now = std::time::SystemTime::now();
        let began = std::time::Instant::now();
        let id = CommandId::new();
        let home = std::env::var("HOME");
        let text = std::fs::read_to_string("/etc/hostname");
        println!("{:?}", flow.sleep(Duration::from_secs(1)).await);
        Ok(())
    }
}

fn main() {}
