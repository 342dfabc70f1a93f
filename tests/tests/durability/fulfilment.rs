//! Guarantee 8 under fire: purchases with three participants, refusals and time-outs, while the nodes that run their sagas end
//! at commits, before or behind them. Stock and money are conserved, each purchase is decided once, and nothing happens twice.

mod domain;
mod mortal;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use annals::Annals;
use annals::prelude::*;
use annals::store::{self, Read};
use tokio::process::{Child, Command as Program};
use tokio::time::Instant;

use super::chance::Chance;
use domain::{Decided, Give, Given, PRICE, Place, Placed, Taken};
use mortal::{Fate, mortal};

/// What a child is told, in its environment.
const URL: &str = "ANNALS_TEST_FULFIL_URL";
const COMMIT: &str = "ANNALS_TEST_FULFIL_COMMIT";
const BEHIND: &str = "ANNALS_TEST_FULFIL_BEHIND";

/// How many purchases there are, in the environment.
const PURCHASES: &str = "ANNALS_TEST_PURCHASES";
/// Purchases that are placed before somebody looks whether a node has ended.
const WAVE: u64 = 25;
const ARTICLES: u64 = 12;
const WALLETS: u64 = 10;
/// A test that waits so long for the last decision has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the children of the tests below do; nothing when it is run as a test: runs the sagas until its fate, or until its
/// standard input ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let fate = Fate::at(std::env::var(COMMIT).unwrap().parse().unwrap(), std::env::var(BEHIND).unwrap() == "true");
    let store = mortal(store::open(&url).await.unwrap(), fate);
    let app = domain::node().opened_store(store).start().await.unwrap();
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.unwrap().unwrap();
    app.shutdown().await.unwrap();
}

/// A node, which ends at its commit number `commit`; never for 0.
fn start(url: &str, commit: u64, behind: bool) -> Child {
    let mut program = Program::new(std::env::current_exe().unwrap());
    let program = program.args(["--exact", "fulfilment::child", "--nocapture"]).stdin(Stdio::piped());
    let program = program.env(URL, url).env(COMMIT, commit.to_string()).env(BEHIND, behind.to_string());
    program.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

struct Nodes<'a> {
    url: &'a str,
    chance: Chance,
    all: Vec<Child>,
    ends: u64,
}

impl Nodes<'_> {
    fn one(&mut self) -> Child {
        let commit = 1 + self.chance.below(500);
        start(self.url, commit, self.chance.below(2) == 0)
    }

    /// Starts others in place of those that have ended.
    fn replace(&mut self) {
        for place in 0..self.all.len() {
            if self.all[place].try_wait().unwrap().is_some() {
                self.ends += 1;
                self.all[place] = self.one();
            }
        }
    }
}

/// Fewer say little.
const LEAST_ENDS: u64 = 10;

async fn under_fire(url: &str, purchases: u64) {
    let purchases = std::env::var(PURCHASES).ok().and_then(|number| number.parse().ok()).unwrap_or(purchases);
    // Not enough for all: a purchase takes two and a half pieces.
    let (stock, money) = (purchases * 2 / ARTICLES, purchases * 2 * PRICE / WALLETS);
    let app = domain::node().store(url).processors(|config| config.segments = 1).start().await.unwrap();
    // This one only places: its processors are stopped.
    app.processors().stop("saga:purchase").unwrap();
    for (tills, kind, amount) in [(ARTICLES, "sku", stock), (WALLETS, "wallet", money)] {
        for till in 0..tills {
            let give = Give { till: format!("{kind}-{till}"), purchase: "opening".into(), amount };
            app.send(give).await.unwrap();
        }
    }
    let mut nodes = Nodes { url, chance: Chance::new(), all: Vec::new(), ends: 0 };
    for _ in 0..2 {
        let node = nodes.one();
        nodes.all.push(node);
    }
    let begun = Instant::now();
    // A fast server may be through before enough nodes have ended.
    let mut placed = 0;
    while placed < purchases || (nodes.ends < LEAST_ENDS && placed < 4 * purchases) {
        let number = placed;
        placed += 1;
        app.send(Place {
            purchase: format!("p-{number}"),
            sku: format!("sku-{}", nodes.chance.below(ARTICLES)),
            wallet: format!("wallet-{}", nodes.chance.below(WALLETS)),
            quantity: 1 + nodes.chance.below(4),
            absent: nodes.chance.below(10) == 0,
        })
        .await
        .unwrap();
        if number % WAVE == 0 {
            nodes.replace();
            // Some of the work is done before the next wave.
            while undecided(&app, number).await > 10 * WAVE && begun.elapsed() < PATIENCE {
                nodes.replace();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    let purchases = placed;
    // The last ones under fire as well, then in peace.
    while undecided(&app, purchases).await > WAVE && begun.elapsed() < PATIENCE {
        nodes.replace();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let peace = start(url, 0, false);
    let quiet = Instant::now();
    while undecided(&app, purchases).await > 0 {
        assert!(quiet.elapsed() < PATIENCE, "{} purchases are undecided", undecided(&app, purchases).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ends = nodes.ends;
    drop((nodes, peace));
    println!("{purchases} purchases, {ends} nodes ended, {:?}", begun.elapsed());
    assert!(ends >= LEAST_ENDS, "only {ends} nodes have ended");
    judge(&app, [(ARTICLES, "sku", stock), (WALLETS, "wallet", money)], purchases).await;
    app.shutdown().await.unwrap();
}

/// How many of the first `placed` purchases have no decision, or sagas that have not ended.
async fn undecided(app: &Annals, placed: u64) -> u64 {
    let counts = app.sagas().of::<domain::Fulfilment>().count().await.unwrap();
    let ended: u64 = counts.iter().filter(|count| count.status.is_ended()).map(|count| count.instances).sum();
    placed.saturating_sub(ended)
}

/// What has happened for one purchase.
#[derive(Debug, Default)]
struct Told {
    placed: Option<Placed>,
    /// Of each till: how often something was taken, how often given back, and what is gone.
    tills: BTreeMap<String, (u32, u32, i64)>,
    decisions: Vec<bool>,
}

async fn judge(app: &Annals, tills: [(u64, &str, u64); 2], placed: u64) {
    assert!(app.sagas().attention().await.unwrap().is_empty(), "{:?}", app.sagas().attention().await.unwrap());
    let mut purchases: BTreeMap<String, Told> = BTreeMap::new();
    let mut after = Position::START;
    loop {
        let page = app.journal().read(Read::all(after)).await.unwrap();
        for event in &page.events {
            let payload = &event.payload;
            match event.recorded.name.as_str() {
                Placed::NAME => {
                    let placed: Placed = serde_json::from_slice(payload).unwrap();
                    let told = purchases.entry(placed.purchase.clone()).or_default();
                    told.placed = Some(placed);
                }
                Taken::NAME => {
                    let taken: Taken = serde_json::from_slice(payload).unwrap();
                    let told = purchases.entry(taken.purchase).or_default().tills.entry(taken.till).or_default();
                    (told.0, told.2) = (told.0 + 1, told.2 + i64::try_from(taken.amount).unwrap());
                }
                Given::NAME => {
                    let given: Given = serde_json::from_slice(payload).unwrap();
                    if given.purchase != "opening" {
                        let told = purchases.entry(given.purchase).or_default().tills.entry(given.till).or_default();
                        (told.1, told.2) = (told.1 + 1, told.2 - i64::try_from(given.amount).unwrap());
                    }
                }
                Decided::NAME => {
                    let decided: Decided = serde_json::from_slice(payload).unwrap();
                    purchases.entry(decided.purchase).or_default().decisions.push(decided.approved);
                }
                _ => {}
            }
        }
        if !page.more {
            break;
        }
        after = page.scanned;
    }
    assert_eq!(purchases.len() as u64, placed);
    let (mut approved, mut gone) = (0, BTreeMap::<String, i64>::new());
    for (name, told) in &purchases {
        let placed = told.placed.as_ref().unwrap();
        assert_eq!(told.decisions.len(), 1, "{name} is decided once: {told:?}");
        let is_approved = told.decisions[0];
        approved += u64::from(is_approved);
        assert!(!(is_approved && placed.absent), "{name} has no carrier: {told:?}");
        for (till, (taken, given, amount)) in &told.tills {
            assert!(*taken == 1 && *given <= 1, "{name}: nothing happens twice: {told:?}");
            let price = if till.starts_with("sku") { 1 } else { PRICE };
            let expected = if is_approved { i64::try_from(placed.quantity * price).unwrap() } else { 0 };
            assert_eq!(*amount, expected, "{name} at {till}: {told:?}");
            *gone.entry(till.clone()).or_default() += amount;
        }
        assert!(!is_approved || told.tills.len() == 2, "{name} has stock and money: {told:?}");
    }
    for (tills, kind, amount) in tills {
        for till in 0..tills {
            let name = format!("{kind}-{till}");
            let left = app.aggregate::<domain::Till>(name.clone()).load().await.unwrap().unwrap().state.left;
            let gone = gone.get(&name).copied().unwrap_or_default();
            assert_eq!(i64::try_from(left).unwrap() + gone, i64::try_from(amount).unwrap(), "{name} is conserved");
        }
    }
    println!("{approved} were approved");
    assert!(approved > placed / 10 && approved < placed * 9 / 10, "some are approved, and some are not: {approved}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purchases_on_a_sqlite_file_are_decided_once_whatever_ends() {
    let directory = tempfile::TempDir::new().unwrap();
    under_fire(&format!("sqlite://{}", directory.path().join("annals.db").display()), 500).await;
}

#[cfg(feature = "servers")]
mod servers {
    use annals_tests::servers::Server;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn purchases_on_postgres_are_decided_once_whatever_ends() {
        super::under_fire(&Server::Postgres.fresh_database().await, 2_000).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn purchases_on_mariadb_are_decided_once_whatever_ends() {
        super::under_fire(&Server::MySql.fresh_database().await, 500).await;
    }
}
