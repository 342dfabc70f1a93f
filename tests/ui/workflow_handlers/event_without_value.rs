#![allow(unused)]

use annals::prelude::*;
use std::time::Duration;

#[derive(Workflow, Serialize, Deserialize, Clone)]
#[workflow(name = "order-flow")]
struct OrderFlow {
    order: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "payment.received")]
struct PaymentReceived {
    payment: String,
}

#[workflow_handlers]
impl OrderFlow {
    #[run]
    #[awaits(PaymentReceived, by = payment, given)]
    async fn run(self, flow: Flow<Self>) -> Result<(), Never> {
        flow.event::<PaymentReceived>().await;
        Ok(())
    }
}

fn main() {}
