#![allow(unused)]

use annals::prelude::*;

#[derive(View, Serialize, Deserialize, Default, Clone)]
#[view(name = "orders", key = String, inline, live)]
struct Orders;

fn main() {}
