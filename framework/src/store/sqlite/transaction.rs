//! A transaction on SQLite, for the framework's records and a handler's own rows.

use std::any::Any;
use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use crate::message::{CommandId, Position, SagaId, Timestamp};
use crate::store::error::StoreError;
use crate::store::records::{Association, Claim, DeadLetter, Document, LetterState, SagaRow, SagaWrite, ViewId};
use crate::store::transaction::StoreTransaction;

use super::records::{documents, execute, fetch, json};
use super::writer::WriteTransaction;
use super::{rows, sagas};

/// A transaction of a [`super::SqliteStore`]. It dereferences to its connection, so that a handler's own rows commit
/// together with the framework's:
///
/// ```
/// use annals::store::{SqliteTransaction, StoreError};
///
/// async fn count(tx: &mut SqliteTransaction, order: &str) -> Result<(), sqlx::Error> {
///     sqlx::query("UPDATE order_counts SET n = n + 1 WHERE id = ?").bind(order).execute(&mut **tx).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct SqliteTransaction {
    inner: WriteTransaction,
    marked: bool,
}

impl SqliteTransaction {
    pub(super) fn new(inner: WriteTransaction) -> Self {
        Self { inner, marked: false }
    }

    async fn move_token(&mut self, claim: &Claim, position: Position) -> Result<(), StoreError> {
        let sql = "UPDATE annals_tokens SET position = ?3 WHERE processor = ?1 AND fence = ?2";
        let query = sqlx::query(sql).bind(&claim.processor).bind(rows::integer(claim.fence));
        let moved = execute(&mut self.inner, query.bind(rows::integer(position.get()))).await?;
        held(moved > 0, claim)
    }
}

fn held(held: bool, claim: &Claim) -> Result<(), StoreError> {
    if held {
        return Ok(());
    }
    Err(StoreError::ClaimLost { processor: claim.processor.clone(), fence: claim.fence })
}

impl Deref for SqliteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.inner
    }
}

impl DerefMut for SqliteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }
}

#[async_trait]
impl StoreTransaction for SqliteTransaction {
    async fn advance(&mut self, claim: &Claim, position: Position) -> Result<(), StoreError> {
        self.move_token(claim, position).await
    }

    async fn guard(&mut self, claim: &Claim) -> Result<(), StoreError> {
        let sql = "SELECT 1 FROM annals_tokens WHERE processor = ?1 AND fence = ?2";
        let query = sqlx::query(sql).bind(&claim.processor).bind(rows::integer(claim.fence));
        let found = query.fetch_optional(&mut *self.inner).await.map_err(StoreError::unavailable)?;
        held(found.is_some(), claim)
    }

    async fn reset(&mut self, claim: &Claim, position: Position) -> Result<(), StoreError> {
        self.move_token(claim, position).await
    }

    async fn documents(&mut self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        fetch(&mut self.inner, documents(view, keys)?, rows::document).await
    }

    async fn write_documents(
        &mut self,
        view: &ViewId,
        writes: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<(), StoreError> {
        let writes: Vec<_> = writes
            .iter()
            .map(|(key, body)| {
                let (text, digits) = body.as_deref().map(rows::bytes).unwrap_or_default();
                (key, text, digits)
            })
            .collect();
        let query = sqlx::query(include_str!("sql/write_documents.sql"));
        let query = query.bind(&view.tenant).bind(&view.name).bind(view.version).bind(json(&writes)?);
        execute(&mut self.inner, query).await?;
        Ok(())
    }

    async fn clear_documents(&mut self, view: &ViewId) -> Result<(), StoreError> {
        let sql = "DELETE FROM annals_documents WHERE tenant = ?1 AND view = ?2 AND view_version = ?3";
        let query = sqlx::query(sql).bind(&view.tenant).bind(&view.name).bind(view.version);
        execute(&mut self.inner, query).await?;
        Ok(())
    }

    async fn find_sagas(&mut self, saga: &str, associations: &[Association]) -> Result<Vec<SagaRow>, StoreError> {
        sagas::find(&mut self.inner, saga, associations).await
    }

    async fn saga(&mut self, saga: &str, id: SagaId) -> Result<Option<SagaRow>, StoreError> {
        Ok(sagas::by_id(&mut self.inner, saga, &[id]).await?.pop())
    }

    async fn write_sagas(&mut self, writes: Vec<SagaWrite>) -> Result<(), StoreError> {
        for write in &writes {
            sagas::write(&mut self.inner, write).await?;
        }
        Ok(())
    }

    async fn finish_effects(&mut self, effects: &[CommandId]) -> Result<(), StoreError> {
        let ids: Vec<_> = effects.iter().map(|id| id.uuid().simple().to_string()).collect();
        let sql = "DELETE FROM annals_effects WHERE command_id IN (SELECT unhex(value) FROM json_each(?1))";
        execute(&mut self.inner, sqlx::query(sql).bind(json(&ids)?)).await?;
        Ok(())
    }

    async fn postpone_effect(
        &mut self,
        effect: CommandId,
        attempts: u32,
        next: Result<Timestamp, String>,
    ) -> Result<(), StoreError> {
        let (not_before, parked) = match next {
            Ok(instant) => (Some(instant.as_micros()), None),
            Err(reason) => (None, Some(reason)),
        };
        let sql = "UPDATE annals_effects SET attempts = ?2, not_before = coalesce(?3, not_before), parked = ?4 \
                   WHERE command_id = ?1";
        let query = sqlx::query(sql).bind(effect.uuid().as_bytes().to_vec()).bind(attempts);
        execute(&mut self.inner, query.bind(not_before).bind(parked)).await?;
        Ok(())
    }

    async fn take_timer(&mut self, saga: &str, id: SagaId, name: &str, due: Timestamp) -> Result<bool, StoreError> {
        let sql = "DELETE FROM annals_timers WHERE saga = ?1 AND saga_id = ?2 AND name = ?3 AND due = ?4";
        let query = sqlx::query(sql).bind(saga).bind(id.uuid().as_bytes().to_vec()).bind(name).bind(due.as_micros());
        Ok(execute(&mut self.inner, query).await? > 0)
    }

    async fn held_sequences(&mut self, processor: &str, sequences: &[String]) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT sequence FROM annals_dead_letters \
                   WHERE processor = ?1 AND sequence IN (SELECT value FROM json_each(?2))";
        let query = sqlx::query(sql).bind(processor).bind(json(&sequences)?);
        fetch(&mut self.inner, query, |row| row.try_get(0)).await
    }

    async fn add_letter(&mut self, letter: DeadLetter) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO annals_dead_letters \
                   (processor, position, sequence, attempts, retry_at, error, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let query = sqlx::query(sql)
            .bind(letter.processor)
            .bind(rows::integer(letter.position.get()))
            .bind(letter.sequence)
            .bind(letter.attempts)
            .bind(retry_at(letter.state))
            .bind(letter.error)
            .bind(letter.since.as_micros());
        execute(&mut self.inner, query).await?;
        Ok(())
    }

    async fn update_letter(
        &mut self,
        processor: &str,
        position: Position,
        attempts: u32,
        state: LetterState,
        error: &str,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE annals_dead_letters SET attempts = ?3, retry_at = ?4, error = ?5 \
                   WHERE processor = ?1 AND position = ?2";
        let query = sqlx::query(sql).bind(processor).bind(rows::integer(position.get()));
        execute(&mut self.inner, query.bind(attempts).bind(retry_at(state)).bind(error)).await?;
        Ok(())
    }

    async fn remove_letter(&mut self, processor: &str, position: Position) -> Result<bool, StoreError> {
        let sql = "DELETE FROM annals_dead_letters WHERE processor = ?1 AND position = ?2";
        let query = sqlx::query(sql).bind(processor).bind(rows::integer(position.get()));
        Ok(execute(&mut self.inner, query).await? > 0)
    }

    async fn mark(&mut self) -> Result<(), StoreError> {
        if self.marked {
            execute(&mut self.inner, sqlx::query("RELEASE annals_mark")).await?;
            self.marked = false;
        }
        execute(&mut self.inner, sqlx::query("SAVEPOINT annals_mark")).await?;
        self.marked = true;
        Ok(())
    }

    async fn undo_to_mark(&mut self) -> Result<(), StoreError> {
        execute(&mut self.inner, sqlx::query("ROLLBACK TO annals_mark")).await?;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.commit().await.map_err(StoreError::unavailable)
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn retry_at(state: LetterState) -> Option<i64> {
    match state {
        LetterState::Retrying(at) => Some(at.as_micros()),
        LetterState::Parked => None,
    }
}
