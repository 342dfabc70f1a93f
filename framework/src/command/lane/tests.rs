use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, poll};

use super::{CommandConfig, CommandFailure, Lanes, OVERTAKEN, Priority, Turn};

fn lanes(cached_states: usize, lane_limit: usize) -> Lanes<()> {
    Lanes::new("wallet", &CommandConfig { cached_states, lane_limit, ..CommandConfig::default() })
}

fn key(number: usize) -> String {
    format!("w-{number}")
}

#[tokio::test]
async fn a_lane_in_use_is_not_dropped() {
    let lanes = lanes(1, 1024);
    let mut held = Vec::new();
    for number in 0..100 {
        held.push(lanes.turn(&key(number)).await.unwrap());
    }
    for number in 1000..3000 {
        drop(lanes.turn(&key(number)).await.unwrap());
    }
    for (number, turn) in held.iter().enumerate() {
        assert!(Arc::ptr_eq(&turn.lane, &lanes.lane(&key(number))), "lane {number} is another one");
    }
}

#[test]
fn idle_lanes_are_dropped_when_there_are_too_many() {
    let lanes = lanes(10, 1024);
    let seen: Vec<_> = (0..1000).map(|number| Arc::downgrade(&lanes.lane(&key(number)))).collect();
    let kept = seen.iter().filter(|lane| lane.strong_count() > 0).count();
    assert!((1..=10).contains(&kept), "{kept} lanes are kept");
}

type Waiting<'a> = BoxFuture<'a, Result<Turn<()>, CommandFailure>>;

/// Somebody who waits in the lane of `a`.
async fn waiting(lanes: &Lanes<()>, priority: Priority) -> Waiting<'_> {
    let mut waiting = lanes.enter("a", priority).boxed();
    assert!(poll!(&mut waiting).is_pending());
    waiting
}

#[tokio::test]
async fn one_of_a_low_priority_is_overtaken_by_so_many_and_no_more() {
    for (low, high, steps) in [
        (Priority::Low, Priority::Normal, 1),
        (Priority::Normal, Priority::High, 1),
        (Priority::Low, Priority::High, 2),
        (Priority::High, Priority::High, 0),
    ] {
        let lanes = lanes(10, 1024);
        let mut turn = lanes.turn("a").await.unwrap();
        let mut patient = waiting(&lanes, low).await;
        let mut overtaken = 0;
        let mut next = waiting(&lanes, high).await;
        loop {
            // A task that never yields finds nothing ready any more.
            tokio::task::yield_now().await;
            // There is always somebody behind.
            let behind = waiting(&lanes, high).await;
            drop(turn);
            if let std::task::Poll::Ready(turn) = poll!(&mut patient) {
                assert!(turn.is_ok());
                break;
            }
            overtaken += 1;
            turn = next.await.unwrap();
            next = behind;
        }
        assert!(overtaken <= steps * OVERTAKEN, "{low:?} was overtaken {overtaken} times by {high:?}");
        assert!(overtaken + 2 >= steps * OVERTAKEN, "{low:?} was overtaken {overtaken} times by {high:?}");
    }
}

#[tokio::test]
async fn who_goes_away_while_waiting_is_passed_over() {
    let lanes = lanes(10, 1024);
    let turn = lanes.turn("a").await.unwrap();
    let first = waiting(&lanes, Priority::High).await;
    let second = waiting(&lanes, Priority::Low).await;
    drop(first);
    drop(turn);
    assert!(second.now_or_never().unwrap().is_ok());
}
