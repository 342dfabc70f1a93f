//! The streaming processor: follows the store, one page after the other.

use std::collections::{BTreeSet, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::handler::{AfterCommit, HandlerError, error::chain, panic_message};
use crate::message::{Position, RecordedEvent};
use crate::store::{
    Claim, ClaimError, DeadLetter, Journal, LetterState, Page, Read, ReadError, StoreError, StoreTransaction, holding,
};

use super::component::{Batch, EventComponent};
use super::config::ProcessorConfig;
use super::error::ReplayError;
use super::newer::{NewerRevision, is_newer};
use super::progress::Progress;

/// A token that has nothing to handle is written back when it is so many positions behind.
const IDLE_TOKEN_LAG: u64 = 4096;
/// How long a shut-down waits for a handler that is under way.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// The pause after the store failed, and between attempts to claim.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Runs components over the events, in order.
pub(crate) struct StreamingProcessor {
    pub(crate) name: String,
    pub(crate) components: Vec<Arc<dyn EventComponent>>,
    pub(crate) journal: Journal,
    pub(crate) config: Arc<ProcessorConfig>,
    pub(crate) progress: Progress,
    pub(crate) stop: CancellationToken,
}

/// Why a processor lets go of its claim.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl StreamingProcessor {
    /// Runs until it is stopped. A store that fails is tried again; a claim that is lost is claimed again.
    pub(crate) async fn run(self) {
        while !self.stop.is_cancelled() {
            match self.journal.store().claim(self.journal.tenant(), &self.name).await {
                Ok(claim) => {
                    tracing::debug!(processor = self.name, position = %claim.position, "claimed");
                    let ended = Running::new(&self, claim).run().await;
                    self.progress.claim.send_replace(None);
                    if let Err(error) = ended {
                        tracing::warn!(processor = self.name, error = chain(&error), "interrupted");
                    }
                }
                Err(ClaimError::Held { owner, .. }) => tracing::debug!(processor = self.name, owner, "runs elsewhere"),
                Err(error) => tracing::warn!(processor = self.name, error = chain(&error), "cannot be claimed"),
            }
            self.pause(STORE_PAUSE).await;
        }
    }

    async fn pause(&self, duration: Duration) {
        let _ = tokio::time::timeout(duration, self.stop.cancelled()).await;
    }

    async fn letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.journal.store().dead_letters(self.journal.tenant(), &self.name, limit).await
    }

    fn criteria(&self) -> crate::store::Criteria {
        let names: BTreeSet<&'static str> =
            self.components.iter().flat_map(|component| component.events().iter().copied()).collect();
        Journal::named(&names.into_iter().collect::<Vec<_>>())
    }
}

/// A processor while it holds its claim.
struct Running<'a> {
    processor: &'a StreamingProcessor,
    claim: Claim,
    /// What is handled.
    position: Position,
    /// What the stored token says.
    token: Position,
    /// Whether there may be dead letters.
    letters: bool,
    /// The event that it waits before, since it is of a newer revision.
    waits_before: Option<Position>,
}

impl<'a> Running<'a> {
    fn new(processor: &'a StreamingProcessor, claim: Claim) -> Self {
        let position = claim.position;
        Self { processor, claim, position, token: position, letters: true, waits_before: None }
    }

    async fn run(&mut self) -> Result<(), Interrupted> {
        let processor = self.processor;
        processor.progress.position.send_replace(self.position);
        processor.progress.claim.send_replace(Some(self.claim.clone()));
        let criteria = processor.criteria();
        let mut appended = processor.journal.store().appended();
        while !processor.stop.is_cancelled() {
            appended.borrow_and_update();
            self.replay().await?;
            let next_letter = self.retry_letters().await?;
            let read = Read::matching(criteria.clone(), self.position).limit(processor.config.batch);
            let page = processor.journal.read(read).await?;
            let more = page.more;
            self.take(page).await?;
            if self.waits_before.is_some() {
                processor.pause(processor.config.poll).await;
                continue;
            }
            if more {
                continue;
            }
            let wake = next_letter.map_or(processor.config.poll, |wait| wait.min(processor.config.poll));
            tokio::select! {
                _ = appended.changed() => {}
                () = processor.progress.wake.notified() => self.letters = true,
                () = tokio::time::sleep(wake) => self.store_token().await?,
                () = processor.stop.cancelled() => {}
            }
        }
        self.store_token().await
    }

    /// Writes the token back if events that nobody handles have moved it on. Other nodes can then see it.
    async fn store_token(&mut self) -> Result<(), Interrupted> {
        if self.token < self.position {
            let mut transaction = self.processor.journal.store().begin().await?;
            transaction.advance(&self.claim, self.position).await?;
            transaction.commit().await?;
            self.token = self.position;
        }
        Ok(())
    }

    /// Begins again from the oldest event, where somebody asked for it.
    async fn replay(&mut self) -> Result<(), Interrupted> {
        let wanted = std::mem::take(
            &mut *self.processor.progress.replays.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        if wanted.is_empty() {
            return Ok(());
        }
        let mut transaction = self.processor.journal.store().begin().await?;
        let mut reset = Ok(());
        let after = AfterCommit::default();
        for component in &self.processor.components {
            let ended = AssertUnwindSafe(holding(component.reset(&mut *transaction))).catch_unwind().await;
            let ended = ended.unwrap_or_else(|panic| Err(panicked(&**component, &*panic)));
            reset = ended.map(|done| after.join(done)).map_err(|error| ReplayError::Refused {
                processor: self.processor.name.clone(),
                reason: error.to_string(),
            });
            if reset.is_err() {
                break;
            }
        }
        if reset.is_ok() {
            // The replay meets the events of dead letters in their order; tried beside it they would come too early.
            for letter in self.processor.letters(usize::MAX).await? {
                transaction.remove_letter(&letter.tenant, &letter.processor, letter.position).await?;
            }
            transaction.reset(&self.claim, Position::START).await?;
            transaction.commit().await?;
            after.committed();
            (self.position, self.token) = (Position::START, Position::START);
            self.processor.progress.position.send_replace(Position::START);
        }
        for answer in wanted {
            // Whoever asked may have gone away.
            let _ = answer.send(reset.clone());
        }
        Ok(())
    }

    /// Handles a page, and reports how far that is.
    async fn take(&mut self, page: Page) -> Result<(), Interrupted> {
        if page.scanned <= self.position {
            return Ok(());
        }
        if !page.events.is_empty() {
            let mut scanned = page.scanned;
            if self.handle_together(&page).await? {
                self.waits_before = None;
            } else {
                scanned = self.handle_one_by_one(&page).await?;
            }
            self.token = scanned;
            self.processor.components.iter().for_each(|component| component.committed());
            self.position = scanned;
        } else if page.scanned.get() - self.token.get() >= IDLE_TOKEN_LAG {
            self.position = page.scanned;
            self.store_token().await?;
        } else {
            self.position = page.scanned;
        }
        self.processor.progress.position.send_replace(self.position);
        Ok(())
    }

    /// The quick way: all events of the page in one go. Gives up, with nothing written, at the first that fails.
    async fn handle_together(&mut self, page: &Page) -> Result<bool, Interrupted> {
        let mut transaction = self.processor.journal.store().begin().await?;
        let held = self.held(&mut *transaction, page).await?;
        if page.events.iter().any(|event| held.contains(&sequence(event))) {
            return Ok(false);
        }
        let events: Vec<&RecordedEvent> = page.events.iter().collect();
        let after = match self.handle(&events, &mut *transaction).await {
            Ok(after) => after,
            Err(error) => {
                tracing::debug!(processor = self.processor.name, %error, "a page failed, its events are handled one by one");
                return Ok(false);
            }
        };
        transaction.advance(&self.claim, page.scanned).await?;
        transaction.commit().await?;
        after.committed();
        Ok(true)
    }

    /// The careful way: an event that fails is undone and put aside, and its sequence behind it. Gives how far that is.
    async fn handle_one_by_one(&mut self, page: &Page) -> Result<Position, Interrupted> {
        let mut transaction = self.processor.journal.store().begin().await?;
        let mut held = self.held(&mut *transaction, page).await?;
        let after = AfterCommit::default();
        let mut before = None;
        for event in &page.events {
            let sequence = sequence(event);
            let failed = if held.contains(&sequence) {
                Some((0, "waits behind an event of the same sequence".to_owned()))
            } else {
                transaction.mark().await?;
                match self.handle(&[event], &mut *transaction).await {
                    Ok(done) => {
                        after.join(done);
                        None
                    }
                    Err(error) => {
                        transaction.undo_to_mark().await?;
                        let newer = self.newer(event, &error);
                        if newer == NewerRevision::Stop {
                            before = Some(event.recorded.position);
                            break;
                        }
                        tracing::warn!(
                            processor = self.processor.name, position = %event.recorded.position,
                            event = %event.recorded.name, %error, "an event failed"
                        );
                        (newer != NewerRevision::Skip).then(|| (1, error.to_string()))
                    }
                }
            };
            if let Some((attempts, error)) = failed {
                let letter = self.letter(event, sequence.clone(), attempts, error);
                transaction.add_letter(letter).await?;
                held.insert(sequence);
                self.letters = true;
            }
        }
        let scanned = before.map_or(page.scanned, |before| Position::new(before.get() - 1));
        self.wait_before(before);
        if scanned > self.position {
            transaction.advance(&self.claim, scanned).await?;
            transaction.commit().await?;
            after.committed();
        }
        Ok(scanned)
    }

    /// What is to become of an event that has failed with `error`: it is parked, unless it is of a newer revision.
    fn newer(&self, event: &RecordedEvent, error: &HandlerError) -> NewerRevision {
        if is_newer(event, error) { self.processor.config.newer } else { NewerRevision::Park }
    }

    fn wait_before(&mut self, event: Option<Position>) {
        if let Some(position) = event.filter(|_| self.waits_before != event) {
            tracing::error!(
                processor = self.processor.name, %position,
                "a processor waits before an event of a newer revision: update this program"
            );
        }
        self.waits_before = event;
    }

    /// Has every component handle `events`. A panic is an error. Gives what is to be done after the commit.
    async fn handle(
        &self,
        events: &[&RecordedEvent],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<AfterCommit, HandlerError> {
        let after = AfterCommit::default();
        for component in &self.processor.components {
            let StreamingProcessor { config, stop, .. } = self.processor;
            after.join(handle_with(&**component, events, transaction, config, stop).await?);
        }
        Ok(after)
    }

    async fn held(&self, transaction: &mut dyn StoreTransaction, page: &Page) -> Result<HashSet<String>, StoreError> {
        if !self.letters {
            return Ok(HashSet::new());
        }
        let sequences: BTreeSet<String> = page.events.iter().map(sequence).collect();
        let sequences: Vec<String> = sequences.into_iter().collect();
        Ok(transaction
            .held_sequences(self.processor.journal.tenant(), &self.processor.name, &sequences)
            .await?
            .into_iter()
            .collect())
    }

    fn letter(&self, event: &RecordedEvent, sequence: String, attempts: u32, error: String) -> DeadLetter {
        let now = self.processor.journal.now();
        DeadLetter {
            tenant: self.processor.journal.tenant().to_owned(),
            processor: self.processor.name.clone(),
            sequence,
            position: event.recorded.position,
            attempts,
            state: self.after_attempt(attempts),
            error,
            since: now,
        }
    }

    /// What becomes of an event after so many attempts; 0 for one that waits behind another.
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
    async fn retry_letters(&mut self) -> Result<Option<Duration>, Interrupted> {
        if !self.letters {
            return Ok(None);
        }
        let letters = self.processor.letters(usize::from(u16::MAX)).await?;
        self.letters = !letters.is_empty();
        let mut blocked = HashSet::new();
        let mut next = None;
        for letter in letters {
            if blocked.contains(&letter.sequence) || self.processor.stop.is_cancelled() {
                continue;
            }
            match letter.state {
                LetterState::Parked => {
                    blocked.insert(letter.sequence);
                }
                LetterState::Retrying(due) => {
                    let now = self.processor.journal.now();
                    if due <= now && self.retry(&letter).await? {
                        continue;
                    }
                    let wait = if due > now { due.since(now) } else { self.processor.config.pause };
                    next = Some(next.map_or(wait, |next: Duration| next.min(wait)));
                    blocked.insert(letter.sequence);
                }
            }
        }
        Ok(next)
    }

    /// Tries one dead letter; returns whether it is done.
    async fn retry(&self, letter: &DeadLetter) -> Result<bool, Interrupted> {
        let event = self.processor.journal.event_at(letter.position).await?;
        let mut transaction = self.processor.journal.store().begin().await?;
        transaction.guard(&self.claim).await?;
        transaction.mark().await?;
        let handled = match &event {
            Some(event) => self.handle(&[event], &mut *transaction).await,
            None => Ok(AfterCommit::default()),
        };
        let mut after = None;
        let done = match handled {
            Ok(done) => {
                after = Some(done);
                transaction.remove_letter(&letter.tenant, &letter.processor, letter.position).await?
            }
            Err(error) if event.as_ref().is_some_and(|event| self.newer(event, &error) == NewerRevision::Skip) => {
                transaction.undo_to_mark().await?;
                tracing::warn!(processor = letter.processor, position = %letter.position, %error, "an event is skipped");
                transaction.remove_letter(&letter.tenant, &letter.processor, letter.position).await?
            }
            Err(error) => {
                transaction.undo_to_mark().await?;
                let attempts = letter.attempts + 1;
                let state = self.after_attempt(attempts);
                if state == LetterState::Parked {
                    tracing::error!(
                        processor = letter.processor, position = %letter.position, attempts, %error,
                        "an event is parked as a dead letter"
                    );
                }
                transaction
                    .update_letter(
                        &letter.tenant,
                        &letter.processor,
                        letter.position,
                        attempts,
                        state,
                        &error.to_string(),
                    )
                    .await?;
                false
            }
        };
        transaction.commit().await?;
        if let Some(after) = after {
            after.committed();
        }
        if done {
            self.processor.components.iter().for_each(|component| component.committed());
        }
        Ok(done)
    }
}

fn panicked(component: &dyn EventComponent, panic: &(dyn std::any::Any + Send)) -> HandlerError {
    HandlerError::new(format!("a handler of {} panicked: {}", component.label(), panic_message(panic)))
}

/// The default sequencing policy: the events of one stream are one sequence.
fn sequence(event: &RecordedEvent) -> String {
    event.recorded.stream.to_string()
}

/// Has a component handle `events`. A panic is an error, and so is a step that takes too long. Gives what is to be done
/// after the commit.
pub(super) async fn handle_with(
    component: &dyn EventComponent,
    events: &[&RecordedEvent],
    transaction: &mut dyn StoreTransaction,
    config: &ProcessorConfig,
    stop: &CancellationToken,
) -> Result<AfterCommit, HandlerError> {
    let steps = async {
        let mut batch: Box<dyn Batch + '_> = component.batch();
        batch.prepare(events, transaction).await?;
        for event in events {
            in_time(component, batch.handle(event, transaction), config, stop).await?;
        }
        batch.finish(transaction).await
    };
    let handled = AssertUnwindSafe(holding(steps)).catch_unwind().await;
    handled.unwrap_or_else(|panic| Err(panicked(component, &*panic)))
}

/// Gives a handler the time that is configured, or less when the application is shut down.
async fn in_time(
    component: &dyn EventComponent,
    handled: impl Future<Output = Result<(), HandlerError>>,
    config: &ProcessorConfig,
    stop: &CancellationToken,
) -> Result<(), HandlerError> {
    let time = async {
        tokio::select! {
            () = tokio::time::sleep(config.handler_time) => {}
            () = async { stop.cancelled().await; tokio::time::sleep(SHUTDOWN_GRACE).await } => {}
        }
    };
    tokio::select! {
        biased;
        handled = handled => handled,
        () = time => Err(HandlerError::new(format!("a handler of {} took too long", component.label()))),
    }
}
