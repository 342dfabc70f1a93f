#![allow(unused)]

use annals::prelude::*;

struct Mailer;

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "order.place")]
struct PlaceOrder {
    #[target]
    order: String,
}

#[command_handlers]
impl Mailer {
    #[handle(create)]
    async fn place(command: PlaceOrder) {
        todo!()
    }
}

fn main() {}
