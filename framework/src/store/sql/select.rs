//! Builds the statements that read events, count them, or ask whether any is there.
//!
//! The text of a statement depends on the shape of the request alone (how many criteria, each with how many tags), so
//! that a connection prepares it once. Values are always bound.

use std::collections::BTreeSet;

use crate::message::{Position, Version};
use crate::store::criteria::{Condition, Criteria, Criterion};
use crate::store::error::BoxError;
use crate::store::read::{Content, Direction, Read, Scope};

use super::dialect::{AnyOf, Dialect};
use super::json;
use super::session::Statement;
use super::value::Value;

/// A query for the events of one page, with the columns `position`, `version`, `revision`, `recorded_at`, `event_id`,
/// `name`, `category`, `stream_id`, `metadata` and `payload`, in the order asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) text: String,
    pub(crate) values: Vec<Value>,
    pub(crate) order: &'static str,
}

/// The events of one page; `None` where none can match.
pub(crate) fn page(dialect: &Dialect, read: &Read) -> Result<Option<Wanted>, BoxError> {
    let payload = if read.content == Content::WithoutPayload { "''" } else { "e.payload" };
    let columns = format!(
        "e.position, e.version, e.revision, e.recorded_at, e.event_id, e.name, e.category, e.stream_id, e.metadata, \
         {payload} AS payload"
    );
    page_of(dialect, read, &columns)
}

/// A query for the events of one page, with these `columns` of `e`.
pub(crate) fn page_of(dialect: &Dialect, read: &Read, columns: &str) -> Result<Option<Wanted>, BoxError> {
    let mut builder = Builder::new(dialect);
    let order = if read.direction == Direction::Forward { "ASC" } else { "DESC" };
    let Some(bounds) = builder.bounds(read, Some(order)) else { return Ok(None) };
    let text = match (&read.criteria, &read.scope) {
        (Some(criteria), Scope::All { .. } | Scope::Category { .. }) if has_tags(criteria) => {
            let candidates = builder.candidates(criteria, &bounds)?;
            format!(
                "SELECT {columns} FROM ({candidates}) m {} ORDER BY m.position {order}{}",
                (dialect.join)("annals_events", "e", "e.position = m.position"),
                bounds.limit()
            )
        }
        (criteria, _) => builder.scan(columns, criteria.as_ref(), &bounds)?,
    };
    Ok(Some(Wanted { text, values: builder.values, order }))
}

/// Whether any criterion asks for tags: those are found first, and the events by them. What is told by names alone is seen
/// on the events themselves, each of which is looked at once.
fn has_tags(criteria: &Criteria) -> bool {
    criteria.any_of().iter().any(|criterion| !criterion.all_of_tags().is_empty())
}

/// A statement that makes one row of the events whose places are the next ones after the start of `read`, as many as its
/// page holds; `columns` are aggregate expressions over columns of `e`.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) statement: Statement,
    /// The last place that it covers.
    pub(crate) covers: u64,
}

/// Folds the next places of `read`; `None` where a page is not a run of places: read backwards, or with conditions.
pub(crate) fn folded(dialect: &Dialect, read: &Read, columns: &str) -> Result<Option<Folded>, BoxError> {
    let conditions = read.criteria.is_some() || read.since.is_some() || read.until.is_some();
    if conditions || read.direction == Direction::Backward {
        return Ok(None);
    }
    let mut run = read.clone();
    let behind = |after: u64| after.saturating_add(u64::try_from(read.limit).unwrap_or(u64::MAX));
    let covers = match &mut run.scope {
        Scope::Category { .. } => return Ok(None),
        Scope::All { after, up_to } => {
            let end = up_to.map_or(u64::MAX, Position::get).min(behind(after.get()));
            *up_to = Some(Position::new(end));
            end
        }
        Scope::Stream { after, up_to, .. } => {
            let end = up_to.map_or(u64::MAX, Version::get).min(behind(after.map_or(0, Version::get)));
            *up_to = Version::new(end);
            end
        }
    };
    let mut builder = Builder::new(dialect);
    let Some(bounds) = builder.bounds(&run, None) else { return Ok(None) };
    let newest = match &bounds.place {
        Place::Stream(category, id) => format!(
            "SELECT max(version) FROM annals_events WHERE tenant = {} AND category = {category} AND stream_id = {id}",
            bounds.tenant
        ),
        Place::All | Place::Category(_) => "SELECT max(position) FROM annals_events".to_owned(),
    };
    let columns = format!("(SELECT max(position) FROM annals_events), ({newest}), {columns}");
    let text = builder.scan(&columns, None, &bounds)?;
    Ok(Some(Folded { statement: Statement::built(text, builder.values), covers }))
}

/// A statement that counts what `read` asks for; `None` where nothing can match.
pub(super) fn count(dialect: &Dialect, read: &Read) -> Result<Option<Statement>, BoxError> {
    let mut builder = Builder::new(dialect);
    let Some(bounds) = builder.bounds(read, None) else { return Ok(None) };
    let text = match (&read.criteria, &read.scope) {
        (Some(criteria), Scope::All { .. } | Scope::Category { .. }) => {
            format!("SELECT count(*) FROM ({}) m", builder.candidates(criteria, &bounds)?)
        }
        (criteria, _) => builder.scan("count(*)", criteria.as_ref(), &bounds)?,
    };
    Ok(Some(Statement::built(text, builder.values)))
}

/// A statement for whether a stored event breaks `condition`; `None` where none can. Hidden events break it as well.
pub(crate) fn breaks(dialect: &Dialect, tenant: &str, condition: &Condition) -> Result<Option<Statement>, BoxError> {
    if condition.criteria.any_of().is_empty() {
        return Ok(None);
    }
    let mut builder = Builder::new(dialect);
    let bounds = Bounds {
        tenant: builder.bind(tenant),
        place: Place::All,
        after: builder.bind(condition.after),
        up_to: None,
        visible: None,
        filter: String::new(),
        paged: Some(("ASC", builder.bind(1_i64))),
    };
    let candidates = builder.candidates(&condition.criteria, &bounds)?;
    Ok(Some(Statement::built(format!("SELECT EXISTS ({candidates})"), builder.values)))
}

/// What bounds a request: parameters and conditions of its statement.
struct Bounds {
    tenant: String,
    place: Place,
    after: String,
    up_to: Option<String>,
    /// The condition on a column `visibility`, behind its table.
    visible: Option<&'static str>,
    /// Conditions on columns of `e`, each with `AND` before it.
    filter: String,
    /// Order and limit; `None` for all that there is.
    paged: Option<(&'static str, String)>,
}

enum Place {
    All,
    Category(String),
    Stream(String, String),
}

impl Bounds {
    /// The range of `column`.
    fn range(&self, column: &str) -> String {
        let up_to = self.up_to.as_ref().map_or_else(String::new, |up_to| format!(" AND {column} <= {up_to}"));
        format!("{column} > {}{up_to}", self.after)
    }

    fn visible(&self, table: &str) -> String {
        self.visible.map_or_else(String::new, |condition| format!(" AND {table}.visibility {condition}"))
    }

    fn ordered(&self, column: &str) -> String {
        self.paged.as_ref().map_or_else(String::new, |(order, _)| format!(" ORDER BY {column} {order}{}", self.limit()))
    }

    fn limit(&self) -> String {
        self.paged.as_ref().map_or_else(String::new, |(_, limit)| format!(" LIMIT {limit}"))
    }
}

/// A statement under construction.
struct Builder<'d> {
    dialect: &'d Dialect,
    values: Vec<Value>,
}

impl<'d> Builder<'d> {
    fn new(dialect: &'d Dialect) -> Self {
        Self { dialect, values: Vec::new() }
    }

    /// Binds `value`; returns its parameter.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    /// The bounds of `read`; `None` where nothing can match.
    fn bounds(&mut self, read: &Read, order: Option<&'static str>) -> Option<Bounds> {
        if read.criteria.as_ref().is_some_and(|criteria| criteria.any_of().is_empty()) {
            return None;
        }
        let tenant = self.bind(read.tenant.as_str());
        let paged = order.map(|order| (order, self.bind(read.limit)));
        let (place, after, up_to, visible) = match &read.scope {
            Scope::All { after, up_to } => (Place::All, self.bind(*after), up_to.map(|up_to| self.bind(up_to)), "= 0"),
            Scope::Category { category, after, up_to } => {
                let place = Place::Category(self.bind(category.as_str()));
                (place, self.bind(*after), up_to.map(|up_to| self.bind(up_to)), "= 0")
            }
            Scope::Stream { stream, after, up_to } => {
                let place = Place::Stream(self.bind(stream.category()), self.bind(stream.id()));
                let after = self.bind(after.map_or(0, |after| after.get()));
                (place, after, up_to.map(|up_to| self.bind(up_to)), "< 2")
            }
        };
        let mut filter = String::new();
        if let Some(since) = read.since {
            filter.push_str(&format!(" AND e.recorded_at >= {}", self.bind(since)));
        }
        if let Some(until) = read.until {
            filter.push_str(&format!(" AND e.recorded_at <= {}", self.bind(until)));
        }
        Some(Bounds { tenant, place, after, up_to, visible: Some(visible), filter, paged })
    }

    /// Reads events in the order of their places, passing over those that do not match.
    fn scan(&mut self, columns: &str, criteria: Option<&Criteria>, bounds: &Bounds) -> Result<String, BoxError> {
        let tenant = &bounds.tenant;
        let matching = criteria.map(|criteria| self.any_of(criteria, tenant)).transpose()?.unwrap_or_default();
        let (hint, place, ordered_by) = match &bounds.place {
            Place::All => (self.dialect.by_position, String::new(), "e.position"),
            Place::Category(category) => {
                (self.dialect.by_category, format!(" AND e.category = {category}"), "e.position")
            }
            Place::Stream(category, id) => {
                (self.dialect.by_stream, format!(" AND e.category = {category} AND e.stream_id = {id}"), "e.version")
            }
        };
        Ok(format!(
            "SELECT {columns} FROM annals_events e {hint} WHERE e.tenant = {tenant}{place} AND {}{}{}{matching}{}",
            bounds.range(ordered_by),
            bounds.visible("e"),
            bounds.filter,
            bounds.ordered(ordered_by)
        ))
    }

    /// A condition on `e`: that it matches any of `criteria`.
    fn any_of(&mut self, criteria: &Criteria, tenant: &str) -> Result<String, BoxError> {
        let mut conditions = Vec::new();
        for criterion in criteria.any_of() {
            let mut all_of = self.named(criterion)?;
            for tag in criterion.all_of_tags() {
                let tag = self.bind(tag.to_string());
                all_of.push_str(&format!(
                    " AND EXISTS (SELECT 1 FROM annals_tags t WHERE t.tenant = {tenant} AND t.tag = {tag} \
                     AND t.position = e.position)"
                ));
            }
            conditions.push(format!("(1 = 1{all_of})"));
        }
        Ok(format!(" AND ({})", conditions.join(" OR ")))
    }

    /// A query for the positions of events that match. Of each criterion only so many candidates are taken as the
    /// page holds: more of them cannot be among the first of all.
    fn candidates(&mut self, criteria: &Criteria, bounds: &Bounds) -> Result<String, BoxError> {
        let parts: Result<Vec<String>, BoxError> = criteria
            .any_of()
            .iter()
            .enumerate()
            .map(|(number, criterion)| {
                Ok(format!("SELECT position FROM ({}) m{number}", self.matching(criterion, bounds)?))
            })
            .collect();
        Ok(parts?.join(" UNION "))
    }

    /// The positions of events that match `criterion`, found by its tags if it has any.
    fn matching(&mut self, criterion: &Criterion, bounds: &Bounds) -> Result<String, BoxError> {
        let Some(first) = criterion.all_of_tags().first() else {
            return self.scan("e.position", Some(&Criteria::from(criterion.clone())), bounds);
        };
        let join = self.dialect.join;
        let mut filter = bounds.filter.clone() + &self.named(criterion)?;
        if let Place::Category(category) = &bounds.place {
            filter.push_str(&format!(" AND e.category = {category}"));
        }
        let first = self.bind(first.to_string());
        let mut joins = Vec::new();
        for (number, tag) in criterion.all_of_tags().iter().skip(1).enumerate() {
            let tag = self.bind(tag.to_string());
            let alias = format!("t{number}");
            let condition =
                format!("{alias}.tenant = t.tenant AND {alias}.tag = {tag} AND {alias}.position = t.position");
            joins.push(join("annals_tags", &alias, &condition));
        }
        if !filter.is_empty() {
            joins.push(join("annals_events", "e", "e.position = t.position"));
        }
        let joins = joins.join(" ");
        Ok(format!(
            "SELECT t.position FROM annals_tags t {joins} WHERE t.tenant = {} AND t.tag = {first} AND {}{}{filter}{}",
            bounds.tenant,
            bounds.range("t.position"),
            bounds.visible("t"),
            bounds.ordered("t.position")
        ))
    }

    /// A condition on `e`: that it has any of the names of `criterion`.
    fn named(&mut self, criterion: &Criterion) -> Result<String, BoxError> {
        if criterion.any_of_names().is_empty() {
            return Ok(String::new());
        }
        let any_of = match self.dialect.any_of {
            AnyOf::OfJson(any_of) => any_of(&self.bind(json::list(criterion.any_of_names())?)),
            AnyOf::Listed => format!("IN ({})", self.listed(criterion.any_of_names())),
        };
        Ok(format!(" AND e.name {any_of}"))
    }

    /// A parameter for each of `texts`; see [`AnyOf::Listed`].
    fn listed(&mut self, texts: &BTreeSet<String>) -> String {
        let mut bound: Vec<String> = texts.iter().map(|text| self.bind(text)).collect();
        let last = bound.last().cloned().unwrap_or_default();
        bound.resize(bound.len().next_power_of_two(), last);
        bound.join(", ")
    }
}
