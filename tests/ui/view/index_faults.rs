#![allow(unused)]

use annals::prelude::*;

#[derive(View, Serialize, Deserialize, Clone, Default)]
#[view(name = "orders", key = String)]
struct Orders {
    #[index]
    #[index(name = "buyer")]
    customer: String,
    #[index(name = "customer")]
    seller: String,
    #[index(names = "total")]
    total: i64,
    #[index(name = "a b")]
    note: String,
}

#[derive(View, Serialize, Deserialize, Clone, Default)]
#[view(name = "pairs", key = String)]
struct Pair(#[index] String, u32);

#[derive(View, Serialize, Deserialize, Clone)]
#[view(name = "states", key = String)]
enum State {
    Open {
        #[index]
        since: i64,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Open { since: 0 }
    }
}

fn main() {}
