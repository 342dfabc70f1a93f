//! All upcasters of one kind, checked and ready.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::message::{Payloads, Recorded, Tag};

use super::check;
use super::output::{Arity, Target, Upcasted};
use super::pass::Pass;
use super::step::{Lifting, MessageKind, Old, UpcastStep};
use super::{Json, LiftError, UpcastError, UpcasterFault};

/// The upcasters of an application for events, commands or snapshots, checked and ready. A clone shares them.
#[derive(Debug, Default, Clone)]
pub struct Upcasters(Arc<Set>);

#[derive(Debug, Default)]
pub(super) struct Set {
    pub(super) steps: Steps,
    /// Current name -> the other names under which such messages are stored.
    former_names: HashMap<&'static str, BTreeSet<&'static str>>,
    /// What is stored so is lifted with a pass.
    with_pass: BTreeSet<Target>,
    /// By current name, the tags that an event of a payload has.
    tags: HashMap<&'static str, TagsOf>,
}

pub(super) type Steps = HashMap<&'static str, BTreeMap<u32, UpcastStep>>;

/// The tags of an event whose payload this is; `None` where it is unreadable.
pub(crate) type TagsOf = fn(&Json) -> Option<Vec<Tag>>;

/// The upcasters of every kind.
#[derive(Debug, Default, Clone)]
pub(crate) struct Chains {
    pub(crate) events: Upcasters,
    pub(crate) commands: Upcasters,
    /// By the names of aggregates.
    pub(crate) snapshots: Upcasters,
}

/// What became of something stored.
#[derive(Debug)]
pub(crate) struct LiftedAll {
    pub(crate) parts: Vec<LiftedPart>,
    /// Whether a step gave other than exactly one.
    pub(crate) split: bool,
}

/// One part, as far as steps lead.
#[derive(Debug)]
pub(crate) struct LiftedPart {
    pub(crate) at: Target,
    pub(crate) payload: Json,
}

impl Upcasters {
    /// The most events that one stored event may become.
    pub const PARTS: usize = 1_024;

    /// Checks the `steps` of events against the events that the program knows (name and current revision).
    ///
    /// # Errors
    /// All faults at once: duplicates, circles, missing steps, steps that lead astray.
    pub fn new(steps: Vec<UpcastStep>, current: &BTreeMap<&'static str, u32>) -> Result<Self, Vec<UpcasterFault>> {
        Self::of(MessageKind::Event, steps, current)
    }

    /// Checks `steps`, which all lift messages of this kind.
    ///
    /// # Errors
    /// As [`Upcasters::new`].
    pub fn of(
        kind: MessageKind,
        steps: Vec<UpcastStep>,
        current: &BTreeMap<&'static str, u32>,
    ) -> Result<Self, Vec<UpcasterFault>> {
        let faults = check::faults(kind, &steps, current);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut set = Set { steps: check::by_name(steps), ..Set::default() };
        for from in check::starts(&set.steps) {
            let reached = check::reached(&set.steps, from);
            let is_current = |target: &&Target| current.get(target.name) == Some(&target.revision);
            for target in reached.iter().filter(is_current).filter(|target| target.name != from.name) {
                set.former_names.entry(target.name).or_default().insert(from.name);
            }
            let asks = |target: &Target| set.step(target.name, target.revision).is_some_and(|step| step.asks.pass);
            if asks(&from) || reached.iter().any(asks) {
                set.with_pass.insert(from);
            }
        }
        Ok(Self(Arc::new(set)))
    }

    /// The same upcasters, which know the tags of the events that they lead to.
    pub(crate) fn with_tags(self, tags: HashMap<&'static str, TagsOf>) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(set) => Self(Arc::new(Set { tags, ..set })),
            Err(shared) => Self(shared),
        }
    }

    /// All stored names of messages whose current name is `name`, itself included.
    pub fn stored_names<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let former = self.0.former_names.get(name).into_iter().flatten().copied();
        std::iter::once(name).chain(former)
    }

    /// Whether an upcaster lifts what is stored under this name and revision.
    #[must_use]
    pub fn lifts(&self, name: &str, revision: u32) -> bool {
        self.0.step(name, revision).is_some()
    }

    /// Whether what is stored so is lifted with what earlier events of its stream have left.
    pub(crate) fn asks_for_pass(&self, name: &str, revision: u32) -> bool {
        // A search by a borrowed name: the set is small, and mostly empty.
        self.0.with_pass.iter().any(|target| target.name == name && target.revision == revision)
    }

    /// The stored names of events that are lifted with a pass.
    pub(crate) fn names_with_pass(&self) -> BTreeSet<&'static str> {
        self.0.with_pass.iter().map(|target| target.name).collect()
    }

    /// Whether an upcaster lifts any event whose current name is one of `names`.
    pub(crate) fn lift_any_of(&self, names: &[&'static str]) -> bool {
        let lifts = |name: &&'static str| self.stored_names(name).any(|stored| self.0.steps.contains_key(stored));
        !self.0.steps.is_empty() && names.iter().any(lifts)
    }

    /// Whether events of other names may be lifted to one of `names`.
    pub(crate) fn have_former_names(&self, names: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
        !self.0.former_names.is_empty() && names.into_iter().any(|name| self.0.former_names.contains_key(name.as_ref()))
    }

    /// The tags of an event of this name with this payload; `None` where nobody knows.
    pub(crate) fn tags(&self, name: &str, payload: &Json) -> Option<Vec<Tag>> {
        self.0.tags.get(name).and_then(|tags| tags(payload))
    }

    /// Lifts what is stored as far as steps lead; `None` when no step starts at its name and revision.
    pub(crate) fn lift(
        &self,
        name: &str,
        revision: u32,
        bytes: &[u8],
        recorded: Option<&Recorded>,
        payloads: &Payloads,
        mut pass: Option<&mut Pass>,
    ) -> Result<Option<LiftedAll>, UpcastError> {
        let Some(first) = self.0.step(name, revision) else { return Ok(None) };
        let mut lifted = LiftedAll { parts: Vec::new(), split: false };
        let mut lifting = Lifting::new(Old::Stored { bytes, payloads }, recorded, pass.as_deref_mut());
        let given = take(first, &mut lifting)?;
        lifted.split |= first.arity == Arity::Any;
        // What waits to be lifted further, the next one last.
        let mut waiting: Vec<LiftedPart> = resolved(first, given)?.into_iter().rev().collect();
        while let Some(part) = waiting.pop() {
            if waiting.len() + lifted.parts.len() >= Self::PARTS {
                return Err(UpcastError::Parts { name: name.to_owned(), revision, limit: Self::PARTS });
            }
            let Some(step) = self.0.step(part.at.name, part.at.revision) else {
                lifted.parts.push(part);
                continue;
            };
            let given = take(step, &mut Lifting::new(Old::Lifted(part.payload), recorded, pass.as_deref_mut()))?;
            lifted.split |= step.arity == Arity::Any;
            waiting.extend(resolved(step, given)?.into_iter().rev());
        }
        Ok(Some(lifted))
    }

    /// Lifts something that becomes exactly one: a command or a snapshot.
    pub(crate) fn lift_one(
        &self,
        name: &str,
        revision: u32,
        bytes: &[u8],
        payloads: &Payloads,
    ) -> Result<Option<LiftedPart>, UpcastError> {
        let lifted = self.lift(name, revision, bytes, None, payloads, None)?;
        // Start-up has refused steps of commands and snapshots that may give other than one.
        Ok(lifted.and_then(|lifted| lifted.parts.into_iter().next()))
    }
}

impl Set {
    pub(super) fn step(&self, name: &str, revision: u32) -> Option<&UpcastStep> {
        self.steps.get(name)?.get(&revision)
    }
}

fn take(step: &UpcastStep, lifting: &mut Lifting<'_>) -> Result<Vec<Upcasted>, UpcastError> {
    let Target { name, revision } = step.from;
    (step.lift)(lifting).map_err(|error| match error {
        LiftError::Payload(source) => UpcastError::Payload { name: name.to_owned(), revision, source },
        LiftError::NoPass => UpcastError::NoPass { name: name.to_owned(), revision },
        error => UpcastError::Step { name: name.to_owned(), revision, reason: error.to_string() },
    })
}

/// What a step gave, each with its name and revision, which the step must have declared.
fn resolved(step: &UpcastStep, given: Vec<Upcasted>) -> Result<Vec<LiftedPart>, UpcastError> {
    given
        .into_iter()
        .map(|Upcasted { target, payload }| {
            let at = target.unwrap_or(step.to);
            match step.into.contains(&at) {
                true => Ok(LiftedPart { at, payload }),
                false => Err(UpcastError::Undeclared {
                    name: step.from.name.to_owned(),
                    revision: step.from.revision,
                    given: at.name.to_owned(),
                    given_revision: at.revision,
                }),
            }
        })
        .collect()
}
