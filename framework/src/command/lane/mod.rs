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

use crate::message::StreamId;

use super::config::CommandConfig;
use super::error::CommandFailure;

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
    category: &'static str,
    lanes: Cache<Arc<str>, Arc<Lane<A>>, quick_cache::UnitWeighter, foldhash::fast::RandomState, KeepUsed>,
    limit: usize,
}

/// Lanes without a state, for documents of inline views. A command may wait for more than one, so they take any number.
pub(crate) fn document_lanes(config: &CommandConfig) -> Arc<Lanes<()>> {
    let config = CommandConfig { lane_limit: usize::MAX, ..config.clone() };
    Arc::new(Lanes::new("view", &config))
}

impl<A: Send> Lanes<A> {
    /// Lanes whose streams are of `category`.
    pub(crate) fn new(category: &'static str, config: &CommandConfig) -> Self {
        let capacity = config.cached_states.max(1);
        let lanes = Cache::with(capacity, capacity as u64, quick_cache::UnitWeighter, Default::default(), KeepUsed);
        Self { category, lanes, limit: config.lane_limit }
    }

    /// Waits for a turn in the lane of `key`, first come first served.
    ///
    /// # Errors
    /// [`CommandFailure::Busy`] when too many commands wait there.
    pub(crate) async fn turn(&self, key: &str) -> Result<Turn<A>, CommandFailure> {
        let lane = self.lane(key);
        match lane.enter(self.limit).await {
            Ok(turn) => Ok(turn),
            Err(waiting) => {
                let stream = StreamId::new(self.category, key);
                Err(CommandFailure::Busy { stream, waiting, limit: self.limit })
            }
        }
    }

    fn lane(&self, key: &str) -> Arc<Lane<A>> {
        if let Some(lane) = self.lanes.get(key) {
            return lane;
        }
        let key: Arc<str> = key.into();
        let stream = StreamId::new(self.category, Arc::clone(&key));
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Lane::new(stream)));
        match self.lanes.get_or_insert_with(&key, fresh) {
            Ok(lane) => lane,
            Err(never) => match never {},
        }
    }
}

/// Pins the lanes that a command holds.
#[derive(Clone)]
struct KeepUsed;

impl<A> Lifecycle<Arc<str>, Arc<Lane<A>>> for KeepUsed {
    type RequestState = ();

    fn is_pinned(&self, _key: &Arc<str>, lane: &Arc<Lane<A>>) -> bool {
        Arc::strong_count(lane) > 1
    }

    fn on_evict(&self, _state: &mut Self::RequestState, _key: Arc<str>, _lane: Arc<Lane<A>>) {}
}

#[cfg(test)]
mod tests;
