//! Events that are appended later: how they are kept, and how they are appended when they are due.

use std::sync::Arc;

use async_trait::async_trait;

use crate::command::delivery::{Courier, Deliver, Delivered};
use crate::command::error::CommandFailure;
use crate::handler::error::chain;
use crate::message::{EventId, Metadata, Position, Recorded, StreamId, Timestamp, UpcastError, Version};
use crate::store::{Append, Effect, EffectKind, Limits, NewEvent};

use super::scheduler::Known;

/// The stream that an event is for.
pub(super) fn stream_of(effect: &Effect) -> Option<StreamId> {
    effect.place().map(|(stream, ..)| stream)
}

/// What a scheduled message carries besides what the framework has to remember of it.
pub(super) fn carried(effect: &Effect) -> Metadata {
    let place = effect.place().filter(|_| effect.kind == EffectKind::Event);
    place.map_or_else(|| effect.metadata.clone().without(Effect::REVISION), |(_, _, metadata)| metadata)
}

/// Holds an event to the limits of an append.
///
/// # Errors
/// The limit that is exceeded, or a stream of the framework's own.
pub(super) fn admit(effect: &Effect) -> Result<(), CommandFailure> {
    let events = vec![unchanged(effect, effect.not_before)?];
    Limits::default().admit(&Append { events, ..Append::default() }).map_err(CommandFailure::Append)
}

/// The event as it was scheduled.
fn unchanged(effect: &Effect, now: Timestamp) -> Result<NewEvent, CommandFailure> {
    let (stream, tags, metadata) = effect.place().ok_or_else(|| CommandFailure::Refused {
        reason: format!("the scheduled event `{}` names no stream", effect.name),
    })?;
    Ok(NewEvent {
        stream,
        id: EventId::from(effect.command.uuid()),
        name: effect.name.clone().into(),
        revision: effect.revision(),
        payload: effect.payload.clone(),
        metadata: Arc::new(metadata),
        tags,
        recorded_at: now,
    })
}

/// Has scheduled messages happen: sends commands, and appends events as upcasters lift them, with what runs inline.
pub(super) struct Desk {
    pub(super) courier: Courier,
    pub(super) known: Arc<Known>,
}

#[async_trait]
impl Deliver for Desk {
    fn target(&self, effect: &Effect) -> Option<String> {
        self.courier.target(effect)
    }

    async fn deliver(&self, effect: &Effect) -> Delivered {
        match effect.kind {
            EffectKind::Event => self.append(effect).await,
            _ => self.courier.deliver(effect).await,
        }
    }
}

impl Desk {
    async fn append(&self, effect: &Effect) -> Delivered {
        let events = match self.events(effect) {
            Ok(events) => events,
            Err(failure) => return Delivered::permanent(chain(&failure)),
        };
        if events.is_empty() {
            return Delivered::Accepted(Vec::new());
        }
        match self.courier.bus.append(Append { events, ..Append::default() }).await {
            Ok(_) => Delivered::Accepted(Vec::new()),
            Err(failure) => Delivered::Failed { reason: chain(&failure), permanent: !failure.is_transient() },
        }
    }

    /// The events that are to be appended: as upcasters lift the one that was scheduled. One that is lifted with what earlier
    /// events of its stream have left is appended as it is, and lifted by whoever reads it.
    fn events(&self, effect: &Effect) -> Result<Vec<NewEvent>, CommandFailure> {
        let scheduled = unchanged(effect, self.courier.journal.now())?;
        let upcasters = &self.courier.journal.chains().events;
        if upcasters.asks_for_pass(&effect.name, effect.revision()) {
            return Ok(vec![scheduled]);
        }
        let recorded = recorded(&scheduled);
        let payloads = self.courier.journal.payloads();
        let lifted = upcasters
            .lift(&effect.name, effect.revision(), &effect.payload, Some(&recorded), payloads, None)
            .map_err(unreadable)?;
        let Some(lifted) = lifted else {
            self.known.check_revision(&effect.name, effect.revision())?;
            return Ok(vec![scheduled]);
        };
        let mut events = Vec::with_capacity(lifted.parts.len());
        for (number, part) in lifted.parts.into_iter().enumerate() {
            self.known.check_revision(part.at.name, part.at.revision)?;
            let id = match number {
                0 => scheduled.id,
                _ => EventId::derived(scheduled.id.uuid(), &number.to_string()),
            };
            let payload = payloads.encode(&part.payload);
            events.push(NewEvent {
                id,
                name: part.at.name.into(),
                revision: part.at.revision,
                tags: upcasters.tags(part.at.name, &part.payload).unwrap_or_else(|| scheduled.tags.clone()),
                payload: payload.map_err(|source| CommandFailure::Codec { name: part.at.name.to_owned(), source })?,
                ..scheduled.clone()
            });
        }
        Ok(events)
    }
}

pub(super) fn unreadable(source: UpcastError) -> CommandFailure {
    CommandFailure::Refused { reason: chain(&source) }
}

/// What an upcaster may ask about an event that has no place yet.
fn recorded(event: &NewEvent) -> Recorded {
    Recorded {
        position: Position::START,
        stream: event.stream.clone(),
        version: Version::FIRST,
        id: event.id,
        name: event.name.clone(),
        revision: event.revision,
        recorded_at: event.recorded_at,
        metadata: (*event.metadata).clone().into(),
    }
}
