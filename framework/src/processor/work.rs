//! Handling a page with the segments that are held.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use crate::handler::AfterCommit;
use crate::message::{Position, RecordedEvent};
use crate::store::{Advance, Claim, SegmentState, StoreTransaction};

use super::claims::Held;
use super::component::Step;
use super::details::{Failure, Past};
use super::failure::{FailedEvent, OnError};
use super::handling::{handle_page, handle_with};
use super::kept::Carried;
use super::letters::{Held as HeldUp, Named};
use super::newer::{NewerRevision, is_newer};
use super::passage::{Attempt, Passage, ReplayStatus};
use super::rate::count_handled;
use super::routed::{Item, Routed};
use super::streaming::{Interrupted, Running, StreamingProcessor};

/// After so many owners that ended badly one after the other, events are handled one by one, and written down before.
const WARY: u32 = 2;

impl Held {
    /// Its position and, where they have changed, its details.
    pub(super) fn advance(&self) -> Advance {
        Advance {
            claim: self.claim.clone(),
            position: self.position,
            details: self.changed.then(|| self.details.write()),
        }
    }

    /// The segment at `position`, with what that makes void.
    pub(super) fn at(&self, position: Position) -> Self {
        let mut moved = Self { position, ..self.clone() };
        moved.details.pass(position);
        moved.details.failure = None;
        if moved.position > moved.stored {
            (moved.details.unclean, moved.details.trying) = (0, None);
        }
        moved.changed |= moved.details != self.details;
        moved
    }

    /// How the event at `position` comes to handlers, in the sequence with this hash.
    pub(super) fn passage(&self, hash: u32, position: Position) -> Passage {
        Passage {
            replay: self.replay(hash, position),
            attempt: Attempt::default(),
            context: self.past(position).and_then(|past| past.context.clone()),
            segment: Some(self.claim.segment),
        }
    }

    /// Whether the event at `position` is new, in the sequence with this hash.
    fn replay(&self, hash: u32, position: Position) -> ReplayStatus {
        match self.past(position) {
            None if self.is_behind_the_gate(hash, position) => ReplayStatus::Initial,
            None => ReplayStatus::New,
            Some(past) if past.replay => ReplayStatus::Replay,
            Some(_) => ReplayStatus::Initial,
        }
    }

    /// What is known of old events, if the one at `position` is among them.
    fn past(&self, position: Position) -> Option<&Past> {
        self.details.past.as_ref().filter(|past| position.get() <= past.until)
    }

    /// Whether another version of the view handles the event, or has handled it.
    fn is_behind_the_gate(&self, hash: u32, position: Position) -> bool {
        match self.state {
            SegmentState::Replaced => true,
            SegmentState::Building if self.details.ready_at.is_none() => true,
            _ => self.details.is_gated(hash, position),
        }
    }

    pub(super) fn is_wary(&self) -> bool {
        self.details.unclean >= WARY
    }
}

/// An item that one of the held segments takes.
pub(super) struct Mine {
    pub(super) item: Item,
    /// Which of the held segments.
    pub(super) held: usize,
}

impl StreamingProcessor {
    /// What is to become of an event that has failed.
    pub(super) fn decide(&self, failed: &FailedEvent<'_>) -> OnError {
        let config = &self.config;
        if is_newer(failed.event, failed.error) {
            return match config.newer {
                NewerRevision::Park => OnError::Retry,
                NewerRevision::Stop => OnError::Stop,
                NewerRevision::Skip => OnError::Skip,
            };
        }
        config.on_error.ask(failed)
    }
}

impl Running<'_> {
    /// Handles a page. Gives how many of its events were handled, or put aside.
    pub(super) async fn take(&mut self, page: Routed) -> Result<u64, Interrupted> {
        let Routed { events, items, scanned, .. } = page;
        let mine = self.mine(|item| &events[item.event], items);
        let concerned: Vec<(usize, usize)> = mine.iter().map(|mine| (mine.item.event, mine.held)).collect();
        let done = if mine.is_empty() {
            HashMap::new()
        } else if self.held.iter().any(Held::is_wary) {
            self.warily(&events, mine).await?
        } else {
            match self.together(&events, mine, scanned).await? {
                true => HashMap::new(),
                false => {
                    let events: Vec<&RecordedEvent> = events.iter().collect();
                    self.one_by_one(&events, &concerned.iter().map(|(event, _)| *event).collect(), scanned).await?
                }
            }
        };
        for (number, held) in self.held.iter_mut().enumerate() {
            let reached = done.get(&number).copied().unwrap_or(scanned);
            if !self.stopped.contains_key(&held.claim.segment.id()) && held.position < reached {
                let (stored, changed) = (held.stored, held.changed);
                *held = held.at(reached);
                (held.stored, held.changed) = (stored, changed || held.changed);
            }
        }
        let is_done = |event: usize, held| done.get(&held).is_none_or(|to| events[event].recorded.position <= *to);
        Ok(count_handled(&concerned, is_done))
    }

    /// What the held segments have to do. Those that are stopped do nothing.
    fn mine<'e>(&self, event_of: impl Fn(&Item) -> &'e RecordedEvent, items: Vec<Item>) -> Vec<Mine> {
        self.mine_from(event_of, items, |held| held.position)
    }

    /// The same, where `reached` tells how far a segment is.
    pub(super) fn mine_from<'e>(
        &self,
        event_of: impl Fn(&Item) -> &'e RecordedEvent,
        items: Vec<Item>,
        reached: impl Fn(&Held) -> Position,
    ) -> Vec<Mine> {
        let mut mine = Vec::with_capacity(items.len());
        for item in items {
            let event = event_of(&item);
            let Some(first) = self.takers(&item, event, &reached).next() else { continue };
            // One segment at most, unless it is for every segment alike.
            if item.step.sequence.is_none() || item.fault.is_some() {
                mine.extend(self.takers(&item, event, &reached).skip(1).map(|held| Mine { item: item.again(), held }));
            }
            mine.push(Mine { item, held: first });
        }
        mine
    }

    /// Which of the held segments take the step.
    fn takers(
        &self,
        item: &Item,
        event: &RecordedEvent,
        reached: &impl Fn(&Held) -> Position,
    ) -> impl Iterator<Item = usize> {
        let position = event.recorded.position;
        let everyone = item.step.sequence.is_none() || self.stops_all(item, event);
        let takes = move |held: &Held| {
            let own = everyone || held.claim.segment.has(item.step.hash);
            own && position > reached(held)
                && !self.stopped.contains_key(&held.claim.segment.id())
                && !held.details.is_ahead(item.step.hash, position)
                && (held.replay(item.step.hash, position) != ReplayStatus::Replay
                    || self.processor.components[item.component].replays(&event.recorded.name))
        };
        self.held.iter().enumerate().filter(move |(_, held)| takes(held)).map(|(number, _)| number)
    }

    /// Whether the event cannot be decoded and stops whatever it belongs to: nobody knows what that is, so all segments stop.
    fn stops_all(&self, item: &Item, event: &RecordedEvent) -> bool {
        let Some(error) = item.fault.as_deref() else { return false };
        let (processor, component) = (self.processor.name.as_str(), self.label(item));
        self.decide(&FailedEvent { processor, component, event, attempt: 1, error }) == OnError::Stop
    }

    /// The quick way: the steps of a page in one go. Gives up, with nothing written, at the first that fails.
    async fn together(
        &mut self,
        events: &[RecordedEvent],
        mine: Vec<Mine>,
        scanned: Position,
    ) -> Result<bool, Interrupted> {
        let StreamingProcessor { components, journal, config, stop, name, .. } = self.processor;
        // Taken out first: whatever goes wrong from here on leaves nothing behind.
        let mut memories = self.kept.take(&self.held, components.len());
        if mine.iter().any(|mine| mine.item.fault.is_some()) {
            return Ok(false);
        }
        let touched: BTreeSet<usize> = mine.iter().map(|mine| mine.held).collect();
        let names = if self.letters {
            sequences(mine.iter().map(|mine| (&mine.item.step, &events[mine.item.event])))
        } else {
            Vec::new()
        };
        let mut transaction = journal.store().begin().await?;
        transaction.guard(&self.claims(&touched)).await?;
        if self.letters {
            let held_up = self.held_among(&mut *transaction, &names).await?;
            if mine.iter().any(|mine| held_up.holds(self.label(&mine.item), &mine.item.step, &events[mine.item.event]))
            {
                return Ok(false);
            }
        }
        let after = AfterCommit::default();
        let mut by_component: Vec<Vec<(&RecordedEvent, Step, Passage)>> =
            components.iter().map(|_| Vec::new()).collect();
        for Mine { item, held } in mine {
            let event = &events[item.event];
            let passage = self.held[held].passage(item.step.hash, event.recorded.position);
            by_component[item.component].push((event, item.step, passage));
        }
        for ((component, steps), memory) in components.iter().zip(by_component).zip(&mut memories) {
            if steps.is_empty() {
                continue;
            }
            let carried = Carried { memory: memory.take(), limit: config.memory };
            match handle_page(&**component, steps, carried, &mut *transaction, config, stop).await {
                Ok(done) => {
                    after.join(done.after);
                    *memory = done.memory;
                }
                Err(_) if stop.is_cancelled() => return Err(Interrupted::ShutDown),
                Err(error) => {
                    tracing::debug!(processor = name, %error, "a page failed, its events are handled one by one");
                    return Ok(false);
                }
            }
        }
        let moved: Vec<(usize, Held)> =
            touched.iter().map(|number| (*number, self.held[*number].at(scanned))).collect();
        transaction.advance(&moved.iter().map(|(_, held)| held.advance()).collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        self.committed(moved, after);
        self.kept.keep(&self.held, memories);
        Ok(true)
    }

    /// The careful way: a step that fails is undone and put aside, and its sequence behind it. Gives how far each segment is
    /// that had to stop.
    async fn one_by_one(
        &mut self,
        events: &[&RecordedEvent],
        chosen: &BTreeSet<usize>,
        scanned: Position,
    ) -> Result<HashMap<usize, Position>, Interrupted> {
        let mut stops = HashMap::new();
        // A segment that stops has handled nothing of the event before which it stops: the others go over the page again.
        while let Some((held, stop)) = self.step_by_step(events, chosen, scanned, &stops).await? {
            stops.insert(held, stop);
        }
        let poll = self.processor.config.poll.max(self.processor.config.pause);
        for number in stops.keys() {
            self.stopped.insert(self.held[*number].claim.segment.id(), Instant::now() + poll);
        }
        Ok(stops.into_iter().map(|(number, stop)| (number, Position::new(stop.position - 1))).collect())
    }

    /// Goes over a page in one transaction. Gives a segment that has to stop and was not among `stops`; then nothing is written.
    async fn step_by_step(
        &mut self,
        events: &[&RecordedEvent],
        chosen: &BTreeSet<usize>,
        scanned: Position,
        stops: &HashMap<usize, Failure>,
    ) -> Result<Option<(usize, Failure)>, Interrupted> {
        let journal = &self.processor.journal;
        self.kept.clear();
        let mut transaction = journal.store().begin().await?;
        transaction.guard(&self.claims(&(0..self.held.len()).collect())).await?;
        let after = AfterCommit::default();
        let mut touched: BTreeSet<usize> = stops.keys().copied().collect();
        let names = self.sequences_of(events, chosen).await;
        let mut held_up = self.held_among(&mut *transaction, &names).await?;
        for number in chosen {
            let event = events[*number];
            let position = event.recorded.position;
            // Routed again: the quick way has used up what was worked out.
            let items = self.router.steps(event).await;
            for Mine { item, held } in self.mine(|_| event, items) {
                if stops.get(&held).is_some_and(|stop| stop.position <= position.get()) {
                    continue;
                }
                match self.step(&mut *transaction, event, item, held, &mut held_up, &after).await? {
                    Outcome::Done => {
                        touched.insert(held);
                    }
                    Outcome::Stop(error) => {
                        let (event, at) = (event.recorded.name.to_string(), journal.now());
                        return Ok(Some((held, Failure { position: position.get(), event, error, at })));
                    }
                }
            }
        }
        let mut moved = Vec::new();
        for number in touched {
            let before = &self.held[number];
            let held = match stops.get(&number) {
                None => before.at(scanned),
                Some(stop) => {
                    let mut held = before.at(Position::new(stop.position - 1).max(before.position));
                    held.details.failure = Some(stop.clone());
                    held.changed = true;
                    held
                }
            };
            moved.push((number, held));
        }
        transaction.advance(&moved.iter().map(|(_, held)| held.advance()).collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        self.committed(moved, after);
        Ok(None)
    }

    /// After owners have ended in the middle of something: each event in a transaction of its own, written down before, so
    /// that the one is known at which programs end.
    async fn warily(
        &mut self,
        events: &[RecordedEvent],
        mine: Vec<Mine>,
    ) -> Result<HashMap<usize, Position>, Interrupted> {
        let chosen: BTreeSet<usize> = mine.iter().map(|mine| mine.item.event).collect();
        let mut reached = HashMap::new();
        for number in chosen {
            let event = &events[number];
            let position = event.recorded.position;
            let open = mine.iter().filter(|mine| mine.item.event == number && !reached.contains_key(&mine.held));
            let takers: BTreeSet<usize> = open.map(|mine| mine.held).collect();
            self.note(&takers, position).await?;
            let stops = self.one_by_one(&[event], &BTreeSet::from([0]), position).await?;
            reached.extend(stops);
        }
        Ok(reached)
    }

    /// One step, which is undone if it fails.
    async fn step(
        &mut self,
        transaction: &mut dyn StoreTransaction,
        event: &RecordedEvent,
        item: Item,
        held: usize,
        held_up: &mut HeldUp,
        after: &AfterCommit,
    ) -> Result<Outcome, Interrupted> {
        let StreamingProcessor { components, config, stop, .. } = self.processor;
        let component = &components[item.component];
        let step = Named::of(&item, component.label());
        if let Some(outcome) = self.aside(transaction, event, &step, held, held_up).await? {
            return Ok(outcome);
        }
        transaction.mark().await?;
        let passage = self.held[held].passage(item.step.hash, event.recorded.position);
        let handled = match item.fault {
            Some(fault) => Err(fault),
            None => handle_with(&**component, vec![(event, item.step, passage)], transaction, config, stop)
                .await
                .map_err(Arc::new),
        };
        let error = match handled {
            Ok(done) => {
                after.join(done);
                return Ok(Outcome::Done);
            }
            Err(_) if stop.is_cancelled() => return Err(Interrupted::ShutDown),
            Err(error) => error,
        };
        transaction.undo_to_mark().await?;
        let (processor, component) = (self.processor.name.as_str(), step.component);
        let what = self.decide(&FailedEvent { processor, component, event, attempt: 1, error: &error });
        self.failed(transaction, event, &step, &error, what, held_up).await
    }

    /// What is to become of an event that has failed.
    pub(super) fn decide(&self, failed: &FailedEvent<'_>) -> OnError {
        self.processor.decide(failed)
    }

    pub(super) fn claims(&self, numbers: &BTreeSet<usize>) -> Vec<Claim> {
        numbers.iter().map(|number| self.held[*number].claim.clone()).collect()
    }

    pub(super) fn label(&self, item: &Item) -> &str {
        self.processor.components[item.component].label()
    }

    pub(super) fn committed(&mut self, moved: Vec<(usize, Held)>, after: AfterCommit) {
        for (number, mut held) in moved {
            (held.stored, held.changed) = (held.position, false);
            self.held[number] = held;
        }
        after.committed();
        self.processor.components.iter().for_each(|component| component.committed());
    }
}

/// What became of a step.
pub(super) enum Outcome {
    /// It was handled, or put aside.
    Done,
    /// Its segment stops before it.
    Stop(String),
}

/// The sequences that the steps of a page belong to.
pub(super) fn sequences<'s>(steps: impl Iterator<Item = (&'s Step, &'s RecordedEvent)>) -> Vec<String> {
    let mut names = HashSet::new();
    for (step, event) in steps {
        names.extend(step.sequence.as_ref().map(|sequence| sequence.to_string()));
        names.insert(event.recorded.stream.to_string());
    }
    names.into_iter().collect()
}
