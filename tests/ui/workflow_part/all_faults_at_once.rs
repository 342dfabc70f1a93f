#![allow(unused)]

use annals::prelude::*;

#[derive(Workflow, Serialize, Deserialize, Clone)]
#[workflow(name = "lamps")]
struct Lamps;

#[workflow_part(fast)]
fn part(flow: &Flow<Lamps>) {}

#[workflow_part]
struct Part;

#[workflow_part]
async fn waits(flow: &Flow<Lamps>) {
    std::thread::sleep(std::time::Duration::from_secs(1));
}

fn main() {}
