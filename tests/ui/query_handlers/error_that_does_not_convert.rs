#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.count", reply = u64)]
struct CountOrders;

struct Failure;

#[derive(Default)]
struct Counts;

#[query_handlers]
impl Counts {
    #[handle]
    async fn count(&self, query: CountOrders) -> Result<u64, Failure> {
        todo!()
    }
}

fn main() {}
