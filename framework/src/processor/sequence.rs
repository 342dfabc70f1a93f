//! Which events are handled one after the other.

use std::fmt;
use std::sync::Arc;

use crate::message::{Payloads, RecordedEvent};

use super::component::Step;

/// Which events of a processor are handled one after the other, in the order of the store. What does not belong together may
/// be handled at the same time, on several nodes, and goes on where another sequence is held up by an event that fails.
///
/// It holds for handlers with rows of their own. The events of a view belong together by document, and those of a saga by instance.
///
/// ```
/// use annals::Annals;
/// use annals::processor::SequencingPolicy;
///
/// let builder = Annals::builder().processor("sales", |sales| sales.sequence = SequencingPolicy::property("customer"));
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum SequencingPolicy {
    /// The events of one stream. The default.
    #[default]
    Stream,
    /// All events.
    Full,
    /// None: each event stands for itself.
    Concurrent,
    /// Events whose metadata have the same value under this key; of those without it, the ones of one stream.
    Metadata(Arc<str>),
    /// Events whose payloads have the same value in this field, as stored; of those without it, the ones of one stream.
    Property(Arc<str>),
    /// Every event is handled once for each segment: for handlers that keep something by segment.
    Broadcast,
    /// Events for which the function gives the same text.
    By(SequenceFn),
}

/// Names the sequence of an event.
pub type SequenceFn = Arc<dyn Fn(&RecordedEvent) -> String + Send + Sync>;

impl SequencingPolicy {
    /// By the value of a metadata key.
    pub fn metadata(key: impl Into<Arc<str>>) -> Self {
        Self::Metadata(key.into())
    }

    /// By the value of a field of the payload.
    pub fn property(field: impl Into<Arc<str>>) -> Self {
        Self::Property(field.into())
    }

    /// By a function, whose answers never change for an event: they decide which segment handles it.
    pub fn by(sequence: impl Fn(&RecordedEvent) -> String + Send + Sync + 'static) -> Self {
        Self::By(Arc::new(sequence))
    }

    /// The step of `event`.
    pub(crate) fn step(&self, event: &RecordedEvent, payloads: &Payloads) -> Step {
        match self {
            Self::Stream => by_stream(event),
            Self::Full => Step::of("all"),
            Self::Concurrent => Step::of(event.recorded.position.to_string()),
            Self::Metadata(key) => {
                let value = event.recorded.metadata().get(key);
                value.map_or_else(|| by_stream(event), |value| Step::of(format!("{key}={value}")))
            }
            Self::Property(field) => property(event, field, payloads).unwrap_or_else(|| by_stream(event)),
            Self::Broadcast => Step { sequence: None, hash: 0, work: None },
            Self::By(name) => Step::of(name(event)),
        }
    }
}

/// The step of an event whose sequence is its stream.
pub(crate) fn by_stream(event: &RecordedEvent) -> Step {
    Step::of(event.recorded.stream.to_string())
}

fn property(event: &RecordedEvent, field: &str, payloads: &Payloads) -> Option<Step> {
    let payload: serde_json::Value = payloads.decode(&event.payload).ok()?;
    Some(match payload.get(field)? {
        serde_json::Value::String(text) => Step::of(format!("{field}.{text}")),
        other => Step::of(format!("{field}.{other}")),
    })
}

impl fmt::Debug for SequencingPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream => f.write_str("Stream"),
            Self::Full => f.write_str("Full"),
            Self::Concurrent => f.write_str("Concurrent"),
            Self::Metadata(key) => write!(f, "Metadata({key})"),
            Self::Property(field) => write!(f, "Property({field})"),
            Self::Broadcast => f.write_str("Broadcast"),
            Self::By(_) => f.write_str("By(..)"),
        }
    }
}
