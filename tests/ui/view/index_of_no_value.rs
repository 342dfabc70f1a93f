#![allow(unused)]

use annals::prelude::*;

#[derive(Serialize, Deserialize, Clone, Default)]
struct Money(f64);

#[derive(View, Serialize, Deserialize, Clone, Default)]
#[view(name = "orders", key = String)]
struct Orders {
    #[index]
    total: Money,
}

fn main() {}
