#![allow(unused)]

use annals::prelude::*;

#[derive(Serialize, Deserialize, Clone)]
struct OrderFlow {
    order: String,
}

#[workflow_handlers]
impl OrderFlow {
    #[run]
    async fn run(self, flow: Flow<Self>) -> Result<(), Never> {
        Ok(())
    }
}

fn main() {}
