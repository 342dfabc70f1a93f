use std::sync::Arc;

use super::{CommandConfig, Lanes};

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
