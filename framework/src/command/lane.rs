//! Lanes: of the commands for one aggregate, one at a time runs on this node, and the state stays in memory between them.

use std::sync::Arc;

use quick_cache::Lifecycle;
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, MutexGuard};

use crate::aggregate::Sourced;

use super::config::CommandConfig;

/// The lanes of one aggregate type, by aggregate id. A lane in use is never dropped; idle ones are, oldest first, when
/// there are more than [`CommandConfig::cached_states`].
pub(crate) struct Lanes<A: Send> {
    lanes: Cache<String, Arc<Lane<A>>, quick_cache::UnitWeighter, quick_cache::DefaultHashBuilder, KeepUsed>,
    limit: usize,
}

/// Lanes without a state, for documents of inline views. A command may wait for more than one, so they take any number.
pub(crate) fn document_lanes(config: &CommandConfig) -> Arc<Lanes<()>> {
    let config = CommandConfig { lane_limit: usize::MAX - 1, ..config.clone() };
    Arc::new(Lanes::new(&config))
}

/// The lane of one aggregate.
pub(crate) struct Lane<A> {
    turn: Mutex<()>,
    state: Mutex<Option<Sourced<A>>>,
}

/// The right to handle the next command of an aggregate.
pub(crate) struct Turn<'a, A> {
    lane: &'a Lane<A>,
    _turn: MutexGuard<'a, ()>,
}

impl<A: Send> Lanes<A> {
    pub(crate) fn new(config: &CommandConfig) -> Self {
        let capacity = config.cached_states.max(1);
        let lanes = Cache::with(capacity, capacity as u64, quick_cache::UnitWeighter, Default::default(), KeepUsed);
        Self { lanes, limit: config.lane_limit }
    }

    /// The lane of `key`.
    ///
    /// # Errors
    /// How many commands wait there, when that is the limit.
    pub(crate) fn lane(&self, key: &str) -> Result<Arc<Lane<A>>, usize> {
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Lane::default()));
        let lane = match self.lanes.get(key) {
            Some(lane) => lane,
            None => match self.lanes.get_or_insert_with(key, fresh) {
                Ok(lane) => lane,
                Err(never) => match never {},
            },
        };
        // One reference is the cache's, one is ours; the others are commands in the lane, of which one runs.
        let others = Arc::strong_count(&lane).saturating_sub(2);
        if others > self.limit { Err(others - 1) } else { Ok(lane) }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
}

impl<A> Lane<A> {
    /// Waits for this command's turn, first come first served.
    pub(crate) async fn turn(&self) -> Turn<'_, A> {
        Turn { lane: self, _turn: self.turn.lock().await }
    }
}

impl<A> Turn<'_, A> {
    /// The state left by the command before; `None` when it has to be loaded.
    pub(crate) async fn state(&self) -> MutexGuard<'_, Option<Sourced<A>>> {
        self.lane.state.lock().await
    }
}

impl<A> Default for Lane<A> {
    fn default() -> Self {
        Self { turn: Mutex::default(), state: Mutex::new(None) }
    }
}

/// Pins the lanes that a command holds.
#[derive(Clone)]
struct KeepUsed;

impl<A> Lifecycle<String, Arc<Lane<A>>> for KeepUsed {
    type RequestState = ();

    fn is_pinned(&self, _key: &String, lane: &Arc<Lane<A>>) -> bool {
        Arc::strong_count(lane) > 1
    }

    fn on_evict(&self, _state: &mut Self::RequestState, _key: String, _lane: Arc<Lane<A>>) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{CommandConfig, Lanes};

    fn lanes(cached_states: usize, lane_limit: usize) -> Lanes<()> {
        Lanes::new(&CommandConfig { cached_states, lane_limit, ..CommandConfig::default() })
    }

    fn key(number: usize) -> String {
        format!("w-{number}")
    }

    #[test]
    fn a_lane_in_use_is_not_dropped() {
        let lanes = lanes(1, 1024);
        let held: Vec<_> = (0..100).map(|number| lanes.lane(&key(number)).unwrap()).collect();
        for number in 1000..3000 {
            drop(lanes.lane(&key(number)).unwrap());
        }
        for (number, lane) in held.iter().enumerate() {
            assert!(Arc::ptr_eq(lane, &lanes.lane(&key(number)).unwrap()), "lane {number} is another one");
        }
    }

    #[test]
    fn idle_lanes_are_dropped_when_there_are_too_many() {
        let lanes = lanes(10, 1024);
        let seen: Vec<_> = (0..1000).map(|number| Arc::downgrade(&lanes.lane(&key(number)).unwrap())).collect();
        let kept = seen.iter().filter(|lane| lane.strong_count() > 0).count();
        assert!((1..=10).contains(&kept), "{kept} lanes are kept");
    }

    #[test]
    fn as_many_commands_wait_as_the_limit_says_besides_the_one_that_runs() {
        for limit in [0, 1, 5] {
            let lanes = lanes(10, limit);
            let held: Vec<_> = (0..=limit).map(|_| lanes.lane("w-1").unwrap()).collect();
            assert_eq!(lanes.lane("w-1").err(), Some(limit));
            drop(held);
            assert!(lanes.lane("w-1").is_ok());
        }
    }

    #[tokio::test]
    async fn turns_are_taken_in_the_order_in_which_they_were_asked_for() {
        let lane = lanes(10, 1024).lane("w-1").unwrap();
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let first = lane.turn().await;
        let waiting: Vec<_> = (0..10)
            .map(|number| {
                let (lane, order) = (Arc::clone(&lane), Arc::clone(&order));
                tokio::spawn(async move {
                    let _turn = lane.turn().await;
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(order.lock().unwrap().is_empty(), "the first turn has not ended");
        drop(first);
        for turn in waiting {
            turn.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
    }
}
