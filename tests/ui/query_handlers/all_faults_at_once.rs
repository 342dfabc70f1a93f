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
    async fn count(&mut self, tx: &mut u32) -> u64 {
        todo!()
    }

    #[handle(all)]
    async fn sum(self, query: CountOrders, name: &str) -> u64 {
        todo!()
    }

    #[end(by = order)]
    fn end() {}
}

fn main() {}
