#![allow(unused)]

use annals::prelude::*;

#[derive(Query, Clone)]
#[query(name = "order.count", reply = u64)]
struct CountOrders;

async fn ask(app: Annals) {
    app.query_all(CountOrders).await;
}

fn main() {}
