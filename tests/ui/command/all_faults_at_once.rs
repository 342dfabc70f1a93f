#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(nmae = "order.place", reply, error = OrderError, error = OrderError)]
struct PlaceOrder {
    #[target(id)]
    order: String,
    #[target]
    customer: String,
    #[tag]
    #[tag]
    sku: String,
}

fn main() {}
