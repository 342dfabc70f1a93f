//! Three nodes on one database, and somebody who appends and looks on.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use annals::Annals;
use annals::message::Position;
use annals::store::{LetterState, Read};
use futures_util::future::join_all;

use super::super::chance::Chance;
use super::database::Database;
use super::domain::{self, Count, Counted, PROCESSORS, Sums};
use super::process::{Node, Settings};

/// Nodes at a time.
pub(super) const NODES: usize = 3;
/// Streams.
const TALLIES: u64 = 12;
/// Documents of the view.
const GROUPS: u64 = 9;
/// Until everything must be handled after whatever has happened.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

pub(super) struct Stage {
    pub(super) database: Database,
    /// Appends, looks on and steers; runs no processor itself.
    pub(super) app: Annals,
    pub(super) nodes: Vec<Node>,
    pub(super) settings: Settings,
    started: usize,
    numbers: HashMap<String, i64>,
    /// All events up to `read` folded by hand.
    sums: BTreeMap<String, Sums>,
    read: Position,
    events: i64,
}

impl Stage {
    pub(super) async fn set(database: Database, settings: Settings) -> Self {
        let app = domain::node(&database.url(), "driver", Duration::from_secs(10), 0).start().await.unwrap();
        for processor in PROCESSORS {
            app.processors().stop(processor).unwrap();
        }
        database.execute(domain::table(&database.url())).await;
        let mut stage = Self {
            database,
            app,
            nodes: Vec::new(),
            settings,
            started: 0,
            numbers: HashMap::new(),
            sums: BTreeMap::new(),
            read: Position::START,
            events: 0,
        };
        for _ in 0..NODES {
            stage.add_node(0).await;
        }
        stage.settle().await;
        stage
    }

    /// Starts a node whose clock is wrong by some hours.
    pub(super) async fn add_node(&mut self, hours: i64) {
        self.started += 1;
        let settings = Settings { hours, ..self.settings.clone() };
        let node = Node::start(&self.database, format!("node-{}", self.started), &settings).await;
        self.nodes.push(node);
    }

    /// Appends one event to each stream, `waves` times.
    pub(super) async fn append(&mut self, chance: &mut Chance, waves: u64) {
        for _ in 0..waves {
            let counts: Vec<Count> = (0..TALLIES)
                .map(|tally| {
                    let tally = format!("tally-{tally}");
                    let number = self.numbers.entry(tally.clone()).or_default();
                    *number += 1;
                    Count { number: *number, tally, group: format!("group-{}", chance.below(GROUPS)) }
                })
                .collect();
            for sent in join_all(counts.into_iter().map(|count| self.app.send(count).into_future())).await {
                sent.unwrap();
            }
        }
    }

    /// Appends one event to a stream, of a group.
    pub(super) async fn append_one(&mut self, tally: &str, group: &str) -> annals::Sent<()> {
        let number = self.numbers.entry(tally.to_owned()).or_default();
        *number += 1;
        let count = Count { number: *number, tally: tally.to_owned(), group: group.to_owned() };
        self.app.send(count).await.unwrap()
    }

    /// The id of a node.
    #[cfg(feature = "servers")]
    pub(super) async fn id_of(&self, name: &str) -> String {
        let status = self.app.processors().status().await.unwrap();
        let mut segments = status.into_iter().flat_map(|status| status.segments);
        segments.find_map(|segment| segment.owner.filter(|_| segment.owner_name.as_deref() == Some(name))).unwrap()
    }

    /// Waits until no segment is written down as the node's with this id any more; returns how long that took.
    #[cfg(feature = "servers")]
    pub(super) async fn is_replaced(&self, id: &str) -> Duration {
        let begun = Instant::now();
        while self
            .database
            .number(format!("SELECT count(*) FROM annals_segments WHERE owner = '{id}' OR owner IS NULL"))
            .await
            > 0
        {
            assert!(begun.elapsed() < PATIENCE, "nobody takes over from {id}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }

    /// Waits until so many rows of handlers are there.
    pub(super) async fn rows(&self, rows: i64) {
        let begun = Instant::now();
        while self.database.number("SELECT count(*) FROM ledger").await < rows {
            assert!(begun.elapsed() < PATIENCE, "some events are not handled");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until everything is handled and the segments are shared out evenly.
    pub(super) async fn settle(&mut self) {
        let begun = Instant::now();
        loop {
            let left = self.unsettled().await;
            let Some(left) = left else { return };
            assert!(begun.elapsed() < PATIENCE, "after {PATIENCE:?}: {left}");
            for node in &mut self.nodes {
                assert!(node.is_running(), "{} has ended by itself", node.name);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// What is left to do, or wrong about who does it.
    async fn unsettled(&self) -> Option<String> {
        for processor in self.app.processors().status().await.unwrap() {
            let mut owned: HashMap<&str, usize> = HashMap::new();
            for segment in &processor.segments {
                *owned.entry(segment.owner_name.as_deref().unwrap_or("nobody")).or_default() += 1;
            }
            let fair = processor.segments.len().div_ceil(self.nodes.len());
            let shared = self.nodes.iter().all(|node| owned.contains_key(node.name.as_str()))
                && owned.len() == self.nodes.len()
                && owned.values().all(|count| *count <= fair);
            let letters = self.app.processors().dead_letters(&processor.name).await.unwrap();
            let parked = letters.iter().find(|letter| letter.state == LetterState::Parked);
            assert!(parked.is_none(), "an event is parked: {parked:?}");
            if processor.segments.is_empty()
                || !processor.is_caught_up()
                || processor.paused
                || !shared
                || processor.letters.letters > 0
            {
                return Some(format!("{processor:?}: {owned:?}"));
            }
        }
        None
    }

    /// Compares what the nodes have made with a fold over all events.
    pub(super) async fn judge(&mut self) {
        self.judge_but(None).await;
    }

    /// The same, where the first of the handlers has never handled the event at `skipped`.
    pub(super) async fn judge_but(&mut self, skipped: Option<Position>) {
        self.fold().await;
        let documents = self.app.view::<Sums>().list(None, 1000).await.unwrap();
        assert_eq!(documents.into_iter().collect::<BTreeMap<_, _>>(), self.sums, "the view and a fold over all events");
        let number = async |sql: &str| self.database.number(sql).await;
        let doubled = "SELECT count(*) FROM \
                       (SELECT handler, position FROM ledger GROUP BY handler, position HAVING count(*) > 1) d";
        assert_eq!(number(doubled).await, 0, "events were handled twice");
        let all = 2 * self.events - i64::from(skipped.is_some());
        assert_eq!(number("SELECT count(*) FROM ledger").await, all, "events were not handled");
        let disorder = "SELECT count(*) FROM (SELECT number, coalesce(lag(number) OVER \
                        (PARTITION BY handler, tally ORDER BY seq), 0) AS earlier FROM ledger) o \
                        WHERE number <> earlier + 1";
        assert_eq!(number(disorder).await, i64::from(skipped.is_some()), "events were handled out of order");
    }

    /// Folds what is new.
    async fn fold(&mut self) {
        loop {
            let page = self.app.journal().read(Read::all(self.read).limit(1000)).await.unwrap();
            for event in &page.events {
                let event: Counted = serde_json::from_slice(&event.payload).unwrap();
                let sums = self.sums.entry(event.group).or_default();
                sums.total += event.number;
                sums.times += 1;
                self.events += 1;
            }
            self.read = page.scanned;
            if !page.more {
                return;
            }
        }
    }

    /// How many events there are.
    pub(super) async fn read_events(&mut self) -> i64 {
        self.fold().await;
        self.events
    }

    pub(super) fn events(&self) -> i64 {
        self.events
    }

    /// Ends all in order.
    pub(super) async fn end(self) {
        join_all(self.nodes.into_iter().map(Node::leave)).await;
        self.app.shutdown().await.unwrap();
    }
}
