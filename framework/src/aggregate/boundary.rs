//! From a command to the consistency boundary of its decision.

use crate::message::{Command, Tag};
use crate::store::{Criteria, Criterion};

use super::{Decision, HandledBy};

/// The boundary of `D` for a command with these tags: each of [`Decision::BOUNDARY`] with every value that the tags have
/// for it.
#[must_use]
pub fn boundary_of<D: Decision>(tags: &[Tag]) -> Criteria {
    let criteria = D::BOUNDARY.iter().flat_map(|keys| all_with(D::EVENTS, keys, tags));
    criteria.fold(Criteria::none(), Criteria::or)
}

/// The boundary of `D` for `command`: what its `#[boundary]` says, or else that of its tags.
pub(crate) fn boundary_for<D: Decision, C: HandledBy<D>>(command: &C) -> Criteria {
    match command.boundary() {
        Some(criteria) => criteria.with_names(D::EVENTS),
        None => boundary_of::<D>(&Command::tags(command)),
    }
}

/// One criterion for each combination of values; none if a key has no value.
fn all_with(names: &[&'static str], keys: &[&str], tags: &[Tag]) -> Vec<Criterion> {
    keys.iter().fold(vec![Criterion::names(names.iter().copied())], |criteria, key| {
        let values = || tags.iter().filter(|tag| tag.key() == *key);
        criteria.iter().flat_map(|criterion| values().map(|tag| criterion.clone().and_tag(tag.clone()))).collect()
    })
}
