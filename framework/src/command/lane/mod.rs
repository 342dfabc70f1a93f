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
//!
//! States are kept as long as there is room: so many lanes, and so many bytes. Each state takes a share of the bytes, as
//! large as it was when it was last weighed. Where the shares are too much together, lanes that nobody uses are dropped,
//! those first that were used longest ago.

mod turn;
mod under_way;
mod usage;

use std::mem::size_of;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use quick_cache::Lifecycle;
use quick_cache::sync::Cache;

use crate::aggregate::Aggregate;
use crate::message::StreamId;

use super::config::CommandConfig;
use super::error::CommandFailure;
use super::held::{self, Held};
use super::message::{CommandMessage, Priority};
use super::monitor::Observer;

pub(crate) use turn::Turn;
pub(crate) use under_way::{Appending, Comeback, Settled};
pub(crate) use usage::Usage;

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

/// A command that waits is overtaken by fewer than so many later ones for each step between their priorities.
const OVERTAKEN: u64 = 64;

/// Events after which a state is weighed again at the soonest. Later it is an eighth of its version.
const WEIGHED_AGAIN: u64 = 8;

/// The lanes of one aggregate type, by aggregate id. A lane in use is never dropped; idle ones are when there are more than
/// [`CommandConfig::cached_states`], or when their states take more than [`CommandConfig::cached_bytes`].
pub(crate) struct Lanes<A: Send> {
    category: &'static str,
    usage: Arc<Usage>,
    /// Held by who makes room.
    making_room: Mutex<()>,
    /// Whether somebody has asked for room since it was last made.
    room_wanted: AtomicBool,
    lanes: Cache<Arc<str>, Arc<Lane<A>>, quick_cache::UnitWeighter, foldhash::fast::RandomState, KeepUsed>,
    limit: usize,
    observer: Observer,
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
        let usage = Arc::new(Usage::new(category, if config.cached_states == 0 { 0 } else { config.cached_bytes }));
        Self {
            category,
            usage,
            making_room: Mutex::new(()),
            room_wanted: AtomicBool::new(false),
            lanes,
            limit: config.lane_limit,
            observer: Observer::default(),
        }
    }

    /// The same lanes, with somebody who is told how long commands wait.
    pub(crate) fn watched_by(self, observer: Observer) -> Self {
        Self { observer, ..self }
    }

    /// What its states take, and how often they were there.
    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// Waits for a turn in the lane of `key`, first come first served.
    ///
    /// # Errors
    /// [`CommandFailure::Busy`] when too many commands wait there.
    pub(crate) async fn turn(&self, key: &str) -> Result<Turn<A>, CommandFailure> {
        self.enter(key, Priority::Normal).await
    }

    /// Waits for the turn of `message` in the lane of `key`.
    ///
    /// # Errors
    /// [`CommandFailure::Busy`] when too many commands wait there, [`CommandFailure::Nested`] when the present task holds
    /// the turn itself.
    pub(crate) async fn turn_for(&self, key: &str, message: &CommandMessage) -> Result<Turn<A>, CommandFailure> {
        if let Some(holders) = held::holders(self.id(), key) {
            let stream = StreamId::new(self.category, key);
            return Err(CommandFailure::Nested { command: message.name.to_owned(), stream, holders });
        }
        let since = self.observer.waits();
        let turn = self.enter(key, message.priority).await?;
        self.observer.waited(message.name, since);
        Ok(turn)
    }

    /// Notes in the task that `command` holds the turn of `key`, while code of the application runs.
    pub(crate) fn held(&self, key: &str, command: &'static str) -> Arc<Held> {
        Held::new(self.id(), key, command)
    }

    /// Tells these lanes from others. They never move, since they are shared.
    fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    async fn enter(&self, key: &str, priority: Priority) -> Result<Turn<A>, CommandFailure> {
        let lane = self.lane(key);
        match lane.enter(self.limit, priority).await {
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
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Lane::new(stream, Arc::clone(&self.usage))));
        match self.lanes.get_or_insert_with(&key, fresh) {
            Ok(lane) => lane,
            Err(never) => match never {},
        }
    }
}

impl<A: Aggregate> Lanes<A> {
    /// Counts whether a command found its state in memory.
    pub(crate) fn count(&self, found: bool) {
        if found { self.usage.hit() } else { self.usage.missed() }
    }

    /// Notes what the state of `turn` takes, where it may have grown since it was last weighed.
    pub(crate) fn weigh(&self, turn: &mut Turn<A>) {
        let Some(sourced) = &turn.state else { return };
        let version = sourced.version.get();
        if version < turn.weigh_at {
            return;
        }
        let next = version.saturating_add(version / 8).saturating_add(WEIGHED_AGAIN);
        turn.weighed(size(&sourced.state), next);
        self.make_room();
    }

    /// Drops lanes that nobody uses while the states take too much together, those first that were used longest ago.
    pub(crate) fn make_room(&self) {
        if !self.usage.is_over() {
            return;
        }
        self.room_wanted.store(true, Ordering::SeqCst);
        while self.room_wanted.load(Ordering::SeqCst) {
            // Whoever holds it looks again before it leaves.
            let Ok(_alone) = self.making_room.try_lock() else { return };
            self.room_wanted.store(false, Ordering::SeqCst);
            self.drop_oldest();
        }
    }

    fn drop_oldest(&self) {
        let lanes = self.lanes.iter();
        let mut oldest: Vec<(u64, Arc<str>)> =
            lanes.filter_map(|(key, lane)| lane.idle_since().map(|used| (used, key))).collect();
        oldest.sort_unstable();
        for (_, key) in oldest {
            if !self.usage.is_nearly_full() {
                return;
            }
            // Whoever has entered meanwhile holds the lane.
            drop(self.lanes.remove_if(&*key, |lane| Arc::strong_count(lane) == 1));
        }
    }
}

/// What `state` takes. What a user's code does when it is asked must not fail a command.
fn size<A: Aggregate>(state: &A) -> usize {
    std::panic::catch_unwind(AssertUnwindSafe(|| state.size())).unwrap_or(size_of::<A>())
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
mod room_tests;
#[cfg(test)]
mod tests;
