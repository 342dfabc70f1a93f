#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "order.move")]
struct MoveOrder {
    #[target]
    from: String,
    #[target]
    to: String,
}

fn main() {}
