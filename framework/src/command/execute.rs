//! What all kinds of execution share: settings, appending what was decided, answering repeats.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::aggregate::Events;
use crate::handler::{Context, HandlerError, Resources, panic_message};
use crate::message::{Command, EventId, Position, Recorded, RecordedEvent, StreamId, Version};
use crate::store::{
    Append, AppendError, Appended, CommandRecord, Condition, Conflict, Expected, Journal, NewEvent, Outcome,
};

use super::config::CommandConfig;
use super::error::{CommandError, CommandFailure, Rejection};
use super::inline::Inline;
use super::interceptor::CommandInterceptor;
use super::lane::{Lane, Lanes};
use super::message::{CommandMessage, CommandResult, Executed};

/// How often an append is repeated whose outcome is unknown, or whose inline documents have moved.
const APPEND_ATTEMPTS: u32 = 16;

/// What every handler of commands works with.
#[derive(Clone)]
pub(crate) struct Executor {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    pub(crate) config: Arc<CommandConfig>,
    pub(crate) handling: Arc<[Arc<dyn CommandInterceptor>]>,
    pub(crate) inline: Arc<[Arc<dyn Inline>]>,
    /// Appends that concern the same document of an inline view take turns.
    pub(crate) documents: Arc<Lanes<()>>,
}

/// What a handler decided.
pub(crate) enum Decided<S, C: Command> {
    Done { events: Events<S>, reply: C::Reply },
    Rejected(C::Error),
    Failed(CommandFailure),
}

/// What an append rests on.
pub(crate) struct Basis {
    pub(crate) expected: Vec<(StreamId, Expected)>,
    pub(crate) condition: Option<Condition>,
    pub(crate) stream: StreamId,
    /// The version and position that the decision saw.
    pub(crate) version: Option<Version>,
    pub(crate) position: Position,
}

impl Executor {
    pub(crate) fn context<'a>(&'a self, message: &'a CommandMessage, version: Option<Version>) -> Context<'a> {
        Context::new(self.journal.now(), &message.metadata, &self.resources).with_command(message.id, version)
    }

    /// Stores `events` and the record of the command. A repeat of the command is an `Err` with its record.
    pub(crate) async fn append<S>(
        &self,
        message: &CommandMessage,
        basis: &Basis,
        events: &Events<S>,
        outcome: impl Fn() -> Result<Outcome, CommandFailure> + Send + Sync,
    ) -> Result<Appended, CommandFailure> {
        let now = self.journal.now();
        let metadata = Arc::new(message.metadata.caused_by_command(message.id));
        let mut stored = Vec::with_capacity(events.len());
        for event in events.iter() {
            let payload = event
                .encode(self.journal.payloads())
                .map_err(|source| CommandFailure::Codec { name: event.name().to_owned(), source })?;
            stored.push(NewEvent {
                stream: basis.stream.clone(),
                id: EventId::new(),
                name: event.name().into(),
                revision: event.revision(),
                payload,
                metadata: Arc::clone(&metadata),
                tags: event.tags(),
                recorded_at: now,
            });
        }
        let command = match message.recorded {
            false => None,
            true => Some(CommandRecord {
                id: message.id,
                name: message.name.to_owned(),
                target: message.target.clone(),
                outcome: outcome()?,
                recorded_at: now,
                position: basis.position,
                version: basis.version,
            }),
        };
        let append = Append {
            snapshots: Vec::new(),
            tenant: String::new(),
            events: stored,
            expected: basis.expected.clone(),
            condition: basis.condition.clone(),
            command,
            documents: Vec::new(),
        };
        self.submit(append).await
    }

    /// Appends until the outcome is known. Documents of inline views are folded anew when another node has moved them.
    async fn submit(&self, append: Append) -> Result<Appended, CommandFailure> {
        let events: Vec<RecordedEvent> = match self.inline.is_empty() {
            true => Vec::new(),
            false => append.events.iter().map(unplaced).collect(),
        };
        let lanes = self.document_lanes(&events)?;
        let mut turns = Vec::with_capacity(lanes.len());
        for lane in &lanes {
            turns.push(lane.turn().await);
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut tried = append.clone();
            for inline in self.inline.iter() {
                tried.documents.extend(inline.writes(&events).await.map_err(inline_failure)?);
            }
            match self.journal.append(tried).await {
                Err(AppendError::Conflict(Conflict::Document { .. }) | AppendError::OutcomeUnknown { .. })
                    if attempt < APPEND_ATTEMPTS =>
                {
                    tokio::time::sleep(self.config.conflict_pause * attempt).await;
                }
                other => return Ok(other?),
            }
        }
    }

    /// The lanes of the documents that `events` concern, in an order that all appends share.
    fn document_lanes(&self, events: &[RecordedEvent]) -> Result<Vec<Arc<Lane<()>>>, CommandFailure> {
        let mut keys = BTreeSet::new();
        for inline in self.inline.iter().filter(|_| !events.is_empty()) {
            keys.extend(inline.turns(events).map_err(inline_failure)?);
        }
        let lane = |key: &String| {
            let busy = |waiting| CommandFailure::Busy {
                stream: StreamId::new("view", key.as_str()),
                waiting,
                limit: self.documents.limit(),
            };
            self.documents.lane(key).map_err(busy)
        };
        keys.iter().map(lane).collect()
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
                let (version, position) = (record.version, record.position);
                Ok(Executed { version, position, stream: stream.cloned(), repeated: true, reply: Box::new(reply) })
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

fn inline_failure(error: HandlerError) -> CommandFailure {
    CommandFailure::Handler { command: "an inline view".to_owned(), source: error.into_source() }
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
