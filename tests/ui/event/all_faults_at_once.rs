#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "", revision = "two", version = 2)]
struct OrderPlaced(#[tag] String, #[tag] u32);

fn main() {}
