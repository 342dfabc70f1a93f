#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "order")]
struct Order;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[event_sourcing]
impl Order {
    #[apply]
    fn placed(&mut self, _event: &OrderPlaced) {}
}

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "order.place")]
struct PlaceOrder {
    #[target]
    order: String,
}

#[command_handlers]
impl Order {
    #[handle(create)]
    fn place(command: PlaceOrder, deadlines: Deadlines) -> OrderPlaced {
        todo!()
    }
}

fn main() {}
