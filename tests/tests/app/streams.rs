//! The life of streams, as commands and readers of the application meet it.

use annals::message::Version;
use annals::prelude::*;
use annals::store::{AppendError, Expected, Retention, StreamError, StreamStatus};
use annals::{CommandFailure, SendError};

use crate::support::{Place, in_each_place};
use crate::wallet::*;

async fn start(place: &Place) -> Annals {
    place.start(|app| app.include::<Wallet>()).await
}

fn stream(wallet: &str) -> StreamId {
    StreamId::new("wallet", wallet)
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

#[tokio::test]
async fn a_command_for_a_deleted_stream_finds_nothing_although_the_state_was_in_memory() {
    in_each_place(async |place| {
        let app = start(place).await;
        app.send(open("w", 5)).await.unwrap();
        app.send(deposit("w", 1)).await.unwrap();
        app.stream(stream("w")).delete().await.unwrap();
        let refused = app.send(deposit("w", 1)).await;
        assert!(matches!(refused, Err(SendError::Failed(CommandFailure::NotFound { .. }))), "{refused:?}");
        assert!(app.aggregate::<Wallet>("w").load().await.unwrap().is_none());
        let opened = app.send(open("w", 7)).await.unwrap();
        assert_eq!(opened.version, Some(version(3)), "versions go on");
        assert_eq!(balance(&app, "w").await, 7, "nothing of the past is left");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_command_for_a_stream_that_ended_is_refused_with_its_status() {
    in_each_place(async |place| {
        let app = start(place).await;
        for wallet in ["w", "archived"] {
            app.send(open(wallet, 5)).await.unwrap();
        }
        app.stream(stream("w")).tombstone().await.unwrap();
        app.stream(stream("archived")).archive().await.unwrap();
        for (wallet, again) in [("w", StreamStatus::Tombstoned), ("archived", StreamStatus::Archived)] {
            let refused = match again {
                StreamStatus::Tombstoned => app.send(open(wallet, 1)).await.map(|sent| sent.position),
                _ => app.send(withdraw(wallet, 1)).await.map(|sent| sent.position),
            };
            match refused {
                Err(SendError::Failed(CommandFailure::Append(AppendError::StreamClosed { status, .. }))) => {
                    assert_eq!(status, again);
                }
                other => panic!("{wallet}: {other:?}"),
            }
        }
        assert_eq!(balance(&app, "archived").await, 5, "an archive is still read by its id");
        app.stream(stream("archived")).restore().await.unwrap();
        app.send(deposit("archived", 1)).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_scavenge_reports_what_it_removed_and_commands_go_on() {
    in_each_place(async |place| {
        let app = start(place).await;
        app.send(open("w", 5)).await.unwrap();
        for _ in 0..4 {
            app.send(deposit("w", 1)).await.unwrap();
        }
        app.send(open("v", 1)).await.unwrap();
        let wallet = app.stream(stream("w"));
        wallet.retain(Retention { max_count: Some(2), max_age: None }).await.unwrap();
        let removed = app.scavenge().await.unwrap();
        assert_eq!((removed.events, removed.expired, removed.streams), (3, 3, 1));
        assert_eq!(wallet.info().await.unwrap().unwrap().first, Some(version(4)));
        let sent = app.send(deposit("w", 1)).await.unwrap();
        assert_eq!(sent.version, Some(version(6)));
        assert_eq!(app.aggregate::<Wallet>("w").history().await.unwrap().len(), 3);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_change_is_refused_when_the_stream_has_moved() {
    in_each_place(async |place| {
        let app = start(place).await;
        app.send(open("w", 5)).await.unwrap();
        app.send(deposit("w", 1)).await.unwrap();
        let stale = app.stream(stream("w")).expecting(Expected::Version(version(1))).delete().await;
        assert!(matches!(stale, Err(StreamError::Conflict(_))), "{stale:?}");
        assert_eq!(balance(&app, "w").await, 6);
        app.shutdown().await.unwrap();
    })
    .await;
}
