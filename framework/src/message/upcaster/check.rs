//! Checks a set of upcasters, and finds where its steps lead.

use std::collections::{BTreeMap, BTreeSet};

use super::UpcasterFault;
use super::output::{Arity, Target};
use super::set::Steps;
use super::step::{MessageKind, UpcastStep};

/// All faults of `steps`.
pub(super) fn faults(
    kind: MessageKind,
    steps: &[UpcastStep],
    current: &BTreeMap<&'static str, u32>,
) -> Vec<UpcasterFault> {
    let mut faults = duplicates(steps);
    let by_name = by_name(steps.to_vec());
    for step in steps {
        of_step(kind, step, &by_name, current, &mut faults);
    }
    // A snapshot that nothing lifts is ignored.
    if kind != MessageKind::Snapshot {
        missing(steps, &by_name, current, &mut faults);
    }
    faults
}

/// The steps by where they start; of two from the same place the later one.
pub(super) fn by_name(steps: Vec<UpcastStep>) -> Steps {
    let mut by_name = Steps::new();
    for step in steps {
        by_name.entry(step.from.name).or_default().insert(step.from.revision, step);
    }
    by_name
}

/// Where steps start.
pub(super) fn starts(steps: &Steps) -> impl Iterator<Item = Target> {
    steps.values().flat_map(BTreeMap::values).map(|step| step.from)
}

/// Everything that steps lead to from here; `from` itself is among it only on a circle.
pub(super) fn reached(steps: &Steps, from: Target) -> BTreeSet<Target> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(here) = waiting.pop() {
        let step = steps.get(here.name).and_then(|steps| steps.get(&here.revision));
        for target in step.into_iter().flat_map(|step| &step.into) {
            if reached.insert(*target) {
                waiting.push(*target);
            }
        }
    }
    reached
}

fn duplicates(steps: &[UpcastStep]) -> Vec<UpcasterFault> {
    let mut seen: BTreeMap<Target, &UpcastStep> = BTreeMap::new();
    let mut faults = Vec::new();
    for step in steps {
        if let Some(first) = seen.insert(step.from, step) {
            faults.push(UpcasterFault::Duplicate {
                name: step.from.name.to_owned(),
                revision: step.from.revision,
                locations: [first.location, step.location],
            });
        }
    }
    faults
}

fn of_step(
    kind: MessageKind,
    step: &UpcastStep,
    steps: &Steps,
    current: &BTreeMap<&'static str, u32>,
    faults: &mut Vec<UpcasterFault>,
) {
    let Target { name, revision } = step.from;
    let (name_text, location) = (name.to_owned(), step.location);
    let ahead = reached(steps, step.from);
    if ahead.contains(&step.from) {
        let circle = ahead.iter().filter(|other| reached(steps, **other).contains(&step.from));
        if circle.min() == Some(&step.from) {
            faults.push(UpcasterFault::Cycle { name: name_text, revision, location });
        }
        return;
    }
    if current.get(name) == Some(&revision) {
        faults.push(UpcasterFault::Current { name: name_text.clone(), revision, location });
    }
    let starts = |target: &Target| steps.get(target.name).is_some_and(|steps| steps.contains_key(&target.revision));
    for target in step.into.iter().filter(|target| !starts(target)) {
        // Below the current revision a step is missing, which is found there; an old snapshot may end there.
        let known = current.get(target.name).is_some_and(|known| target.revision <= *known);
        if !known {
            let (name, kind) = (target.name.to_owned(), kind.as_str());
            faults.push(UpcasterFault::Astray { name, revision: target.revision, kind, location });
        }
    }
    if kind == MessageKind::Event {
        return;
    }
    if step.arity == Arity::Any {
        faults.push(UpcasterFault::NotOne { name: name_text.clone(), revision, kind: kind.as_str(), location });
    }
    for (asked, parameter) in [(step.asks.recorded, "&Recorded"), (step.asks.pass, "&mut Pass")] {
        if asked {
            let (name, kind) = (name_text.clone(), kind.as_str());
            faults.push(UpcasterFault::Unavailable { name, revision, kind, parameter, location });
        }
    }
}

fn missing(
    steps: &[UpcastStep],
    by_name: &Steps,
    current: &BTreeMap<&'static str, u32>,
    faults: &mut Vec<UpcasterFault>,
) {
    for (name, revision) in current {
        for older in first_revision(name, steps)..*revision {
            if !by_name.get(name).is_some_and(|steps| steps.contains_key(&older)) {
                let name = (*name).to_owned();
                faults.push(UpcasterFault::Missing { name, revision: older, current: *revision });
            }
        }
    }
}

/// The oldest revision under which messages are stored by this name: 1, or where a message was given the name.
fn first_revision(name: &str, steps: &[UpcastStep]) -> u32 {
    // An event that is one of several had its name before.
    let renames = steps.iter().filter(|step| step.from.name != name && step.arity == Arity::One);
    let renamed =
        renames.flat_map(|step| &step.into).filter(|target| target.name == name).map(|target| target.revision);
    let own = steps.iter().filter(|step| step.from.name == name).map(|step| step.from.revision);
    renamed.min().map_or(1, |renamed| own.min().map_or(renamed, |own| own.min(renamed)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Arity, MessageKind, Target, UpcastStep, UpcasterFault};
    use crate::message::upcaster::{Asks, LiftError, Lifting, Upcasted, Upcasters};
    use crate::message::{Json, Location};

    fn untouched(lifting: &mut Lifting<'_>) -> Result<Vec<Upcasted>, LiftError> {
        Ok(vec![Upcasted::next(lifting.payload::<Json>()?)])
    }

    fn step(line: u32, from: (&'static str, u32), to: (&'static str, u32)) -> UpcastStep {
        let to = Target::new(to.0, to.1);
        UpcastStep {
            kind: MessageKind::Event,
            from: Target::new(from.0, from.1),
            to,
            into: vec![to],
            arity: Arity::One,
            asks: Asks::default(),
            lift: untouched,
            location: Location { file: "events.rs", line },
        }
    }

    /// A step that may give any number of these.
    fn split(line: u32, from: (&'static str, u32), into: &[(&'static str, u32)]) -> UpcastStep {
        let into = into.iter().map(|(name, revision)| Target::new(name, *revision)).collect();
        UpcastStep { into, arity: Arity::Any, ..step(line, from, (from.0, from.1 + 1)) }
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
        let renamed = || step(1, ("old", 1), ("a", 2));
        assert!(faults(&[renamed()], &[("a", 2)]).is_empty());
        assert!(faults(&[renamed(), step(2, ("a", 2), ("a", 3))], &[("a", 3)]).is_empty());
        assert_eq!(faults(&[renamed()], &[("a", 3)]).len(), 1);
        // A step shows that there are older ones after all.
        assert!(faults(&[renamed(), step(2, ("a", 1), ("a", 2))], &[("a", 2)]).is_empty());
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

    #[test]
    fn an_event_that_was_split_is_found_by_the_names_of_its_parts() {
        let steps = vec![split(1, ("x", 1), &[("a", 1), ("b", 1)]), step(2, ("b", 1), ("c", 2))];
        let upcasters = Upcasters::new(steps, &BTreeMap::from([("a", 1), ("c", 2)])).unwrap();
        assert_eq!(upcasters.stored_names("a").collect::<Vec<_>>(), ["a", "x"]);
        assert_eq!(upcasters.stored_names("c").collect::<Vec<_>>(), ["c", "b", "x"]);
    }

    #[test]
    fn what_the_program_still_writes_is_not_lifted() {
        let expected = "an upcaster lifts `a` revision 1, which the program itself still writes: raise its revision, or \
                        remove the type (events.rs:1)";
        assert_eq!(faults(&[split(1, ("a", 1), &[("b", 1)])], &[("a", 1), ("b", 1)]), [expected]);
        assert!(faults(&[split(1, ("a", 1), &[("b", 1)])], &[("a", 2), ("b", 1)]).is_empty());
        assert!(faults(&[split(1, ("a", 1), &[])], &[("a", 2)]).is_empty(), "it may be dropped");
    }

    #[test]
    fn an_event_that_is_one_of_several_parts_had_its_name_before() {
        let expected = ["no upcaster leads from `b` revision 1 to revision 2: add `#[upcast(from = 1)]`"];
        assert_eq!(faults(&[split(1, ("a", 1), &[("b", 2)])], &[("b", 2)]), expected);
    }

    #[test]
    fn a_command_becomes_one_and_has_no_stream() {
        let asks = Asks { recorded: true, pass: true };
        let step = UpcastStep { asks, ..split(1, ("a", 1), &[("a", 2)]) };
        let faults = super::faults(MessageKind::Command, &[step], &BTreeMap::from([("a", 2)]));
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("a command becomes exactly one"), "{told:?}");
        assert!(told[1].contains("`&Recorded`, which a command does not have"), "{told:?}");
        assert!(told[2].contains("`&mut Pass`, which a command does not have"), "{told:?}");
    }
}
