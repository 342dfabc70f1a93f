//! An import that is killed at any moment and started again ends as if it had never been disturbed.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use annals::Annals;
use annals::aggregate::Aggregate;
use annals::prelude::Json;
use annals::view::ViewHandlers;
use common::{Place, program};
use order_stock::domain::{Account, Money, Order, Stock};
use order_stock::views::{AccountBalance, OrderSummary, StockLevel};

/// Imports that are killed.
const KILLS: u64 = 20;

/// Databases over which the kills are spread; each takes several in a row before its import may finish.
const DATABASES: u64 = 4;

/// The longest time between the last row that was seen and the kill.
const JITTER: Duration = Duration::from_millis(30);

/// An import that takes longer than this hangs.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_import_killed_at_any_moment_ends_as_an_undisturbed_one() {
    let seed = std::env::var("ORDER_STOCK_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("seed {seed}; to repeat: ORDER_STOCK_SEED={seed} cargo test -p order-stock --test crash -- --nocapture");
    let mut random = Random(seed);

    let undisturbed = Place::new();
    let rows = Import::start(&undisturbed).finish();
    let expected = State::of(&undisturbed).await;
    expected.check();
    assert!(expected.account_events.values().flatten().any(|(name, _)| name == "payment.refunded"), "money moves back");

    let kills = KILLS / DATABASES;
    for _ in 0..DATABASES {
        let place = Place::new();
        let mut kill = 0;
        while kill < kills {
            // The first fifth of the file, then the second, and so on; and now and then while it only starts.
            let starting = random.below(5) == 0;
            let row = if starting { 0 } else { (kill * rows + random.below(rows)) / kills };
            let jitter = Duration::from_micros(random.below(JITTER.as_micros() as u64));
            match Import::start(&place).kill_after(row, jitter) {
                Killed::After { rows: seen } => {
                    println!("killed {jitter:?} after row {seen} of {rows}");
                    kill += 1;
                }
                Killed::TooLate => println!("row {row} of {rows} and {jitter:?} came too late"),
            }
        }
        assert_eq!(Import::start(&place).finish(), rows);
        let state = State::of(&place).await;
        state.check();
        state.compare(&expected);
    }
}

/// A running import of the demo's files.
struct Import {
    child: Child,
    /// One for each row that is done.
    rows: Receiver<()>,
}

enum Killed {
    After { rows: u64 },
    TooLate,
}

impl Import {
    fn start(place: &Place) -> Self {
        let mut command = program();
        command.args(["demo", "--db", &place.db()]).env("RUST_LOG", "warn,order_stock=debug");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, rows) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("row done") {
                    let _ = sender.send(());
                } else {
                    println!("import: {line}");
                }
            }
        });
        Self { child, rows }
    }

    /// Lets it come to its end; returns how many rows it did.
    fn finish(mut self) -> u64 {
        let rows = self.wait_for(u64::MAX);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the import ended with {status}");
        rows
    }

    /// Kills it when so many rows are done and `jitter` has passed.
    fn kill_after(mut self, rows: u64, jitter: Duration) -> Killed {
        let mut seen = self.wait_for(rows);
        let deadline = Instant::now() + jitter;
        while let Ok(()) = self.rows.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            seen += 1;
        }
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        self.child.kill().unwrap();
        match self.child.wait().unwrap().code() {
            None => Killed::After { rows: seen },
            Some(code) => {
                assert_eq!(code, 0, "the import failed");
                Killed::TooLate
            }
        }
    }

    /// Waits until so many rows are done, or the import ends; returns how many are.
    fn wait_for(&mut self, rows: u64) -> u64 {
        let deadline = Instant::now() + DEADLINE;
        let mut seen = 0;
        while seen < rows {
            match self.rows.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(()) => seen += 1,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().unwrap();
                    panic!("the import hangs after row {seen}");
                }
            }
        }
        seen
    }
}

/// A stored event without what differs from run to run: its name and its payload.
type Entry = (String, Json);

/// Everything that an import leaves, without times and ids.
#[derive(Debug, PartialEq)]
struct State {
    orders: BTreeMap<String, OrderSummary>,
    levels: BTreeMap<String, StockLevel>,
    balances: BTreeMap<String, AccountBalance>,
    order_events: BTreeMap<String, Vec<Entry>>,
    stock_events: BTreeMap<String, Vec<Entry>>,
    account_events: BTreeMap<String, Vec<Entry>>,
}

impl State {
    async fn of(place: &Place) -> Self {
        let app = Annals::open(&place.db()).await.unwrap();
        app.settled(DEADLINE).await.unwrap();
        let (orders, levels) = (documents::<OrderSummary>(&app).await, documents::<StockLevel>(&app).await);
        let balances = documents::<AccountBalance>(&app).await;
        let order_events = histories::<Order>(&app, orders.keys()).await;
        let stock_events = histories::<Stock>(&app, levels.keys()).await;
        let account_events = histories::<Account>(&app, balances.keys()).await;
        app.shutdown().await.unwrap();
        Self { orders, levels, balances, order_events, stock_events, account_events }
    }

    /// What must hold whatever happened: every order is decided once; stock and money are never below zero and add up;
    /// who has an order has paid for it, and who has none has nothing set aside and nothing paid.
    fn check(&self) {
        self.check_orders();
        self.check_stock();
        self.check_money();
    }

    fn check_orders(&self) {
        for (order, events) in &self.order_events {
            let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
            assert!(
                matches!(
                    names[..],
                    ["order.placed", "order.approved" | "order.rejected" | "order.cancelled"]
                        | ["order.placed", "order.approved", "order.cancelled"]
                ),
                "order {order}: {names:?}"
            );
            let order = &self.orders[order];
            let price = order.bill.as_ref().map_or(Money::default(), |bill| bill.amount);
            let (held, paid) =
                if names.last() == Some(&"order.approved") { (order.quantity, price) } else { Default::default() };
            assert_eq!((order.held, order.paid), (held, paid), "{order:?}");
        }
    }

    fn check_stock(&self) {
        for (sku, events) in &self.stock_events {
            let (mut left, mut held) = (0, BTreeMap::new());
            for (name, payload) in events {
                let quantity = payload["quantity"].as_i64().unwrap();
                let order = payload["order"].as_str();
                match name.as_str() {
                    "stock.added" => left += quantity,
                    "stock.reserved" => {
                        left -= quantity;
                        assert_eq!(held.insert(order.unwrap(), quantity), None, "article {sku}: reserved twice");
                    }
                    "stock.released" => {
                        left += quantity;
                        assert_eq!(held.insert(order.unwrap(), 0), Some(quantity), "article {sku}: released twice");
                    }
                    other => panic!("article {sku}: {other}"),
                }
                assert!(left >= 0, "article {sku} is below zero");
            }
            let level = &self.levels[sku];
            assert_eq!((left, held.values().sum()), (i64::from(level.left), i64::from(level.held)), "article {sku}");
        }
    }

    fn check_money(&self) {
        for (customer, events) in &self.account_events {
            let (mut left, mut paid) = (0, BTreeMap::new());
            for (name, payload) in events {
                let amount = cents(payload.get("amount").or(payload.get("balance")).unwrap());
                let order = payload["order"].as_str();
                match name.as_str() {
                    "account.opened" => left += amount,
                    "payment.taken" => {
                        left -= amount;
                        assert_eq!(paid.insert(order.unwrap(), amount), None, "customer {customer}: paid twice");
                    }
                    "payment.refunded" => {
                        left += amount;
                        assert_eq!(paid.insert(order.unwrap(), 0), Some(amount), "customer {customer}: refunded twice");
                    }
                    other => panic!("customer {customer}: {other}"),
                }
                assert!(left >= 0, "customer {customer} is below zero");
            }
            let of_orders = self
                .orders
                .values()
                .filter(|order| order.bill.as_ref().is_some_and(|bill| bill.customer.to_string() == *customer));
            let of_orders: i128 = of_orders.map(|order| cents(&order.paid.to_string().into())).sum();
            let balance = &self.balances[customer];
            let shown = [balance.left, balance.paid].map(|money| cents(&money.to_string().into()));
            assert_eq!([left, paid.values().sum()], shown, "customer {customer}");
            assert_eq!(of_orders, shown[1], "customer {customer}");
        }
    }

    /// Demands that both are the same, and shows the first difference.
    fn compare(&self, expected: &Self) {
        same(&self.orders, &expected.orders);
        same(&self.levels, &expected.levels);
        same(&self.balances, &expected.balances);
        same(&self.order_events, &expected.order_events);
        same(&self.stock_events, &expected.stock_events);
        same(&self.account_events, &expected.account_events);
    }
}

/// An amount such as `12.50` in cents.
fn cents(amount: &Json) -> i128 {
    amount.as_str().unwrap().replace('.', "").parse().unwrap()
}

#[track_caller]
fn same<V: PartialEq + std::fmt::Debug>(found: &BTreeMap<String, V>, expected: &BTreeMap<String, V>) {
    for (key, value) in expected {
        assert_eq!(found.get(key), Some(value), "{key}");
    }
    assert_eq!(found.len(), expected.len());
}

async fn documents<V: ViewHandlers>(app: &Annals) -> BTreeMap<String, V> {
    app.view::<V>().list(None, 10_000).await.unwrap().into_iter().collect()
}

async fn histories<A: Aggregate>(app: &Annals, ids: impl Iterator<Item = &String>) -> BTreeMap<String, Vec<Entry>> {
    let mut histories = BTreeMap::new();
    for id in ids {
        let history = app.aggregate::<A>(id).history().await.unwrap();
        histories.insert(id.clone(), history.into_iter().map(|entry| (entry.name, entry.payload)).collect());
    }
    histories
}

/// Numbers that look random and follow from a seed. Source: Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", 2014 (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
