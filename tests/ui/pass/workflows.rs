#![allow(unused)]

use annals::prelude::*;
use annals::workflow::{Call, First, IdempotencyKey};
use std::time::Duration;

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "stock.reserve", reply = u32, error = OutOfStock)]
struct ReserveStock {
    #[target]
    sku: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "stock.release")]
struct ReleaseStock {
    #[target]
    sku: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
struct OutOfStock;

impl std::fmt::Display for OutOfStock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("out of stock")
    }
}

impl std::error::Error for OutOfStock {}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
    sku: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "payment.received")]
struct PaymentReceived {
    order: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "order.amended")]
struct Amended {
    purchase: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "refund.made")]
struct RefundMade {
    refund: u64,
}

#[derive(Serialize, Deserialize, Debug, Clone)]
enum OrderFailure {
    OutOfStock,
    NotPaid,
}

impl From<OutOfStock> for OrderFailure {
    fn from(_: OutOfStock) -> Self {
        Self::OutOfStock
    }
}

#[derive(Workflow, Serialize, Deserialize, Clone, Debug)]
#[workflow(name = "order-flow", version = 3)]
struct OrderFlow {
    order: String,
    sku: String,
}

#[workflow_handlers]
impl OrderFlow {
    #[start(by = order)]
    fn placed(event: &OrderPlaced) -> Self {
        Self { order: event.order.clone(), sku: event.sku.clone() }
    }

    #[run]
    #[awaits(PaymentReceived, by = order)]
    #[awaits(Amended, by = purchase, with = order)]
    #[awaits(RefundMade, by = refund, given)]
    async fn run(self, flow: Flow<Self>) -> Result<u32, OrderFailure> {
        let reserved = flow.send(ReserveStock { sku: self.sku.clone() }).await?;
        flow.undo(&ReleaseStock { sku: self.sku.clone() });
        let paid = flow.event::<PaymentReceived>().within(Duration::from_secs(900)).await;
        paid.ok_or(OrderFailure::NotPaid)?;
        flow.sleep(Duration::from_secs(60)).await;
        let order = self.order.clone();
        let quote: u64 = flow
            .call("quote", |call: Call| async move {
                let key: IdempotencyKey = call.key();
                let _ = std::time::SystemTime::now();
                let answer = std::future::ready(order.len() as u64).await;
                Ok(answer + u64::from(call.attempt()))
            })
            .await;
        let (a, b) = flow
            .join((
                async {
                    let first = flow.send(ReserveStock { sku: "a".into() }).await?;
                    flow.sleep(Duration::from_secs(1)).await;
                    Ok::<u32, OutOfStock>(first)
                },
                flow.send(ReserveStock { sku: "b".into() }),
            ))
            .await;
        let all = flow.join_all((0..3).map(|sku| flow.send(ReserveStock { sku: sku.to_string() }))).await;
        match flow.race(flow.event::<Amended>(), flow.sleep(Duration::from_secs(5))).await {
            First::This(amended) => drop(amended),
            First::That(()) => self.refund(&flow, 7).await?,
        }
        if flow.changed("fraud-check") {
            helper(&flow, &self.order).await;
        }
        let _ = (flow.now(), flow.uuid(), flow.begun_under());
        Ok(reserved + a? + b? + all.len() as u32)
    }

    #[part]
    async fn refund(&self, flow: &Flow<Self>, refund: u64) -> Result<(), OrderFailure> {
        flow.follow::<RefundMade>(refund);
        flow.send(ReserveStock { sku: self.sku.clone() }).await?;
        let made = flow.event_of::<RefundMade>(refund).await;
        Ok(())
    }
}

#[workflow_part]
async fn helper(flow: &Flow<OrderFlow>, order: &str) -> usize {
    let _ = flow.send(ReleaseStock { sku: order.to_owned() }).await;
    order.len()
}

fn main() {}
