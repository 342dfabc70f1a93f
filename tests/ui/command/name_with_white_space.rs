#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "place order")]
struct PlaceOrder;

fn main() {}
