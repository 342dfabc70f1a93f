//! What appends and imports depend on, looked up in one statement.

use serde::de::DeserializeOwned;

use crate::message::{Position, StreamId, Version};
use crate::store::append::Append;
use crate::store::error::BoxError;
use crate::store::plan::{DocumentState, Facts, Place, Questions, StreamState};
use crate::store::stream::StreamStatus;

use super::dialect::Dialect;
use super::session::{Session, Statement};
use super::value::{Row, first};
use super::{json, rows, select};

/// Everything that `batch` depends on.
pub(crate) async fn of_batch<S: Session + ?Sized>(
    session: &mut S,
    dialect: &'static Dialect,
    batch: &[Append],
) -> Result<Facts, BoxError> {
    let mut facts = answers_to(session, dialect, Questions::of(batch)).await?;
    for (index, append) in batch.iter().enumerate() {
        let Some(condition) = &append.condition else { continue };
        let Some(statement) = select::breaks(dialect, &append.tenant, condition)? else { continue };
        if first(session.fetch(statement).await?, |mut row| row.truth("broken"))?.unwrap_or(false) {
            facts.broken_conditions.insert(index);
        }
    }
    Ok(facts)
}

/// The parameters of [`super::Statements::facts`] are `[[tenant, category, stream id]]`, `[event id]`, `[[tenant, command
/// id]]` and `[[tenant, view, version, key]]`; each answer names its question by number.
pub(crate) async fn answers_to<S: Session + ?Sized>(
    session: &mut S,
    dialect: &'static Dialect,
    questions: Questions<'_>,
) -> Result<Facts, BoxError> {
    let sql = &dialect.statements;
    let Questions { streams, events, commands, documents } = questions;
    let streams: Vec<(&str, &StreamId)> = streams.into_iter().collect();
    let commands: Vec<_> = commands.into_iter().collect();
    let documents: Vec<_> = documents.into_iter().collect();
    let statement = Statement::new(sql.facts)
        .bind(json::list(streams.iter().map(|(tenant, stream)| (tenant, stream.category(), stream.id())))?)
        .bind(json::list(events.iter().map(|id| json::id(id.uuid())))?)
        .bind(json::list(commands.iter().map(|(tenant, id)| (tenant, json::id(id.uuid()))))?)
        .bind(json::list(documents.iter().map(|(view, key)| (&view.tenant, &view.name, view.version, key)))?);
    let row = session.fetch(statement).await?.into_iter().next();
    let mut row = row.ok_or("the database gave no facts")?;

    let mut facts = Facts { head: row.position("head")?, ..Facts::default() };
    for (asked, newest, status) in answers::<(usize, u64, i64)>(&mut row, "streams")? {
        let (Some((tenant, stream)), Some(newest)) = (streams.get(asked), Version::new(newest)) else { continue };
        let state = StreamState { newest, status: StreamStatus::from_code(status) };
        facts.streams.insert(((*tenant).to_owned(), (*stream).clone()), state);
    }
    for (asked, tenant, category, stream, version, position) in
        answers::<(usize, String, String, String, u64, u64)>(&mut row, "events")?
    {
        let (Some(id), Some(version)) = (events.get(asked), Version::new(version)) else { continue };
        let stream = StreamId::new(category, stream);
        facts.events.insert(*id, Place { tenant, stream, version, position: Position::new(position) });
    }
    // A command that was executed before is rare: each is looked up by itself.
    for asked in answers::<usize>(&mut row, "commands")? {
        let Some((tenant, id)) = commands.get(asked) else { continue };
        let found = session.fetch(Statement::new(sql.command).bind(*tenant).bind(*id)).await?;
        if let Some(record) = first(found, rows::command)? {
            facts.commands.insert(((*tenant).to_owned(), *id), record);
        }
    }
    for (asked, revision, removed) in answers::<(usize, u64, u8)>(&mut row, "documents")? {
        let Some((view, key)) = documents.get(asked) else { continue };
        let state = DocumentState { revision, removed: removed != 0 };
        facts.documents.insert(((*view).clone(), (*key).to_owned()), state);
    }
    Ok(facts)
}

fn answers<T: DeserializeOwned>(row: &mut Row, column: &'static str) -> Result<Vec<T>, BoxError> {
    Ok(serde_json::from_str(&row.text(column)?)?)
}
