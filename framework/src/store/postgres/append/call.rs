//! The call of the function that verifies and writes.

use serde::Serialize;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, Row as _, SqlSafeStr, SqlStr};

use crate::message::{Position, StreamId};
use crate::store::append::{Append, Expected};
use crate::store::error::BoxError;
use crate::store::plan::{Plan, Set, StreamState};
use crate::store::sql::{Records, slice};

use super::assume::{Assumed, Key};
use super::line::{Line, Taken};

const CALL: &str = "SELECT head_before, not_as_assumed FROM annals_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
                    $12, $13, $14, $15, $16, $17, $18, $19, $20, $21::text::jsonb, $22::text::jsonb, $23::text::jsonb, \
                    $24::text::jsonb, $25::text::jsonb, $26::text::jsonb)";

/// What the event before one in its stream has to be: see the function.
const NEVER: i16 = 0;
const IF_THE_HEAD_HAS_MOVED: i16 = 1;
const ALWAYS: i16 = 2;

/// What the function answers.
#[derive(Debug)]
pub(super) struct Answer {
    /// The head under the lock, before anything was written.
    pub(super) head_before: Position,
    /// What was not as assumed; nothing was written then.
    pub(super) not_as_assumed: Option<String>,
}

/// A call with all of its arguments.
#[derive(Debug)]
pub(super) struct Call {
    text: SqlStr,
    arguments: PgArguments,
}

/// What was assumed when the plan was made, without the facts that the plan has used up.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) head: Position,
    pub(super) head_is_fixed: bool,
    pub(super) unsure: Set<Key>,
    /// Streams that appends expect something of, with the version that each was assumed to have.
    expected: Vec<(Key, Option<u64>)>,
}

impl Basis {
    pub(super) fn of(batch: &[Append], assumed: &mut Assumed) -> Self {
        let version = |key: &Key| assumed.facts.streams.get(key).map(|state: &StreamState| state.newest.get());
        let named = batch.iter().flat_map(|append| {
            let expected = append.expected.iter().filter(|(_, expected)| *expected != Expected::Any);
            expected.map(|(stream, _)| (append.tenant.clone(), stream.clone()))
        });
        let expected = named.map(|key| (key.clone(), version(&key))).collect();
        let unsure = std::mem::take(&mut assumed.unsure);
        Self { head: assumed.facts.head, head_is_fixed: assumed.head_is_fixed, unsure, expected }
    }
}

impl Call {
    pub(super) fn new(line: &Line, basis: &Basis, plan: &Plan<'_>) -> Result<Self, BoxError> {
        let events = plan.events.len();
        let mut written: Set<(&str, &StreamId)> = Set::default();
        let mut checks = Vec::with_capacity(events);
        for (tenant, event, version, _) in &plan.events {
            let first = written.insert((tenant, &event.stream));
            checks.push(match version.get() {
                _ if !first => NEVER,
                1 => NEVER,
                _ if basis.unsure.contains(&((*tenant).to_owned(), event.stream.clone())) => ALWAYS,
                _ => IF_THE_HEAD_HAS_MOVED,
            });
        }
        let watched: Set<_> = basis
            .expected
            .iter()
            .filter(|((tenant, stream), _)| !written.contains(&(tenant.as_str(), stream)))
            .map(|((tenant, stream), version)| (tenant, stream.category(), stream.id(), version.unwrap_or(0)))
            .collect();
        let records = Records::of(plan)?;

        let mut arguments = PgArguments::default();
        arguments.reserve(26, plan.events.iter().map(|(_, event, _, _)| event.payload.len() + 300).sum());
        arguments.add(line.append_lock())?;
        arguments.add(integer(basis.head.get()))?;
        arguments.add(basis.head_is_fixed)?;
        arguments.add(checks.contains(&ALWAYS))?;
        arguments.add(column(plan, |(tenant, ..)| *tenant))?;
        arguments.add(column(plan, |(_, event, ..)| event.stream.category()))?;
        arguments.add(column(plan, |(_, event, ..)| event.stream.id()))?;
        arguments.add(column(plan, |(_, _, version, _)| integer(version.get())))?;
        arguments.add(checks)?;
        arguments.add(column(plan, |(_, event, ..)| event.id.uuid()))?;
        arguments.add(column(plan, |(_, event, ..)| event.name.as_str()))?;
        arguments.add(column(plan, |(_, event, ..)| i64::from(event.revision)))?;
        arguments.add(column(plan, |(_, event, ..)| event.payload.as_slice()))?;
        let metadata: Result<Vec<_>, _> =
            plan.events.iter().map(|(_, event, ..)| serde_json::to_string(event.metadata.as_ref())).collect();
        arguments.add(metadata?)?;
        let mut tags = Tags::default();
        let lists: Result<Vec<_>, _> = plan
            .events
            .iter()
            .map(|(tenant, event, _, position)| {
                let own: Vec<String> = event.tags.iter().map(ToString::to_string).collect();
                let list = serde_json::to_string(&own);
                for tag in own {
                    tags.tenants.push(tenant);
                    tags.texts.push(tag);
                    tags.positions.push(integer(position.get()));
                }
                list
            })
            .collect();
        arguments.add(lists?)?;
        arguments.add(column(plan, |(_, event, ..)| event.recorded_at.as_micros()))?;
        arguments
            .add(column(plan, |(tenant, event, ..)| i16::try_from(slice(tenant, &event.stream)).unwrap_or(i16::MAX)))?;
        arguments.add(tags.tenants)?;
        arguments.add(tags.texts)?;
        arguments.add(tags.positions)?;
        arguments.add(rows(&watched)?)?;
        arguments.add(records.commands)?;
        arguments.add(records.documents)?;
        arguments.add(records.entries.removed)?;
        arguments.add(records.entries.added)?;
        arguments.add(records.snapshots)?;
        Ok(Self { text: CALL.into_sql_str(), arguments })
    }

    /// Makes the call, which commits by itself.
    pub(super) async fn make(self, line: &mut Taken) -> Result<Answer, BoxError> {
        let row = line.call(self.text, self.arguments).await?;
        let head: i64 = row.try_get(0)?;
        Ok(Answer { head_before: Position::new(head.unsigned_abs()), not_as_assumed: row.try_get(1)? })
    }
}

#[derive(Default)]
struct Tags<'a> {
    tenants: Vec<&'a str>,
    texts: Vec<String>,
    positions: Vec<i64>,
}

type Planned<'a> = (&'a str, &'a crate::store::append::NewEvent, crate::message::Version, Position);

fn column<'a, T>(plan: &Plan<'a>, value: impl Fn(&Planned<'a>) -> T) -> Vec<T> {
    plan.events.iter().map(value).collect()
}

fn rows<T: Serialize + std::hash::Hash + Eq>(rows: &Set<T>) -> Result<Option<String>, serde_json::Error> {
    if rows.is_empty() { Ok(None) } else { serde_json::to_string(rows).map(Some) }
}

/// PostgreSQL's integers are signed; positions and versions never reach their end.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
