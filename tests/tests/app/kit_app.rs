//! A whole application under test: sagas, views, queries, handlers with SQL, and a clock that moves when it is told to.

use std::time::Duration;

use annals::Annals;
use annals::aggregate::Events;
use annals::app::Builder;
use annals::message::Clock;
use annals::prelude::*;
use annals::testing::{self, TestClock, matching, recorded, sending};
use annals_tests::orders::*;

use crate::parcels::{DeliverParcel, Parcel, ParcelDelivered};
use crate::support::assert_has;

fn shop() -> Builder {
    Annals::builder()
        .without_discovery()
        .include::<Order>()
        .include::<Stock>()
        .include::<Fulfilment>()
        .include::<OrderSummary>()
}

fn place(order: &str, quantity: u32) -> PlaceOrder {
    PlaceOrder { order: order.into(), sku: "tea".into(), quantity }
}

fn stock(quantity: u32) -> StockAdded {
    StockAdded { sku: "tea".into(), quantity }
}

fn summary(quantity: u32, status: &str) -> OrderSummary {
    OrderSummary { sku: "tea".into(), quantity, status: status.into() }
}

fn placed(order: &str, quantity: u32) -> OrderPlaced {
    OrderPlaced { order: order.into(), sku: "tea".into(), quantity, at: TestClock::default().now() }
}

/// What the panic of a task says.
async fn panic_in(test: impl Future<Output = ()> + Send + 'static) -> String {
    let panic = tokio::spawn(test).await.expect_err("it was to panic").into_panic();
    *panic.downcast::<String>().expect("a panic has a text")
}

#[tokio::test]
async fn a_command_is_told_by_all_that_it_sets_going() {
    let app = testing::app(shop()).given_of::<Stock>("tea", stock(3)).start().await;
    app.when(place("o-1", 2))
        .await
        .then_reply(())
        .then_events((
            placed("o-1", 2),
            StockReserved { sku: "tea".into(), order: "o-1".into(), quantity: 2 },
            OrderApproved { order: "o-1".into() },
        ))
        .then_event(matching::<StockReserved>(|event| event.quantity == 2))
        .then_no_event::<OrderRejected>()
        .then_command(sending::<ReserveStock>(|command| command.quantity == 2))
        .then_commands((
            ReserveStock { sku: "tea".into(), order: "o-1".into(), quantity: 2 },
            ApproveOrder { order: "o-1".into() },
        ));
    app.then_view::<OrderSummary>(&"o-1".to_owned(), summary(2, "approved"))
        .await
        .then_query(FindOrder { order: "o-1".into() }, Some(summary(2, "approved")))
        .await
        .then_no_view::<OrderSummary>(&"o-2".to_owned())
        .await;
    app.when(place("o-2", 0)).await.then_error(OrderError::Empty).then_nothing();
    app.when(place("o-1", 1)).await.then_fails("exists already");
    // The saga's command was rejected: of that attempt nothing is seen.
    app.when(place("o-3", 2))
        .await
        .then_events_in_any_order((
            OrderRejected { order: "o-3".into(), reason: "only 1 left".into() },
            placed("o-3", 2),
        ))
        .then_no_event::<StockReserved>();
    app.shutdown().await;
}

#[tokio::test]
async fn events_and_commands_may_come_before_and_events_may_be_what_happens() {
    let app = testing::app(shop()).start().await;
    app.after(AddStock { sku: "tea".into(), quantity: 1 }).await;
    app.when_events(placed("o-9", 1)).await.then_commands((
        ReserveStock { sku: "tea".into(), order: "o-9".into(), quantity: 1 },
        ApproveOrder { order: "o-9".into() },
    ));
    app.shutdown().await;
}

#[tokio::test]
async fn a_recorded_stream_is_read_through_the_upcasters_of_the_program() {
    let parcels = Annals::builder().without_discovery().include::<Parcel>().include::<crate::parcels::ParcelPosted>();
    let app = testing::app(parcels.include::<ParcelDelivered>()).given(recorded("data/parcels.jsonl")).start().await;
    let deliver = |parcel: &str| DeliverParcel { parcel: parcel.into() };
    app.when(deliver("p-1")).await.then_reply(1500).then_nothing();
    app.when(deliver("p-2")).await.then_reply(7).then_events(ParcelDelivered { parcel: "p-2".into() });
    app.shutdown().await;
}

#[tokio::test]
async fn what_differs_in_an_application_is_told_with_the_line_of_the_test() {
    let start = || testing::app(shop()).given(placed("o-1", 2)).start();
    let view = panic_in(async move {
        start().await.then_view::<OrderSummary>(&"o-1".to_owned(), summary(3, "rejected: only 0 left")).await;
    });
    assert_has(
        &view.await,
        &["another document was expected for the key `o-1`", "quantity: expected 3, was 2", file!()],
    );
    let query = panic_in(async move {
        start().await.then_query(FindOrder { order: "o-1".into() }, None).await;
    });
    assert_has(&query.await, &["another answer was expected", "expected None, was Some", file!()]);
    let command = panic_in(async move {
        start().await.when(place("o-2", 0)).await.then_events(placed("o-2", 0));
    });
    assert_has(&command.await, &["order.placed (number 1 of those expected) is missing", "the command was rejected"]);
    let sent = panic_in(async move {
        let reserve = ReserveStock { sku: "tea".into(), order: "o-2".into(), quantity: 1 };
        start().await.when(place("o-2", 1)).await.then_commands(reserve);
    });
    assert_has(&sent.await, &["other commands were expected", "order.reject (number 2) was not expected"]);
    let after = panic_in(async move { start().await.after(place("o-2", 0)).await });
    assert_has(&after.await, &["the command `order.place` was not accepted: nothing is ordered", file!()]);
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "kit-lamp.light")]
struct Light {
    #[target]
    lamp: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "kit-lamp.dim")]
struct Dim {
    #[target]
    lamp: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "kit-lamp.lit")]
struct Lit {
    lamp: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "kit-lamp.dimmed")]
struct Dimmed {
    at: Timestamp,
}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "kit-lamp")]
struct Lamp {}

#[command_handlers]
impl Lamp {
    #[handle(create)]
    fn light(command: Light) -> Lit {
        Lit { lamp: command.lamp }
    }

    #[handle]
    fn dim(&self, _command: Dim, now: Now, events: &mut Events<Self>) {
        events.record(Dimmed { at: now.into() });
    }
}

#[event_sourcing]
impl Lamp {
    #[apply]
    fn lit(&mut self, _event: &Lit) {}

    #[apply]
    fn dimmed(&mut self, _event: &Dimmed) {}
}

#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "kit-dimmer")]
struct Dimmer {
    lamp: String,
}

#[saga_handlers]
impl Dimmer {
    #[start(by = lamp)]
    fn lit(&mut self, event: &Lit, effects: &mut Effects) {
        self.lamp = event.lamp.clone();
        effects.deadline("dim", Duration::from_secs(60));
    }

    #[deadline("dim")]
    fn dim(&mut self, effects: &mut Effects) {
        effects.send(Dim { lamp: self.lamp.clone() });
        effects.deadline("dim", Duration::from_secs(60));
    }
}

#[tokio::test]
async fn time_that_moves_on_fires_each_deadline_at_its_instant() {
    let builder = Annals::builder().without_discovery().include::<Lamp>().include::<Dimmer>();
    let app = testing::app(builder).at(Timestamp::EPOCH).start().await;
    app.after(Light { lamp: "hall".into() }).await;
    let second = Duration::from_secs(1);
    app.advance(59 * second).await.then_nothing();
    let dimmed = |seconds: u32| Dimmed { at: Timestamp::EPOCH.plus(seconds * second) };
    let dim = || Dim { lamp: "hall".into() };
    app.advance(121 * second)
        .await
        .then_events([dimmed(60), dimmed(120), dimmed(180)])
        .then_commands(vec![dim(), dim(), dim()])
        .ignoring("at")
        .then_events([dimmed(0), dimmed(0), dimmed(0)]);
    assert_eq!(app.clock().now(), Timestamp::EPOCH.plus(180 * second));
    app.shutdown().await;
}

/// Whether a lamp is lit, written with the events.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "kit-lights", key = String, inline)]
struct Lights {
    lit: u32,
}

#[view_handlers]
impl Lights {
    #[handle(key = lamp)]
    fn lit(&mut self, _event: &Lit) {
        self.lit += 1;
    }
}

#[tokio::test]
async fn inline_views_see_what_is_given_and_what_commands_store() {
    let builder = Annals::builder().without_discovery().include::<Lamp>().include::<Lights>();
    let app = testing::app(builder).given_of::<Lamp>("hall", Lit { lamp: "hall".into() }).start().await;
    app.when(Light { lamp: "yard".into() }).await.then_events(Lit { lamp: "yard".into() });
    for lamp in ["hall", "yard"] {
        app.then_view(&lamp.to_owned(), Lights { lit: 1 }).await;
    }
    app.shutdown().await;
}
