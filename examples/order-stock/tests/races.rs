//! Whatever overtakes what, an order is decided once, and neither stock nor money is lost.
//!
//! A gate holds commands back by name, so that each test brings about the interleaving that it names.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use annals::Annals;
use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::testing::TestClock;
use async_trait::async_trait;
use order_stock::domain::*;
use order_stock::views::{AccountBalance, OrderSummary, StockLevel};
use tokio::sync::watch;

/// Nothing that a test waits for takes this long.
const DEADLINE: Duration = Duration::from_secs(20);

/// Longer than an order waits for its stock, or its payment.
const TOO_LONG: Duration = Duration::from_secs(61);

/// What is in the account of each customer, in cents.
const MONEY: u64 = 10_000;

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

/// A shop with nine packets of tea, in which Ada and Bob have 100.00 each.
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
        for customer in ["Ada", "Bob"] {
            app.send(OpenAccount { customer: customer.into(), balance: Money::cents(MONEY) }).await.unwrap();
        }
        Self { app, gate, clock }
    }

    /// Places an order that costs nothing.
    async fn place(&self, quantity: u32) {
        self.app.send(PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity, bill: None }).await.unwrap();
    }

    /// Places an order that Ada pays.
    async fn place_for(&self, cents: u64, quantity: u32) {
        let bill = Some(Bill { customer: "Ada".into(), amount: Money::cents(cents) });
        self.app.send(PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity, bill }).await.unwrap();
    }

    /// Places an order that Ada pays, and waits until its stock is set aside and its payment is held back.
    async fn place_up_to_the_payment(&self, cents: u64) {
        self.gate.hold("payment.take");
        self.place_for(cents, 4).await;
        self.until(|order| order.held == 4).await;
        self.until_planned(1).await;
    }

    /// Waits until the order is so.
    async fn until(&self, holds: impl Fn(&OrderSummary) -> bool + Send + Sync) {
        let orders = self.app.view::<OrderSummary>();
        orders.wait_for(&"o-1".into(), DEADLINE, |order| order.is_some_and(&holds)).await.unwrap();
    }

    async fn cancel(&self) {
        self.app.send(CancelOrder { order: "o-1".into() }).await.unwrap();
    }

    /// Waits until the saga has planned so many commands that were not answered yet.
    async fn until_planned(&self, count: usize) {
        let planned = async {
            while self.planned().await.len() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, planned).await.expect("the saga plans its commands");
    }

    /// Waits until the next command of the saga is this one: all before it were answered.
    async fn until_planned_is(&self, name: &str) {
        let planned = async {
            while self.planned().await != [name] {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, planned).await.expect("the saga plans its command");
    }

    /// The commands that the saga has planned and that were not answered yet.
    async fn planned(&self) -> Vec<String> {
        let sagas = self.app.journal().store().sagas();
        let open = sagas.open_effects("", "order-fulfilment", None, 10).await.unwrap();
        open.into_iter().map(|effect| effect.name).collect()
    }

    /// Opens the gate, lets everything come to its end, and demands that the order ended so and that stock and money
    /// are complete.
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
        let price = order.bill.as_ref().map_or(Money::default(), |bill| bill.amount);
        assert_eq!(order.paid, if expected == Status::Approved { price } else { Money::default() });
        assert_eq!(balance(&self.app, "Ada").await.paid, order.paid);
        assert_eq!(self.app.sagas().attention().await.unwrap(), [], "the saga needs nobody");
        let history = self.app.aggregate::<Order>("o-1").history().await.unwrap();
        assert_eq!(history.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), events);
        self.app.shutdown().await.unwrap();
    }
}

/// The account of a customer, which is complete.
async fn balance(app: &Annals, customer: &str) -> AccountBalance {
    let balance = app.view::<AccountBalance>().get(&customer.into()).await.unwrap().unwrap();
    let mut sum = balance.left;
    sum += balance.paid;
    assert_eq!(sum, Money::cents(MONEY), "{customer}");
    balance
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
    shop.until(|order| order.held == 4).await;
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
    shop.ends(Status::Rejected(Reason::Stock(StockError::Overdue)), &["order.placed", "order.rejected"]).await;
}

#[tokio::test]
async fn a_deadline_before_a_reservation_that_fails() {
    let shop = Shop::open().await;
    shop.gate.hold("stock.reserve");
    shop.place(10).await;
    shop.until_planned(1).await;
    shop.clock.advance(TOO_LONG);
    shop.until_planned(2).await;
    shop.ends(Status::Rejected(Reason::Stock(StockError::Overdue)), &["order.placed", "order.rejected"]).await;
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
async fn undisturbed_an_order_is_paid_and_approved() {
    let shop = Shop::open().await;
    shop.place_for(3000, 4).await;
    shop.ends(Status::Approved, &["order.placed", "order.approved"]).await;
}

#[tokio::test]
async fn a_declined_payment_gives_the_stock_back() {
    let shop = Shop::open().await;
    shop.place_for(MONEY + 1, 4).await;
    let reason = Reason::Payment(PaymentError::Declined { left: Money::cents(MONEY) });
    shop.ends(Status::Rejected(reason), &["order.placed", "order.rejected"]).await;
}

#[tokio::test]
async fn a_time_out_before_a_payment_that_succeeds() {
    let shop = Shop::open().await;
    shop.place_up_to_the_payment(3000).await;
    shop.clock.advance(TOO_LONG);
    shop.until_planned(2).await;
    shop.ends(Status::Rejected(Reason::Payment(PaymentError::Unpaid)), &["order.placed", "order.rejected"]).await;
}

#[tokio::test]
async fn a_time_out_before_a_payment_that_is_declined() {
    let shop = Shop::open().await;
    shop.place_up_to_the_payment(MONEY + 1).await;
    shop.clock.advance(TOO_LONG);
    shop.until_planned(2).await;
    shop.ends(Status::Rejected(Reason::Payment(PaymentError::Unpaid)), &["order.placed", "order.rejected"]).await;
}

#[tokio::test]
async fn a_time_out_between_decline_and_rejection_has_no_effect() {
    let shop = Shop::open().await;
    shop.gate.hold("order.reject");
    shop.place_for(MONEY + 1, 4).await;
    shop.until(|order| order.held == 4).await;
    shop.until_planned_is("order.reject").await;
    shop.clock.advance(TOO_LONG);
    let reason = Reason::Payment(PaymentError::Declined { left: Money::cents(MONEY) });
    shop.ends(Status::Rejected(reason), &["order.placed", "order.rejected"]).await;
}

#[tokio::test]
async fn a_time_out_between_payment_and_approval_has_no_effect() {
    let shop = Shop::open().await;
    shop.gate.hold("order.approve");
    shop.place_for(3000, 4).await;
    shop.until(|order| order.paid == Money::cents(3000)).await;
    shop.until_planned_is("order.approve").await;
    shop.clock.advance(TOO_LONG);
    shop.ends(Status::Approved, &["order.placed", "order.approved"]).await;
}

#[tokio::test]
async fn a_time_out_of_the_reservation_asks_for_no_payment() {
    let shop = Shop::open().await;
    shop.gate.hold("stock.reserve");
    shop.place_for(3000, 4).await;
    shop.until_planned(1).await;
    shop.clock.advance(TOO_LONG);
    shop.until_planned(2).await;
    let app = shop.app.clone();
    let account = app.aggregate::<Account>("Ada");
    shop.gate.open();
    shop.app.settled(DEADLINE).await.unwrap();
    assert_eq!(account.history().await.unwrap().len(), 1, "the account was only opened");
    shop.ends(Status::Rejected(Reason::Stock(StockError::Overdue)), &["order.placed", "order.rejected"]).await;
}

#[tokio::test]
async fn a_cancellation_before_a_payment_that_succeeds() {
    let shop = Shop::open().await;
    shop.place_up_to_the_payment(3000).await;
    shop.cancel().await;
    shop.until_planned(3).await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_cancellation_before_a_payment_that_is_declined() {
    let shop = Shop::open().await;
    shop.place_up_to_the_payment(MONEY + 1).await;
    shop.cancel().await;
    shop.until_planned(3).await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_time_out_and_then_a_cancellation_before_the_payment() {
    let shop = Shop::open().await;
    shop.place_up_to_the_payment(3000).await;
    shop.clock.advance(TOO_LONG);
    shop.until_planned(2).await;
    shop.cancel().await;
    shop.until_planned(4).await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_cancellation_between_payment_and_approval() {
    let shop = Shop::open().await;
    shop.gate.hold("order.approve");
    shop.place_for(3000, 4).await;
    shop.until(|order| order.paid == Money::cents(3000)).await;
    shop.cancel().await;
    shop.until_planned(3).await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_cancellation_between_decline_and_rejection() {
    let shop = Shop::open().await;
    shop.gate.hold("order.reject");
    shop.place_for(MONEY + 1, 4).await;
    shop.until_planned_is("order.reject").await;
    shop.cancel().await;
    shop.ends(Status::Cancelled, &["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn a_cancellation_after_the_approval_pays_back() {
    let shop = Shop::open().await;
    shop.place_for(3000, 4).await;
    shop.app.settled(DEADLINE).await.unwrap();
    shop.cancel().await;
    shop.ends(Status::Cancelled, &["order.placed", "order.approved", "order.cancelled"]).await;
}

#[tokio::test]
async fn many_orders_cancellations_and_time_outs_at_once_never_lose_stock_or_money() {
    let shop = Shop::open().await;
    shop.app.send(AddArticle { sku: "jam".into(), name: "Jam".into(), quantity: 40 }).await.unwrap();
    let sends = (0..60).map(|number| {
        let app = shop.app.clone();
        tokio::spawn(async move {
            let order = OrderId::from(format!("o-{}", number / 2));
            if number % 2 == 0 {
                let customer = if number % 3 == 0 { "Ada" } else { "Bob" }.into();
                let bill = Bill { customer, amount: Money::cents(u64::from(number) * 90) };
                let (quantity, bill) = (1 + number % 3, (number % 5 > 0).then_some(bill));
                let _ = app.send(PlaceOrder { order, sku: "jam".into(), quantity, bill }).await;
            } else {
                tokio::time::sleep(Duration::from_micros(u64::from(number) * 97 % 4000)).await;
                let _ = app.send(CancelOrder { order }).await;
            }
        })
    });
    for (number, sent) in sends.collect::<Vec<_>>().into_iter().enumerate() {
        sent.await.unwrap();
        if number % 20 == 0 {
            shop.clock.advance(TOO_LONG);
        }
    }
    shop.app.settled(DEADLINE).await.unwrap();
    let orders = shop.app.view::<OrderSummary>().list(None, 100).await.unwrap();
    assert_eq!(orders.len(), 30);
    let (mut held, mut paid) = (0, BTreeMap::new());
    for (key, order) in orders {
        assert_ne!(order.status, Status::Pending, "{key}");
        assert_eq!(order.held, if order.status == Status::Approved { order.quantity } else { 0 }, "{key}");
        held += order.held;
        if let Some(Bill { customer, amount }) = order.bill {
            let expected = if order.status == Status::Approved { amount } else { Money::default() };
            assert_eq!(order.paid, expected, "{key}");
            *paid.entry(customer.to_string()).or_insert_with(Money::default) += order.paid;
        }
    }
    for (customer, paid) in paid {
        assert_eq!(balance(&shop.app, &customer).await.paid, paid, "{customer}");
    }
    let stock = shop.app.view::<StockLevel>().get(&"jam".into()).await.unwrap().unwrap();
    assert_eq!((stock.left, stock.held), (40 - held, held));
    shop.app.shutdown().await.unwrap();
}
