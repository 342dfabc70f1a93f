//! Saga instances with their associations, effects and timers.

use std::collections::HashMap;

use sqlx::{Row, SqliteConnection};

use crate::message::SagaId;
use crate::store::error::StoreError;
use crate::store::records::{Association, SagaRow, SagaWrite};

use super::records::{execute, fetch, json};
use super::rows;

fn hexadecimal(id: SagaId) -> String {
    id.uuid().simple().to_string()
}

/// The instances of `saga` that are associated with any of `associations`.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    saga: &str,
    associations: &[Association],
) -> Result<Vec<SagaRow>, StoreError> {
    let wanted: Vec<_> = associations.iter().map(|association| (&association.key, &association.value)).collect();
    let sql = "SELECT DISTINCT a.saga_id FROM json_each(?2) q CROSS JOIN annals_associations a \
               ON a.saga = ?1 AND a.key = q.value ->> 0 AND a.value = q.value ->> 1";
    let query = sqlx::query(sql).bind(saga).bind(json(&wanted)?);
    let ids = fetch(connection, query, |row| Ok(SagaId::from(rows::id(row, 0)?))).await?;
    if ids.is_empty() { Ok(Vec::new()) } else { by_id(connection, saga, &ids).await }
}

/// The instances `ids` of `saga`, with their associations.
pub(super) async fn by_id(
    connection: &mut SqliteConnection,
    saga: &str,
    ids: &[SagaId],
) -> Result<Vec<SagaRow>, StoreError> {
    let ids = json(&ids.iter().map(|id| hexadecimal(*id)).collect::<Vec<_>>())?;
    let sql = "SELECT saga_id, revision, state, progress, ended, effects FROM annals_sagas \
               WHERE saga = ?1 AND saga_id IN (SELECT unhex(value) FROM json_each(?2))";
    let mut found = fetch(connection, sqlx::query(sql).bind(saga).bind(&ids), rows::saga).await?;
    let sql = "SELECT saga_id, key, value FROM annals_associations \
               WHERE saga = ?1 AND saga_id IN (SELECT unhex(value) FROM json_each(?2)) ORDER BY key, value";
    let associations = fetch(connection, sqlx::query(sql).bind(saga).bind(&ids), |row| {
        Ok((SagaId::from(rows::id(row, 0)?), Association { key: row.try_get(1)?, value: row.try_get(2)? }))
    })
    .await?;
    let mut of_instance: HashMap<SagaId, Vec<Association>> = HashMap::new();
    for (id, association) in associations {
        of_instance.entry(id).or_default().push(association);
    }
    for row in &mut found {
        row.associations = of_instance.remove(&row.id).unwrap_or_default();
    }
    Ok(found)
}

/// Writes one instance with its effects and timers.
pub(super) async fn write(connection: &mut SqliteConnection, write: &SagaWrite) -> Result<(), StoreError> {
    write_row(connection, write).await?;
    write_associations(connection, write).await?;
    write_timers(connection, write).await?;
    write_effects(connection, write).await
}

async fn write_row(connection: &mut SqliteConnection, write: &SagaWrite) -> Result<(), StoreError> {
    let (saga, row) = (&write.saga, &write.row);
    let sql = if row.revision == 0 {
        "INSERT OR IGNORE INTO annals_sagas (saga, saga_id, revision, state, progress, ended, effects) \
         VALUES (?1, ?2, ?3 + 1, ?4, ?5, ?6, ?7)"
    } else {
        "UPDATE annals_sagas SET revision = revision + 1, state = ?4, progress = ?5, ended = ?6, effects = ?7 \
         WHERE saga = ?1 AND saga_id = ?2 AND revision = ?3"
    };
    let query = sqlx::query(sql)
        .bind(saga)
        .bind(row.id.uuid().as_bytes().to_vec())
        .bind(rows::integer(row.revision))
        .bind(&row.state)
        .bind(&row.progress)
        .bind(row.ended)
        .bind(rows::integer(row.effects));
    if execute(connection, query).await? == 0 {
        return Err(StoreError::Changed { what: format!("instance {} of saga `{saga}`", row.id) });
    }
    Ok(())
}

async fn write_associations(connection: &mut SqliteConnection, write: &SagaWrite) -> Result<(), StoreError> {
    let (saga, row) = (&write.saga, &write.row);
    let wanted: Vec<_> = match row.ended {
        true => Vec::new(),
        false => row.associations.iter().map(|association| (&association.key, &association.value)).collect(),
    };
    let wanted = json(&wanted)?;
    let id = row.id.uuid().as_bytes().to_vec();
    if row.revision > 0 {
        let sql = "DELETE FROM annals_associations WHERE saga = ?1 AND saga_id = ?2 \
                   AND (key, value) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3))";
        execute(connection, sqlx::query(sql).bind(saga).bind(&id).bind(&wanted)).await?;
    }
    let sql = "INSERT OR IGNORE INTO annals_associations (saga, key, value, saga_id) \
               SELECT ?1, value ->> 0, value ->> 1, ?2 FROM json_each(?3)";
    execute(connection, sqlx::query(sql).bind(saga).bind(&id).bind(&wanted)).await?;
    Ok(())
}

async fn write_timers(connection: &mut SqliteConnection, write: &SagaWrite) -> Result<(), StoreError> {
    let (saga, row) = (&write.saga, &write.row);
    let id = row.id.uuid().as_bytes().to_vec();
    if row.ended {
        let sql = "DELETE FROM annals_timers WHERE saga = ?1 AND saga_id = ?2";
        execute(connection, sqlx::query(sql).bind(saga).bind(id)).await?;
        return Ok(());
    }
    if !write.cancelled.is_empty() {
        let sql = "DELETE FROM annals_timers WHERE saga = ?1 AND saga_id = ?2 \
                   AND name IN (SELECT value FROM json_each(?3))";
        execute(connection, sqlx::query(sql).bind(saga).bind(&id).bind(json(&write.cancelled)?)).await?;
    }
    if !write.timers.is_empty() {
        let timers: Vec<_> = write.timers.iter().map(|timer| (&timer.name, timer.due.as_micros())).collect();
        let sql = "INSERT OR REPLACE INTO annals_timers (saga, saga_id, name, due) \
                   SELECT ?1, ?2, value ->> 0, value ->> 1 FROM json_each(?3)";
        execute(connection, sqlx::query(sql).bind(saga).bind(&id).bind(json(&timers)?)).await?;
    }
    Ok(())
}

async fn write_effects(connection: &mut SqliteConnection, write: &SagaWrite) -> Result<(), StoreError> {
    for effect in &write.effects {
        let sql = "INSERT INTO annals_effects (command_id, saga, saga_id, number, name, payload, metadata, step, \
                   attempts, not_before, parked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let query = sqlx::query(sql)
            .bind(effect.command.uuid().as_bytes().to_vec())
            .bind(&effect.saga)
            .bind(effect.saga_id.uuid().as_bytes().to_vec())
            .bind(rows::integer(effect.number))
            .bind(&effect.name)
            .bind(&effect.payload)
            .bind(json(&effect.metadata)?)
            .bind(&effect.step)
            .bind(effect.attempts)
            .bind(effect.not_before.as_micros())
            .bind(&effect.parked);
        execute(connection, query).await?;
    }
    Ok(())
}
