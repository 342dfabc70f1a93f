#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
struct PlaceOrder;

fn main() {}
