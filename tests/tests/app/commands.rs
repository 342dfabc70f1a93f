//! What the sender of a command gets.

use annals::prelude::*;
use annals::{CommandFailure, SendError};

use crate::support::in_each_place;
use crate::wallet::*;

fn many(wallet: &str, amounts: &[u64]) -> DepositMany {
    DepositMany { wallet: wallet.to_owned(), amounts: amounts.to_vec() }
}

#[tokio::test]
async fn the_answer_names_reply_stream_version_and_position() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let other = app.send(open("w-0", 1)).await.unwrap();
        let opened = app.send(open("w-1", 5)).await.unwrap();
        let sent = app.send(many("w-1", &[1, 2])).await.unwrap();

        assert_eq!((other.version, other.position), (Version::new(1), Position::new(1)));
        assert_eq!((opened.version, opened.position), (Version::new(1), Position::new(2)));
        assert_eq!((sent.version, sent.position), (Version::new(3), Position::new(4)));
        assert_eq!(sent.reply, [6, 8]);
        assert_eq!(sent.stream, Some(StreamId::new("wallet", "w-1")));
        assert!(!sent.repeated);
        assert_ne!(sent.command, opened.command, "each command has an id of its own");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_decision_without_events_stores_nothing_and_names_what_it_saw() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let opened = app.send(open("w-1", 5)).await.unwrap();
        app.send(open("w-2", 5)).await.unwrap();
        let sent = app.send(lock("w-1", false)).await.unwrap();

        assert_eq!((sent.version, sent.position), (opened.version, opened.position));
        assert_eq!(app.journal().store().head().await.unwrap(), Position::new(2));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_exists_is_not_created_again() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let fresh = place.start(|app| app.include::<Wallet>()).await;
        app.send(open("w-1", 5)).await.unwrap();

        for (node, command) in [(&app, open("w-1", 7)), (&fresh, open("w-1", 7)), (&fresh, open("w-1", 2_000_000))] {
            match node.send(command).await {
                Err(SendError::Failed(CommandFailure::AlreadyExists { stream })) => {
                    assert_eq!(stream.to_string(), "wallet/w-1");
                }
                other => panic!("expected `AlreadyExists`, got {other:?}"),
            }
        }
        assert_eq!(balance(&app, "w-1").await, 5);
        for node in [app, fresh] {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

/// Each node looks at its memory first, and has none of this wallet.
#[tokio::test]
async fn a_creation_that_the_domain_refuses_meets_the_existing_target_first() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let fresh = place.start(|app| app.include::<Wallet>()).await;
        app.send(open("w-1", 5)).await.unwrap();
        let refused = fresh.send(open("w-1", 2_000_000)).await;
        assert!(matches!(refused, Err(SendError::Failed(CommandFailure::AlreadyExists { .. }))), "{refused:?}");
        let refused = fresh.send(open("w-2", 2_000_000)).await;
        assert_eq!(refused.unwrap_err().rejection(), Some(WalletError::TooMuch));
        for node in [app, fresh] {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        match app.send(deposit("w-1", 1)).await {
            Err(SendError::Failed(failure @ CommandFailure::NotFound { .. })) => {
                assert_eq!(failure.to_string(), "`wallet/w-1` does not exist");
                assert!(!failure.is_transient(), "sending it again does not help");
            }
            other => panic!("expected `NotFound`, got {other:?}"),
        }
        assert_eq!(app.send(many("w-1", &[4])).await.unwrap().reply, [4], "`create_if_missing` takes either");
        assert!(app.send(many("w-1", &[4])).await.is_ok());
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_rejection_is_the_domains_own_error_and_stores_nothing() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        app.send(open("w-1", 5)).await.unwrap();
        let refused = app.send(withdraw("w-1", 6)).await.unwrap_err();
        assert_eq!(refused.to_string(), "5 is there, 6 was requested");
        assert_eq!(refused.rejection(), Some(WalletError::InsufficientFunds { balance: 5, requested: 6 }));
        assert_eq!(app.journal().store().head().await.unwrap(), Position::new(1));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_command_that_nobody_handles_is_named() {
    in_each_place(async |place| {
        let app = place.start(|app| app).await;
        match app.send(open("w-1", 5)).await {
            Err(SendError::Failed(failure @ CommandFailure::NoHandler { .. })) => {
                assert_eq!(failure.to_string(), "no handler takes the command `wallet.open`");
            }
            other => panic!("expected `NoHandler`, got {other:?}"),
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handler_with_steps_sees_its_own_events() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        app.send(open("w-1", 10)).await.unwrap();
        let sent = app.send(many("w-1", &[1, 2, 3])).await.unwrap();
        assert_eq!(sent.reply, [11, 13, 16]);
        assert_eq!(sent.version, Version::new(4));
        assert_eq!(balance(&app, "w-1").await, 16);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_command_rejected_half_way_leaves_no_trace() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        app.send(open("w-1", 10)).await.unwrap();
        let refused = app.send(many("w-1", &[1, 2, 0, 3])).await.unwrap_err();
        assert_eq!(refused.rejection(), Some(WalletError::InsufficientFunds { balance: 13, requested: 0 }));

        let next = app.send(many("w-1", &[5])).await.unwrap();
        assert_eq!((next.reply.as_slice(), next.version), ([15].as_slice(), Version::new(2)));
        assert_eq!(balance(&app, "w-1").await, 15);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_application_that_is_shut_down_refuses_commands() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let (gateway, other) = (app.gateway(), app.clone());
        app.shutdown().await.unwrap();
        let refused = gateway.send(open("w-1", 10)).await.unwrap_err();
        assert_eq!(refused.to_string(), "the application is shut down");
        let refused = other.send(open("w-1", 10)).await.unwrap_err();
        assert_eq!(refused.to_string(), "the application is shut down");
    })
    .await;
}
