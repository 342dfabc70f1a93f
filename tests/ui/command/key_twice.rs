#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "order.place", name = "order.put")]
struct PlaceOrder;

fn main() {}
