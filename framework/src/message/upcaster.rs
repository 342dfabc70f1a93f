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
    #[error(
        "the payload of `{name}` at revision {revision} is unreadable; if its shape has changed, raise the revision of the \
         event and lift the stored ones with `#[upcast(from = {revision})]`"
    )]
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
    /// A step leads to a name and revision that no event of the program has.
    Astray {
        /// The name that it leads to.
        name: String,
        /// The revision that it leads to.
        revision: u32,
        /// Where the step is written.
        location: Location,
    },
    /// Events of this name and revision may be stored, and no step leads from them to the current revision.
    Missing {
        /// The stored name.
        name: String,
        /// The revision without a step.
        revision: u32,
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
            Self::Astray { name, revision, location } => {
                write!(f, "an upcaster leads to `{name}` revision {revision}, which no event has ({location})")
            }
            Self::Missing { name, revision, current } => write!(
                f,
                "no upcaster leads from `{name}` revision {revision} to revision {current}: add \
                 `#[upcast(from = {revision})]`"
            ),
        }
    }
}

/// All upcasters of an application, checked and ready.
#[derive(Debug, Default, Clone)]
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
            let Some((name, revision)) = upcasters.end_of(step.from_name, step.from) else {
                if upcasters.is_first_of_circle(step) {
                    let (name, revision, location) = (step.from_name.to_owned(), step.from, step.location);
                    faults.push(UpcasterFault::Cycle { name, revision, location });
                }
                continue;
            };
            match current.get(name) {
                Some(known) if *known == revision => former.push((name, step.from_name)),
                // Below the current revision a step is missing, which is found below.
                Some(known) if revision < *known => {}
                _ if (step.to_name, step.to) == (name, revision) => {
                    faults.push(UpcasterFault::Astray { name: name.to_owned(), revision, location: step.location });
                }
                _ => {}
            }
        }
        for (name, revision) in current {
            for older in first_revision(name, &steps)..*revision {
                if upcasters.step(name, older).is_none() {
                    let name = (*name).to_owned();
                    faults.push(UpcasterFault::Missing { name, revision: older, current: *revision });
                }
            }
        }
        for (name, from) in former {
            if name != from {
                upcasters.former_names.entry(name).or_default().insert(from);
            }
        }
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
            name: recorded.name.to_string(),
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

    /// Whether `step` lies on a circle, and none on it comes before it by name and revision.
    fn is_first_of_circle(&self, step: &UpcastStep) -> bool {
        let first = (step.from_name, step.from);
        let mut seen = BTreeSet::from([first]);
        let mut next = self.step(step.to_name, step.to);
        while let Some(here) = next {
            if !seen.insert((here.from_name, here.from)) {
                return (here.from_name, here.from) == first && seen.first() == Some(&first);
            }
            next = self.step(here.to_name, here.to);
        }
        false
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

/// The oldest revision under which events are stored by this name: 1, or where an event was given the name.
fn first_revision(name: &str, steps: &[UpcastStep]) -> u32 {
    let renamed = steps.iter().filter(|step| step.to_name == name && step.from_name != name).map(|step| step.to);
    let own = steps.iter().filter(|step| step.from_name == name).map(|step| step.from);
    renamed.min().map_or(1, |renamed| own.min().map_or(renamed, |own| own.min(renamed)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Json, Location, Recorded, UpcastStep, UpcasterFault, Upcasters};

    fn untouched(payload: Json, _: &Recorded) -> Result<Json, String> {
        Ok(payload)
    }

    fn step(line: u32, from: (&'static str, u32), to: (&'static str, u32)) -> UpcastStep {
        let location = Location { file: "events.rs", line };
        UpcastStep { from_name: from.0, from: from.1, to_name: to.0, to: to.1, lift: untouched, location }
    }

    fn faults(steps: &[UpcastStep], current: &[(&'static str, u32)]) -> Vec<String> {
        let current: BTreeMap<_, _> = current.iter().copied().collect();
        let checked = Upcasters::new(steps.to_vec(), &current);
        checked.err().unwrap_or_default().iter().map(UpcasterFault::to_string).collect()
    }

    #[test]
    fn a_chain_without_gaps_is_right() {
        assert!(faults(&[], &[("a", 1)]).is_empty());
        assert!(faults(&[step(1, ("a", 1), ("a", 2)), step(2, ("a", 2), ("a", 3))], &[("a", 3)]).is_empty());
        assert!(faults(&[step(1, ("a", 1), ("a", 3)), step(2, ("a", 2), ("a", 3))], &[("a", 3)]).is_empty());
    }

    #[test]
    fn each_older_revision_needs_a_step() {
        assert_eq!(
            faults(&[step(1, ("a", 2), ("a", 3))], &[("a", 4)]),
            [
                "no upcaster leads from `a` revision 1 to revision 4: add `#[upcast(from = 1)]`",
                "no upcaster leads from `a` revision 3 to revision 4: add `#[upcast(from = 3)]`",
            ]
        );
    }

    #[test]
    fn revisions_before_an_event_had_its_name_need_none() {
        let renamed = step(1, ("old", 1), ("a", 2));
        assert!(faults(&[renamed], &[("a", 2)]).is_empty());
        assert!(faults(&[renamed, step(2, ("a", 2), ("a", 3))], &[("a", 3)]).is_empty());
        assert_eq!(faults(&[renamed], &[("a", 3)]).len(), 1);
        // A step shows that there are older ones after all.
        assert!(faults(&[renamed, step(2, ("a", 1), ("a", 2))], &[("a", 2)]).is_empty());
    }

    #[test]
    fn two_steps_from_one_revision_contradict_each_other() {
        assert_eq!(
            faults(&[step(1, ("a", 1), ("a", 2)), step(2, ("a", 1), ("a", 2))], &[("a", 2)]),
            ["two upcasters lift `a` from revision 1: events.rs:1 and events.rs:2"]
        );
    }

    #[test]
    fn a_circle_is_reported_once() {
        let circle = [step(1, ("b", 1), ("a", 1)), step(2, ("a", 1), ("b", 1)), step(3, ("c", 1), ("b", 1))];
        assert_eq!(
            faults(&circle, &[("a", 1)]),
            ["the upcasters of `a` from revision 1 run in a circle (events.rs:2)"]
        );
        let itself = [step(1, ("a", 1), ("a", 1))];
        assert_eq!(
            faults(&itself, &[("a", 1)]),
            ["the upcasters of `a` from revision 1 run in a circle (events.rs:1)"]
        );
    }

    #[test]
    fn a_step_leads_to_an_event() {
        let expected = ["an upcaster leads to `b` revision 1, which no event has (events.rs:1)"];
        assert_eq!(faults(&[step(1, ("a", 1), ("b", 1))], &[]), expected);
        let expected = ["an upcaster leads to `a` revision 3, which no event has (events.rs:1)"];
        assert_eq!(faults(&[step(1, ("a", 1), ("a", 3))], &[("a", 2)]), expected);
    }

    #[test]
    fn an_event_is_found_under_all_its_names() {
        let steps = vec![step(1, ("x", 1), ("y", 1)), step(2, ("y", 1), ("a", 1))];
        let upcasters = Upcasters::new(steps, &BTreeMap::from([("a", 1)])).unwrap();
        assert_eq!(upcasters.stored_names("a").collect::<Vec<_>>(), ["a", "x", "y"]);
        assert_eq!(upcasters.stored_names("b").collect::<Vec<_>>(), ["b"]);
    }
}
