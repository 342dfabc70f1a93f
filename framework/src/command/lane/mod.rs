//! Lanes: the commands for one aggregate are decided one after the other on this node, and the state stays in memory
//! between them.
//!
//! A command waits for its [`Turn`], which brings the state with it. When it has decided, its append is handed to the
//! store, and the turn goes on with the state *as it will be once the append is committed*. The next command decides on
//! that and appends in turn, so that the commands for one aggregate share commits as those for many do. Each is answered
//! when its own append is committed, and a command that stores nothing when the append that its state rests on is.
//!
//! If one of these appends fails, everything that was decided on top of it is refused by the store, since each append
//! names the event that it rests on. The lane then lets nobody pass until all that is under way has ended, loads the
//! state anew, and has the commands decided again in their old order.

mod turn;
mod under_way;

use std::sync::Arc;

use quick_cache::Lifecycle;
use quick_cache::sync::Cache;

use super::config::CommandConfig;

pub(crate) use turn::Turn;
pub(crate) use under_way::{Appending, Comeback, Settled};

use turn::Lane;

/// Appends of one aggregate that are under way at most. More would share a commit among more commands, and has more of
/// them decided again when one fails.
///
/// After a conflict with another node it is one, and rises by one with each commit: where nodes compete for an aggregate,
/// what is decided ahead is mostly in vain.
pub(crate) const DEPTH: usize = 256;

/// How often a command is decided ahead of a commit that then fails. After that it waits until nothing is under way, so
/// that only conflicts of its own can hold it up.
pub(crate) const AHEAD_ATTEMPTS: u32 = 3;

/// The lanes of one aggregate type, by aggregate id. A lane in use is never dropped; idle ones are, oldest first, when
/// there are more than [`CommandConfig::cached_states`].
pub(crate) struct Lanes<A: Send> {
    lanes: Cache<String, Arc<Lane<A>>, quick_cache::UnitWeighter, quick_cache::DefaultHashBuilder, KeepUsed>,
    limit: usize,
}

/// Lanes without a state, for documents of inline views. A command may wait for more than one, so they take any number.
pub(crate) fn document_lanes(config: &CommandConfig) -> Arc<Lanes<()>> {
    let config = CommandConfig { lane_limit: usize::MAX, ..config.clone() };
    Arc::new(Lanes::new(&config))
}

impl<A: Send> Lanes<A> {
    pub(crate) fn new(config: &CommandConfig) -> Self {
        let capacity = config.cached_states.max(1);
        let lanes = Cache::with(capacity, capacity as u64, quick_cache::UnitWeighter, Default::default(), KeepUsed);
        Self { lanes, limit: config.lane_limit }
    }

    /// Waits for a turn in the lane of `key`, first come first served.
    ///
    /// # Errors
    /// How many commands wait there, when that is the limit.
    pub(crate) async fn turn(&self, key: &str) -> Result<Turn<A>, usize> {
        self.lane(key).enter(self.limit).await
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    fn lane(&self, key: &str) -> Arc<Lane<A>> {
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Lane::default()));
        match self.lanes.get(key) {
            Some(lane) => lane,
            None => match self.lanes.get_or_insert_with(key, fresh) {
                Ok(lane) => lane,
                Err(never) => match never {},
            },
        }
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
mod tests;
