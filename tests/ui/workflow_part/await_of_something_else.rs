#![allow(unused)]

use annals::prelude::*;

#[derive(Workflow, Serialize, Deserialize, Clone)]
#[workflow(name = "lamps")]
struct Lamps;

#[workflow_part]
async fn waits(flow: &Flow<Lamps>) {
    std::future::ready(()).await;
}

fn main() {}
