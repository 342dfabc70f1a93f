#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.all", stream = u64)]
struct AllOrders;

struct Orders;

#[query_handlers]
impl Orders {
    #[handle]
    async fn all(query: AllOrders, rows: &mut Rows<u64>, more: &mut Rows<u64>, count: &mut u32) {
        todo!()
    }
}

fn main() {}
