#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "order.cancel")]
struct CancelOrder(#[target] String);

fn main() {}
