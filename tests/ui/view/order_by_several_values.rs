#![allow(unused)]

use annals::prelude::*;

#[derive(View, Serialize, Deserialize, Clone, Default)]
#[view(name = "orders", key = String)]
struct Orders {
    #[index]
    customer: String,
    #[index]
    total: i64,
    #[index]
    labels: Vec<String>,
    note: String,
}

fn read() {
    let order = Orders::LABELS.ascending();
}

fn main() {}
