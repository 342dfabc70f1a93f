#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = order.place)]
struct PlaceOrder;

fn main() {}
