#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "offer.find", reply = u64, gather = true)]
struct FindOffers;

fn main() {}
