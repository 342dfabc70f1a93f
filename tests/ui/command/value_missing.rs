#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name)]
struct PlaceOrder;

fn main() {}
