//! What a batch of appends depends on, looked up in one statement.

use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::message::StreamId;
use crate::store::append::Append;
use crate::store::error::BoxError;
use crate::store::plan::{DocumentState, Facts, Place, Questions};

use super::{read, rows};

pub(super) async fn gather(connection: &mut SqliteConnection, batch: &[Append]) -> Result<Facts, BoxError> {
    let Questions { streams, events, commands, documents } = Questions::of(batch);
    let streams: Vec<(&str, &StreamId)> = streams.into_iter().collect();
    let commands: Vec<_> = commands.into_iter().collect();
    let documents: Vec<_> = documents.into_iter().collect();

    let asked_streams: Vec<_> =
        streams.iter().map(|(tenant, stream)| (tenant, stream.category(), stream.id())).collect();
    let asked_events: Vec<_> = events.iter().map(|id| id.uuid().simple().to_string()).collect();
    let asked_commands: Vec<_> = commands.iter().map(|(tenant, id)| (tenant, id.uuid().simple().to_string())).collect();
    let asked_documents: Vec<_> =
        documents.iter().map(|(view, key)| (&view.tenant, &view.name, view.version, key)).collect();
    let row = sqlx::query(include_str!("sql/facts.sql"))
        .bind(serde_json::to_string(&asked_streams)?)
        .bind(serde_json::to_string(&asked_events)?)
        .bind(serde_json::to_string(&asked_commands)?)
        .bind(serde_json::to_string(&asked_documents)?)
        .fetch_one(&mut *connection)
        .await?;

    let mut facts = Facts { head: rows::position(row.try_get_unchecked(0)?), ..Facts::default() };
    for (asked, newest) in answers::<(usize, i64)>(&row, 1)? {
        let (Some((tenant, stream)), Some(newest)) = (streams.get(asked), rows::version(newest)) else { continue };
        facts.streams.insert(((*tenant).to_owned(), (*stream).clone()), newest);
    }
    for (asked, tenant, category, stream, version, position) in
        answers::<(usize, String, String, String, i64, i64)>(&row, 2)?
    {
        let (Some(id), Some(version)) = (events.get(asked), rows::version(version)) else { continue };
        let stream = StreamId::new(category, stream);
        facts.events.insert(*id, Place { tenant, stream, version, position: rows::position(position) });
    }
    // A command that was executed before is rare: each is looked up by itself.
    for asked in answers::<usize>(&row, 3)? {
        let Some((tenant, id)) = commands.get(asked) else { continue };
        let record = rows::command(
            &sqlx::query(rows::COMMAND)
                .bind((*tenant).to_owned())
                .bind(id.uuid().as_bytes().to_vec())
                .fetch_one(&mut *connection)
                .await?,
        )?;
        facts.commands.insert(((*tenant).to_owned(), *id), record);
    }
    for (asked, revision, removed) in answers::<(usize, u64, u8)>(&row, 4)? {
        let Some((view, key)) = documents.get(asked) else { continue };
        let state = DocumentState { revision, removed: removed != 0 };
        facts.documents.insert(((*view).clone(), (*key).to_owned()), state);
    }
    for (index, append) in batch.iter().enumerate() {
        let Some(condition) = &append.condition else { continue };
        if read::is_broken(connection, &append.tenant, condition).await? {
            facts.broken_conditions.insert(index);
        }
    }
    Ok(facts)
}

fn answers<T: DeserializeOwned>(row: &SqliteRow, column: usize) -> Result<Vec<T>, BoxError> {
    Ok(serde_json::from_str(row.try_get_unchecked(column)?)?)
}
