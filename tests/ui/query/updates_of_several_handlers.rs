#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "offer.find", reply = u64, update = u64, gather)]
struct FindOffers;

fn main() {}
