#![allow(unused)]

use annals::prelude::*;

#[derive(Default)]
struct Mailer;

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "order.place")]
struct PlaceOrder {
    #[target]
    order: String,
}

#[command_handlers]
impl Mailer {
    #[handle]
    async fn place(&self, command: PlaceOrder, deadlines: &mut Deadlines) {
        todo!()
    }
}

fn main() {}
