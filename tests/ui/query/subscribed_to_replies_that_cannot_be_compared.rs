#![allow(unused)]

use annals::prelude::*;

#[derive(Clone)]
struct Count;

#[derive(Query, Clone)]
#[query(name = "order.count", reply = Count)]
struct CountOrders;

async fn ask(app: Annals) {
    app.subscribe(CountOrders).await;
}

fn main() {}
