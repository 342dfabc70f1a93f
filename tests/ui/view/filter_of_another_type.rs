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

fn read(orders: Views<Orders>) {
    let total = Orders::TOTAL.is("seven");
    let customer = Orders::CUSTOMER.at_least(7);
    let beginning = Orders::TOTAL.starts_with("1");
}

fn main() {}
