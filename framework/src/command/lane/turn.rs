//! Turns: who may decide next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::aggregate::Sourced;
use crate::command::message::Priority;
use crate::message::{EventId, Position, StreamId};
use crate::store::Appended;

use super::under_way::Resting;
use super::usage::{Share, Usage};
use super::{AHEAD_ATTEMPTS, DEPTH, OVERTAKEN};

/// The lane of one aggregate.
pub(crate) struct Lane<A> {
    stream: StreamId,
    inner: Mutex<Inner<A>>,
}

/// What a lane knows. Numbers are given out with the turns, so a lower one has decided earlier.
pub(super) struct Inner<A> {
    next: u64,
    /// How many had to wait so far.
    entered: u64,
    /// Whether a command has the turn.
    taken: bool,
    waiting: BTreeMap<Rank, Waiting<A>>,
    /// Commands whose append failed and that have not asked for their turn again: nobody behind them passes.
    pub(super) returning: BTreeSet<u64>,
    /// The state with everything that is under way; `None` when it has to be loaded, and while the turn is taken.
    pub(super) state: Option<Sourced<A>>,
    /// The newest append with events that is under way.
    pub(super) tail: Option<Tail>,
    /// The position of the newest append that has ended.
    pub(super) position: Position,
    pub(super) under_way: usize,
    /// Appends that may be under way now, at most [`DEPTH`].
    pub(super) depth: usize,
    /// How often what was under way has failed. A state from before the last time is of no use.
    pub(super) breaks: u64,
    pub(super) resting: Vec<Resting<A>>,
    /// What the state takes of the cache.
    share: Share,
    /// When the lane was last used, by the time of the cache.
    used: u64,
    /// The version at which the state is weighed again.
    weigh_at: u64,
    /// Whether the state is larger than the whole cache: it is kept as long as it is in use.
    too_large: bool,
}

/// The append that a state rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// The command whose append it is.
    pub(super) number: u64,
    /// Its last event.
    pub(super) event: EventId,
}

/// The order of those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The command of this number has decided in vain. It goes before all that have not decided yet, in the old order.
    Back(u64),
    /// A command that has entered. One of a lower priority stands further back by so many places, and no more.
    Entered { place: u64, entered: u64 },
}

struct Waiting<A> {
    /// Whether it waits until nothing is under way.
    alone: bool,
    turn: oneshot::Sender<Turn<A>>,
}

/// The right to decide on an aggregate, with its state. Dropping it lets the next command pass.
pub(crate) struct Turn<A> {
    pub(super) lane: Arc<Lane<A>>,
    pub(super) number: u64,
    /// The state to decide on; `None` when it has to be loaded.
    pub(crate) state: Option<Sourced<A>>,
    /// Whether the state is ahead: it has events that are not handed to the store yet. It is of no use to others then.
    pub(crate) ahead: bool,
    /// The version at which the state is weighed again; 0 where it was never weighed.
    pub(super) weigh_at: u64,
    tail: Option<Tail>,
    breaks: u64,
    /// The position of the state, once it is stored before the turn goes on.
    stored: Option<Position>,
    /// Whether the right has not gone on yet.
    held: bool,
}

impl<A> Lane<A> {
    pub(super) fn new(stream: StreamId, usage: Arc<Usage>) -> Self {
        Self { stream, inner: Mutex::new(Inner::new(Share::of(usage))) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner<A>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a lane that nobody uses was last used; `None` for others, and where there is no state. To be asked with one
    /// reference beside that of the cache.
    pub(super) fn idle_since(self: &Arc<Self>) -> Option<u64> {
        if Arc::strong_count(self) > 2 { None } else { self.lock().last_used() }
    }

    /// Waits for a turn, behind everyone who is here already with at least this priority.
    ///
    /// # Errors
    /// How many wait, when that is `limit`.
    pub(super) async fn enter(self: Arc<Self>, limit: usize, priority: Priority) -> Result<Turn<A>, usize> {
        let rank = {
            let mut inner = self.lock();
            if !inner.taken && inner.waiting.is_empty() && inner.may_pass(inner.next, false) {
                return Ok(inner.give_turn(&self, None));
            }
            if inner.waiting.len() >= limit {
                return Err(inner.waiting.len());
            }
            inner.rank(priority)
        };
        Ok(Box::pin(self.wait(rank, 0)).await)
    }

    /// Waits for the turn of the command `number`, before everyone who decided after it. It has been decided ahead in vain
    /// `attempts` times.
    pub(super) async fn turn_of(self: Arc<Self>, number: u64, attempts: u32) -> Turn<A> {
        self.wait(Rank::Back(number), attempts).await
    }

    async fn wait(self: Arc<Self>, rank: Rank, attempts: u32) -> Turn<A> {
        loop {
            let (turn, granted) = oneshot::channel();
            {
                let mut inner = self.lock();
                if let Rank::Back(number) = rank {
                    inner.returning.remove(&number);
                }
                inner.waiting.insert(rank, Waiting { alone: attempts >= AHEAD_ATTEMPTS, turn });
            }
            let _place = Place { lane: &self, rank };
            self.let_pass();
            // The other end is dropped only when this place is taken anew.
            if let Ok(turn) = granted.await {
                return turn;
            }
        }
    }

    /// Gives the turn to the next command, if it is free and that one may pass.
    pub(super) fn let_pass(self: &Arc<Self>) {
        loop {
            let mut inner = self.lock();
            let Some((waiting, number)) = inner.next_to_pass() else { return };
            let turn = inner.give_turn(self, number);
            drop(inner);
            match waiting.turn.send(turn) {
                Ok(()) => return,
                // Its sender is gone. The turn is given back here: its drop would call this again, once for each.
                Err(mut turn) => turn.give_back(),
            }
        }
    }
}

impl<A> Inner<A> {
    /// The next one, with its number if it has one.
    fn next_to_pass(&mut self) -> Option<(Waiting<A>, Option<u64>)> {
        let (&rank, waiting) = self.waiting.first_key_value()?;
        let number = match rank {
            Rank::Back(number) => Some(number),
            Rank::Entered { .. } => None,
        };
        let passes = !self.taken && self.may_pass(number.unwrap_or(self.next), waiting.alone);
        passes.then(|| self.waiting.pop_first()).flatten().map(|(_, waiting)| (waiting, number))
    }

    /// The place of a command that enters now.
    fn rank(&mut self, priority: Priority) -> Rank {
        let entered = self.entered;
        self.entered += 1;
        let steps = match priority {
            Priority::High => 0,
            Priority::Normal => 1,
            Priority::Low => 2,
        };
        Rank::Entered { place: entered + steps * OVERTAKEN, entered }
    }

    /// Whether the command `number` may decide now. A state that is not known is loaded when nothing is under way.
    fn may_pass(&self, number: u64, alone: bool) -> bool {
        let depth = if alone || self.state.is_none() { 1 } else { self.depth };
        self.under_way < depth && !self.somebody_returns_before(number)
    }

    fn somebody_returns_before(&self, number: u64) -> bool {
        self.returning.first().is_some_and(|first| *first < number)
    }

    /// Lets go of a state that the cache cannot keep once nobody uses it, and of the share of one that is gone.
    pub(super) fn tidy(&mut self) {
        if self.taken {
            return;
        }
        if self.too_large && self.waiting.is_empty() && self.under_way == 0 {
            self.state = None;
        }
        if self.state.is_none() {
            self.share.clear();
        }
    }

    /// When the lane was last used, and whether its state takes any room.
    pub(super) fn last_used(&self) -> Option<u64> {
        (self.share.bytes() > 0).then_some(self.used)
    }

    fn give_turn(&mut self, lane: &Arc<Lane<A>>, number: Option<u64>) -> Turn<A> {
        self.taken = true;
        let number = number.unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.used = self.share.usage.moment();
        let (state, tail, breaks) = (self.state.take(), self.tail, self.breaks);
        let weigh_at = if state.is_some() { self.weigh_at } else { 0 };
        Turn { lane: Arc::clone(lane), number, state, ahead: false, weigh_at, tail, breaks, stored: None, held: true }
    }
}

impl<A> Turn<A> {
    /// The stream of the aggregate.
    pub(crate) fn stream(&self) -> &StreamId {
        &self.lane.stream
    }

    /// Waits until the state can be decided on: what it rests on may have failed since the turn was given, and then
    /// commands that were here earlier go first.
    pub(crate) async fn ready(mut self, attempts: u32) -> Self {
        while !self.is_ready() {
            let (lane, number) = (Arc::clone(&self.lane), self.number);
            // Its place is taken before the turn goes on, so that nobody who entered later is let in before.
            lane.lock().returning.insert(number);
            drop(self);
            self = Box::pin(lane.turn_of(number, attempts)).await;
        }
        self
    }

    fn is_ready(&mut self) -> bool {
        let lane = Arc::clone(&self.lane);
        let inner = lane.lock();
        if inner.breaks != self.breaks {
            (self.state, self.weigh_at, self.breaks) = (None, 0, inner.breaks);
        }
        self.tail = if self.state.is_some() { inner.tail } else { None };
        self.note_position(&inner);
        !inner.somebody_returns_before(self.number) && (self.state.is_some() || inner.under_way == 0)
    }

    /// The event that the state rests on, if that was not yet stored when the turn became ready.
    pub(crate) fn rests_on(&self) -> Option<EventId> {
        self.tail.map(|tail| tail.event)
    }

    /// Lets the next command pass: the events that moved the state on are stored.
    pub(crate) fn store(mut self, appended: &Appended) {
        (self.stored, self.ahead) = (Some(appended.position), false);
        // These are the places of an append that was repeated. What has happened since then is not known.
        if appended.repeated {
            self.state = None;
        }
    }

    /// Gives the state up: it has to be loaded.
    pub(crate) fn forget(&mut self) {
        (self.state, self.weigh_at, self.ahead) = (None, 0, false);
    }

    /// The state takes `bytes` now, and is weighed again at the version `next`.
    pub(super) fn weighed(&mut self, bytes: usize, next: u64) {
        self.weigh_at = next;
        let mut inner = self.lane.lock();
        inner.weigh_at = next;
        inner.too_large = inner.share.usage.is_too_large(bytes);
        if inner.too_large { inner.share.clear() } else { inner.share.set(bytes) }
    }

    /// Whether nothing has failed since the turn was given.
    pub(super) fn is_unbroken(&self, inner: &Inner<A>) -> bool {
        self.breaks == inner.breaks
    }

    /// Gives the state back to the lane, and the turn with it.
    pub(super) fn hand_back(&mut self, inner: &mut Inner<A>) {
        if std::mem::take(&mut self.held) {
            inner.taken = false;
            if self.is_unbroken(inner) {
                if let Some(position) = self.stored {
                    (inner.tail, inner.position) = (None, position);
                }
                self.note_position(inner);
                inner.state = self.state.take().filter(|_| !self.ahead);
            }
            inner.tidy();
        }
    }

    /// What the state rests on may have been stored meanwhile: then its position is known.
    fn note_position(&mut self, inner: &Inner<A>) {
        if let (Some(state), None) = (&mut self.state, inner.tail) {
            state.position = state.position.max(inner.position);
        }
    }

    fn give_back(&mut self) {
        let lane = Arc::clone(&self.lane);
        self.hand_back(&mut lane.lock());
    }
}

impl<A> Drop for Turn<A> {
    fn drop(&mut self) {
        if self.held {
            self.give_back();
            self.lane.let_pass();
        }
    }
}

/// A place among those who wait; dropping it leaves it.
struct Place<'a, A> {
    lane: &'a Arc<Lane<A>>,
    rank: Rank,
}

impl<A> Drop for Place<'_, A> {
    fn drop(&mut self) {
        let left = self.lane.lock().waiting.remove(&self.rank);
        if left.is_some() {
            self.lane.let_pass();
        }
    }
}

impl<A> Inner<A> {
    fn new(share: Share) -> Self {
        Self {
            next: 0,
            entered: 0,
            taken: false,
            waiting: BTreeMap::new(),
            returning: BTreeSet::new(),
            state: None,
            tail: None,
            position: Position::START,
            under_way: 0,
            depth: DEPTH,
            breaks: 0,
            resting: Vec::new(),
            share,
            used: 0,
            weigh_at: 0,
            too_large: false,
        }
    }
}
