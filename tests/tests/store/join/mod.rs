//! Transactions of a caller's own, with rows in a table of the caller's own.

#[cfg(feature = "servers")]
mod mysql;
#[cfg(feature = "servers")]
mod postgres;
mod sqlite;

#[cfg(feature = "servers")]
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use annals::message::{EventId, Metadata, Position, StreamId, Tag, Timestamp, Version};
use annals::store::{Append, AppendError, Conflict, Expected, NewEvent, Store, StoreError};

/// Until what must happen has happened.
const PATIENCE: Duration = Duration::from_secs(20);

fn stream(id: &str) -> StreamId {
    StreamId::new("wallet", id.to_owned())
}

fn event(id: &str) -> NewEvent {
    NewEvent {
        stream: stream(id),
        id: EventId::new(),
        name: "wallet.credited".into(),
        revision: 1,
        payload: br#"{"amount":5}"#.to_vec(),
        metadata: Arc::new(Metadata::new().with("user", "ada")),
        tags: vec![Tag::new("wallet", id)],
        recorded_at: Timestamp::from_micros(1_000),
    }
}

/// An append to the stream `id`, which must be at `version`.
fn expecting(id: &str, version: u64) -> Append {
    let expected = Version::new(version).map_or(Expected::NoStream, Expected::Version);
    Append { events: vec![event(id)], expected: vec![(stream(id), expected)], ..Append::default() }
}

async fn head(store: &dyn Store) -> u64 {
    store.head().await.unwrap().get()
}

/// The signal of `store` rises to `position`.
async fn wakes(store: &dyn Store, position: u64) {
    let mut signal = store.appended();
    let risen = signal.wait_for(|seen| *seen >= Position::new(position));
    tokio::time::timeout(PATIENCE, risen).await.expect("the signal was not raised").unwrap();
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(result: Result<T, AppendError>) -> Conflict {
    match result {
        Err(AppendError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

/// `store` refuses what it is given: the error names the store, and what is in `given` and `remedy`.
#[track_caller]
fn assert_not_joined<T>(store: &dyn Store, result: Result<T, StoreError>, given: &str, remedy: &str) {
    match result.map(drop) {
        Err(error @ StoreError::NotJoined { .. }) => {
            let text = error.to_string();
            let named = text.contains(&format!("`{}`", store.address()));
            assert!(named && text.contains(given) && text.contains(remedy), "{text}");
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Loses one answer of the server after the other while a transaction is committed: nothing is stored as long as that is
/// certain, and what is not certain is told and settled by a repeat. `sale` begins a transaction over `cut` and writes a
/// row; `stored` gives the ids of rows and the head.
#[cfg(feature = "servers")]
async fn assert_each_lost_answer_is_told(
    store: &dyn Store,
    cut: &super::cut::Cut,
    sale: impl AsyncFn(&str) -> Box<dyn Any + Send>,
    stored: impl AsyncFn() -> (Vec<String>, u64),
) {
    let append = expecting("a", 0);
    for number in 1..50 {
        let joined = store.join(sale("one").await).await.unwrap();
        cut.swallow_answer_to(number);
        let result = joined.commit_with(append.clone()).await;
        cut.swallow_answer_to(0);
        match result {
            Err(AppendError::Unavailable { .. }) => {
                assert_eq!(stored().await, (vec![], 0), "the answer {number} was lost");
            }
            Err(AppendError::OutcomeUnknown { .. }) => {
                assert!(number > 1, "before the commit there were other answers");
                assert_eq!(stored().await, (vec!["one".to_owned()], 1));
                let joined = store.join(sale("two").await).await.unwrap();
                let repeated = joined.commit_with(append).await.unwrap();
                assert_eq!((repeated.position, repeated.repeated), (Position::new(1), true));
                assert_eq!(stored().await, (vec!["one".to_owned()], 1), "it is there once");
                return;
            }
            other => panic!("expected that the answer {number} was lost, got {other:?}"),
        }
    }
    panic!("the answer to the commit was never lost");
}

/// The texts of `error` and of everything below it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Nothing was stored, the same may succeed later, and `said` says why.
#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, AppendError>, said: &str) {
    match result {
        Err(error @ AppendError::Unavailable { .. }) => {
            assert!(error.is_transient() && chain(&error).contains(said), "{}", chain(&error));
        }
        other => panic!("expected to be told `{said}`, got {other:?}"),
    }
}
