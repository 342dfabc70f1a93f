//! Criteria: which events a reader wants, and which events a decision rests on.

use std::collections::BTreeSet;
use std::fmt;

use crate::message::{Position, Tag};

/// Matches an event that carries all of `tags` and has any of `names`. Empty `names` stand for every name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Criterion {
    names: BTreeSet<String>,
    tags: BTreeSet<Tag>,
}

impl Criterion {
    /// Events with any of these names.
    #[must_use]
    pub fn names<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), tags: BTreeSet::new() }
    }

    /// Events with this tag.
    #[must_use]
    pub fn tag(tag: Tag) -> Self {
        Self { names: BTreeSet::new(), tags: BTreeSet::from([tag]) }
    }

    /// Also requires this tag.
    #[must_use]
    pub fn and_tag(mut self, tag: Tag) -> Self {
        self.tags.insert(tag);
        self
    }

    /// The names, any of which matches; empty for every name.
    #[must_use]
    pub fn any_of_names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// The tags, all of which must be there.
    #[must_use]
    pub fn all_of_tags(&self) -> &BTreeSet<Tag> {
        &self.tags
    }

    /// Whether an event with `name` and `tags` matches.
    #[must_use]
    pub fn matches(&self, name: &str, tags: &[Tag]) -> bool {
        (self.names.is_empty() || self.names.contains(name)) && self.tags.iter().all(|tag| tags.contains(tag))
    }
}

/// Criteria joined by "or". Without any criterion nothing matches.
///
/// ```
/// # use annals::store::{Criteria, Criterion};
/// # use annals::message::Tag;
/// let course = Criterion::names(["course.opened"]).and_tag(Tag::new("course", "c-1"));
/// assert!(Criteria::from(course).matches("course.opened", &[Tag::new("course", "c-1")]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Criteria(Vec<Criterion>);

impl Criteria {
    /// Nothing matches.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Also matches what `criterion` matches.
    #[must_use]
    pub fn or(mut self, criterion: Criterion) -> Self {
        self.0.push(criterion);
        self
    }

    /// The criteria, any of which matches.
    #[must_use]
    pub fn any_of(&self) -> &[Criterion] {
        &self.0
    }

    /// Whether an event with `name` and `tags` matches.
    #[must_use]
    pub fn matches(&self, name: &str, tags: &[Tag]) -> bool {
        self.0.iter().any(|criterion| criterion.matches(name, tags))
    }

    /// The same criteria, where those without names ask for `names`.
    pub(crate) fn with_names(self, names: &[&'static str]) -> Self {
        let named = self.0.into_iter().map(|criterion| match criterion.names.is_empty() {
            true => Criterion { names: names.iter().map(|name| (*name).to_owned()).collect(), ..criterion },
            false => criterion,
        });
        Self(named.collect())
    }

    /// What either of the two matches.
    #[must_use]
    pub fn or_any(mut self, other: Self) -> Self {
        for criterion in other.0 {
            if !self.0.contains(&criterion) {
                self.0.push(criterion);
            }
        }
        self
    }

    /// Every name in the criteria.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|criterion| &criterion.names).map(String::as_str)
    }

    /// The same criteria with each name replaced by what `stored` gives for it.
    pub(crate) fn with_stored_names<'a, I: Iterator<Item = &'a str>>(&'a self, stored: impl Fn(&'a str) -> I) -> Self {
        let expanded = self.0.iter().map(|criterion| Criterion {
            names: criterion.names.iter().flat_map(|name| stored(name)).map(str::to_owned).collect(),
            tags: criterion.tags.clone(),
        });
        Self(expanded.collect())
    }
}

impl From<Criterion> for Criteria {
    fn from(criterion: Criterion) -> Self {
        Self(vec![criterion])
    }
}

/// What a decision rests on: no event that matches `criteria` was appended after `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The consistency boundary.
    pub criteria: Criteria,
    /// The head of the store when the boundary was read.
    pub after: Position,
}

impl fmt::Display for Criterion {
    /// For people, as in `course:c-1 and student:s-2 with course.opened or course.closed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.tags, " and ")?;
        match (self.tags.is_empty(), self.names.is_empty()) {
            (true, true) => f.write_str("any event"),
            (_, true) => Ok(()),
            (none, false) => {
                f.write_str(if none { "" } else { " with " })?;
                joined(f, &self.names, " or ")
            }
        }
    }
}

impl fmt::Display for Criteria {
    /// For people: the criteria one after another, with `; or` between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.any_of() {
            [] => f.write_str("no event"),
            criteria => joined(f, criteria, "; or "),
        }
    }
}

fn joined<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
    between: &str,
) -> fmt::Result {
    for (number, item) in items.into_iter().enumerate() {
        f.write_str(if number == 0 { "" } else { between })?;
        write!(f, "{item}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Criteria, Criterion, Tag};

    #[test]
    fn criteria_are_told_to_people() {
        let course = Criterion::tag(Tag::new("course", "c")).and_tag(Tag::new("student", "s"));
        let opened = Criterion { names: ["opened".to_owned(), "closed".to_owned()].into(), ..course.clone() };
        assert_eq!(Criteria::from(course.clone()).to_string(), "course:c and student:s");
        assert_eq!(opened.to_string(), "course:c and student:s with closed or opened");
        assert_eq!(Criteria::from(course).or(Criterion::names(["x"])).to_string(), "course:c and student:s; or x");
        assert_eq!(Criteria::none().to_string(), "no event");
        assert_eq!(Criterion::default().to_string(), "any event");
    }
}
