//! Several nodes decide about one aggregate (guarantees 3 and 4).

use std::sync::Arc;

use annals::app::Builder;
use annals::prelude::*;
use annals::store::Conflict;
use annals::{CommandFailure, SendError};

use crate::support::{Place, in_each_place};
use crate::wallet::*;

/// Two nodes that both have the wallet `w-1` in memory, with the given balance.
async fn two_nodes(place: &Place, balance: u64) -> (Annals, Annals, Runs) {
    let runs = Runs::default();
    let counted = runs.clone();
    let here = place.start(|app| app.include::<Wallet>().resource(counted)).await;
    let there = place.start(|app| app.include::<Wallet>()).await;
    here.send(open("w-1", balance)).await.unwrap();
    there.send(lock("w-1", false)).await.unwrap();
    (here, there, runs)
}

async fn shut_down(nodes: [Annals; 2]) {
    for node in nodes {
        node.shutdown().await.unwrap();
    }
}

fn conflict<R: std::fmt::Debug, E: std::error::Error + 'static>(result: Result<R, SendError<E>>) -> (u32, Conflict) {
    match result {
        Err(SendError::Failed(CommandFailure::Conflict { attempts, source })) => (attempts, source),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[tokio::test]
async fn an_expected_version_that_holds_is_no_hindrance() {
    in_each_place(async |place| {
        let (here, there, runs) = two_nodes(place, 10).await;
        let first = there.send(deposit("w-1", 1)).await.unwrap();
        assert_eq!(first.version, Version::new(2));
        // The state that this node has in memory is older than what the caller knows.
        let second = here.send(deposit("w-1", 1)).expect(first.version.unwrap()).await.unwrap();
        assert_eq!(second.version, Version::new(3));
        assert_eq!(runs.get(), 2, "opened and deposited once");
        shut_down([here, there]).await;
    })
    .await;
}

#[tokio::test]
async fn an_expected_version_that_does_not_hold_is_a_conflict_and_the_decision_is_not_run_again() {
    in_each_place(async |place| {
        let (here, there, runs) = two_nodes(place, 10).await;
        there.send(deposit("w-1", 1)).await.unwrap();
        let before = runs.get();
        // In memory the version holds, so that the store finds the conflict; afterwards the state finds it.
        for most in [1, 0] {
            let decided = runs.get();
            let (attempts, source) = conflict(here.send(deposit("w-1", 1)).expect(Version::FIRST).await);
            assert_eq!(attempts, 1);
            assert_eq!(source.to_string(), "stream `wallet/w-1` is at version 2, expected version 1");
            assert!(runs.get() - decided <= most);
        }
        assert!(runs.get() - before <= 1);
        let (_, source) = conflict(here.send(deposit("w-1", 1)).expect(Version::new(9).unwrap()).await);
        assert_eq!(source.to_string(), "stream `wallet/w-1` is at version 2, expected version 9");
        assert_eq!(balance(&here, "w-1").await, 11);
        shut_down([here, there]).await;
    })
    .await;
}

/// A creation has not looked at the stream yet when it meets the expectation.
#[tokio::test]
async fn a_creation_that_expects_a_version_is_told_the_true_one() {
    in_each_place(async |place| {
        let (here, there, _) = two_nodes(place, 10).await;
        let fresh = place.start(|app| app.include::<Wallet>()).await;
        let (_, source) = conflict(fresh.send(open("w-1", 1)).expect(Version::new(4).unwrap()).await);
        assert_eq!(source.to_string(), "stream `wallet/w-1` is at version 1, expected version 4");
        shut_down([here, there]).await;
        fresh.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_decision_that_meets_a_conflict_is_run_again_on_the_new_state() {
    in_each_place(async |place| {
        let (here, there, runs) = two_nodes(place, 10).await;
        there.send(deposit("w-1", 1)).await.unwrap();
        let before = runs.get();
        let sent = here.send(deposit("w-1", 1)).await.unwrap();
        assert_eq!(runs.get() - before, 2);
        assert_eq!(sent.version, Version::new(3));
        assert_eq!(balance(&here, "w-1").await, 12);
        shut_down([here, there]).await;
    })
    .await;
}

#[tokio::test]
async fn without_retries_the_first_conflict_is_reported() {
    in_each_place(async |place| {
        let (_here, there, _) = two_nodes(place, 10).await;
        let impatient =
            place.start(|app| app.include::<Wallet>().commands(|commands| commands.conflict_retries = 0)).await;
        impatient.send(lock("w-1", false)).await.unwrap();
        there.send(deposit("w-1", 1)).await.unwrap();
        let failed = impatient.send(deposit("w-1", 1)).await;
        let is_transient = matches!(&failed, Err(SendError::Failed(failure)) if failure.is_transient());
        assert!(is_transient, "the same command may succeed later");
        let (attempts, source) = conflict(failed);
        assert_eq!(
            (attempts, source.to_string().as_str()),
            (1, "stream `wallet/w-1` is at version 2, expected version 1")
        );
        impatient.send(deposit("w-1", 1)).await.unwrap();
        shut_down([there, impatient]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_nodes_lose_no_update() {
    const EACH: u64 = 25;
    in_each_place(async |place| {
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let declare = |app: Builder| app.include::<Wallet>().commands(|commands| commands.conflict_retries = 200);
            nodes.push(place.start(declare).await);
        }
        nodes[0].send(open("w-1", 0)).await.unwrap();
        let go = Arc::new(tokio::sync::Barrier::new(nodes.len() * EACH as usize));
        let mut racers = tokio::task::JoinSet::new();
        for node in &nodes {
            for _ in 0..EACH {
                let (node, go) = (node.clone(), Arc::clone(&go));
                racers.spawn(async move {
                    go.wait().await;
                    node.send(deposit("w-1", 1)).await.unwrap().version.unwrap().get()
                });
            }
        }
        let mut versions = racers.join_all().await;
        versions.sort_unstable();
        assert_eq!(versions, (2..=2 * EACH + 1).collect::<Vec<_>>(), "each command has a version of its own");
        assert_eq!(balance(&nodes[0], "w-1").await, 2 * EACH);
        assert_eq!(nodes[0].journal().store().head().await.unwrap(), Position::new(2 * EACH + 1));
        for node in nodes {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

/// Guarantee 4: there was too little when this node last looked.
#[tokio::test]
async fn a_rejection_from_memory_is_decided_again_when_the_stream_has_moved() {
    in_each_place(async |place| {
        let (here, there, runs) = two_nodes(place, 10).await;
        there.send(deposit("w-1", 90)).await.unwrap();
        let before = runs.get();
        here.send(withdraw("w-1", 50)).await.unwrap();
        assert_eq!(runs.get() - before, 2);
        // The reason of a rejection is not old either.
        there.send(withdraw("w-1", 20)).await.unwrap();
        let refused = here.send(withdraw("w-1", 50)).await.unwrap_err();
        assert_eq!(refused.rejection(), Some(WalletError::InsufficientFunds { balance: 30, requested: 50 }));
        shut_down([here, there]).await;
    })
    .await;
}

/// Guarantee 4, the other way round: there was enough when this node last looked.
#[tokio::test]
async fn an_acceptance_from_memory_is_decided_again_when_the_stream_has_moved() {
    in_each_place(async |place| {
        let (here, there, _) = two_nodes(place, 100).await;
        there.send(withdraw("w-1", 90)).await.unwrap();
        let refused = here.send(withdraw("w-1", 50)).await.unwrap_err();
        assert_eq!(refused.rejection(), Some(WalletError::InsufficientFunds { balance: 10, requested: 50 }));
        shut_down([here, there]).await;
    })
    .await;
}

/// Guarantee 4: the wallet was as wanted when this node last looked.
#[tokio::test]
async fn an_empty_decision_from_memory_is_taken_again_when_the_stream_has_moved() {
    in_each_place(async |place| {
        let (here, there, _) = two_nodes(place, 10).await;
        there.send(lock("w-1", true)).await.unwrap();
        let unlocked = here.send(lock("w-1", false)).await.unwrap();
        assert_eq!(unlocked.version, Version::new(3));
        // And nothing is stored where the other node has done it.
        let none = there.send(lock("w-1", false)).await.unwrap();
        assert_eq!((none.version, none.position), (unlocked.version, unlocked.position));
        shut_down([here, there]).await;
    })
    .await;
}

/// Guarantee 4 holds for what the machinery refuses as well.
#[tokio::test]
async fn a_failure_from_memory_is_checked_against_the_stream() {
    in_each_place(async |place| {
        let here = place.start(|app| app.include::<Wallet>()).await;
        let there = place.start(|app| app.include::<Wallet>()).await;
        assert!(here.send(deposit("w-1", 1)).await.is_err(), "this node has seen that there is no wallet");
        there.send(open("w-1", 10)).await.unwrap();
        here.send(deposit("w-1", 1)).await.unwrap();
        shut_down([here, there]).await;
    })
    .await;
}
