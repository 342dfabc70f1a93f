#![allow(unused)]

use annals::prelude::*;

#[derive(View, Serialize, Deserialize, Default, Clone)]
#[view(name = "orders")]
struct Orders;

fn main() {}
