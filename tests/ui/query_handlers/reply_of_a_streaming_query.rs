#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.all", stream = u64)]
struct AllOrders;

struct Orders;

#[query_handlers]
impl Orders {
    #[handle]
    async fn all(query: AllOrders) -> Vec<u64> {
        todo!()
    }
}

fn main() {}
