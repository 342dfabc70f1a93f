//! Dead letters: putting steps aside, and trying them again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::handler::{AfterCommit, HandlerError};
use crate::message::RecordedEvent;
use crate::store::{DeadLetter, LetterState, Segment, StoreTransaction};

use super::component::Step;
use super::failure::{FailedEvent, OnError};
use super::flight::{Entry, Flight, Key};
use super::handling::handle_with;
use super::passage::Attempt;
use super::routed::Item;
use super::streaming::{Interrupted, Running, StreamingProcessor};
use super::work::{Outcome, sequences};

/// Letters that are looked at together.
const AT_ONCE: usize = 1000;
/// After so many ends in the middle of one event it is parked.
const POISONOUS: u32 = 3;

/// The sequences that are held up, each by component and name.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<String, HashSet<String>>);

impl Held {
    fn insert(&mut self, component: &str, sequence: &str) {
        self.0.entry(component.to_owned()).or_default().insert(sequence.to_owned());
    }

    /// The sequence behind which a step waits: its own, or that of its stream, of which an event could not be decoded.
    pub(super) fn behind(&self, component: &str, own: Option<&str>, event: &RecordedEvent) -> Option<String> {
        let held = self.0.get(component)?;
        let stream = event.recorded.stream.to_string();
        own.into_iter().chain([stream.as_str()]).find(|sequence| held.contains(*sequence)).map(str::to_owned)
    }

    pub(super) fn holds(&self, component: &str, step: &Step, event: &RecordedEvent) -> bool {
        !self.0.is_empty() && self.behind(component, step.sequence.as_deref(), event).is_some()
    }
}

impl Running<'_> {
    /// The sequences of some of the events, which are routed for that.
    pub(super) async fn sequences_of(&self, events: &[&RecordedEvent], chosen: &BTreeSet<usize>) -> Vec<String> {
        let mut names = HashSet::new();
        for number in chosen {
            let items = self.router.steps(events[*number]).await;
            names.extend(sequences(items.iter().map(|item| (&item.step, events[*number]))));
        }
        names.into_iter().collect()
    }

    /// Those of the sequences that are held up.
    pub(super) async fn held_among(
        &self,
        transaction: &mut dyn StoreTransaction,
        names: &[String],
    ) -> Result<Held, Interrupted> {
        let StreamingProcessor { name, journal, .. } = self.processor;
        let mut held = Held::default();
        for (component, sequence) in transaction.held_sequences(journal.tenant(), name, names).await? {
            held.insert(&component, &sequence);
        }
        Ok(held)
    }

    /// Puts a step aside whose sequence is held up, or at which programs end; `None` for one that may be taken.
    pub(super) async fn aside(
        &mut self,
        transaction: &mut dyn StoreTransaction,
        event: &RecordedEvent,
        step: &Named<'_>,
        held: usize,
        held_up: &mut Held,
    ) -> Result<Option<Outcome>, Interrupted> {
        let StreamingProcessor { config, name, .. } = self.processor;
        let place = (step.component, step.place);
        if let Some(behind) = held_up.behind(step.component, step.sequence.as_deref(), event) {
            let error = "waits behind an event of the same sequence".to_owned();
            return self.put_aside(transaction, event, place, &behind, 0, error, held_up).await.map(Some);
        }
        if !self.is_poison(held, event) {
            return Ok(None);
        }
        let position = event.recorded.position;
        let times = self.held[held].details.trying.map_or(0, |trying| trying.times.saturating_sub(1));
        let error = format!("the program ended {times} times while it was handled");
        tracing::error!(processor = name, %position, event = %event.recorded.name, error, "an event is parked");
        let attempts = config.attempts.max(1);
        self.put_aside(transaction, event, place, step.sequence(), attempts, error, held_up).await.map(Some)
    }

    /// Whether programs end at `event`.
    pub(super) fn is_poison(&self, held: usize, event: &RecordedEvent) -> bool {
        let trying = self.held[held].details.trying;
        trying.is_some_and(|trying| trying.position == event.recorded.position.get() && trying.times > POISONOUS)
    }

    /// Does `what` with a step that has failed, and of which nothing is written.
    pub(super) async fn failed(
        &mut self,
        transaction: &mut dyn StoreTransaction,
        event: &RecordedEvent,
        step: &Named<'_>,
        error: &HandlerError,
        what: OnError,
        held_up: &mut Held,
    ) -> Result<Outcome, Interrupted> {
        let StreamingProcessor { config, name, .. } = self.processor;
        let position = event.recorded.position;
        tracing::warn!(processor = name, %position, event = %event.recorded.name, %error, ?what, "an event failed");
        let (error, place) = (error.to_string(), (step.component, step.place));
        let attempts = match what {
            OnError::Stop => return Ok(Outcome::Stop(error)),
            OnError::Skip => {
                let letter = self.letter(event, place, step.sequence(), 1, error);
                transaction.add_letter(DeadLetter { state: LetterState::Skipped, ..letter }).await?;
                return Ok(Outcome::Done);
            }
            OnError::Park => config.attempts.max(1),
            OnError::Retry => 1,
        };
        self.put_aside(transaction, event, place, step.sequence(), attempts, error, held_up).await
    }

    /// Puts a step among the dead letters, unless there are as many as there may be: then its segment stops before it.
    #[expect(clippy::too_many_arguments, reason = "what a letter says")]
    pub(super) async fn put_aside(
        &mut self,
        transaction: &mut dyn StoreTransaction,
        event: &RecordedEvent,
        (component, place): (&str, u32),
        sequence: &str,
        attempts: u32,
        error: String,
        held_up: &mut Held,
    ) -> Result<Outcome, Interrupted> {
        let StreamingProcessor { name, journal, config, .. } = self.processor;
        let (sequences, letters) = transaction.count_letters(journal.tenant(), name, component, sequence).await?;
        if letters >= config.letters_in_sequence {
            let limit = config.letters_in_sequence;
            return Ok(Outcome::Stop(format!(
                "{letters} dead letters wait in the sequence `{sequence}`, and {limit} is the limit \
                 (`letters_in_sequence`): retry or evict the first of them. {error}"
            )));
        }
        if letters == 0 && sequences >= config.held_sequences {
            let limit = config.held_sequences;
            return Ok(Outcome::Stop(format!(
                "{sequences} sequences are held up by dead letters, and {limit} is the limit (`held_sequences`): retry or \
                 evict some of them. {error}"
            )));
        }
        let letter = self.letter(event, (component, place), sequence, attempts, error);
        transaction.add_letter(letter).await?;
        held_up.insert(component, sequence);
        self.letters = true;
        Ok(Outcome::Done)
    }

    pub(super) fn letter(
        &self,
        event: &RecordedEvent,
        (component, place): (&str, u32),
        sequence: &str,
        attempts: u32,
        error: String,
    ) -> DeadLetter {
        let journal = &self.processor.journal;
        DeadLetter {
            tenant: journal.tenant().to_owned(),
            processor: self.processor.name.clone(),
            position: event.recorded.position,
            place,
            component: component.to_owned(),
            sequence: sequence.to_owned(),
            event: event.recorded.name.to_string(),
            stream: event.recorded.stream.to_string(),
            attempts,
            state: self.after_attempt(attempts),
            error,
            since: journal.now(),
        }
    }

    /// What becomes of a step after so many attempts; 0 for one that waits behind another.
    fn after_attempt(&self, attempts: u32) -> LetterState {
        let now = self.processor.journal.now();
        match attempts {
            0 => LetterState::Retrying(now),
            _ => match self.processor.config.pause_after(attempts) {
                Some(pause) => LetterState::Retrying(now.plus(pause)),
                None => LetterState::Parked,
            },
        }
    }

    /// Tries the dead letters that are due, each sequence in order, until one fails; returns how long until the next is
    /// due.
    pub(super) async fn retry_letters(&mut self) -> Result<Option<Duration>, Interrupted> {
        let StreamingProcessor { name, journal, stop, config, .. } = self.processor;
        let (store, tenant) = (journal.store(), journal.tenant());
        if !self.letters {
            return Ok(None);
        }
        loop {
            // No pause is so long: what is due later was put aside by a node whose clock is ahead.
            let latest = journal.now().plus(config.longest_pause * 3);
            let until = match store.next_letter(tenant, name).await? {
                Some(next) if next > latest => next,
                _ => journal.now(),
            };
            let due = store.due_letters(tenant, name, until, AT_ONCE).await?;
            let mut progress = false;
            for letter in due {
                let hash = Segment::hash_of(&letter.sequence);
                let Some(held) = self.held.iter().position(|held| held.claim.segment.has(hash)) else { continue };
                if stop.is_cancelled() {
                    return Ok(None);
                }
                progress |= self.retry(letter, held).await?;
            }
            if !progress {
                break;
            }
        }
        let count = store.letter_count(tenant, name).await?;
        self.letters = count.letters > 0;
        let next = store.next_letter(tenant, name).await?;
        let now = journal.now();
        Ok(next.map(|due| if due > now { due.since(now) } else { config.poll }))
    }

    /// Tries one dead letter; returns whether it is done.
    async fn retry(&mut self, letter: DeadLetter, held: usize) -> Result<bool, Interrupted> {
        let StreamingProcessor { journal, components, config, stop, .. } = self.processor;
        self.kept.clear();
        if self.is_orphan(&letter) {
            return self.leave_orphan(letter, held).await;
        }
        let event = journal.event_at(letter.position).await?;
        let mut transaction = journal.store().begin().await?;
        transaction.guard(&self.claims(&BTreeSet::from([held]))).await?;
        transaction.mark().await?;
        let attempt = Attempt { number: letter.attempts + 1 };
        let mut failed = None;
        let mut after = AfterCommit::default();
        if let Some(event) = &event {
            let items = self.router.steps(event).await;
            let chosen = self.places_of(&letter, &items);
            for item in items.into_iter().filter(|item| chosen.contains(&item.place)) {
                let component = &components[item.component];
                let passage =
                    super::passage::Passage { attempt, ..self.held[held].passage(item.step.hash, letter.position) };
                let handled = match item.fault {
                    Some(fault) => Err(fault),
                    None => {
                        let steps = vec![(event, item.step, passage)];
                        handle_with(&**component, steps, &mut *transaction, config, stop).await.map_err(Arc::new)
                    }
                };
                match handled {
                    Ok(done) => after.join(done),
                    Err(_) if stop.is_cancelled() => return Err(Interrupted::ShutDown),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
        }
        let failed = failed.as_deref().zip(event.as_ref());
        if failed.is_some() {
            transaction.undo_to_mark().await?;
            after = AfterCommit::default();
        }
        let done = self.settle(&mut *transaction, letter, attempt, failed).await?;
        transaction.commit().await?;
        after.committed();
        if done {
            components.iter().for_each(|component| component.committed());
        }
        Ok(done)
    }

    /// Whether nobody in this program can take the letter.
    fn is_orphan(&self, letter: &DeadLetter) -> bool {
        !self.processor.components.iter().any(|component| component.label() == letter.component)
    }

    /// Parks a letter whose component has another name now, or is gone.
    async fn leave_orphan(&mut self, letter: DeadLetter, held: usize) -> Result<bool, Interrupted> {
        let DeadLetter { component, position, .. } = &letter;
        let processor = &self.processor.name;
        tracing::error!(processor, component, %position, "a dead letter belongs to no component of this program");
        let error = format!(
            "no component of `{processor}` is called `{component}` in this program: give one this name (`name = \"..\"`), or \
             evict the letter. {}",
            letter.error
        );
        let mut transaction = self.processor.journal.store().begin().await?;
        transaction.guard(&self.claims(&BTreeSet::from([held]))).await?;
        transaction.update_letter(&DeadLetter { error, state: LetterState::Parked, ..letter }).await?;
        transaction.commit().await?;
        Ok(false)
    }

    /// Writes down what became of another attempt; returns whether the letter is done.
    pub(super) async fn settle(
        &self,
        transaction: &mut dyn StoreTransaction,
        letter: DeadLetter,
        attempt: Attempt,
        failed: Option<(&HandlerError, &RecordedEvent)>,
    ) -> Result<bool, Interrupted> {
        let Some((error, event)) = failed else { return Ok(transaction.remove_letter(&letter).await?) };
        let letter = self.after_failure(letter, event, attempt, error);
        if letter.state == LetterState::Parked {
            tracing::error!(
                processor = self.processor.name, position = %letter.position, attempts = letter.attempts, %error,
                "an event is parked as a dead letter"
            );
        }
        transaction.update_letter(&letter).await?;
        Ok(letter.state == LetterState::Skipped)
    }

    /// Which of an event's steps stand for the letter in this program: the one at its place, or, where that has changed, one of
    /// its sequence.
    pub(super) fn places_of(&self, letter: &DeadLetter, items: &[Item]) -> Vec<u32> {
        let of_component: Vec<&Item> = items.iter().filter(|item| self.label(item) == letter.component).collect();
        let same = |item: &&&Item| item.fault.is_some() || item.step.sequence.as_deref() == Some(&*letter.sequence);
        let mut own = of_component.iter().filter(same);
        match own.clone().find(|item| item.place == letter.place).or_else(|| own.next()) {
            Some(item) => vec![item.place],
            // It could not be decoded before, and now it can: all of its steps are taken.
            None => of_component.iter().map(|item| item.place).collect(),
        }
    }

    /// The letter after another attempt that has failed.
    fn after_failure(
        &self,
        letter: DeadLetter,
        event: &RecordedEvent,
        attempt: Attempt,
        error: &HandlerError,
    ) -> DeadLetter {
        let StreamingProcessor { name, journal, config, .. } = self.processor;
        let failed =
            FailedEvent { processor: name, component: &letter.component, event, attempt: attempt.number, error };
        let state = match self.decide(&failed) {
            OnError::Retry => self.after_attempt(attempt.number),
            OnError::Park => LetterState::Parked,
            OnError::Stop => LetterState::Retrying(journal.now().plus(config.pause_before(attempt.number))),
            OnError::Skip => LetterState::Skipped,
        };
        DeadLetter { attempts: attempt.number, state, error: error.to_string(), ..letter }
    }
}

impl<'a> Running<'a> {
    /// Adds dead letters that are due, one of each sequence; returns how long until the next is due.
    pub(super) async fn letters_into(&mut self, flight: &mut Flight<'a>) -> Result<Option<Duration>, Interrupted> {
        let StreamingProcessor { name, journal, config, .. } = self.processor;
        let (store, tenant) = (journal.store(), journal.tenant());
        if !self.letters {
            return Ok(None);
        }
        let now = Instant::now();
        if let Some(at) = flight.letters_at.filter(|at| *at > now) {
            return Ok(Some(at - now));
        }
        let latest = journal.now().plus(config.longest_pause * 3);
        let until = match store.next_letter(tenant, name).await? {
            // No pause is so long: what is due later was put aside by a node whose clock is ahead.
            Some(next) if next > latest => next,
            _ => journal.now(),
        };
        for letter in store.due_letters(tenant, name, until, AT_ONCE).await? {
            let hash = Segment::hash_of(&letter.sequence);
            let Some(held) = self.held.iter().position(|held| held.claim.segment.has(hash)) else { continue };
            let key = (letter.position, letter.place, self.held[held].claim.segment.id(), true);
            if !flight.contains(&key) {
                self.letter_into(key, letter, held, flight).await?;
            }
        }
        self.letters = store.letter_count(tenant, name).await?.letters > 0;
        let (next, clock) = (store.next_letter(tenant, name).await?, journal.now());
        // One that is due by now is under way, or belongs to another node.
        let wait = next.map_or(config.poll, |due| if due > clock { due.since(clock) } else { config.poll });
        flight.letters_at = Some(now + wait);
        Ok(Some(wait))
    }

    async fn letter_into(
        &mut self,
        key: Key,
        letter: DeadLetter,
        held: usize,
        flight: &mut Flight<'a>,
    ) -> Result<(), Interrupted> {
        if self.is_orphan(&letter) {
            return self.leave_orphan(letter, held).await.map(|_| ());
        }
        let claim = self.held[held].claim.clone();
        let Some(event) = self.processor.journal.event_at(letter.position).await? else {
            // The event is gone, and with it what was to be done.
            let mut transaction = self.processor.journal.store().begin().await?;
            transaction.guard(&[claim]).await?;
            transaction.remove_letter(&letter).await?;
            return Ok(transaction.commit().await?);
        };
        let items = self.router.steps(&event).await;
        let chosen = self.places_of(&letter, &items);
        let hash = Segment::hash_of(&letter.sequence);
        let calls = items.into_iter().filter(|item| chosen.contains(&item.place));
        let entry = Entry {
            event: Arc::new(event),
            calls: calls.map(|item| (item.component, item.fault)).collect(),
            sequence: Some(letter.sequence.as_str().into()),
            hash,
            segment: claim.segment,
            fence: claim.fence,
            letter: Some(letter),
        };
        flight.add(key, entry, false);
        Ok(())
    }
}

/// A step, as a letter names it.
pub(super) struct Named<'a> {
    pub(super) component: &'a str,
    pub(super) place: u32,
    pub(super) sequence: Option<Arc<str>>,
}

impl<'a> Named<'a> {
    pub(super) fn of(item: &Item, component: &'a str) -> Self {
        Self { component, place: item.place, sequence: item.step.sequence.clone() }
    }

    fn sequence(&self) -> &str {
        self.sequence.as_deref().unwrap_or("all")
    }
}
