//! Whatever overtakes what, an order is decided once and no stock is lost.
//!
//! A gate holds commands back by name, so that each test brings about the interleaving that it names.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use annals::Annals;
use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::testing::TestClock;
use async_trait::async_trait;
use order_stock::domain::*;
use tokio::sync::watch;

/// Nothing that a test waits for takes this long.
const DEADLINE: Duration = Duration::from_secs(20);

/// Longer than an order waits for its stock.
const TOO_LONG: Duration = Duration::from_secs(61);

/// Holds back the commands whose names are in the set.
#[derive(Clone, Default)]
struct Gate(Arc<watch::Sender<BTreeSet<&'static str>>>);

impl Gate {
    fn hold(&self, name: &'static str) {
        self.0.send_modify(|held| {
            held.insert(name);
        });
    }

    fn open(&self) {
        self.0.send_modify(BTreeSet::clear);
    }
}

#[async_trait]
impl CommandInterceptor for Gate {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let _ = self.0.subscribe().wait_for(|held| !held.contains(command.name)).await;
        next.run(command).await
    }
}

/// A shop with nine packets of tea.
struct Shop {
    app: Annals,
    gate: Gate,
    clock: TestClock,
}

impl Shop {
    async fn open() -> Self {
        let (gate, clock) = (Gate::default(), TestClock::default());
        let builder = Annals::builder().store("memory:").clock(clock.clone()).dispatch_interceptor(gate.clone());
        let app = builder.start().await.unwrap();
        app.send(AddArticle { sku: "tea".into(), name: "Tea".into(), quantity: 9 }).await.unwrap();
        Self { app, gate, clock }
    }

    async fn place(&self, quantity: u32) {
        self.app.send(PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity }).await.unwrap();
    }

    async fn cancel(&self) {
        self.app.send(CancelOrder { order: "o-1".into() }).await.unwrap();
    }

    /// Waits until the saga has planned so many commands that were not answered yet.
    async fn until_planned(&self, count: usize) {
        let planned = async {
            loop {
                let open =
                    self.app.journal().store().sagas().open_effects("", "order-fulfilment", None, 10).await.unwrap();
                if open.len() == count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, planned).await.expect("the saga plans its commands");
    }

    /// Opens the gate, lets everything come to its end, and demands that the order ended so and that the stock is
    /// complete.
    async fn ends(self, expected: Status, events: &[&str]) {
        self.gate.open();
        self.app.settled(DEADLINE).await.unwrap();
        let orders = self.app.view::<OrderSummary>();
        let order = orders.get(&"o-1".into()).await.unwrap().unwrap();
        assert_eq!(order.status, expected);
        let stock = self.app.view::<StockLevel>().get(&"tea".into()).await.unwrap().unwrap();
        assert_eq!(stock.left + stock.held, 9);
        assert_eq!(stock.held, order.held);
        assert_eq!(stock.held, if expected == Status::Approved { order.quantity } else { 0 });
        let history = self.app.aggregate::<Order>("o-1").history().await.unwrap();
        assert_eq!(history.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), events);
        self.app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn undisturbed_an_order_is_approved() {
    let shop = Shop::open().await;
    shop.place(4).await;
    shop.ends(Status::Approved, &["order.placed", "order.approved"]).await;
}

#[tokio::test]
async fn a_cancellation_before_the_reservation() {
    let shop = Shop::open().await;
    shop.gate.hold("stock.reserve");
    shop.place(4).await;
    shop.cancel().await;
    shop.until_planned(2).await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_cancellation_before_a_reservation_that_fails() {
    let shop = Shop::open().await;
    shop.gate.hold("stock.reserve");
    shop.place(10).await;
    shop.cancel().await;
    shop.until_planned(2).await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_cancellation_between_reservation_and_approval() {
    let shop = Shop::open().await;
    shop.gate.hold("order.approve");
    shop.place(4).await;
    let orders = shop.app.view::<OrderSummary>();
    orders.wait_for(&"o-1".into(), DEADLINE, |order| order.is_some_and(|order| order.held == 4)).await.unwrap();
    shop.cancel().await;
    shop.until_planned(2).await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_cancellation_between_refusal_and_rejection() {
    let shop = Shop::open().await;
    shop.gate.hold("order.reject");
    shop.place(10).await;
    shop.until_planned(1).await;
    shop.cancel().await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_deadline_before_a_reservation_that_succeeds() {
    let shop = Shop::open().await;
    shop.gate.hold("stock.reserve");
    shop.place(4).await;
    shop.until_planned(1).await;
    shop.clock.advance(TOO_LONG);
    shop.until_planned(2).await;
    shop.ends(Status::Rejected(StockError::Overdue), &["order.placed", "order.rejected"]).await;
}

#[tokio::test]
async fn a_deadline_before_a_reservation_that_fails() {
    let shop = Shop::open().await;
    shop.gate.hold("stock.reserve");
    shop.place(10).await;
    shop.until_planned(1).await;
    shop.clock.advance(TOO_LONG);
    shop.until_planned(2).await;
    shop.ends(Status::Rejected(StockError::Overdue), &["order.placed", "order.rejected"]).await;
}

#[tokio::test]
async fn a_deadline_and_then_a_cancellation_before_the_reservation() {
    let shop = Shop::open().await;
    shop.gate.hold("stock.reserve");
    shop.place(4).await;
    shop.until_planned(1).await;
    shop.clock.advance(TOO_LONG);
    shop.until_planned(2).await;
    shop.cancel().await;
    shop.until_planned(3).await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_deadline_after_the_approval_has_no_effect() {
    let shop = Shop::open().await;
    shop.place(4).await;
    shop.app.settled(DEADLINE).await.unwrap();
    shop.clock.advance(TOO_LONG);
    shop.ends(Status::Approved, &["order.placed", "order.approved"]).await;
}

#[tokio::test]
async fn many_orders_and_cancellations_at_once_never_lose_stock() {
    let shop = Shop::open().await;
    let sends = (0..60).map(|number| {
        let app = shop.app.clone();
        tokio::spawn(async move {
            let order = OrderId::from(format!("o-{}", number / 2));
            if number % 2 == 0 {
                let _ = app.send(PlaceOrder { order, sku: "tea".into(), quantity: 1 + number % 3 }).await;
            } else {
                tokio::time::sleep(Duration::from_micros(u64::from(number) * 97 % 4000)).await;
                let _ = app.send(CancelOrder { order }).await;
            }
        })
    });
    for sent in sends.collect::<Vec<_>>() {
        sent.await.unwrap();
    }
    shop.app.settled(DEADLINE).await.unwrap();
    let orders = shop.app.view::<OrderSummary>().list(None, 100).await.unwrap();
    assert_eq!(orders.len(), 30);
    let mut held = 0;
    for (key, order) in orders {
        assert_ne!(order.status, Status::Pending, "{key}");
        assert_eq!(order.held, if order.status == Status::Approved { order.quantity } else { 0 }, "{key}");
        held += order.held;
    }
    let stock = shop.app.view::<StockLevel>().get(&"tea".into()).await.unwrap().unwrap();
    assert_eq!((stock.left, stock.held), (9 - held, held));
    shop.app.shutdown().await.unwrap();
}
