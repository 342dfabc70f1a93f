#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "order.place", err = OrderError)]
struct PlaceOrder;

fn main() {}
