//! When snapshots are made: by count, by time, on an event, on request, and by any of these.

use std::future::IntoFuture;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use annals::aggregate::{Aggregate, AsOf, SnapshotError, SnapshotPolicy};
use annals::message::Clock;
use annals::prelude::*;
use annals::store::Snapshot;
use annals_tests::orders::{AddLines, Order, PlaceOrder, Stock};

use crate::notebook::*;
use crate::support::{Place, eventually, in_each_place};

const LIMIT: Duration = Duration::from_millis(200);

async fn start(place: &Place, policy: SnapshotPolicy) -> Annals {
    place.start(|app| app.include::<Notebook>().snapshots::<Notebook>(policy)).await
}

/// An application by whose clock loading takes as long as `step`.
async fn slow(place: &Place, step: Duration) -> Annals {
    let policy = SnapshotPolicy::on_request().when_loading_takes(LIMIT);
    let clock = Ticking { now: AtomicI64::new(0), step };
    place.start(|app| app.include::<Notebook>().snapshots::<Notebook>(policy).clock(clock)).await
}

/// Moves on by a step whenever it is looked at.
struct Ticking {
    now: AtomicI64,
    step: Duration,
}

#[async_trait::async_trait]
impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        let step = i64::try_from(self.step.as_micros()).unwrap();
        Timestamp::from_micros(self.now.fetch_add(step, Ordering::SeqCst))
    }

    async fn sleep_until(&self, _instant: Timestamp) {
        std::future::pending().await
    }
}

pub async fn snapshot(app: &Annals, notebook: &str) -> Option<Snapshot> {
    let (stream, schema) = (StreamId::new("notebook", notebook), Notebook::snapshots().unwrap().schema);
    app.journal().store().snapshot("", &stream, schema).await.unwrap()
}

/// The version of the snapshot that is there now. Nothing is waited for: it is stored with the events.
pub async fn version(app: &Annals, notebook: &str) -> Option<u64> {
    snapshot(app, notebook).await.map(|snapshot| snapshot.version.get())
}

#[tokio::test]
async fn without_a_policy_a_snapshot_is_made_on_request_alone() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Notebook>()).await;
        app.send(write("n-1", &["a"; 300])).await.unwrap();
        app.send(close("n-1")).await.unwrap();
        assert_eq!(version(&app, "n-1").await, None);
        assert_eq!(app.aggregate::<Notebook>("n-1").snapshot().await.unwrap(), Version::new(301));
        assert_eq!(version(&app, "n-1").await, Some(301));
        assert_eq!(app.aggregate::<Notebook>("n-2").snapshot().await.unwrap(), None, "it has no events");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_on_request_says_why_there_is_none() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Notebook>()).await;
        let error = app.aggregate::<Stock>("tea").snapshot().await.unwrap_err();
        assert!(matches!(error, SnapshotError::NoSnapshots { .. }));
        let expected = "the states of `annals_tests::orders::Stock` cannot be stored: write `#[aggregate(snapshot)]`";
        assert_eq!(error.to_string(), expected);
        app.send(write("n-1", &["illegible"])).await.unwrap();
        let error = app.aggregate::<Notebook>("n-1").snapshot().await.unwrap_err();
        assert!(matches!(error, SnapshotError::Codec { .. }), "{error:?}");
        assert_eq!(error.to_string(), "the state of `app::notebook::Notebook` could not be encoded");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_is_stored_with_the_event_on_which_it_is_made() {
    in_each_place(async |place| {
        let app = start(place, SnapshotPolicy::on_request().on::<Closed>()).await;
        app.send(write("n-1", &["a", "b"])).await.unwrap();
        assert_eq!(version(&app, "n-1").await, None);
        app.send(close("n-1")).await.unwrap();
        let kept = snapshot(&app, "n-1").await.unwrap();
        assert_eq!((kept.version, kept.position), (Version::new(3).unwrap(), Position::new(3)));
        let expected = Notebook { notes: vec!["a".into(), "b".into()], closed: true };
        assert_eq!(serde_json::from_slice::<Notebook>(&kept.state).unwrap(), expected);
        app.send(write("n-1", &["c"])).await.unwrap();
        assert_eq!(version(&app, "n-1").await, Some(3));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_is_stored_with_the_command_that_took_long_to_load() {
    in_each_place(async |place| {
        let app = slow(place, LIMIT + LIMIT).await;
        app.send(write("n-1", &["a", "b"])).await.unwrap();
        app.send(write("n-1", &["c"])).await.unwrap();
        assert_eq!(version(&app, "n-1").await, None, "the state was in memory");
        app.shutdown().await.unwrap();

        let quick = slow(place, Duration::from_millis(1)).await;
        quick.send(write("n-1", &["d"])).await.unwrap();
        assert_eq!(version(&quick, "n-1").await, None, "loading was quick");
        quick.shutdown().await.unwrap();

        let app = slow(place, LIMIT + LIMIT).await;
        app.send(write("n-1", &["e"])).await.unwrap();
        assert_eq!(version(&app, "n-1").await, Some(5));
        app.shutdown().await.unwrap();

        let app = slow(place, LIMIT + LIMIT).await;
        app.send(write("n-1", &["f"])).await.unwrap();
        assert_eq!(version(&app, "n-1").await, Some(5), "the snapshot was all that was loaded");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_state_that_took_long_to_load_is_kept_where_nothing_is_stored() {
    in_each_place(async |place| {
        let app = start(place, SnapshotPolicy::on_request()).await;
        app.send(write("n-1", &["a", "b"])).await.unwrap();
        app.send(close("n-1")).await.unwrap();
        app.shutdown().await.unwrap();
        let app = slow(place, LIMIT + LIMIT).await;
        app.send(close("n-1")).await.unwrap();
        let kept = eventually(async || snapshot(&app, "n-1").await).await;
        assert_eq!((kept.version, kept.position), (Version::new(3).unwrap(), Position::new(3)));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn any_part_of_a_policy_makes_a_snapshot_due() {
    in_each_place(async |place| {
        let policy = SnapshotPolicy::on_request().every(4).on::<Closed>().when_loading_takes(LIMIT);
        let app = start(place, policy).await;
        app.send(write("n-1", &["a", "b", "c"])).await.unwrap();
        assert_eq!(version(&app, "n-1").await, None);
        app.send(write("n-1", &["d", "e"])).await.unwrap();
        assert_eq!(version(&app, "n-1").await, Some(5), "the fourth event has passed");
        app.send(close("n-1")).await.unwrap();
        assert_eq!(version(&app, "n-1").await, Some(6), "it was closed");
        assert_eq!(app.aggregate::<Notebook>("n-1").snapshot().await.unwrap(), Version::new(6));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_policy_of_an_application_replaces_that_of_the_attribute() {
    in_each_place(async |place| {
        let policy = SnapshotPolicy::on_request().every(2);
        let twice = |app: annals::app::Builder| {
            app.include::<Order>().snapshots::<Order>(SnapshotPolicy::on_request()).snapshots::<Order>(policy)
        };
        let app = place.start(twice).await;
        app.send(PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity: 1 }).await.unwrap();
        app.send(AddLines { order: "o-1".into(), quantities: vec![1] }).await.unwrap();
        let (stream, schema) = (StreamId::new("order", "o-1"), Order::snapshots().unwrap().schema);
        let kept = app.journal().store().snapshot("", &stream, schema).await.unwrap().unwrap();
        assert_eq!(kept.version.get(), 2);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Most of them are decided while the appends before them are under way.
#[tokio::test]
async fn many_commands_at_once_leave_the_snapshot_of_the_last_that_was_due() {
    in_each_place(async |place| {
        let app = start(place, SnapshotPolicy::on_request().every(10)).await;
        let calls: Vec<_> = (0..64).map(|_| tokio::spawn(app.send(write("n-1", &["a", "b"])).into_future())).collect();
        for call in calls {
            let sent = call.await.unwrap().unwrap();
            let kept = version(&app, "n-1").await.unwrap_or_default();
            let due = sent.version.unwrap().get() / 10 * 10;
            assert!(kept >= due, "answered at {:?}, the snapshot is at {kept}", sent.version);
        }
        let kept = snapshot(&app, "n-1").await.unwrap();
        assert_eq!(kept.version.get(), 120);
        let then = app.aggregate::<Notebook>("n-1").as_of(AsOf::Version(kept.version)).await.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Notebook>(&kept.state).unwrap(), then.state);
        assert_eq!(kept.position, then.position);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_newer_snapshot_replaces_the_older_one_and_one_of_an_older_schema_goes_with_a_scavenge() {
    in_each_place(async |place| {
        let app = start(place, SnapshotPolicy::on_request().every(1)).await;
        let stream = StreamId::new("notebook", "n-1");
        app.send(write("n-1", &["a"])).await.unwrap();
        let first = snapshot(&app, "n-1").await.unwrap();
        let old = Snapshot { schema: "1-before".into(), ..first };
        app.journal().store().save_snapshot("", &stream, old.clone()).await.unwrap();
        app.send(write("n-1", &["b"])).await.unwrap();
        assert_eq!(version(&app, "n-1").await, Some(2));
        let kept = async || app.journal().store().snapshot("", &stream, "1-before").await.unwrap();
        assert_eq!(kept().await, Some(old), "another program may still use it");
        assert_eq!(app.scavenge().await.unwrap().snapshots, 1);
        assert_eq!((kept().await, version(&app, "n-1").await), (None, Some(2)));
        app.shutdown().await.unwrap();
    })
    .await;
}
