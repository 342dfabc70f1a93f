//! The bound by bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::aggregate::{Aggregate, EventSourced, EvolveError, Lifecycle, Sourced};
use crate::message::{Decode, Position, Version};

use super::{CommandConfig, Lanes, Turn};

/// A state that says itself what it takes.
#[derive(Debug, Clone, Default)]
struct Bytes(usize);

impl EventSourced for Bytes {
    const EVENTS: &'static [&'static str] = &[];

    fn evolve(&mut self, event: Decode<'_>) -> Result<Lifecycle, EvolveError> {
        Err(EvolveError::unknown::<Self>(&event))
    }
}

impl Aggregate for Bytes {
    const NAME: &'static str = "bytes";

    fn size(&self) -> usize {
        assert_ne!(self.0, 13, "asking is dangerous");
        self.0
    }
}

fn lanes(cached_states: usize, cached_bytes: usize) -> Lanes<Bytes> {
    Lanes::new(Bytes::NAME, &CommandConfig { cached_states, cached_bytes, ..CommandConfig::default() })
}

/// A turn whose state was loaded: so many bytes at this version.
async fn loaded(lanes: &Lanes<Bytes>, key: &str, bytes: usize, version: u64) -> Turn<Bytes> {
    let mut turn = lanes.turn(key).await.unwrap();
    let version = Version::new(version).unwrap();
    turn.state = Some(Sourced { state: Bytes(bytes), version, position: Position::START, lifecycle: Lifecycle::Keep });
    lanes.weigh(&mut turn);
    turn
}

/// A command comes and goes.
async fn passes(lanes: &Lanes<Bytes>, key: &str, bytes: usize) {
    drop(loaded(lanes, key, bytes, 1).await);
    lanes.make_room();
}

async fn is_kept(lanes: &Lanes<Bytes>, key: &str) -> bool {
    lanes.turn(key).await.unwrap().state.is_some()
}

fn held(lanes: &Lanes<Bytes>) -> (usize, usize) {
    let usage = lanes.usage().now();
    (usage.states, usage.bytes)
}

#[tokio::test]
async fn states_that_take_too_much_together_go_in_the_order_in_which_they_were_last_used() {
    let lanes = lanes(1000, 80);
    for key in ["a", "b", "c", "d"] {
        passes(&lanes, key, 20).await;
    }
    assert_eq!(held(&lanes), (4, 80), "as many as there is room for");
    assert!(is_kept(&lanes, "a").await);
    passes(&lanes, "e", 20).await;
    assert_eq!(held(&lanes), (3, 60), "an eighth of the room is free again");
    for (key, kept) in [("a", true), ("b", false), ("c", false), ("d", true), ("e", true)] {
        assert_eq!(is_kept(&lanes, key).await, kept, "{key}");
    }
}

#[tokio::test]
async fn a_lane_in_use_keeps_its_state_whatever_it_takes() {
    let lanes = lanes(1000, 10);
    let mut turns = Vec::new();
    for number in 0..100 {
        turns.push(loaded(&lanes, &format!("b-{number}"), 10, 1).await);
    }
    lanes.make_room();
    assert_eq!(held(&lanes), (100, 1000));
    for (number, turn) in turns.iter().enumerate() {
        assert!(Arc::ptr_eq(&turn.lane, &lanes.lane(&format!("b-{number}"))), "lane {number} is another one");
        assert!(turn.state.is_some());
    }
    drop(turns);
    lanes.make_room();
    assert_eq!(held(&lanes), (0, 0));
}

#[tokio::test]
async fn a_state_that_is_larger_than_all_room_goes_after_its_use_and_no_other_one_for_it() {
    let lanes = lanes(1000, 80);
    passes(&lanes, "a", 20).await;
    let turn = loaded(&lanes, "large", 81, 1).await;
    let waiting = lanes.turn("large");
    let mut waiting = std::pin::pin!(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(turn);
    assert!(waiting.await.unwrap().state.is_some(), "it was in use until now");
    lanes.make_room();
    assert!(!is_kept(&lanes, "large").await);
    assert!(is_kept(&lanes, "a").await);
    assert_eq!(held(&lanes), (1, 20));
}

#[tokio::test]
async fn a_state_is_weighed_again_when_it_has_grown_by_an_eighth() {
    let lanes = lanes(1000, 1_000_000);
    drop(loaded(&lanes, "a", 100, 800).await);
    for (version, bytes) in [(801, 100), (907, 100), (908, 500), (909, 500)] {
        let mut turn = lanes.turn("a").await.unwrap();
        let state = turn.state.as_mut().unwrap();
        (state.state, state.version) = (Bytes(500), Version::new(version).unwrap());
        lanes.weigh(&mut turn);
        assert_eq!(held(&lanes), (1, bytes), "at version {version}");
    }
}

#[tokio::test]
async fn a_state_whose_lane_is_dropped_takes_nothing() {
    let lanes = lanes(10, 1_000_000);
    for number in 0..1000 {
        passes(&lanes, &number.to_string(), 10).await;
    }
    let (states, bytes) = held(&lanes);
    assert!((1..=10).contains(&states), "{states}");
    assert_eq!(bytes, states * 10, "those of lanes that were dropped for their number are not counted");
}

#[tokio::test]
async fn a_state_that_was_given_up_takes_nothing() {
    let lanes = lanes(10, 1_000_000);
    let mut turn = loaded(&lanes, "a", 10, 1).await;
    turn.forget();
    assert_eq!(held(&lanes), (1, 10), "it may be loaded at once");
    drop(turn);
    assert_eq!(held(&lanes), (0, 0));
}

#[tokio::test]
async fn a_state_that_panics_when_it_is_weighed_counts_as_its_value_alone() {
    let lanes = lanes(10, 1_000_000);
    passes(&lanes, "a", 13).await;
    assert_eq!(held(&lanes), (1, size_of::<Bytes>()));
}

/// Two lanes of one key would let two commands in at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lanes_are_never_doubled_however_little_room_there_is() {
    const KEYS: usize = 16;
    let lanes = Arc::new(lanes(4, 30));
    let taken: Arc<[AtomicBool; KEYS]> = Arc::default();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64_usize {
        let (lanes, taken) = (Arc::clone(&lanes), Arc::clone(&taken));
        tasks.spawn(async move {
            for step in 0..200_usize {
                let number = (task * 7 + step * 5) % KEYS;
                let turn = loaded(&lanes, &number.to_string(), 10 + step % 30, 1).await;
                assert!(!taken[number].swap(true, Ordering::SeqCst), "somebody else has the turn");
                tokio::task::yield_now().await;
                taken[number].store(false, Ordering::SeqCst);
                drop(turn);
                lanes.make_room();
            }
        });
    }
    tasks.join_all().await;
    lanes.make_room();
    assert!(held(&lanes).1 <= 30, "{:?}", held(&lanes));
}
