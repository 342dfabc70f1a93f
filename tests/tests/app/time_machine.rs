//! Aggregates as they are, as they were, and how they came to be.

use std::time::Duration;

use annals::aggregate::AsOf;
use annals::prelude::*;
use annals::testing::TestClock;
use serde_json::json;

use crate::support::{Place, in_each_place};
use crate::wallet::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Opened with 10 at noon, 5 deposited a minute later, 3 withdrawn two minutes later.
async fn wallet(place: &Place) -> (Annals, Timestamp) {
    let clock = TestClock::default();
    let noon = annals::Clock::now(&clock);
    let timed = clock.clone();
    let app = place.start(|app| app.include::<Wallet>().clock(timed)).await;
    app.send(open("w-1", 10)).await.unwrap();
    clock.advance(MINUTE);
    app.send(deposit("w-1", 5)).metadata("user", "ada").await.unwrap();
    app.send(open("w-2", 1)).await.unwrap();
    clock.advance(MINUTE);
    app.send(withdraw("w-1", 3)).await.unwrap();
    (app, noon)
}

#[tokio::test]
async fn the_newest_state_comes_with_its_place() {
    in_each_place(async |place| {
        let (app, _) = wallet(place).await;
        let loaded = app.aggregate::<Wallet>("w-1").load().await.unwrap().unwrap();
        assert_eq!(loaded.state, Wallet { balance: 12, locked: false });
        assert_eq!((loaded.version.get(), loaded.position), (3, Position::new(4)));
        assert!(app.aggregate::<Wallet>("w-3").load().await.unwrap().is_none());
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_state_is_loaded_as_of_a_version() {
    in_each_place(async |place| {
        let (app, _) = wallet(place).await;
        let handle = app.aggregate::<Wallet>("w-1");
        for (version, balance) in [(1, 10), (2, 15), (3, 12), (9, 12)] {
            let then = handle.as_of(AsOf::Version(Version::new(version).unwrap())).await.unwrap().unwrap();
            assert_eq!((then.state.balance, then.version.get()), (balance, version.min(3)));
        }
        assert!(app.aggregate::<Wallet>("w-3").as_of(AsOf::Version(Version::FIRST)).await.unwrap().is_none());
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_state_is_loaded_as_of_an_instant() {
    in_each_place(async |place| {
        let (app, noon) = wallet(place).await;
        let handle = app.aggregate::<Wallet>("w-1");
        let almost = MINUTE - Duration::from_micros(1);
        for (after, balance) in [(Duration::ZERO, 10), (almost, 10), (MINUTE, 15), (2 * MINUTE, 12), (9 * MINUTE, 12)] {
            let then = handle.as_of(AsOf::Time(noon.plus(after))).await.unwrap().unwrap();
            assert_eq!(then.state.balance, balance, "{after:?} after noon");
        }
        let before = Timestamp::from_micros(noon.as_micros() - 1);
        assert!(handle.as_of(AsOf::Time(before)).await.unwrap().is_none());
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_history_tells_what_happened_when_and_why() {
    in_each_place(async |place| {
        let (app, noon) = wallet(place).await;
        let history = app.aggregate::<Wallet>("w-1").history().await.unwrap();
        let told: Vec<_> = history
            .iter()
            .map(|entry| (entry.name.as_str(), entry.payload.clone(), entry.recorded.version.get()))
            .collect();
        assert_eq!(
            told,
            [
                ("wallet.opened", json!({ "balance": 10 }), 1),
                ("wallet.deposited", json!({ "amount": 5 }), 2),
                ("wallet.withdrawn", json!({ "amount": 3 }), 3),
            ]
        );
        assert_eq!(history[1].recorded.recorded_at, noon.plus(MINUTE));
        assert_eq!(history[1].recorded.metadata().get("user"), Some("ada"));
        assert!(app.aggregate::<Wallet>("w-3").history().await.unwrap().is_empty());
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Longer than one page of the store.
#[tokio::test]
async fn a_long_history_is_told_to_its_end() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let amounts = vec![1; 1500];
        app.send(DepositMany { wallet: "w-1".into(), amounts }).await.unwrap();
        let handle = app.aggregate::<Wallet>("w-1");
        assert_eq!(handle.history().await.unwrap().len(), 1500);
        assert_eq!(handle.load().await.unwrap().unwrap().state.balance, 1500);
        let middle = AsOf::Version(Version::new(1025).unwrap());
        assert_eq!(handle.as_of(middle).await.unwrap().unwrap().state.balance, 1025);
        let now = AsOf::Time(app.journal().now());
        assert_eq!(handle.as_of(now).await.unwrap().unwrap().state.balance, 1500);
        app.shutdown().await.unwrap();
    })
    .await;
}
