#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.count", reply = u64)]
struct CountOrders;

#[derive(Default)]
struct Counts;

#[query_handlers]
impl Counts {
    #[handle]
    async fn count(&self, query: CountOrders) -> u64 {
        todo!()
    }

    #[handle]
    async fn sum(&self, query: CountOrders) -> u64 {
        todo!()
    }
}

fn main() {}
