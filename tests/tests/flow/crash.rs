//! Killed at any moment and started again, the application ends as if nothing had happened.
//!
//! A child process (this very test program) places orders on a file; it is killed at random moments until it has been
//! killed often enough, and then left alone to finish.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use annals::app::Builder;
use annals::message::Position;
use annals::prelude::*;
use annals::store::{Page, Read};
use annals::{Annals, SendError};
use annals_tests::orders::*;
use futures_util::future::join_all;

use crate::given::{Dice, Lasting, app};

/// New in each round, so that there is something to kill it in.
const ORDERS: u64 = 60;
const ARTICLES: u64 = 6;
/// Of each article; less than is ordered.
const STOCK: u32 = 150;
const KILLS: u64 = 15;
/// The address of the file and the number of orders, in the environment of the child.
const FILE: &str = "ANNALS_TEST_CRASH_FILE";
const COUNT: &str = "ANNALS_TEST_CRASH_ORDERS";
/// For one round, in milliseconds, and for the last one, in which nobody kills it.
const ROUND: std::ops::Range<u64> = 30..400;
const LAST_ROUND: Duration = Duration::from_secs(40);

fn shop() -> Builder {
    app().include::<Order>().include::<Stock>().include::<OrderSummary>().include::<Fulfilment>()
}

fn article(number: u64) -> String {
    format!("article-{number}")
}

fn quantity(order: u64) -> u32 {
    1 + u32::try_from(order % 5).unwrap()
}

/// The id of a command that is sent again after each restart.
fn fixed(name: &str) -> CommandId {
    CommandId::derived(uuid::Uuid::NAMESPACE_OID, name)
}

/// What the child that the test below kills does; nothing when it is run as a test: fills the stock, places the orders, waits until all are decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(file) = std::env::var(FILE) else { return };
    let app = shop().store(file).start().await.unwrap();
    for number in 0..ARTICLES {
        let add = AddStock { sku: article(number), quantity: STOCK };
        app.send(add).id(fixed(&article(number))).await.unwrap();
    }
    let orders: Vec<u64> = (0..std::env::var(COUNT).unwrap().parse().unwrap()).collect();
    for orders in orders.chunks(10) {
        join_all(orders.iter().map(|order| place(&app, *order))).await;
    }
    app.settled(LAST_ROUND).await.unwrap();
    app.shutdown().await.unwrap();
}

async fn place(app: &Annals, number: u64) {
    let order = format!("order-{number}");
    let id = fixed(&order);
    let place = PlaceOrder { order, sku: article(number % ARTICLES), quantity: quantity(number) };
    let sent = app.send(place).id(id).await;
    assert!(!matches!(sent, Err(SendError::Rejected(_))), "the first answer was another one");
    sent.unwrap();
}

/// Runs the child for at most `limit`; returns whether it finished.
async fn run_child(file: &Lasting, orders: u64, limit: Duration) -> bool {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child"])
        .env(FILE, file.url())
        .env(COUNT, orders.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(status) => {
            assert!(status.unwrap().success(), "the child failed");
            true
        }
        Err(_) => {
            child.kill().await.unwrap();
            false
        }
    }
}

#[tokio::test]
async fn killed_at_any_moment_it_ends_as_if_undisturbed() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    let mut dice = Dice::seeded(seed);
    let file = Lasting::file();
    let (mut kills, mut orders) = (0, 0);
    while kills < KILLS {
        orders += ORDERS;
        assert!(orders < ORDERS * 50, "it is too quick to be killed");
        let limit = Duration::from_millis(ROUND.start + dice.below(ROUND.end - ROUND.start));
        if !run_child(&file, orders, limit).await {
            kills += 1;
        }
    }
    println!("{orders} orders, killed {kills} times");
    assert!(run_child(&file, orders, LAST_ROUND).await, "it does not come to its end");
    check(&file, orders).await;
}

/// All events, in order.
async fn events(app: &Annals) -> Page {
    let page = app.journal().read(Read::all(Position::START).limit(100_000)).await.unwrap();
    assert!(!page.more);
    page
}

async fn check(file: &Lasting, all: u64) {
    let app = shop().store(file.url()).start().await.unwrap();
    let page = events(&app).await;
    let mut stock = BTreeMap::<String, i64>::new();
    let mut reserved = BTreeMap::<String, u32>::new();
    let mut orders = BTreeMap::<String, OrderSummary>::new();
    let mut decisions = BTreeMap::<String, u32>::new();
    for (event, position) in page.events.iter().zip(1..) {
        assert_eq!(event.recorded.position, Position::new(position), "positions are dense");
        let decode = app.journal().decode(event).await.unwrap().next().unwrap();
        match event.recorded.name.as_str() {
            "stock.added" => {
                let added: StockAdded = decode.into_event().unwrap();
                *stock.entry(added.sku).or_default() += i64::from(added.quantity);
            }
            "stock.reserved" => {
                let taken: StockReserved = decode.into_event().unwrap();
                *reserved.entry(taken.order).or_default() += 1;
                let left = stock.entry(taken.sku).or_default();
                *left -= i64::from(taken.quantity);
                assert!(*left >= 0, "more was reserved than there is");
            }
            "order.placed" => {
                let placed: OrderPlaced = decode.into_event().unwrap();
                let (sku, quantity) = (placed.sku, placed.quantity);
                let new = orders.insert(placed.order, OrderSummary { sku, quantity, status: "placed".into() });
                assert!(new.is_none(), "an order was placed twice");
            }
            "order.approved" => {
                let approved: OrderApproved = decode.into_event().unwrap();
                orders.get_mut(&approved.order).unwrap().status = "approved".into();
                *decisions.entry(approved.order).or_default() += 1;
            }
            "order.rejected" => {
                let rejected: OrderRejected = decode.into_event().unwrap();
                orders.get_mut(&rejected.order).unwrap().status = format!("rejected: {}", rejected.reason);
                *decisions.entry(rejected.order).or_default() += 1;
            }
            other => panic!("nobody stores {other}"),
        }
    }
    assert_eq!((orders.len() as u64, decisions.len() as u64), (all, all));
    assert!(decisions.values().all(|times| *times == 1), "an order was decided twice: {decisions:?}");
    assert!(reserved.values().all(|times| *times == 1), "a reservation had two effects: {reserved:?}");
    for (order, summary) in &orders {
        assert_eq!(summary.status == "approved", reserved.contains_key(order), "{order}: {summary:?}");
    }
    for (sku, left) in &stock {
        let approved = orders.values().filter(|order| order.status == "approved" && order.sku == *sku);
        let gone: i64 = approved.map(|order| i64::from(order.quantity)).sum();
        assert_eq!(left + gone, i64::from(STOCK), "stock of {sku} is conserved");
    }
    let view = app.view::<OrderSummary>().list(None, 10_000).await.unwrap();
    assert_eq!(view.into_iter().collect::<BTreeMap<_, _>>(), orders, "the view is the fold over all events");
    assert!(app.journal().store().sagas().open_effects("", "order-fulfilment", None, 10).await.unwrap().is_empty());
    assert_eq!(
        app.journal().store().sagas().next_timer("", "order-fulfilment", annals::store::Segment::WHOLE).await.unwrap(),
        None
    );
    app.shutdown().await.unwrap();
}
