#![allow(unused)]

use annals::prelude::*;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[derive(Default)]
struct Mails;

#[event_handlers(processor = "mails", external)]
impl Mails {
    #[handle]
    async fn placed(&self, event: &OrderPlaced, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        todo!()
    }

    #[reset]
    async fn reset(&self, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        todo!()
    }
}

fn main() {}
