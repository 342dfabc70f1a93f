#![allow(unused)]

use annals::prelude::*;

#[derive(Serialize, Deserialize)]
struct OrderId(String);

#[derive(Command, Serialize, Deserialize)]
#[command(name = "order.cancel")]
struct CancelOrder {
    #[tag]
    order: Option<OrderId>,
}

fn main() {}
