#![allow(unused)]

use annals::prelude::*;

#[derive(Query)]
#[query(name = "order.all", reply = Vec<u64>)]
struct AllOrders;

struct Orders;

#[query_handlers]
impl Orders {
    #[handle]
    async fn all(query: AllOrders, rows: &mut Rows<u64>) {
        todo!()
    }
}

fn main() {}
