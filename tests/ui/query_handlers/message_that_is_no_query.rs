#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.count", reply = u64)]
struct CountOrders;

struct Count;

#[derive(Default)]
struct Counts;

#[query_handlers]
impl Counts {
    #[handle]
    async fn count(&self, query: Count) -> u64 {
        todo!()
    }
}

fn main() {}
