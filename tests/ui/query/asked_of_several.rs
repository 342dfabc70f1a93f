#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "offer.find", reply = u64, gather)]
struct FindOffers;

async fn ask(app: Annals) {
    app.query(FindOffers).await;
}

fn main() {}
