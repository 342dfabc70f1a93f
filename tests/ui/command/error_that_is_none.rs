#![allow(unused)]

use annals::prelude::*;

#[derive(Serialize, Deserialize)]
struct OrderError;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "order.place", error = OrderError)]
struct PlaceOrder;

fn main() {}
