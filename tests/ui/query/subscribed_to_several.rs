#![allow(unused)]

use annals::prelude::*;

#[derive(Query, Clone)]
#[query(name = "offer.find", reply = u64, gather)]
struct FindOffers;

async fn ask(app: Annals) {
    app.subscribe(FindOffers).await;
}

fn main() {}
