#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.count", reply = u64)]
struct CountOrders;

async fn ask(app: Annals) {
    app.subscribe(CountOrders).await;
}

fn main() {}
