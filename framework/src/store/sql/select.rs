//! Builds the statements that read events, or ask whether events match.
//!
//! The text of a statement depends on the shape of the request alone (how many criteria, each with how many tags), so
//! that a connection prepares it once. Values are always bound.

use crate::store::criteria::{Condition, Criteria, Criterion};
use crate::store::error::BoxError;
use crate::store::read::{Direction, Read, Scope};

use super::dialect::Dialect;
use super::json;
use super::session::Statement;
use super::value::Value;

const COLUMNS: &str = "e.position, e.version, e.event_id, e.name, e.revision, e.payload, e.metadata, e.recorded_at, \
                       e.category, e.stream_id";

/// The columns of [`COLUMNS`] once more, out of a subquery.
const SELECTED: &str = "c.position, c.version, c.event_id, c.name, c.revision, c.payload, c.metadata, c.recorded_at, \
                        c.category, c.stream_id";

/// A statement for one page. Each row begins with the head; where no event matches, one row has the head alone and nulls
/// behind it. One statement sees one state of the database, so nothing up to that head can be missing in the page.
pub(super) fn page(dialect: &Dialect, read: &Read) -> Result<Statement, BoxError> {
    let mut builder = Builder::new(dialect);
    let order = if read.direction == Direction::Forward { "ASC" } else { "DESC" };
    let wanted = builder.wanted(read, order)?;
    let text = match wanted {
        Some(wanted) => format!(
            "SELECT h.head, {SELECTED} FROM (SELECT coalesce(max(position), 0) AS head FROM annals_events) h \
             LEFT JOIN ({wanted}) c ON true ORDER BY c.position {order}"
        ),
        None => "SELECT coalesce(max(position), 0) FROM annals_events".to_owned(),
    };
    Ok(builder.finish(text))
}

/// A statement for whether a stored event breaks `condition`; `None` where none can.
pub(super) fn breaks(dialect: &Dialect, tenant: &str, condition: &Condition) -> Result<Option<Statement>, BoxError> {
    if condition.criteria.any_of().is_empty() {
        return Ok(None);
    }
    let mut builder = Builder::new(dialect);
    let bounds = Bounds {
        tenant: builder.bind(tenant),
        after: builder.bind(condition.after),
        until: None,
        limit: builder.bind(1_i64),
        order: "ASC",
    };
    let candidates = builder.candidates(&condition.criteria, &bounds)?;
    Ok(Some(builder.finish(format!("SELECT EXISTS ({candidates})"))))
}

/// What bounds a read, as parameters of its statement.
struct Bounds {
    tenant: String,
    after: String,
    until: Option<String>,
    limit: String,
    order: &'static str,
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

    fn finish(self, text: String) -> Statement {
        Statement::built(text, self.values)
    }

    /// The events that are asked for; `None` where none can match.
    fn wanted(&mut self, read: &Read, order: &'static str) -> Result<Option<String>, BoxError> {
        let Dialect { join, by_position, .. } = *self.dialect;
        let (Scope::All { until, .. } | Scope::Stream { until, .. } | Scope::Matching { until, .. }) = &read.scope;
        let tenant = self.bind(read.tenant.as_str());
        let limit = self.bind(read.limit);
        let until = until.map(|until| self.bind(until));
        let recorded_by = recorded_by(until.as_deref());
        Ok(Some(match &read.scope {
            Scope::All { after, .. } => {
                let after = self.bind(*after);
                format!(
                    "SELECT {COLUMNS} FROM annals_events e {by_position} WHERE e.tenant = {tenant} \
                     AND e.position > {after}{recorded_by} ORDER BY e.position {order} LIMIT {limit}"
                )
            }
            Scope::Stream { stream, after, .. } => {
                let category = self.bind(stream.category());
                let id = self.bind(stream.id());
                let after = self.bind(after.map_or(0, |after| after.get()));
                format!(
                    "SELECT {COLUMNS} FROM annals_events e WHERE e.tenant = {tenant} AND e.category = {category} \
                     AND e.stream_id = {id} AND e.version > {after}{recorded_by} ORDER BY e.version {order} LIMIT {limit}"
                )
            }
            Scope::Matching { criteria, .. } if criteria.any_of().is_empty() => return Ok(None),
            Scope::Matching { criteria, after, .. } => {
                let after = self.bind(*after);
                let bounds = Bounds { tenant, after, until, limit: limit.clone(), order };
                let candidates = self.candidates(criteria, &bounds)?;
                format!(
                    "SELECT {COLUMNS} FROM ({candidates}) m {join} annals_events e ON e.position = m.position \
                     ORDER BY m.position {order} LIMIT {limit}"
                )
            }
        }))
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

    fn matching(&mut self, criterion: &Criterion, bounds: &Bounds) -> Result<String, BoxError> {
        let Dialect { join, by_position, texts_of, .. } = *self.dialect;
        let Bounds { tenant, after, until, limit, order } = bounds;
        let mut filter = recorded_by(until.as_deref());
        if !criterion.any_of_names().is_empty() {
            let names = self.bind(json::list(criterion.any_of_names())?);
            filter.push_str(&format!(" AND e.name IN ({})", texts_of(&names)));
        }
        let mut tags = criterion.all_of_tags().iter();
        let Some(first) = tags.next() else {
            return Ok(format!(
                "SELECT e.position FROM annals_events e {by_position} WHERE e.tenant = {tenant} \
                 AND e.position > {after}{filter} ORDER BY e.position {order} LIMIT {limit}"
            ));
        };
        let first = self.bind(first.to_string());
        let mut joins = String::new();
        for (number, tag) in tags.enumerate() {
            let tag = self.bind(tag.to_string());
            joins.push_str(&format!(
                " {join} annals_tags t{number} ON t{number}.tenant = t.tenant AND t{number}.tag = {tag} \
                 AND t{number}.position = t.position"
            ));
        }
        if !filter.is_empty() {
            joins.push_str(&format!(" {join} annals_events e ON e.position = t.position"));
        }
        Ok(format!(
            "SELECT t.position FROM annals_tags t{joins} WHERE t.tenant = {tenant} AND t.tag = {first} \
             AND t.position > {after}{filter} ORDER BY t.position {order} LIMIT {limit}"
        ))
    }
}

fn recorded_by(until: Option<&str>) -> String {
    until.map_or_else(String::new, |until| format!(" AND e.recorded_at <= {until}"))
}
