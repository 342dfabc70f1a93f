//! Events as a test writes them down.

use crate::message::{
    Event, EventId, Json, Metadata, Name, Payloads, Position, Recorded, RecordedEvent, StreamId, Tag, Timestamp,
    Version,
};

use super::messages::Message;

/// Events of any kind: one, an array, a `Vec`, a tuple, `()`, or what [`recorded`](super::recorded) reads from a file.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event",
    note = "expected one event, an array, a `Vec` or a tuple of events, or `recorded(\"..\")`"
)]
pub trait Facts {
    /// Adds the events as they would be stored, in order.
    #[doc(hidden)]
    fn add_to(self, facts: &mut Vec<Fact>);
}

/// One event as it would be stored.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct Fact {
    pub(super) name: Name,
    pub(super) revision: u32,
    pub(super) payload: Vec<u8>,
    pub(super) tags: Vec<Tag>,
    /// What a file tells of it besides.
    pub(super) origin: Option<Box<Origin>>,
}

/// What is known of an event that was stored before.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) stream: StreamId,
    pub(super) id: EventId,
    pub(super) metadata: Metadata,
    pub(super) recorded_at: Timestamp,
}

impl Fact {
    pub(super) fn of<E: Event>(event: &E) -> Self {
        let encoded = Payloads::json().encode(event);
        let payload = encoded.unwrap_or_else(|error| panic!("the event `{}` cannot be encoded: {error}", E::NAME));
        Self { name: E::NAME.into(), revision: E::REVISION, payload, tags: event.tags(), origin: None }
    }

    /// The event in a log, at `number`.
    pub(super) fn recorded(&self, number: u64, at: Timestamp) -> RecordedEvent {
        let origin = self.origin.as_deref().cloned().unwrap_or_else(|| Origin {
            stream: StreamId::new("test", "test"),
            id: EventId::derived(uuid::Uuid::NAMESPACE_OID, &format!("{number} {}", self.name)),
            metadata: Metadata::new().with(Metadata::CORRELATION_ID, "test"),
            recorded_at: at,
        });
        RecordedEvent {
            recorded: Recorded {
                position: Position::new(number),
                stream: origin.stream,
                version: Version::new(number).unwrap_or(Version::FIRST),
                id: origin.id,
                name: self.name.clone(),
                revision: self.revision,
                recorded_at: origin.recorded_at,
                metadata: origin.metadata.into(),
            },
            payload: self.payload.clone(),
        }
    }

    /// Name and payload, to compare and to show.
    pub(super) fn described(&self) -> Message {
        (self.name.to_string(), serde_json::from_slice(&self.payload).unwrap_or(Json::Null))
    }
}

/// Stored names and payloads of `facts`.
pub(super) fn described(facts: &[Fact]) -> Vec<Message> {
    facts.iter().map(Fact::described).collect()
}

pub(super) fn facts(facts: impl Facts) -> Vec<Fact> {
    let mut all = Vec::new();
    facts.add_to(&mut all);
    all
}

impl<E: Event> Facts for E {
    fn add_to(self, facts: &mut Vec<Fact>) {
        facts.push(Fact::of(&self));
    }
}

impl<T: Facts> Facts for Vec<T> {
    fn add_to(self, facts: &mut Vec<Fact>) {
        self.into_iter().for_each(|fact| fact.add_to(facts));
    }
}

impl<T: Facts, const N: usize> Facts for [T; N] {
    fn add_to(self, facts: &mut Vec<Fact>) {
        self.into_iter().for_each(|fact| fact.add_to(facts));
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        impl<$($part: Facts),*> Facts for ($($part,)*) {
            #[allow(non_snake_case, unused_variables, reason = "the empty tuple uses nothing")]
            fn add_to(self, facts: &mut Vec<Fact>) {
                let ($($part,)*) = self;
                $($part.add_to(facts);)*
            }
        }
    )*};
}
tuples! { () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
