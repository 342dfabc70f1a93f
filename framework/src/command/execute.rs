//! What all kinds of execution share: settings, appending what was decided, answering repeats.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::aggregate::{Awaited, Events, KeyChange};
use crate::handler::{Context, HandlerError, Resources, panic_message};
use crate::message::{
    Command, CommandId, EventId, Metadata, Position, Recorded, RecordedEvent, StreamId, Timestamp, Version,
};
use crate::store::{
    Append, AppendError, Appended, CommandRecord, Condition, Conflict, Effect, EffectKind, EffectWrite, Expected,
    Journal, NewEvent, Outcome, Read, ReadError, StoreTransaction,
};

use super::class::Senders;
use super::config::CommandConfig;
use super::error::{CommandError, CommandFailure, Rejection};
use super::inline::{Inline, InlineRows, RowsRefused};
use super::interceptor::Interceptors;
use super::keys;
use super::lane::{Appending, Lanes, Turn};
use super::message::{CommandMessage, CommandResult, Executed};
use super::monitor::Observer;
use super::schedule::Scheduler;

/// How often an append is repeated whose outcome is unknown, or whose inline documents have moved.
const APPEND_ATTEMPTS: u32 = 16;

/// How many events of a stream are looked at for one whose append has no known outcome.
const LATEST: usize = 1000;

/// What every handler of commands works with.
#[derive(Clone)]
pub(crate) struct Executor {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    pub(crate) config: Arc<CommandConfig>,
    pub(crate) handling: Interceptors,
    /// Tell what became of commands that a handler sent.
    pub(crate) senders: Senders,
    pub(crate) observer: Observer,
    pub(crate) inline: Arc<[Arc<dyn Inline>]>,
    /// Event handlers that write rows of their own with the append.
    pub(crate) rows: InlineRows,
    /// Appends that concern the same document of an inline view take turns.
    pub(crate) documents: Arc<Lanes<()>>,
}

/// What a handler decided.
pub(crate) enum Decided<S, C: Command> {
    Done { events: Events<S>, reply: C::Reply },
    Rejected(C::Error),
    Failed(CommandFailure),
}

impl<S, C: Command> Decided<S, C> {
    /// What was done, or why nothing was.
    pub(crate) fn done(self) -> Result<(Events<S>, C::Reply), CommandError> {
        match self {
            Self::Done { events, reply } => Ok((events, reply)),
            Self::Rejected(error) => Err(CommandError::Rejected(Rejection::new(error))),
            Self::Failed(failure) => Err(failure.into()),
        }
    }
}

/// What an append rests on.
pub(crate) struct Basis {
    /// The instant of the decision.
    pub(crate) now: Timestamp,
    /// What the stream must be like.
    pub(crate) expected: Option<Expected>,
    /// The newest event in the state, if it was not known to be stored.
    pub(crate) rests_on: Option<EventId>,
    pub(crate) condition: Option<Condition>,
    pub(crate) stream: StreamId,
    /// The version and position that the decision saw.
    pub(crate) version: Option<Version>,
    pub(crate) position: Position,
}

/// An append on its way to the store.
pub(crate) struct HandedOver {
    pub(crate) appending: Appending,
    /// Its last event, if it has any.
    pub(crate) last: Option<EventId>,
    /// Whether it writes documents of inline views, or rows of inline handlers. Those are read and written under turns of their
    /// own; nothing is decided ahead of them.
    inline: bool,
}

impl HandedOver {
    /// Brings the append to its place in the store, behind what was handed over before. It is pending where the next
    /// decision may be made ahead of it.
    pub(crate) async fn begin(&mut self) -> Poll<Result<Appended, CommandFailure>> {
        if self.inline {
            return Poll::Ready((&mut self.appending).await);
        }
        // Polled once, the append has its place. Tokio's budget for a task must not keep it from that.
        let mut first = tokio::task::unconstrained(&mut self.appending);
        std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut first).poll(context))).await
    }
}

impl Executor {
    /// What surrounds `message` when it is decided at `now`.
    pub(crate) fn context<'a>(
        &'a self,
        message: &'a CommandMessage,
        now: Timestamp,
        version: Option<Version>,
    ) -> Context<'a> {
        Context::new(now, &message.metadata, &self.resources).with_command(message.id, version)
    }

    /// Stores `events` and the record of the command. A repeat of the command is an `Err` with its record.
    pub(crate) async fn append<S>(
        &self,
        message: &CommandMessage,
        basis: &Basis,
        events: &Events<S>,
        outcome: impl Fn() -> Result<Outcome, CommandFailure> + Send + Sync,
    ) -> Result<Appended, CommandFailure> {
        let append = self.prepare(message, basis, events, outcome)?;
        self.submit(append, Vec::new()).await
    }

    /// The append of `events` and, where the command may be repeated, of its outcome.
    pub(crate) fn prepare<S>(
        &self,
        message: &CommandMessage,
        basis: &Basis,
        events: &Events<S>,
        outcome: impl Fn() -> Result<Outcome, CommandFailure>,
    ) -> Result<Append, CommandFailure> {
        let stored = self.events(message, &basis.stream, basis.now, events)?;
        let effects = self.effects(message, &basis.stream, basis.now, events)?;
        let command = if message.recorded { Some(record(message, basis, outcome()?)) } else { None };
        Ok(Append { events: stored, effects, command, ..resting_on(basis) })
    }

    /// `events` as they are stored in `stream`.
    pub(crate) fn events<S>(
        &self,
        message: &CommandMessage,
        stream: &StreamId,
        now: Timestamp,
        events: &Events<S>,
    ) -> Result<Vec<NewEvent>, CommandFailure> {
        let metadata = Arc::new(message.metadata.caused_by_command(message.id));
        let mut stored = Vec::with_capacity(events.len());
        for event in events.iter() {
            let payload = event
                .encode(self.journal.payloads())
                .map_err(|source| CommandFailure::Codec { name: event.name().to_owned(), source })?;
            stored.push(NewEvent {
                stream: stream.clone(),
                id: EventId::new(),
                name: event.name().into(),
                revision: event.revision(),
                payload,
                metadata: Arc::clone(&metadata),
                tags: event.tags(),
                recorded_at: now,
            });
        }
        Ok(stored)
    }

    /// The deadlines that go with `events`, as they are stored in the scope of `stream`.
    pub(crate) fn effects<S>(
        &self,
        message: &CommandMessage,
        stream: &StreamId,
        now: Timestamp,
        events: &Events<S>,
    ) -> Result<Vec<EffectWrite>, CommandFailure> {
        if events.awaited().is_empty() {
            return Ok(Vec::new());
        }
        let scheduler: Option<&Scheduler> = self.resources.get();
        let metadata = message.metadata.caused_by_command(message.id);
        let writes = events.awaited().iter().map(|deadline| {
            let set = deadline.set.as_ref().map(|(due, command)| {
                if let Some(scheduler) = scheduler {
                    scheduler.known().check_command(command.name())?;
                }
                self.effect(&**command, due.from(now), &metadata)
            });
            let set = set.transpose()?;
            Ok(EffectWrite::of_deadline(Effect::scope_of(stream), deadline.name.clone(), set))
        });
        writes.collect()
    }

    /// `command`, to be sent at `due`.
    fn effect(&self, command: &dyn Awaited, due: Timestamp, metadata: &Metadata) -> Result<Effect, CommandFailure> {
        let payload = command.encode(self.journal.payloads());
        let payload = payload.map_err(|source| CommandFailure::Codec { name: command.name().to_owned(), source })?;
        let metadata = Effect::metadata_at(command.revision(), metadata);
        Ok(Effect::scheduled(CommandId::new(), EffectKind::Command, command.name(), payload, metadata, due))
    }

    /// The append of the outcome of a command without events.
    pub(crate) fn recording(message: &CommandMessage, basis: &Basis, outcome: Outcome) -> Append {
        Append { command: Some(record(message, basis, outcome)), ..resting_on(basis) }
    }

    /// Prepares `append` for the store.
    pub(crate) fn hand_over(&self, append: Append, keys: Vec<KeyChange>) -> HandedOver {
        let last = append.events.last().map(|event| event.id);
        let (appending, inline): (Appending, bool) =
            match self.is_inline(&append).map(|inline| inline || !keys.is_empty()) {
                Ok(false) => (Box::pin(settled(self.journal.clone(), self.config.conflict_pause, append)), false),
                Ok(true) => {
                    let executor = self.clone();
                    (Box::pin(async move { executor.submit(append, keys).await }), true)
                }
                Err(failure) => (Box::pin(std::future::ready(Err(failure))), true),
            };
        HandedOver { appending, last, inline }
    }

    /// Whether documents of inline views, or rows of inline handlers, are written with `append`.
    fn is_inline(&self, append: &Append) -> Result<bool, CommandFailure> {
        let events = self.inline_events(append);
        if self.rows.concerned(&events) {
            return Ok(true);
        }
        for inline in self.inline.iter() {
            if !inline.turns(&events).map_err(inline_failure)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The events of `append` as what runs inline sees them; none where nothing does.
    fn inline_events(&self, append: &Append) -> Vec<RecordedEvent> {
        match self.inline.is_empty() && self.rows.is_empty() {
            true => Vec::new(),
            false => append.events.iter().map(unplaced).collect(),
        }
    }

    /// Appends until the outcome is known. Documents of inline views are folded anew when another node has moved them, and
    /// inline handlers run anew when the database has ended their transaction in favour of another.
    pub(crate) async fn submit(&self, mut append: Append, keys: Vec<KeyChange>) -> Result<Appended, CommandFailure> {
        let events = self.inline_events(&append);
        let rows = self.rows.concerned(&events);
        let _turns = self.document_turns(&events).await?;
        let mut tries = Tries::default();
        loop {
            let mut tried = append.clone();
            let claims = keys::writes(&self.journal, &keys).await;
            tried.documents.extend(claims.map_err(|failure| tries.not_tried(failure))?);
            for inline in self.inline.iter() {
                let writes = inline.writes(&events).await;
                tried.documents.extend(writes.map_err(|error| tries.not_tried(inline_failure(error)))?);
            }
            // What handlers wrote is there if the events are: run again, they would meet their own rows.
            let settled = tries.maybe_stored && rows && self.is_stored(&append).await?;
            let appended = if rows && !settled {
                match self.append_with_rows(tried, &events).await {
                    Ok(appended) => appended,
                    Err(error) if self.has_lost_a_race(&error) && tries.count < APPEND_ATTEMPTS => {
                        tries.count += 1;
                        tokio::time::sleep(self.config.conflict_pause * tries.count).await;
                        continue;
                    }
                    Err(refused) => return Err(tries.not_tried(rows_failure(refused))),
                }
            } else {
                self.journal.append(tried).await
            };
            match appended {
                Ok(appended) => return Ok(appended),
                Err(error) if drop_snapshots(&mut append, &error) => {}
                Err(error) => tokio::time::sleep(self.config.conflict_pause * tries.again(error)?).await,
            }
        }
    }

    /// Commits `transaction` together with `append`. Only who began the transaction can repeat it.
    pub(crate) async fn submit_with(
        &self,
        transaction: Box<dyn StoreTransaction>,
        mut append: Append,
        keys: &[KeyChange],
    ) -> Result<Appended, CommandFailure> {
        append.documents.extend(keys::writes(&self.journal, keys).await?);
        let events = self.inline_events(&append);
        for inline in self.inline.iter() {
            append.documents.extend(inline.writes(&events).await.map_err(inline_failure)?);
        }
        let mut transaction = transaction;
        let after = self.rows.handle(&events, &mut *transaction).await.map_err(rows_failure)?;
        let appended = self.journal.commit_with(transaction, append).await?;
        after.committed();
        Ok(appended)
    }

    /// Whether the last event of `append` is stored, which was appended a moment ago if it was.
    async fn is_stored(&self, append: &Append) -> Result<bool, CommandFailure> {
        let Some(last) = append.events.last() else { return Ok(false) };
        let read = Read::stream(last.stream.clone(), None).backward().without_payloads().limit(LATEST);
        let unknown = |source: ReadError| AppendError::OutcomeUnknown { source: source.into() };
        let page = self.journal.read(read).await.map_err(unknown)?;
        Ok(page.events.iter().any(|event| event.recorded.id == last.id))
    }

    /// Appends in one transaction with what inline handlers write. An error of theirs comes before anything is appended.
    async fn append_with_rows(
        &self,
        append: Append,
        events: &[RecordedEvent],
    ) -> Result<Result<Appended, AppendError>, RowsRefused> {
        let begun = self.journal.store().begin().await;
        let mut transaction =
            begun.map_err(|error| RowsRefused { by: "the store".to_owned(), source: error.into() })?;
        let after = self.rows.handle(events, &mut *transaction).await?;
        let appended = self.journal.commit_with(transaction, append).await;
        if appended.is_ok() {
            after.committed();
        }
        Ok(appended)
    }

    /// Whether the database has ended the transaction of a handler in favour of another one.
    fn has_lost_a_race(&self, refused: &RowsRefused) -> bool {
        self.journal.store().has_lost_a_race(refused.source.source())
    }

    /// Waits for turns at the documents that `events` concern, in an order that all appends share.
    async fn document_turns(&self, events: &[RecordedEvent]) -> Result<Vec<Turn<()>>, CommandFailure> {
        let mut keys = BTreeSet::new();
        for inline in self.inline.iter().filter(|_| !events.is_empty()) {
            keys.extend(inline.turns(events).map_err(inline_failure)?);
        }
        let mut turns = Vec::with_capacity(keys.len());
        for key in keys {
            turns.push(self.documents.turn(&key).await?);
        }
        Ok(turns)
    }

    pub(crate) fn reply<C: Command>(&self, reply: &C::Reply) -> Result<Outcome, CommandFailure> {
        self.journal.payloads().encode(reply).map(Outcome::Done).map_err(|source| codec::<C>(source))
    }

    pub(crate) fn rejection<C: Command>(&self, error: &C::Error) -> Result<Outcome, CommandFailure> {
        self.journal.payloads().encode(error).map(Outcome::Rejected).map_err(|source| codec::<C>(source))
    }

    /// The first answer to a command that is repeated.
    pub(crate) fn answer<C: Command>(
        &self,
        message: &CommandMessage,
        record: CommandRecord,
        stream: Option<&StreamId>,
    ) -> CommandResult {
        if record.name != C::NAME || record.target != message.target {
            return Err(CommandFailure::IdTaken { id: record.id, taken_by: record.name }.into());
        }
        let payloads = self.journal.payloads();
        match record.outcome {
            Outcome::Done(bytes) => {
                let reply: C::Reply = payloads.decode(&bytes).map_err(|source| codec::<C>(source))?;
                let first = Executed::new(stream.cloned(), record.version, record.position, reply);
                Ok(Executed { repeated: true, ..first })
            }
            Outcome::Rejected(bytes) => {
                let error: C::Error = payloads.decode(&bytes).map_err(|source| codec::<C>(source))?;
                Err(CommandError::Rejected(Rejection::new(error)))
            }
        }
    }

    /// The record of a command that may be a repeat.
    pub(crate) async fn recorded(&self, message: &CommandMessage) -> Result<Option<CommandRecord>, CommandFailure> {
        if !message.recorded {
            return Ok(None);
        }
        Ok(self.journal.store().command(self.journal.tenant(), message.id).await?)
    }
}

/// Appends until the outcome is known.
async fn settled(journal: Journal, pause: Duration, append: Append) -> Result<Appended, CommandFailure> {
    let may_be_repeated = journal.store().outcomes_may_be_unknown() || !append.snapshots.is_empty();
    let copy = may_be_repeated.then(|| Box::new(append.clone()));
    match (journal.append(append).await, copy) {
        (Ok(appended), _) => Ok(appended),
        (Err(error), Some(copy)) => Box::pin(repeated(journal, pause, *copy, error)).await,
        (Err(error), None) => Err(error.into()),
    }
}

/// Repeats an append that has ended with `error`, as far as that can settle it.
async fn repeated(
    journal: Journal,
    pause: Duration,
    mut append: Append,
    mut error: AppendError,
) -> Result<Appended, CommandFailure> {
    let mut tries = Tries::default();
    loop {
        if !drop_snapshots(&mut append, &error) {
            tokio::time::sleep(pause * tries.again(error)?).await;
        }
        match journal.append(append.clone()).await {
            Ok(appended) => return Ok(appended),
            Err(next) => error = next,
        }
    }
}

/// Takes the snapshots from `append` where they may be why it was refused: they cost nothing but speed (guarantee 9). The
/// append keeps its place, since it is repeated at once.
fn drop_snapshots(append: &mut Append, error: &AppendError) -> bool {
    let at_fault = matches!(error, AppendError::Limit(_) | AppendError::Unavailable { .. } | AppendError::Full { .. });
    if append.snapshots.is_empty() || !at_fault {
        return false;
    }
    tracing::warn!(%error, "an append was refused with its snapshot, and is tried without");
    append.snapshots.clear();
    true
}

/// Counts how often an append was tried, and remembers whether it may have been stored.
#[derive(Default)]
struct Tries {
    count: u32,
    maybe_stored: bool,
}

impl Tries {
    /// How often the append was tried, where trying it again may settle it or may go well.
    ///
    /// # Errors
    /// What is to be reported instead. An append that may have been stored once is never reported as not stored on
    /// grounds that do not prove it.
    fn again(&mut self, error: AppendError) -> Result<u32, AppendError> {
        self.count += 1;
        match error {
            AppendError::OutcomeUnknown { .. } => self.maybe_stored = true,
            AppendError::Conflict(Conflict::Document { .. }) => {}
            // The store looks for the events first: it has met the append, and does not have it.
            AppendError::Conflict(_) | AppendError::CommandRepeated(_) => return Err(error),
            _ if self.maybe_stored => {}
            _ => return Err(error),
        }
        if self.count < APPEND_ATTEMPTS {
            return Ok(self.count);
        }
        Err(match error {
            known @ (AppendError::OutcomeUnknown { .. } | AppendError::Conflict(_)) => known,
            other => AppendError::OutcomeUnknown { source: other.into() },
        })
    }

    /// What is to be reported where the append cannot be tried again.
    fn not_tried(&self, failure: CommandFailure) -> CommandFailure {
        if self.maybe_stored { AppendError::OutcomeUnknown { source: failure.into() }.into() } else { failure }
    }
}

/// An append of nothing that rests on `basis`.
fn resting_on(basis: &Basis) -> Append {
    Append {
        expected: basis.expected.map(|expected| (basis.stream.clone(), expected)).into_iter().collect(),
        rests_on: basis.rests_on,
        condition: basis.condition.clone(),
        ..Append::default()
    }
}

fn record(message: &CommandMessage, basis: &Basis, outcome: Outcome) -> CommandRecord {
    CommandRecord {
        id: message.id,
        name: message.name.to_owned(),
        target: message.target.clone(),
        outcome,
        recorded_at: basis.now,
        position: basis.position,
        version: basis.version,
    }
}

fn inline_failure(error: HandlerError) -> CommandFailure {
    CommandFailure::handler("an inline view", error)
}

fn rows_failure(refused: RowsRefused) -> CommandFailure {
    CommandFailure::handler(format!("{} (inline)", refused.by), refused.source)
}

fn codec<C: Command>(source: crate::message::CodecError) -> CommandFailure {
    CommandFailure::Codec { name: C::NAME.to_owned(), source }
}

/// The event as an inline view sees it: without a place.
fn unplaced(event: &NewEvent) -> RecordedEvent {
    RecordedEvent {
        recorded: Recorded {
            position: Position::START,
            stream: event.stream.clone(),
            version: Version::FIRST,
            id: event.id,
            name: event.name.clone(),
            revision: event.revision,
            recorded_at: event.recorded_at,
            metadata: (*event.metadata).clone().into(),
        },
        payload: event.payload.clone(),
    }
}

/// Runs handler code; a panic becomes an error.
pub(crate) fn guarded<T>(command: &'static str, run: impl FnOnce() -> T) -> Result<T, CommandFailure> {
    std::panic::catch_unwind(AssertUnwindSafe(run))
        .map_err(|panic| CommandFailure::Panicked { command: command.to_owned(), message: panic_message(&*panic) })
}
