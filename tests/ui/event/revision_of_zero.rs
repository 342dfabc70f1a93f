#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "order.placed", revision = 0)]
struct OrderPlaced;

fn main() {}
