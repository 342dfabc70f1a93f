#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.all", stream = u64)]
struct AllOrders;

async fn ask(app: Annals) {
    app.query(AllOrders).await;
}

fn main() {}
