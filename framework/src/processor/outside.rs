//! External handlers: a processor that works outside of transactions.
//!
//! Sequences are handled side by side, the steps of one in their order. What has come of them is written down soon after, in a
//! transaction that checks the claims; whoever ends before that has them handled again. The token stands before the first step
//! that is not written down. A segment that stands before an event at which it stopped, or whose owners have ended badly,
//! begins its steps one at a time, so that what went well is not done over and over.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::handler::{AfterCommit, HandlerError};
use crate::message::{Position, RecordedEvent, StreamId};
use crate::store::{Advance, Criteria, Read, Segment, StoreError, StoreTransaction};

use super::claims::Held;
use super::details::{Failure, Trying};
use super::external::Called;
use super::failure::FailedEvent;
use super::flight::{Came, Entry, Flight, Key};
use super::handling::{in_time, unharmed};
use super::letters::Named;
use super::passage::{Attempt, Passage};
use super::rate::Work;
use super::routed::Routed;
use super::streaming::{FLUSH, IDLE_TOKEN_LAG, Interrupted, Running, StreamingProcessor};
use super::work::{Outcome, sequences};

impl<'a> Running<'a> {
    /// Whether the handlers run outside of transactions.
    pub(super) fn is_outside(&self) -> bool {
        self.processor.components.iter().any(|component| component.external().is_some())
    }

    /// Runs until it is stopped, or interrupted.
    pub(super) async fn run_outside(&mut self) -> Result<(), Interrupted> {
        let StreamingProcessor { node, journal, stop, progress, config, .. } = self.processor;
        let (mut appended, mut head, mut cluster) = (journal.store().appended(), node.head(), node.cluster());
        let mut started = progress.started.subscribe();
        let mut flight = Flight::default();
        // Whether there may be something to read.
        let mut look = true;
        while !stop.is_cancelled() {
            progress.pulse.beat();
            // Before anything else is read or begun: what waits behind a failure must find its letter.
            let ended = flight.take();
            self.write_down(ended, &mut flight).await?;
            // A sender that is gone changes nothing any more.
            look |= appended.has_changed().unwrap_or(false) || head.has_changed().unwrap_or(false);
            appended.borrow_and_update();
            head.borrow_and_update();
            let seen = Arc::clone(&cluster.borrow_and_update());
            let started_here = *started.borrow_and_update();
            self.busy = flight.busy();
            if self.share(&seen, started_here).await? {
                (look, flight.letters_at) = (true, None);
            }
            flight.keep(&self.held);
            let next_letter = if self.held.is_empty() { None } else { self.letters_into(&mut flight).await? };
            let room = flight.len() < config.batch.max(self.size) && !self.held.is_empty();
            if look && room {
                look = self.page_into(&mut flight).await?;
            }
            self.begin_all(&mut flight).await?;
            if flight.has_ended() {
                continue;
            }
            self.advance_to(&mut flight).await?;
            if look && room {
                continue;
            }
            let behind = self.held.iter().any(|held| held.stored < held.position);
            let flush = if seen.nodes.len() > 1 { FLUSH } else { config.poll };
            let wait = next_letter.into_iter().chain([config.poll]).chain(self.until_next()).min().unwrap_or_default();
            tokio::select! {
                () = flight.next() => {}
                _ = appended.changed() => look = true,
                _ = head.changed() => look = true,
                _ = cluster.changed() => {}
                _ = started.changed() => {}
                () = progress.wake.notified() => (self.letters, flight.letters_at) = (true, None),
                () = tokio::time::sleep(wait), if self.letters || !self.stopped.is_empty() => look |= !self.stopped.is_empty(),
                () = tokio::time::sleep(flush), if behind => self.store_tokens(0).await?,
                () = stop.cancelled() => {}
            }
        }
        // What is under way ends in time, and nothing else begins.
        while flight.under_way() > 0 {
            flight.next().await;
        }
        let ended = flight.take();
        self.write_down(ended, &mut flight).await?;
        self.advance_to(&mut flight).await?;
        self.store_tokens(0).await
    }

    /// How long until a segment that stopped goes on.
    fn until_next(&self) -> Option<Duration> {
        self.stopped.values().min().map(|next| next.saturating_duration_since(Instant::now()))
    }

    /// Reads a page and adds its steps. Returns whether there may be more.
    async fn page_into(&mut self, flight: &mut Flight<'a>) -> Result<bool, Interrupted> {
        let now = Instant::now();
        self.stopped.retain(|_, until| *until > now);
        let active = self.held.iter().filter(|held| !self.stopped.contains_key(&held.claim.segment.id()));
        let Some(from) = active.map(|held| flight.read(held)).min() else { return Ok(false) };
        let read = Read::matching(Criteria::clone(&self.criteria), from).limit(self.size);
        let Routed { events, items, scanned, more } = self.router.clone().page(read).await?;
        let events: Vec<Arc<RecordedEvent>> = events.into_iter().map(Arc::new).collect();
        let mine = self.mine_from(|item| &*events[item.event], items, |held| flight.read(held));
        let names = sequences(mine.iter().map(|mine| (&mine.item.step, &*events[mine.item.event])));
        let held_up = if self.letters {
            let mut transaction = self.processor.journal.store().begin().await?;
            self.held_among(&mut *transaction, &names).await?
        } else {
            Default::default()
        };
        // Which sequence an event belongs to that nobody can decode is not known: all of its stream waits behind it.
        let mut undecodable: HashSet<(usize, StreamId)> = HashSet::new();
        for mine in mine {
            let (event, held) = (Arc::clone(&events[mine.item.event]), &self.held[mine.held]);
            let stream = (mine.item.component, event.recorded.stream.clone());
            let aside = held_up.holds(self.label(&mine.item), &mine.item.step, &event)
                || self.is_poison(mine.held, &event)
                || undecodable.contains(&stream);
            if mine.item.fault.is_some() {
                undecodable.insert(stream);
            }
            let key = (event.recorded.position, mine.item.place, held.claim.segment.id(), false);
            let entry = Entry {
                event,
                calls: vec![(mine.item.component, mine.item.fault)],
                sequence: mine.item.step.sequence,
                hash: mine.item.step.hash,
                segment: held.claim.segment,
                fence: held.claim.fence,
                letter: None,
            };
            flight.add(key, entry, aside);
        }
        for held in self.held.iter().filter(|held| !self.stopped.contains_key(&held.claim.segment.id())) {
            flight.have_read(held.claim.segment, scanned);
        }
        Ok(more || self.held.iter().any(|held| flight.read(held) < scanned))
    }

    /// Begins as many steps as may be under way, again and again as long as others end at once.
    async fn begin_all(&mut self, flight: &mut Flight<'a>) -> Result<(), Interrupted> {
        let config = &self.processor.config;
        let begun = Instant::now();
        // Whoever was away for a while may have lost a claim: what is called then is called twice.
        let fresh = flight.confirmed.is_some_and(|confirmed| confirmed.elapsed() <= config.batch_time);
        if !fresh && flight.ready().next().is_some() {
            self.confirm(flight).await?;
        }
        let mut ended = 0;
        loop {
            self.begin_some(flight).await?;
            let before = ended;
            while flight.take_ended() {
                ended += 1;
            }
            let late = begun.elapsed() > config.batch_time;
            if late || ended == before {
                break;
            }
        }
        // The next pages are as large as is done at once.
        let (most, quick) = (config.batch.max(1), begun.elapsed() < config.batch_time / 2);
        if ended >= self.size && quick {
            self.size = (self.size * 2).min(most);
        } else if ended > 0 && !quick {
            self.size = (self.size / 2).max(config.concurrency.saturating_mul(2).clamp(1, most));
        }
        Ok(())
    }

    async fn begin_some(&mut self, flight: &mut Flight<'a>) -> Result<(), Interrupted> {
        let at_once = self.processor.config.concurrency.max(1);
        let free = at_once.saturating_sub(flight.under_way());
        // What fails again and again leaves half of the places to others.
        let mut letters = at_once.div_ceil(2).saturating_sub(flight.letters_under_way());
        let mut alone: HashSet<u32> = HashSet::new();
        let mut chosen: Vec<(Key, usize, BoxFuture<'a, Came>)> = Vec::new();
        for (key, entry) in flight.ready() {
            if chosen.len() == free {
                break;
            }
            let Some(held) = self.held_by(entry) else { continue };
            if self.leaving.contains(&entry.segment.id()) {
                continue;
            }
            if entry.letter.is_none() && self.held[held].comes_alone() {
                let segment = entry.segment.id();
                if !flight.is_alone(key) || !alone.insert(segment) {
                    continue;
                }
            }
            if key.3 && letters == 0 {
                continue;
            }
            letters -= usize::from(key.3);
            chosen.push((*key, held, self.call(entry, &self.held[held])));
        }
        let wary = chosen.iter().filter(|(key, held, _)| !key.3 && self.held[*held].is_wary());
        let wary: Vec<(usize, Position)> = wary.map(|(key, held, _)| (*held, key.0)).collect();
        for (held, position) in wary {
            self.note(&BTreeSet::from([held]), position).await?;
        }
        let now = self.processor.journal.now();
        for (key, _, call) in chosen {
            flight.since.get_or_insert(now);
            flight.begin(key, call);
        }
        Ok(())
    }

    fn held_by(&self, entry: &Entry) -> Option<usize> {
        let own = |held: &Held| held.claim.segment == entry.segment && held.claim.fence == entry.fence;
        self.held.iter().position(own)
    }

    /// Writes down that the owner of the segments begins to handle the event at `position`.
    pub(super) async fn note(&mut self, segments: &BTreeSet<usize>, position: Position) -> Result<(), Interrupted> {
        let mut noted = Vec::new();
        for held in segments {
            let before = &mut self.held[*held];
            let (trying, unclean) = (before.details.trying, before.details.unclean);
            before.details.trying = Some(Trying::begin(trying, position, unclean));
            noted.push(Advance { details: Some(before.details.write()), ..before.advance() });
        }
        let mut transaction = self.processor.journal.store().begin().await?;
        transaction.advance(&noted).await?;
        Ok(transaction.commit().await?)
    }

    /// Has the handlers of a step called.
    fn call(&self, entry: &Entry, held: &Held) -> BoxFuture<'a, Came> {
        let (processor, event, calls) = (self.processor, Arc::clone(&entry.event), entry.calls.clone());
        let number = entry.letter.as_ref().map_or(1, |letter| letter.attempts + 1);
        let passage = held.passage(entry.hash, event.recorded.position);
        let passage = Passage { attempt: Attempt { number }, ..passage };
        let is_letter = entry.letter.is_some();
        async move {
            let mut done = Vec::new();
            for (component, fault) in calls {
                let called = match fault {
                    Some(fault) => Err(fault),
                    None => call(processor, component, &event, &passage).await.map_err(Arc::new),
                };
                match called {
                    Ok(called) => done.push(called),
                    Err(error) => {
                        if processor.stop.is_cancelled() {
                            return Came::Cut;
                        }
                        let component = processor.components[component].label();
                        let name = &processor.name;
                        let failed =
                            FailedEvent { processor: name, component, event: &event, attempt: number, error: &error };
                        let what = processor.decide(&failed);
                        if !is_letter {
                            let position = event.recorded.position;
                            tracing::warn!(processor = name, %position, event = %event.recorded.name, %error, ?what, "an event failed");
                        }
                        return Came::Failed(error, what);
                    }
                }
            }
            Came::Called(done)
        }
        .boxed()
    }

    /// Writes down what has come of steps, and how far the segments are.
    async fn write_down(&mut self, ended: Vec<(Key, Entry, Came)>, flight: &mut Flight<'a>) -> Result<(), Interrupted> {
        if ended.is_empty() {
            return Ok(());
        }
        let of: BTreeSet<usize> = ended.iter().filter_map(|(_, entry, _)| self.held_by(entry)).collect();
        let (mut transaction, kept, lost) = self.begin_for(of).await?;
        let components = Arc::clone(&self.processor.components);
        let names: HashSet<String> = ended
            .iter()
            .flat_map(|(_, entry, _)| {
                let own = entry.sequence.as_ref().map(|sequence| sequence.to_string());
                own.into_iter().chain([entry.event.recorded.stream.to_string()])
            })
            .collect();
        let mut held_up = self.held_among(&mut *transaction, &names.into_iter().collect::<Vec<_>>()).await?;
        let after = AfterCommit::default();
        let mut stops: HashMap<usize, Failure> = HashMap::new();
        let mut handled = 0;
        for (key, entry, came) in ended {
            let Some(held) = self.held_by(&entry).filter(|held| kept.contains(held)) else { continue };
            let Entry { event, calls, sequence, letter, .. } = entry;
            let position = event.recorded.position;
            if let Some(letter) = letter {
                let attempt = Attempt { number: letter.attempts + 1 };
                let failed = match came {
                    Came::Called(called) => {
                        store(called, &mut *transaction, &after).await?;
                        None
                    }
                    Came::Failed(error, _) => Some(error),
                    Came::Aside | Came::Cut => continue,
                };
                let failed = failed.as_deref().map(|error| (error, &*event));
                let settled = self.settle(&mut *transaction, letter, attempt, failed).await?;
                self.letters = true;
                // Behind one that is done the next of its sequence is due.
                let pause = if settled { Duration::ZERO } else { self.processor.config.pause };
                flight.look_for_letters(Instant::now() + pause);
                continue;
            }
            if stops.contains_key(&held) {
                continue;
            }
            let component = calls.first().map_or("", |(component, _)| components[*component].label());
            let step = Named { component, place: key.1, sequence };
            let fails = !matches!(came, Came::Called(_));
            let outcome = match came {
                Came::Cut => continue,
                Came::Called(called) => {
                    store(called, &mut *transaction, &after).await?;
                    handled += 1;
                    Outcome::Done
                }
                Came::Failed(error, what) => {
                    self.failed(&mut *transaction, &event, &step, &error, what, &mut held_up).await?
                }
                Came::Aside => {
                    let aside = self.aside(&mut *transaction, &event, &step, held, &mut held_up).await?;
                    // The letter behind which it was is gone by now: it is read again.
                    aside.unwrap_or_else(|| Outcome::Stop(String::new()))
                }
            };
            if fails {
                flight.look_for_letters(Instant::now() + self.processor.config.pause / 2);
            }
            if matches!(outcome, Outcome::Done) {
                flight.done(key);
            }
            if let Outcome::Stop(error) = outcome {
                let (event, at) = (event.recorded.name.to_string(), self.processor.journal.now());
                stops.insert(held, Failure { position: position.get(), event, error, at });
            }
        }
        let mut moved = Vec::new();
        let mut positions = 0;
        for number in kept {
            let before = &self.held[number];
            let stop = stops.remove(&number);
            if let Some(stop) = &stop {
                flight.go_back(before.claim.segment, Position::new(stop.position - 1));
            }
            let mut held = before.at(flight.done_before(before).max(before.position));
            positions = positions.max(held.position.get() - before.position.get());
            flight.passed(held.claim.segment, held.position);
            if let Some(stop) = stop.filter(|stop| !stop.error.is_empty()) {
                held.details.failure = Some(stop);
                held.changed = true;
                let config = &self.processor.config;
                let until = Instant::now() + config.poll.max(config.pause);
                self.stopped.insert(held.claim.segment.id(), until);
            }
            moved.push((number, held));
        }
        transaction.advance(&moved.iter().map(|(_, held)| held.advance()).collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        self.committed(moved, after);
        let ended = self.processor.journal.now();
        let goes_on = (flight.under_way() > 0).then_some(ended);
        let begun = std::mem::replace(&mut flight.since, goes_on).unwrap_or(ended);
        self.processor.progress.meter.add(Work { begun, ended, events: handled, positions });
        self.publish();
        self.let_fall(&lost).await
    }

    /// Asks whether the claims hold, and lets go of those that do not.
    async fn confirm(&mut self, flight: &mut Flight<'a>) -> Result<(), Interrupted> {
        let asked = Instant::now();
        let (transaction, _, lost) = self.begin_for((0..self.held.len()).collect()).await?;
        drop(transaction);
        flight.confirmed = Some(asked);
        self.let_fall(&lost).await?;
        flight.keep(&self.held);
        Ok(())
    }

    /// Forgets segments that others have.
    async fn let_fall(&mut self, lost: &[Segment]) -> Result<(), Interrupted> {
        if !lost.is_empty() {
            tracing::info!(
                processor = self.processor.name,
                segments = lost.len(),
                "segments were taken over or changed"
            );
            self.held.retain(|held| !lost.contains(&held.claim.segment));
            // What was seen before does not tell who has them.
            self.processor.node.look().await?;
        }
        Ok(())
    }

    /// Moves segments on of which nothing is open.
    async fn advance_to(&mut self, flight: &mut Flight<'a>) -> Result<(), Interrupted> {
        let mut moved = false;
        for held in &mut self.held {
            let done = flight.done_before(held);
            if held.position < done {
                let (stored, changed) = (held.stored, held.changed);
                *held = held.at(done);
                (held.stored, held.changed) = (stored, changed || held.changed);
                moved = true;
            }
        }
        if moved {
            self.store_tokens(IDLE_TOKEN_LAG).await?;
            self.publish();
        }
        Ok(())
    }

    /// Begins a transaction for those of the segments whose claims hold. What others have done is done again by their new
    /// owners, and that one claim is lost must not have the rest done again as well.
    async fn begin_for(
        &self,
        mut segments: BTreeSet<usize>,
    ) -> Result<(Box<dyn StoreTransaction>, BTreeSet<usize>, Vec<Segment>), Interrupted> {
        let mut lost = Vec::new();
        loop {
            let mut transaction = self.processor.journal.store().begin().await?;
            let error = match transaction.guard(&self.claims(&segments)).await {
                Ok(()) => return Ok((transaction, segments, lost)),
                Err(error) => error,
            };
            let StoreError::ClaimLost { segment, .. } = error else { return Err(error.into()) };
            segments.retain(|number| self.held[*number].claim.segment != segment);
            lost.push(segment);
        }
    }
}

impl Held {
    /// Whether its steps begin one at a time.
    fn comes_alone(&self) -> bool {
        self.is_wary() || self.details.failure.is_some()
    }
}

/// Has a component handle `event`. A panic is an error, and so is a handler that takes too long.
async fn call(
    processor: &StreamingProcessor,
    component: usize,
    event: &RecordedEvent,
    passage: &Passage,
) -> Result<Called, HandlerError> {
    let component = &*processor.components[component];
    let Some(external) = component.external() else {
        return Err(HandlerError::new(format!("{} is not external", component.label())));
    };
    let mut called = Called::default();
    let calls = async {
        called = external.call(event, passage).await?;
        Ok(())
    };
    unharmed(component, in_time(component, calls, &processor.config, &processor.stop)).await?;
    Ok(called)
}

/// Stores what external handlers have left.
async fn store(
    called: Vec<Called>,
    transaction: &mut dyn StoreTransaction,
    after: &AfterCommit,
) -> Result<(), StoreError> {
    for called in called {
        let stored = called.store(transaction).await;
        after.join(stored.map_err(|error| StoreError::unavailable(error.into_source()))?);
    }
    Ok(())
}
