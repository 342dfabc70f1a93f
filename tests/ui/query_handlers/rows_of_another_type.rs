#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.all", stream = u64)]
struct AllOrders;

#[derive(Query)]
#[query(name = "order.names", stream = String)]
struct AllNames;

struct Orders;

#[query_handlers]
impl Orders {
    #[handle]
    async fn all(query: AllOrders, rows: &mut Rows<u32>) {
        todo!()
    }

    #[handle]
    fn names(query: AllNames) -> impl futures_util::Stream<Item = u32> {
        futures_util::stream::empty()
    }
}

fn main() {}
