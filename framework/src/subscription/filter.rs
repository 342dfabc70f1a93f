//! Which events a subscription gives.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::message::{Event, Position, Tag};
use crate::store::{Criteria, Criterion, Read};

/// Which events a subscription gives: those of one category or of all, and of these those that match criteria.
///
/// Names are the current ones of the program: events that older programs have stored under other names are found as well.
///
/// ```
/// use annals::subscription::Filter;
/// use annals::Tag;
///
/// let filter = Filter::category("order").and_names(["order.placed", "order.shipped"]);
/// let course = Filter::tagged(Tag::new("course", "c-1"));
/// # let _ = (filter, course);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    category: Option<String>,
    criteria: Option<Criteria>,
}

impl Filter {
    /// All events.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// The events of all streams of `category`.
    #[must_use]
    pub fn category(category: impl Into<String>) -> Self {
        Self { category: Some(category.into()), criteria: None }
    }

    /// Events with any of these names.
    #[must_use]
    pub fn names<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::matching(Criterion::names(names))
    }

    /// The events of the type `E`.
    #[must_use]
    pub fn of<E: Event>() -> Self {
        Self::names([E::NAME])
    }

    /// Events with this tag.
    #[must_use]
    pub fn tagged(tag: Tag) -> Self {
        Self::matching(Criterion::tag(tag))
    }

    /// Events that match `criteria`.
    #[must_use]
    pub fn matching(criteria: impl Into<Criteria>) -> Self {
        Self { category: None, criteria: Some(criteria.into()) }
    }

    /// The same, for the events of `category` alone.
    #[must_use]
    pub fn in_category(mut self, category: impl Into<String>) -> Self {
        self.category = Some(category.into());
        self
    }

    /// The same, for events with any of these names alone.
    #[must_use]
    pub fn and_names<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.each(|criterion| {
            let own = criterion.any_of_names();
            let both = names.iter().filter(|name| own.is_empty() || own.contains(*name)).cloned();
            let both: Vec<String> = both.collect();
            (!both.is_empty()).then(|| with_tags(Criterion::names(both), criterion.all_of_tags()))
        })
    }

    /// The same, for events with this tag alone.
    #[must_use]
    pub fn and_tagged(self, tag: Tag) -> Self {
        self.each(|criterion| Some(criterion.clone().and_tag(tag.clone())))
    }

    /// The names that pass; `None` where no name is asked for.
    pub(super) fn wanted_names(&self) -> Option<Vec<&str>> {
        let criteria = self.criteria.as_ref()?.any_of();
        if criteria.iter().any(|criterion| criterion.any_of_names().is_empty()) {
            return None;
        }
        Some(criteria.iter().flat_map(Criterion::any_of_names).map(String::as_str).collect())
    }

    /// The events behind `after` that pass.
    pub(super) fn read(&self, after: Position) -> Read {
        let read = match &self.category {
            Some(category) => Read::category(category, after),
            None => Read::all(after),
        };
        match &self.criteria {
            Some(criteria) => read.only(criteria.clone()),
            None => read,
        }
    }

    fn each(mut self, change: impl Fn(&Criterion) -> Option<Criterion>) -> Self {
        let criteria = self.criteria.take().unwrap_or_else(|| Criterion::default().into());
        let changed = criteria.any_of().iter().filter_map(change);
        self.criteria = Some(changed.fold(Criteria::none(), Criteria::or));
        self
    }
}

fn with_tags<'t>(criterion: Criterion, tags: impl IntoIterator<Item = &'t Tag>) -> Criterion {
    tags.into_iter().fold(criterion, |criterion, tag| criterion.and_tag(tag.clone()))
}

/// A filter as it is stored: each criterion is its names and its tags.
#[derive(Serialize, Deserialize)]
struct Stored {
    category: Option<String>,
    any_of: Option<Vec<StoredCriterion>>,
}

#[derive(Serialize, Deserialize)]
struct StoredCriterion {
    names: Vec<String>,
    tags: Vec<Tag>,
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let any_of = self.criteria.as_ref().map(|criteria| {
            let criteria = criteria.any_of().iter().map(|criterion| StoredCriterion {
                names: criterion.any_of_names().iter().cloned().collect(),
                tags: criterion.all_of_tags().iter().cloned().collect(),
            });
            criteria.collect()
        });
        Stored { category: self.category.clone(), any_of }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { category, any_of } = Stored::deserialize(deserializer)?;
        let criteria = any_of.map(|criteria| {
            let criteria = criteria.into_iter().map(|stored| with_tags(Criterion::names(stored.names), &stored.tags));
            criteria.fold(Criteria::none(), Criteria::or)
        });
        Ok(Self { category, criteria })
    }
}

#[cfg(test)]
mod tests {
    use super::{Criterion, Filter};
    use crate::message::Tag;
    use crate::store::Criteria;

    #[test]
    fn a_filter_is_read_as_it_was_written() {
        let narrow = Filter::category("order").and_names(["a", "b"]).and_tagged(Tag::new("k", "v:w"));
        for filter in [Filter::all(), Filter::names(["a"]), narrow, Filter::matching(Criteria::none())] {
            let text = serde_json::to_string(&filter).unwrap();
            assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter, "{text}");
        }
    }

    #[test]
    fn what_narrows_a_filter_holds_for_all_of_it() {
        let either = Criteria::from(Criterion::names(["a", "b"])).or(Criterion::tag(Tag::new("k", "v")));
        let filter = Filter::matching(either).and_names(["b", "c"]);
        let criteria = filter.criteria.clone().unwrap();
        assert!(criteria.matches("b", &[]) && !criteria.matches("a", &[]) && !criteria.matches("c", &[]));
        assert!(criteria.matches("c", &[Tag::new("k", "v")]) && !criteria.matches("a", &[Tag::new("k", "v")]));
        assert_eq!(filter.wanted_names(), Some(vec!["b", "b", "c"]));
        assert_eq!(Filter::all().wanted_names(), None);
        assert_eq!(Filter::names(["a"]).and_names(["b"]), Filter::matching(Criteria::none()));
    }
}
