#![allow(unused)]

use annals::prelude::*;

#[derive(View, Serialize, Deserialize, Default, Clone)]
#[view(version = 0, inline = true, sync)]
struct Orders;

fn main() {}
