//! A transaction over the records beside the events, once for every SQL backend.

use std::any::Any;

use async_trait::async_trait;

use crate::message::{CommandId, Position, SagaId, Timestamp};
use crate::store::append::{Append, Appended};
use crate::store::documents::{DocumentChange, composed};
use crate::store::error::{AppendError, BoxError, StoreError};
use crate::store::exchange::StoredEvent;
use crate::store::plan::{Facts, Plan, Questions};
use crate::store::records::{DeadLetter, Document, LetterState, ViewId};
use crate::store::sagas::{Association, Effect, HistoryRow, SagaRow, SagaWrite, Timer};
use crate::store::segment::{Advance, Claim, SegmentRow, SegmentWrite};
use crate::store::transaction::StoreTransaction;

use super::append::{self, Failure};
use super::dialect::Dialect;
use super::insert::{self, Deleted, Entries};
use super::join::{self, Appending};
use super::sagas::{Sagas, labels};
use super::session::{Session, Statement};
use super::statements::Statements;
use super::value::{ColumnError, first};
use super::{facts, json, rows};

/// What a backend's transaction is asked for; the rest is [`StoreTransaction`].
#[async_trait]
pub(crate) trait SqlTransaction: Session + Sized + 'static {
    /// What differs in its SQL.
    fn dialect(&self) -> &'static Dialect;

    /// The statements of its dialect.
    fn statements(&self) -> &'static Statements {
        &self.dialect().statements
    }

    /// What an append at its end takes from the store.
    fn appending(&self) -> &Appending;

    /// Whether there is a mark.
    fn marked(&mut self) -> &mut bool;

    /// As [`StoreTransaction::makes_tables`].
    fn expect_tables(&mut self) {}

    /// Takes the append lock, which is held until the transaction ends. Fails if the database has ended the transaction
    /// before its time: what is written then would be permanent by itself.
    async fn lock_appends(&mut self) -> Result<(), BoxError>;

    /// Plans `batch` under the append lock and writes the plan, but for the commit.
    async fn prepare<'a>(&mut self, batch: &'a [Append]) -> Result<Plan<'a>, BoxError> {
        let dialect = self.dialect();
        append::prepare(self, dialect, batch).await
    }

    /// Writes bodies of documents, each key once and in order; `None` removes one.
    async fn put_documents(&mut self, view: &ViewId, bodies: &[(&str, Option<&[u8]>)]) -> Result<(), BoxError> {
        let writes = bodies.iter().map(|(key, body)| {
            let (text, digits) = body.map(json::bytes).unwrap_or_default();
            (key, text, digits)
        });
        let text = self.statements().write_documents;
        self.execute(of_view(text, view).bind(json::list(writes)?)).await.map(|_| ())
    }

    /// What an error of a statement before the commit means.
    fn failure(error: BoxError) -> Failure;

    /// Makes everything permanent.
    async fn finish(self) -> Result<(), Failure>;

    /// Rolls everything back.
    async fn undo(self) -> Result<(), BoxError>;

    /// What an import depends on.
    async fn facts(&mut self, dialect: &'static Dialect, questions: Questions<'_>) -> Result<Facts, BoxError> {
        facts::answers_to(self, dialect, questions).await
    }

    /// Writes events that were exported elsewhere. Of `deleted` streams, those that get events are opened again.
    async fn write_import(&mut self, fresh: &[&StoredEvent], deleted: &Deleted) -> Result<(), BoxError> {
        let statements = self.statements();
        insert::import(self, statements, fresh, deleted).await
    }
}

#[async_trait]
impl<T: SqlTransaction> StoreTransaction for T {
    async fn advance(&mut self, segments: &[Advance]) -> Result<(), StoreError> {
        let Some(Advance { claim, .. }) = segments.first() else { return Ok(()) };
        let moves = segments.iter().map(|moved| {
            let Advance { claim, position, details } = moved;
            (claim.segment.id(), claim.fence, position.get(), details)
        });
        let moves = json::list(moves).map_err(StoreError::unavailable)?;
        let text = self.statements().advance;
        let moved = run(self, Statement::new(text).bind(&claim.tenant).bind(&claim.processor).bind(moves)).await?;
        if moved == segments.len() as u64 {
            return Ok(());
        }
        let claims: Vec<Claim> = segments.iter().map(|moved| moved.claim.clone()).collect();
        self.guard(&claims).await?;
        Err(StoreError::ClaimLost { processor: claim.processor.clone(), segment: claim.segment, fence: claim.fence })
    }

    async fn guard(&mut self, claims: &[Claim]) -> Result<(), StoreError> {
        let Some(first) = claims.first() else { return Ok(()) };
        let wanted = json::list(claims.iter().map(|claim| (claim.segment.id(), claim.fence)));
        let statement = Statement::new(self.statements().guard).bind(&first.tenant).bind(&first.processor);
        let statement = statement.bind(wanted.map_err(StoreError::unavailable)?);
        let found = self.fetch(statement).await.map_err(StoreError::unavailable)?;
        let held = found.into_iter().map(|mut row| row.small("segment")).collect::<Result<Vec<_>, _>>();
        let held = held.map_err(StoreError::unavailable)?;
        match claims.iter().find(|claim| !held.contains(&claim.segment.id())) {
            None => Ok(()),
            Some(lost) => Err(StoreError::ClaimLost {
                processor: lost.processor.clone(),
                segment: lost.segment,
                fence: lost.fence,
            }),
        }
    }

    async fn lock_segments(&mut self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError> {
        let sql = self.statements();
        if !sql.hold_segments.is_empty() {
            self.fetch(Statement::new(sql.hold_segments).bind(tenant).bind(processor))
                .await
                .map_err(StoreError::unavailable)?;
        }
        let statement = Statement::new(sql.lock_segments).bind(tenant).bind(processor);
        let found = self.fetch(statement).await.map_err(StoreError::unavailable)?;
        found.into_iter().map(rows::segment).collect::<Result<_, _>>().map_err(StoreError::unavailable)
    }

    async fn write_segments(&mut self, tenant: &str, writes: Vec<SegmentWrite>) -> Result<(), StoreError> {
        let sql = self.statements();
        for write in writes {
            let row = write.row();
            let what = || format!("segment {} of processor `{}`", row.segment, row.processor);
            let named = |text| Statement::new(text).bind(tenant).bind(&row.processor).bind(row.segment.id());
            let statement = match &write {
                SegmentWrite::Add(row) | SegmentWrite::Change(row) => {
                    let adds = matches!(write, SegmentWrite::Add(_));
                    named(if adds { sql.add_segment } else { sql.change_segment })
                        .bind(row.segment.mask())
                        .bind(row.position)
                        .bind(row.fence)
                        .bind(row.owner.clone())
                        .bind(row.state.number())
                        .bind(&row.details)
                }
                SegmentWrite::Remove(row) => named(sql.remove_segment).bind(row.fence),
            };
            if run(self, statement).await? == 0 {
                return Err(StoreError::Changed { what: what() });
            }
        }
        Ok(())
    }

    async fn documents(&mut self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        let sql = self.statements();
        if !sql.hold_documents.is_empty() {
            run(self, of_keys(sql.hold_documents, view, keys)?).await?;
        }
        let statement = of_keys(sql.documents_to_write, view, keys)?;
        let found = self.fetch(statement).await.map_err(StoreError::unavailable)?;
        found.into_iter().map(rows::document).collect::<Result<_, _>>().map_err(StoreError::unavailable)
    }

    async fn own_documents(&mut self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        let statement = of_keys(self.statements().documents, view, keys)?;
        let found = self.fetch(statement).await.map_err(StoreError::unavailable)?;
        found.into_iter().map(rows::document).collect::<Result<_, _>>().map_err(StoreError::unavailable)
    }

    async fn write_documents(&mut self, view: &ViewId, changes: Vec<DocumentChange>) -> Result<(), StoreError> {
        let bodies = last_of_each(&changes);
        self.put_documents(view, &bodies).await.map_err(StoreError::unavailable)?;
        let index = composed(changes.iter().map(|change| (view, change.key.as_str(), &change.index)));
        for (text, entries) in Entries::of(&index).map_err(StoreError::unavailable)?.statements(self.statements()) {
            run(self, Statement::new(text).bind(entries)).await?;
        }
        Ok(())
    }

    async fn clear_documents(&mut self, view: &ViewId) -> Result<(), StoreError> {
        for text in [self.statements().clear_entries, self.statements().clear_documents] {
            run(self, of_view(text, view)).await?;
        }
        Ok(())
    }

    async fn clear_entries(&mut self, view: &ViewId, key: &str) -> Result<(), StoreError> {
        let statement = of_view(self.statements().clear_entries_of, view).bind(key);
        run(self, statement).await?;
        Ok(())
    }

    async fn find_sagas(
        &mut self,
        tenant: &str,
        saga: &str,
        associations: &[Association],
        ids: &[SagaId],
    ) -> Result<Vec<SagaRow>, StoreError> {
        sagas(self, tenant, saga).find(associations, ids).await
    }

    async fn write_sagas(&mut self, tenant: &str, saga: &str, writes: Vec<SagaWrite>) -> Result<(), StoreError> {
        sagas(self, tenant, saga).write(&writes).await
    }

    async fn add_history(&mut self, tenant: &str, saga: &str, rows: Vec<HistoryRow>) -> Result<(), StoreError> {
        sagas(self, tenant, saga).add_history(&rows).await
    }

    async fn timers(&mut self, tenant: &str, saga: &str, ids: &[SagaId]) -> Result<Vec<Timer>, StoreError> {
        sagas(self, tenant, saga).timers(ids).await
    }

    async fn open_among(&mut self, tenant: &str, effects: &[CommandId]) -> Result<Vec<CommandId>, StoreError> {
        let ids = json::list(effects.iter().map(|id| json::id(id.uuid()))).map_err(StoreError::unavailable)?;
        let statement = Statement::new(self.statements().open_among).bind(tenant).bind(ids);
        let found = self.fetch(statement).await.map_err(StoreError::unavailable)?;
        let open = found.into_iter().map(|mut row| Ok::<_, ColumnError>(row.id("command_id")?.into()));
        open.collect::<Result<_, _>>().map_err(StoreError::unavailable)
    }

    async fn add_effects(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        for same in effects.chunk_by(|one, other| (&one.tenant, &one.saga) == (&other.tenant, &other.saga)) {
            let ids: Vec<CommandId> = same.iter().map(|effect| effect.command).collect();
            self.finish_effects(&same[0].tenant, &ids).await?;
            sagas(self, &same[0].tenant, &same[0].saga).drop_labels(labels(same)).await?;
            sagas(self, &same[0].tenant, &same[0].saga).add_effects(same).await?;
        }
        Ok(())
    }

    async fn finish_effects(&mut self, tenant: &str, effects: &[CommandId]) -> Result<u64, StoreError> {
        let ids = json::list(effects.iter().map(|id| json::id(id.uuid()))).map_err(StoreError::unavailable)?;
        let statement = Statement::new(self.statements().finish_effects).bind(tenant).bind(ids);
        run(self, statement).await
    }

    async fn cancel_effects(
        &mut self,
        tenant: &str,
        saga: &str,
        scope: &str,
        label: Option<&str>,
    ) -> Result<u64, StoreError> {
        match label {
            Some(label) => sagas(self, tenant, saga).drop_labels(vec![(scope, label)]).await,
            None => run(self, Statement::new(self.statements().drop_scope).bind(tenant).bind(saga).bind(scope)).await,
        }
    }

    async fn postpone_effect(
        &mut self,
        tenant: &str,
        effect: CommandId,
        attempts: u32,
        next: Result<Timestamp, String>,
    ) -> Result<bool, StoreError> {
        let (not_before, parked) = match next {
            Ok(instant) => (Some(instant), None),
            Err(reason) => (None, Some(reason)),
        };
        let statement = Statement::new(self.statements().postpone_effect).bind(tenant).bind(effect).bind(attempts);
        Ok(run(self, statement.bind(not_before).bind(parked)).await? > 0)
    }

    async fn held_sequences(
        &mut self,
        tenant: &str,
        processor: &str,
        sequences: &[String],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sequences = json::list(sequences).map_err(StoreError::unavailable)?;
        let statement = Statement::new(self.statements().held_sequences).bind(tenant).bind(processor).bind(sequences);
        let found = self.fetch(statement).await.map_err(StoreError::unavailable)?;
        let held = found.into_iter().map(|mut row| Ok((row.text("component")?, row.text("sequence")?)));
        held.collect::<Result<_, ColumnError>>().map_err(StoreError::unavailable)
    }

    async fn count_letters(
        &mut self,
        tenant: &str,
        processor: &str,
        component: &str,
        sequence: &str,
    ) -> Result<(u64, u64), StoreError> {
        let statement = Statement::new(self.statements().count_letters).bind(tenant).bind(processor);
        let found = self.fetch(statement.bind(component).bind(sequence)).await.map_err(StoreError::unavailable)?;
        let counted = first(found, |mut row| Ok((row.number("sequences")?, row.number("letters")?)));
        Ok(counted.map_err(StoreError::unavailable)?.unwrap_or_default())
    }

    async fn add_letter(&mut self, letter: DeadLetter) -> Result<(), StoreError> {
        let statement = of_letter(self.statements().add_letter, &letter)
            .bind(&letter.component)
            .bind(&letter.sequence)
            .bind(&letter.event)
            .bind(&letter.stream)
            .bind(letter.attempts)
            .bind(letter.state.number())
            .bind(retry_at(letter.state))
            .bind(&letter.error)
            .bind(letter.since);
        run(self, statement).await?;
        Ok(())
    }

    async fn update_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let statement = of_letter(self.statements().update_letter, letter)
            .bind(letter.attempts)
            .bind(letter.state.number())
            .bind(retry_at(letter.state))
            .bind(&letter.error);
        Ok(run(self, statement).await? > 0)
    }

    async fn remove_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let statement = of_letter(self.statements().remove_letter, letter);
        Ok(run(self, statement).await? > 0)
    }

    async fn clear_letters(&mut self, tenant: &str, processor: &str, after: Position) -> Result<u64, StoreError> {
        let statement = Statement::new(self.statements().clear_letters).bind(tenant).bind(processor);
        run(self, statement.bind(after)).await
    }

    async fn mark(&mut self) -> Result<(), StoreError> {
        if *self.marked() {
            self.control("RELEASE SAVEPOINT annals_mark").await.map_err(StoreError::unavailable)?;
            *self.marked() = false;
        }
        self.control("SAVEPOINT annals_mark").await.map_err(StoreError::unavailable)?;
        *self.marked() = true;
        Ok(())
    }

    async fn undo_to_mark(&mut self) -> Result<(), StoreError> {
        self.control("ROLLBACK TO SAVEPOINT annals_mark").await.map_err(StoreError::unavailable)
    }

    fn makes_tables(&mut self) {
        self.expect_tables();
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.finish().await.map_err(StoreError::unavailable)
    }

    async fn commit_with(self: Box<Self>, append: Append) -> Result<Appended, AppendError> {
        join::commit_with(*self, append).await
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The bodies by their keys, so that two transactions that write the same documents wait for each other in the same order.
/// Of one key the last counts.
fn last_of_each(changes: &[DocumentChange]) -> Vec<(&str, Option<&[u8]>)> {
    let mut bodies: Vec<_> = changes.iter().map(|change| (change.key.as_str(), change.body.as_deref())).collect();
    if !bodies.is_sorted_by(|(one, _), (other, _)| one < other) {
        bodies.reverse();
        bodies.sort_by_key(|(key, _)| *key);
        bodies.dedup_by_key(|(key, _)| *key);
    }
    bodies
}

/// A statement for the documents of `view` under `keys`.
pub(super) fn of_keys(text: &'static str, view: &ViewId, keys: &[String]) -> Result<Statement, StoreError> {
    Ok(of_view(text, view).bind(json::list(keys).map_err(StoreError::unavailable)?))
}

/// A statement whose first parameters name `view`.
pub(super) fn of_view(text: &'static str, view: &ViewId) -> Statement {
    Statement::new(text).bind(&view.tenant).bind(&view.name).bind(view.version)
}

fn sagas<'a, T: SqlTransaction>(transaction: &'a mut T, tenant: &'a str, saga: &'a str) -> Sagas<'a, T> {
    let sql = transaction.statements();
    Sagas { session: transaction, sql, tenant, saga }
}

async fn run<T: SqlTransaction>(transaction: &mut T, statement: Statement) -> Result<u64, StoreError> {
    transaction.execute(statement).await.map_err(StoreError::unavailable)
}

/// A statement whose first parameters name `letter`.
fn of_letter(text: &'static str, letter: &DeadLetter) -> Statement {
    Statement::new(text).bind(&letter.tenant).bind(&letter.processor).bind(letter.position).bind(letter.place)
}

fn retry_at(state: LetterState) -> Option<Timestamp> {
    match state {
        LetterState::Retrying(at) => Some(at),
        LetterState::Parked | LetterState::Skipped => None,
    }
}
