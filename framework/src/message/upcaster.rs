//! Upcasters lift old payloads to the shape that this program knows, under every read path.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use super::{CodecError, Location, Payloads, Recorded, RecordedEvent};

/// A payload as a generic tree, as an upcaster sees it.
pub type Json = serde_json::Value;

/// One step: from one name and revision to the next. Write it with `#[upcasters]`:
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "order.placed", revision = 2)]
/// struct OrderPlaced { order: String, channel: String }
///
/// #[upcasters]
/// impl OrderPlaced {
///     #[upcast(from = 1)]
///     fn add_channel(mut payload: Json, _recorded: &Recorded) -> Json {
///         payload["channel"] = "shop".into();
///         payload
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct UpcastStep {
    /// The stored name that this step lifts.
    pub from_name: &'static str,
    /// The stored revision that this step lifts.
    pub from: u32,
    /// The name afterwards.
    pub to_name: &'static str,
    /// The revision afterwards.
    pub to: u32,
    /// The step itself.
    pub lift: fn(Json, &Recorded) -> Result<Json, String>,
    /// Where the step is written.
    pub location: Location,
}

/// Why a stored event could not be turned into the type that a handler takes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpcastError {
    /// An upcaster refused the payload.
    #[error("the upcaster of `{name}` from revision {revision} failed: {reason}")]
    Step {
        /// The stored name.
        name: String,
        /// The revision that the step starts from.
        revision: u32,
        /// What the upcaster said.
        reason: String,
    },
    /// The payload has a revision that this program does not know; a newer program wrote it, or an upcaster is missing.
    #[error("`{name}` is stored at revision {stored}, this program reads revision {known}")]
    Revision {
        /// The stored name.
        name: String,
        /// The revision after all upcasters.
        stored: u32,
        /// The revision of the Rust type.
        known: u32,
    },
    /// The payload has another shape than the Rust type.
    #[error("the payload of `{name}` at revision {revision} is unreadable")]
    Payload {
        /// The stored name.
        name: String,
        /// The revision of the payload.
        revision: u32,
        /// What the codec said.
        source: CodecError,
    },
}

/// A fault in the set of upcasters, found at start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpcasterFault {
    /// Two steps start from the same name and revision.
    Duplicate {
        /// The stored name.
        name: String,
        /// The revision that both lift.
        revision: u32,
        /// Where the two are written.
        locations: [Location; 2],
    },
    /// Following the steps leads back to where they began.
    Cycle {
        /// The stored name on the cycle.
        name: String,
        /// The revision on the cycle.
        revision: u32,
        /// Where a step of the cycle is written.
        location: Location,
    },
    /// Events of this name and revision may be stored, and no step leads from them to the current revision.
    Missing {
        /// The stored name.
        name: String,
        /// The revision without a step.
        revision: u32,
        /// The name of the event that the program knows.
        event: String,
        /// The revision that the program knows.
        current: u32,
    },
}

impl fmt::Display for UpcasterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { name, revision, locations: [first, second] } => {
                write!(f, "two upcasters lift `{name}` from revision {revision}: {first} and {second}")
            }
            Self::Cycle { name, revision, location } => {
                write!(f, "the upcasters of `{name}` from revision {revision} run in a circle ({location})")
            }
            Self::Missing { name, revision, event, current } => write!(
                f,
                "no upcaster leads from `{name}` revision {revision} to `{event}` revision {current}: \
                 add `#[upcast(from = {revision})]`"
            ),
        }
    }
}

/// All upcasters of an application, checked and ready.
#[derive(Debug, Default)]
pub struct Upcasters {
    steps: HashMap<&'static str, BTreeMap<u32, UpcastStep>>,
    /// Current name -> the other names under which such events are stored.
    former_names: HashMap<&'static str, BTreeSet<&'static str>>,
}

impl Upcasters {
    /// Checks `steps` against the events that the program knows (name and current revision).
    ///
    /// # Errors
    /// All faults at once: duplicates, cycles, missing steps.
    pub fn new(steps: Vec<UpcastStep>, current: &BTreeMap<&'static str, u32>) -> Result<Self, Vec<UpcasterFault>> {
        let mut faults = Vec::new();
        let mut by_name: HashMap<&'static str, BTreeMap<u32, UpcastStep>> = HashMap::new();
        for step in &steps {
            if let Some(other) = by_name.entry(step.from_name).or_default().insert(step.from, *step) {
                faults.push(UpcasterFault::Duplicate {
                    name: step.from_name.to_owned(),
                    revision: step.from,
                    locations: [other.location, step.location],
                });
            }
        }
        let mut upcasters = Self { steps: by_name, former_names: HashMap::new() };
        let mut former = Vec::new();
        for step in &steps {
            match upcasters.end_of(step.from_name, step.from) {
                None => faults.push(UpcasterFault::Cycle {
                    name: step.from_name.to_owned(),
                    revision: step.from,
                    location: step.location,
                }),
                Some((name, revision)) => {
                    let known = current.get(name).copied();
                    if known == Some(revision) {
                        former.push((name, step.from_name));
                    } else {
                        faults.push(UpcasterFault::Missing {
                            name: name.to_owned(),
                            revision,
                            event: name.to_owned(),
                            current: known.unwrap_or(revision + 1),
                        });
                    }
                }
            }
        }
        for (name, revision) in current {
            for older in 1..*revision {
                if upcasters.step(name, older).is_none() {
                    faults.push(UpcasterFault::Missing {
                        name: (*name).to_owned(),
                        revision: older,
                        event: (*name).to_owned(),
                        current: *revision,
                    });
                }
            }
        }
        for (name, from) in former {
            if name != from {
                upcasters.former_names.entry(name).or_default().insert(from);
            }
        }
        faults.dedup();
        if faults.is_empty() { Ok(upcasters) } else { Err(faults) }
    }

    /// All stored names of events whose current name is `name`, itself included.
    pub fn stored_names<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let former = self.former_names.get(name).into_iter().flatten().copied();
        std::iter::once(name).chain(former)
    }

    /// Lifts `event` as far as steps lead; `None` when no step starts at its name and revision.
    pub(crate) fn lift(
        &self,
        event: &RecordedEvent,
        payloads: &Payloads,
    ) -> Result<Option<(&'static str, u32, Json)>, UpcastError> {
        if self.steps.is_empty() {
            return Ok(None);
        }
        let recorded = &event.recorded;
        let Some(mut step) = self.step(&recorded.name, recorded.revision) else { return Ok(None) };
        let mut json = payloads.decode::<Json>(&event.payload).map_err(|source| UpcastError::Payload {
            name: recorded.name.clone(),
            revision: recorded.revision,
            source,
        })?;
        loop {
            json = (step.lift)(json, recorded).map_err(|reason| UpcastError::Step {
                name: step.from_name.to_owned(),
                revision: step.from,
                reason,
            })?;
            match self.step(step.to_name, step.to) {
                Some(next) => step = next,
                None => return Ok(Some((step.to_name, step.to, json))),
            }
        }
    }

    fn step(&self, name: &str, revision: u32) -> Option<&UpcastStep> {
        self.steps.get(name)?.get(&revision)
    }

    /// Where the steps from here lead; `None` when they run in a circle.
    fn end_of(&self, name: &'static str, revision: u32) -> Option<(&'static str, u32)> {
        let mut seen = BTreeSet::new();
        let mut here = (name, revision);
        while let Some(step) = self.step(here.0, here.1) {
            if !seen.insert(here) {
                return None;
            }
            here = (step.to_name, step.to);
        }
        Some(here)
    }
}
