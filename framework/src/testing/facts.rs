//! Events as a test writes them down.

use crate::message::{
    Event, EventId, Json, Metadata, Payloads, Position, Recorded, RecordedEvent, StreamId, Tag, Timestamp, Version,
};

/// Events of any kind: one, an array, a `Vec`, a tuple, or `()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event",
    note = "expected one event, or an array, a `Vec` or a tuple of events"
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
    pub(super) name: &'static str,
    pub(super) revision: u32,
    pub(super) payload: Vec<u8>,
    pub(super) tags: Vec<Tag>,
}

impl Fact {
    pub(super) fn of<E: Event>(event: &E) -> Self {
        let encoded = Payloads::json().encode(event);
        let payload = encoded.unwrap_or_else(|error| panic!("the event `{}` cannot be encoded: {error}", E::NAME));
        Self { name: E::NAME, revision: E::REVISION, payload, tags: event.tags() }
    }

    /// The event in a log, at `number`.
    pub(super) fn recorded(&self, number: u64, at: Timestamp) -> RecordedEvent {
        let metadata = Metadata::new().with(Metadata::CORRELATION_ID, "test");
        RecordedEvent {
            recorded: Recorded {
                position: Position::new(number),
                stream: StreamId::new("test", "test"),
                version: Version::new(number).unwrap_or(Version::FIRST),
                id: EventId::derived(uuid::Uuid::NAMESPACE_OID, &format!("{number} {}", self.name)),
                name: self.name.into(),
                revision: self.revision,
                recorded_at: at,
                metadata: metadata.into(),
            },
            payload: self.payload.clone(),
        }
    }

    /// Name and payload, to compare and to show.
    pub(super) fn described(&self) -> (String, Json) {
        (self.name.to_owned(), serde_json::from_slice(&self.payload).unwrap_or(Json::Null))
    }
}

pub(super) fn facts(facts: impl Facts) -> Vec<Fact> {
    let mut all = Vec::new();
    facts.add_to(&mut all);
    all
}

/// Messages as lines of name and payload.
pub(super) fn lines(messages: &[(String, Json)]) -> String {
    if messages.is_empty() {
        return "  (none)".to_owned();
    }
    messages.iter().map(|(name, payload)| format!("  {name} {payload}")).collect::<Vec<_>>().join("\n")
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
