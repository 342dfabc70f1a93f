#![allow(unused)]

use annals::prelude::*;

#[derive(Query, Clone)]
#[query(name = "order.progress", reply = u64, update = String)]
struct Progress;

fn tell(updates: QueryUpdates) {
    updates.emit::<Progress>(|_| true, || 1_u64);
}

fn main() {}
