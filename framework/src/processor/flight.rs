//! Steps of external handlers that are under way, and those that wait for their turn.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use tokio::time::Instant;

use crate::handler::HandlerError;
use crate::message::{Position, RecordedEvent, Timestamp};
use crate::store::{DeadLetter, Segment};

use super::claims::Held;
use super::external::Called;
use super::failure::OnError;

/// What a step is known by: its event, its place among the steps of the event, its segment, and whether it is a dead letter.
pub(super) type Key = (Position, u32, u32, bool);

/// A step.
pub(super) struct Entry {
    pub(super) event: Arc<RecordedEvent>,
    /// The components that are called, and why one cannot be: the event could not be decoded. One, but for letters.
    pub(super) calls: Vec<(usize, Option<Arc<HandlerError>>)>,
    pub(super) sequence: Option<Arc<str>>,
    pub(super) hash: u32,
    pub(super) segment: Segment,
    pub(super) fence: u64,
    /// The letter that it stands for.
    pub(super) letter: Option<DeadLetter>,
}

/// What has come of a step.
pub(super) enum Came {
    Called(Vec<Called>),
    Failed(Arc<HandlerError>, OnError),
    /// Its sequence is held up, or programs end at it.
    Aside,
    /// It was cut short by a shut-down, and counts as not begun.
    Cut,
}

/// Steps of one sequence are taken one after the other: by component, by segment where each has its own, by sequence. Letters
/// hold up nothing but themselves.
type Lane = (usize, Option<u32>, Option<Arc<str>>, bool);

#[derive(Default)]
pub(super) struct Flight<'a> {
    /// What has not been written down.
    entries: BTreeMap<Key, Entry>,
    /// The steps of each sequence that are not done. The first one is under way, or next.
    lanes: HashMap<Lane, VecDeque<Key>>,
    /// Those that may begin.
    ready: BTreeSet<Key>,
    /// Those that have ended.
    ended: BTreeMap<Key, Came>,
    calls: FuturesUnordered<BoxFuture<'a, (Key, u64, Came)>>,
    /// Each with the number of its call: nobody listens to an earlier one.
    under_way: BTreeMap<Key, u64>,
    begun: u64,
    /// Segments that stop before a step that has ended: what lies behind it does not begin.
    halted: HashSet<u32>,
    /// Steps that are written down, behind one of their segment that is not: they are not called again.
    done: BTreeSet<Key>,
    /// How far the events of each segment have been read, by its id, with the fencing number of the claim.
    read: HashMap<u32, (u64, Position)>,
    /// Since when it is at work without a result that was written down.
    pub(super) since: Option<Timestamp>,
    /// When dead letters are to be looked for again; `None`: now.
    pub(super) letters_at: Option<Instant>,
    /// When the database last said that the claims hold.
    pub(super) confirmed: Option<Instant>,
}

impl<'a> Flight<'a> {
    /// Forgets what belongs to claims that are not held any more. What is under way goes on, and nobody listens.
    pub(super) fn keep(&mut self, held: &[Held]) {
        let holds = |segment: u32, fence: u64| {
            held.iter().any(|held| held.claim.segment.id() == segment && held.claim.fence == fence)
        };
        self.read.retain(|segment, (fence, _)| holds(*segment, *fence));
        self.halted.retain(|segment| self.read.contains_key(segment));
        self.done.retain(|(.., segment, _)| self.read.contains_key(segment));
        self.forget(|_, entry| !holds(entry.segment.id(), entry.fence));
        for held in held {
            self.read.entry(held.claim.segment.id()).or_insert((held.claim.fence, held.position));
        }
    }

    /// Reads a segment anew from `position` on.
    pub(super) fn go_back(&mut self, segment: Segment, position: Position) {
        let under_way: HashSet<Key> = self.under_way.keys().copied().collect();
        self.forget(|key, entry| {
            let behind = entry.segment == segment && entry.letter.is_none() && entry.event.recorded.position > position;
            behind && !under_way.contains(key)
        });
        self.halted.remove(&segment.id());
        if let Some((_, read)) = self.read.get_mut(&segment.id()) {
            *read = position;
        }
    }

    /// A step is written down. It counts for the token as soon as all before it are.
    pub(super) fn done(&mut self, key: Key) {
        self.done.insert(key);
    }

    /// The token of a segment is written down.
    pub(super) fn passed(&mut self, segment: Segment, position: Position) {
        self.done.retain(|key| key.2 != segment.id() || key.0 > position);
    }

    fn forget(&mut self, gone: impl Fn(&Key, &Entry) -> bool) {
        let gone: Vec<Key> = self.entries.iter().filter(|(key, entry)| gone(key, entry)).map(|(key, _)| *key).collect();
        gone.into_iter().for_each(|key| drop(self.remove(key)));
    }

    /// How far the events of a segment have been read.
    pub(super) fn read(&self, held: &Held) -> Position {
        self.read.get(&held.claim.segment.id()).map_or(held.position, |(_, read)| *read)
    }

    /// Everything up to `position` was read for the segment.
    pub(super) fn have_read(&mut self, segment: Segment, position: Position) {
        if let Some((_, read)) = self.read.get_mut(&segment.id()) {
            *read = position.max(*read);
        }
    }

    /// Everything up to this position is written down, as far as the segment has been read.
    pub(super) fn done_before(&self, held: &Held) -> Position {
        let open =
            self.entries.iter().find(|((_, _, segment, letter), _)| *segment == held.claim.segment.id() && !letter);
        let before = |position: Position| Position::new(position.get() - 1);
        // Behind an event at which the segment stopped there may be some that are under way.
        open.map_or_else(|| self.read(held), |((position, ..), _)| before(*position).min(self.read(held)))
    }

    /// Steps that are not written down.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    /// Adds a step behind those of its sequence; one that is put aside has ended.
    pub(super) fn add(&mut self, key: Key, entry: Entry, aside: bool) {
        if self.entries.contains_key(&key) || self.done.contains(&key) {
            return;
        }
        let lane = self.lanes.entry(lane_of(key, &entry)).or_default();
        lane.push_back(key);
        if aside {
            self.entries.insert(key, entry);
            self.ended.insert(key, Came::Aside);
            self.leave_lane(key);
            return;
        }
        if lane.len() == 1 {
            self.ready.insert(key);
        }
        self.entries.insert(key, entry);
    }

    /// The steps that may begin, in the order of their events.
    pub(super) fn ready(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        let free = self.ready.iter().filter(|(.., segment, letter)| *letter || !self.halted.contains(segment));
        free.filter_map(|key| Some((key, self.entries.get(key)?)))
    }

    /// The segments of which something is under way, or not written down.
    pub(super) fn busy(&self) -> HashSet<u32> {
        self.under_way.keys().chain(self.ended.keys()).map(|(.., segment, _)| *segment).collect()
    }

    /// Whether another step of the segment is open before this one, or under way.
    pub(super) fn is_alone(&self, key: &Key) -> bool {
        let same = |other: &&Key| other.2 == key.2 && other.3 == key.3 && *other != key;
        let first = self.entries.keys().find(|other| other.2 == key.2 && other.3 == key.3);
        first.is_none_or(|first| first.0 == key.0)
            && !self.under_way.keys().any(|other| same(&other) && other.0 != key.0)
    }

    /// Begins a step.
    pub(super) fn begin(&mut self, key: Key, call: BoxFuture<'a, Came>) {
        self.ready.remove(&key);
        self.begun += 1;
        let number = self.begun;
        self.under_way.insert(key, number);
        self.calls.push(call.map(move |came| (key, number, came)).boxed());
    }

    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// How many of them are dead letters.
    pub(super) fn letters_under_way(&self) -> usize {
        self.under_way.keys().filter(|key| key.3).count()
    }

    /// Has dead letters looked for at `instant` at the latest.
    pub(super) fn look_for_letters(&mut self, instant: Instant) {
        self.letters_at = self.letters_at.map(|at| at.min(instant));
    }

    /// Waits until one has ended; pending for ever where none is under way.
    pub(super) async fn next(&mut self) {
        match self.calls.next().await {
            Some((key, number, came)) => self.came(key, number, came),
            None => std::future::pending().await,
        }
    }

    /// Takes one that has ended by now. Returns whether there was one.
    pub(super) fn take_ended(&mut self) -> bool {
        match self.calls.next().now_or_never().flatten() {
            Some((key, number, came)) => {
                self.came(key, number, came);
                true
            }
            None => false,
        }
    }

    fn came(&mut self, key: Key, number: u64, came: Came) {
        // It may have been forgotten, and begun anew.
        if self.under_way.get(&key) != Some(&number) {
            return;
        }
        self.under_way.remove(&key);
        if matches!(came, Came::Cut) {
            return;
        }
        if matches!(came, Came::Failed(_, OnError::Stop)) && !key.3 {
            self.halted.insert(key.2);
        }
        let fails = matches!(came, Came::Failed(_, OnError::Retry | OnError::Park)) && !key.3;
        self.ended.insert(key, came);
        let behind = self.leave_lane(key);
        if fails {
            for key in behind {
                self.ended.insert(key, Came::Aside);
                self.leave_lane(key);
            }
        }
    }

    /// Whether something has ended that is not written down.
    pub(super) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// The steps that have ended, to be written down.
    pub(super) fn take(&mut self) -> Vec<(Key, Entry, Came)> {
        let ended = std::mem::take(&mut self.ended);
        ended.into_iter().filter_map(|(key, came)| Some((key, self.entries.remove(&key)?, came))).collect()
    }

    /// Takes a step out of its lane, and gives those behind it, the first of which may begin now.
    fn leave_lane(&mut self, key: Key) -> Vec<Key> {
        let Some(lane) = self.entries.get(&key).map(|entry| lane_of(key, entry)) else { return Vec::new() };
        self.ready.remove(&key);
        let Some(keys) = self.lanes.get_mut(&lane) else { return Vec::new() };
        keys.retain(|other| *other != key);
        let behind: Vec<Key> = keys.iter().copied().collect();
        match behind.first() {
            None => drop(self.lanes.remove(&lane)),
            Some(first) if !self.under_way.contains_key(first) => drop(self.ready.insert(*first)),
            Some(_) => {}
        }
        behind
    }

    fn remove(&mut self, key: Key) -> Option<Entry> {
        self.under_way.remove(&key);
        self.ended.remove(&key);
        self.leave_lane(key);
        self.entries.remove(&key)
    }
}

fn lane_of((_, _, segment, letter): Key, entry: &Entry) -> Lane {
    let component = entry.calls.first().map_or(0, |(component, _)| *component);
    // A step of no sequence is for each segment alike.
    let segment = entry.sequence.is_none().then_some(segment);
    (component, segment, entry.sequence.clone(), letter)
}
