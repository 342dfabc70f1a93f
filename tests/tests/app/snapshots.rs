//! Snapshots are a cache (guarantee 9).

use annals::aggregate::{Aggregate, AsOf, SnapshotError};
use annals::prelude::*;
use annals::store::Snapshot;
use annals_tests::orders::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::{Connection, SqliteConnection};

use crate::support::{Place, in_each_place, places};

async fn start(place: &Place) -> Annals {
    place.start(|app| app.include::<Order>()).await
}

fn placed(order: &str) -> PlaceOrder {
    PlaceOrder { order: order.to_owned(), sku: "tea".into(), quantity: 1 }
}

fn lines(order: &str, quantities: &[u32]) -> AddLines {
    AddLines { order: order.to_owned(), quantities: quantities.to_vec() }
}

fn stream(order: &str) -> StreamId {
    StreamId::new("order", order)
}

fn schema() -> &'static str {
    Order::snapshots().expect("orders have snapshots").schema
}

async fn snapshot(app: &Annals, order: &str) -> Option<Snapshot> {
    app.journal().store().snapshot("", &stream(order), schema()).await.unwrap()
}

/// The snapshot at `version`. It is there when the command is answered.
async fn snapshot_at(app: &Annals, order: &str, version: u64) -> Snapshot {
    let found = snapshot(app, order).await.unwrap();
    assert_eq!(found.version.get(), version);
    found
}

/// What the order is by a full replay.
async fn replayed(app: &Annals, order: &str) -> Order {
    let all = AsOf::Version(Version::new(u64::MAX).unwrap());
    app.aggregate::<Order>(order).as_of(all).await.unwrap().unwrap().state
}

async fn loaded(app: &Annals, order: &str) -> Order {
    app.aggregate::<Order>(order).load().await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_snapshot_is_made_after_every_so_many_events() {
    in_each_place(async |place| {
        let app = start(place).await;
        app.send(placed("o-1")).await.unwrap();
        app.send(lines("o-1", &[1, 1, 1])).await.unwrap();
        assert_eq!(snapshot(&app, "o-1").await, None, "four events");
        app.send(lines("o-1", &[1])).await.unwrap();
        let fifth = snapshot_at(&app, "o-1", 5).await;
        assert_eq!(serde_json::from_slice::<Order>(&fifth.state).unwrap(), Order { quantity: 5, decided: None });
        // A command that passes the mark makes one where it ends.
        app.send(lines("o-1", &[1; 6])).await.unwrap();
        let eleventh = snapshot_at(&app, "o-1", 11).await;
        assert_eq!(eleventh.position, Position::new(11));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_is_what_loading_begins_with() {
    in_each_place(async |place| {
        let app = start(place).await;
        app.send(placed("o-1")).await.unwrap();
        app.send(lines("o-1", &[1; 5])).await.unwrap();
        let kept = snapshot_at(&app, "o-1", 6).await;
        // Only a state that no event tells of shows that the snapshot was taken.
        let told = Snapshot { state: br#"{"quantity":1000,"decided":null}"#.to_vec(), ..kept };
        app.journal().store().save_snapshot("", &stream("o-1"), told).await.unwrap();
        app.send(lines("o-1", &[2])).await.unwrap();
        assert_eq!(loaded(&app, "o-1").await.quantity, 1002);
        assert_eq!(replayed(&app, "o-1").await.quantity, 8);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_is_ignored() {
    in_each_place(async |place| {
        let app = start(place).await;
        app.send(placed("o-1")).await.unwrap();
        app.send(lines("o-1", &[1; 5])).await.unwrap();
        let kept = snapshot_at(&app, "o-1", 6).await;
        let state = br#"{"quantity":1000,"decided":null}"#.to_vec();
        let faulty = [
            Snapshot { schema: "another".into(), state, ..kept.clone() },
            Snapshot { state: b"{".to_vec(), ..kept.clone() },
            Snapshot { state: vec![0xff, 0x00, 0xfe], ..kept.clone() },
            Snapshot { state: Vec::new(), ..kept },
        ];
        for snapshot in faulty {
            app.journal().store().save_snapshot("", &stream("o-1"), snapshot).await.unwrap();
            let fresh = start(place).await;
            assert_eq!(loaded(&fresh, "o-1").await.quantity, 6);
            assert_eq!(fresh.send(lines("o-1", &[])).await.unwrap().reply, 6);
            fresh.shutdown().await.unwrap();
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

/// As after a database was restored from a copy that is older than a snapshot kept elsewhere, or than the events.
#[tokio::test]
async fn a_snapshot_that_tells_of_events_that_are_not_there_is_ignored() {
    in_each_place(async |place| {
        let app = start(place).await;
        app.send(placed("o-1")).await.unwrap();
        app.send(lines("o-1", &[1, 1, 1, 1])).await.unwrap();
        let kept = snapshot_at(&app, "o-1", 5).await;
        app.shutdown().await.unwrap();
        let version = Version::new(99).unwrap();
        for position in [Position::new(1), Position::new(1_000)] {
            let app = start(place).await;
            let state = br#"{"quantity":1000,"decided":null}"#.to_vec();
            let ahead = Snapshot { version, position, state, ..kept.clone() };
            app.journal().store().save_snapshot("", &stream("o-1"), ahead).await.unwrap();
            if position.get() == 1_000 {
                assert_eq!(loaded(&app, "o-1").await, replayed(&app, "o-1").await, "the store has no such position");
            }
            let sent = app.send(lines("o-1", &[1])).await.unwrap();
            assert_eq!(sent.reply, replayed(&app, "o-1").await.quantity);
            app.shutdown().await.unwrap();
        }
    })
    .await;
}

/// Neither reading nor writing of snapshots works here.
#[tokio::test]
async fn a_failed_snapshot_never_fails_a_command() {
    for place in places().await {
        let Some(file) = place.file() else { continue };
        let app = start(&place).await;
        let mut other = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        sqlx::query("DROP TABLE annals_snapshots").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        app.send(placed("o-1")).await.unwrap();
        for _ in 0..12 {
            app.send(lines("o-1", &[1])).await.unwrap();
        }
        assert!(app.journal().store().snapshot("", &stream("o-1"), schema()).await.is_err());
        let asked = app.aggregate::<Order>("o-1").snapshot().await;
        assert!(matches!(asked, Err(SnapshotError::Store(_))), "who asks for one hears of it: {asked:?}");
        assert_eq!(loaded(&app, "o-1").await.quantity, 13);
        app.shutdown().await.unwrap();
    }
}

/// A step of an order's life: lines to add, or `None` to approve it.
fn life() -> impl Strategy<Value = Vec<Option<Vec<u32>>>> {
    let lines = proptest::collection::vec(1_u32..9, 0..7);
    proptest::collection::vec(prop_oneof![6 => lines.prop_map(Some), 1 => Just(None)], 0..12)
}

#[test]
fn a_snapshot_and_the_events_after_it_give_what_all_events_give() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for place in runtime.block_on(places()) {
        let app = runtime.block_on(start(&place));
        let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
        let result = runner.run(&life(), |steps| {
            // Shrinking runs this again: each run has an order of its own.
            let order = format!("o-{}", CommandId::new());
            let events = steps.iter().flatten().map(Vec::len).sum::<usize>();
            runtime.block_on(async {
                app.send(placed(&order)).await.unwrap();
                for step in &steps {
                    match step {
                        Some(quantities) => drop(app.send(lines(&order, quantities)).await.unwrap()),
                        None => drop(app.send(ApproveOrder { order: order.clone() }).await.unwrap()),
                    }
                }
                if events >= 5 {
                    assert!(snapshot(&app, &order).await.is_some());
                }
                let expected = replayed(&app, &order).await;
                assert_eq!(loaded(&app, &order).await, expected, "loaded");
                let in_memory = app.send(lines(&order, &[])).await.unwrap().reply;
                assert_eq!(in_memory, expected.quantity, "in memory");
            });
            Ok(())
        });
        result.unwrap();
        runtime.block_on(app.shutdown()).unwrap();
    }
}
