//! The store contract, once for every SQL backend.

use std::any::{Any, TypeId};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use crate::handler::Resources;
use crate::message::{CommandId, Position, SagaId, StreamId, Timestamp, Version};
use crate::store::append::{Append, Appended, CommandRecord};
use crate::store::bare::{BareEvent, BarePage};
use crate::store::batcher::Batcher;
use crate::store::documents::{DocumentQuery, FoundDocument};
use crate::store::error::{AppendError, BoxError, ReadError, StoreError};
use crate::store::limits::Limits;
use crate::store::read::{Content, Direction, Page, Read};
use crate::store::records::{DeadLetter, Document, LetterCount, Snapshot, ViewId};
use crate::store::sagas::{
    Effect, HistoryRow, SagaCount, SagaFilter, SagaRow, SagaStore, Timer, WaitingInput, WhichEffects,
};
use crate::store::segment::{NodeRow, Segment, SegmentRow};
use crate::store::subscriptions::SubscriptionStore;
use crate::store::transaction::StoreTransaction;
use crate::store::{EventStore, Store};

use super::dialect::Dialect;
use super::join::{self, Appending, Unfit};
use super::read::Found;
use super::select::{self, Wanted};
use super::session::{Session, Statement};
use super::transaction::{SqlTransaction, of_keys, of_view};
use super::value::{ColumnError, Row};
use super::{find, json, read, rows};

/// What every SQL backend holds.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) dialect: &'static Dialect,
    pub(crate) batcher: Batcher,
    pub(crate) appended: watch::Sender<Position>,
    pub(crate) limits: Limits,
}

impl Handle {
    /// What an append at the end of a transaction takes from the store.
    pub(crate) fn appending(&self) -> Appending {
        Appending { limits: self.limits.clone(), appended: self.appended.clone() }
    }
}

/// What a backend is asked for; the rest is [`EventStore`] and [`Store`].
#[async_trait]
pub(crate) trait SqlStore: Send + Sync + 'static {
    /// Its transactions.
    type Transaction: SqlTransaction;
    /// The database, as the driver knows it.
    type Database: sqlx::Database;

    fn handle(&self) -> &Handle;

    /// Runs a statement that reads what was committed.
    async fn fetch(&self, statement: Statement) -> Result<Vec<Row>, BoxError>;

    /// Reads one page; `None` where no event can match.
    async fn page(&self, read: &Read) -> Result<Option<Found>, ReadError> {
        self.page_by_rows(read).await
    }

    /// Reads one page, a row for each event.
    async fn page_by_rows(&self, read: &Read) -> Result<Option<Found>, ReadError> {
        match select::page(self.handle().dialect, read).map_err(|source| ReadError::Unavailable { source })? {
            Some(wanted) => self.events(wanted).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads one page of bare events, oldest first; `None` where this is no shorter than reading whole ones.
    async fn bare_page(&self, _read: &Read) -> Result<Option<Found<BareEvent>>, ReadError> {
        Ok(None)
    }

    /// Runs the query of a page.
    async fn events(&self, wanted: Wanted) -> Result<Found, ReadError> {
        let rows = self.fetch(read::by_rows(wanted)).await.map_err(|source| ReadError::Unavailable { source })?;
        read::from_rows(rows)
    }

    /// Begins a transaction over everything but the events.
    async fn transaction(&self) -> Result<Self::Transaction, BoxError>;

    /// Makes a caller's transaction one of the store's, if it is one of the database in which the store lies.
    async fn joined(&self, transaction: sqlx::Transaction<'static, Self::Database>)
    -> Result<Self::Transaction, Unfit>;

    /// Begins a transaction that holds the append lock, and in which the database lets events change and go.
    async fn maintenance(&self) -> Result<Self::Transaction, BoxError>;

    /// Takes the sign of life of a node, which is gone when the process dies.
    async fn take_sign(&self, node: &str) -> Result<(), BoxError>;

    /// Whether nobody has the sign of life of a node.
    async fn sign_is_free(&self, node: &str) -> Result<bool, BoxError>;

    /// Gives the sign of life of a node back.
    async fn drop_sign(&self, node: &str) -> Result<(), BoxError>;

    /// What handlers get by type.
    fn offered(&self) -> Resources;

    /// The address, without a password.
    fn place(&self) -> String;

    /// Lets go of files and connections. No append is under way any more.
    async fn let_go(&self);
}

#[async_trait]
impl<S: SqlStore> EventStore for S {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.handle().batcher.append(append).await
    }

    async fn read(&self, read: &Read) -> Result<Page, ReadError> {
        self.handle().limits.check_read(read)?;
        match self.page(read).await? {
            Some(Found { head, events, .. }) => Ok(Page::answer(read, events, head)),
            None => Ok(Page::answer(read, Vec::new(), self.head().await?)),
        }
    }

    async fn read_bare(&self, read: &Read) -> Result<BarePage, ReadError> {
        self.handle().limits.check_read(read)?;
        let whole = read.direction == Direction::Backward || read.content != Content::Full;
        let found = if whole { None } else { self.bare_page(read).await? };
        match found {
            Some(Found { head, newest, events }) => Ok(BarePage::answer(read, events, newest, head)),
            None => Ok(BarePage::of(read, EventStore::read(self, read).await?)),
        }
    }

    async fn count(&self, read: &Read) -> Result<u64, ReadError> {
        self.handle().limits.check_read(read)?;
        let statement = select::count(self.handle().dialect, read);
        let Some(statement) = statement.map_err(|source| ReadError::Unavailable { source })? else { return Ok(0) };
        Ok(read_one(self, statement, |mut row| row.number("count")).await?.unwrap_or_default())
    }

    async fn head(&self) -> Result<Position, ReadError> {
        let statement = Statement::new(self.handle().dialect.statements.head);
        Ok(read_one(self, statement, |mut row| row.position("head")).await?.unwrap_or_default())
    }

    async fn stream_head(&self, tenant: &str, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        self.handle().limits.check_stream(stream)?;
        let statement = Statement::new(self.handle().dialect.statements.stream_head);
        let statement = statement.bind(tenant).bind(stream.category()).bind(stream.id());
        Ok(read_one(self, statement, |mut row| row.version("version")).await?.flatten())
    }

    async fn command(&self, tenant: &str, command: CommandId) -> Result<Option<CommandRecord>, ReadError> {
        let statement = Statement::new(self.handle().dialect.statements.command).bind(tenant).bind(command);
        read_one(self, statement, rows::command).await
    }

    fn appended(&self) -> watch::Receiver<Position> {
        self.handle().appended.subscribe()
    }
}

#[async_trait]
impl<S: SqlStore> Store for S {
    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        Ok(Box::new(self.transaction().await.map_err(StoreError::unavailable)?))
    }

    fn has_lost_a_race(&self, error: &(dyn std::error::Error + 'static)) -> bool {
        super::races::has_lost(error)
    }

    async fn join(&self, transaction: Box<dyn Any + Send>) -> Result<Box<dyn StoreTransaction>, StoreError> {
        join::join(self, transaction).await
    }

    async fn beat(
        &self,
        tenant: &str,
        node: &str,
        name: &str,
        processors: &[String],
        lease: Duration,
    ) -> Result<(), StoreError> {
        let processors = json::list(processors).map_err(StoreError::unavailable)?;
        let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX >> 2);
        let statement = Statement::new(self.handle().dialect.statements.beat).bind(tenant).bind(node).bind(name);
        write(self, statement.bind(processors).bind(lease)).await?;
        Ok(())
    }

    async fn nodes(&self, tenant: &str) -> Result<Vec<NodeRow>, StoreError> {
        all(self, Statement::new(self.handle().dialect.statements.nodes).bind(tenant), rows::node).await
    }

    async fn appear(&self, node: &str) -> Result<(), StoreError> {
        self.take_sign(node).await.map_err(StoreError::unavailable)
    }

    async fn is_gone(&self, node: &str) -> Result<bool, StoreError> {
        self.sign_is_free(node).await.map_err(StoreError::unavailable)
    }

    async fn leave(&self, tenant: &str, node: &str, clean: bool) -> Result<(), StoreError> {
        let sql = &self.handle().dialect.statements;
        let mut transaction = self.transaction().await.map_err(StoreError::unavailable)?;
        let left = async {
            if clean {
                transaction.execute(Statement::new(sql.drop_claims).bind(tenant).bind(node)).await?;
            }
            transaction.execute(Statement::new(sql.drop_node).bind(tenant).bind(node)).await
        };
        left.await.map_err(StoreError::unavailable)?;
        transaction.finish().await.map_err(StoreError::unavailable)?;
        self.drop_sign(node).await.map_err(StoreError::unavailable)
    }

    async fn segments(&self, tenant: &str) -> Result<Vec<SegmentRow>, StoreError> {
        all(self, Statement::new(self.handle().dialect.statements.segments).bind(tenant), rows::segment).await
    }

    async fn segments_of(&self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.segments_of).bind(tenant).bind(processor);
        all(self, statement, rows::segment).await
    }

    async fn token(&self, tenant: &str, name: &str) -> Result<Option<Position>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.token).bind(tenant).bind(name);
        let least = one(self, statement, |mut row| row.optional_integer("position")).await?.flatten();
        Ok(least.map(|position| Position::new(position.unsigned_abs())))
    }

    async fn snapshot(&self, tenant: &str, stream: &StreamId, schema: &str) -> Result<Option<Snapshot>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.snapshot);
        let statement = statement.bind(tenant).bind(stream.category()).bind(stream.id()).bind(schema);
        Ok(one(self, statement, rows::snapshot).await?.flatten())
    }

    async fn snapshot_schemas(&self, tenant: &str, stream: &StreamId) -> Result<Vec<String>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.snapshot_schemas);
        let statement = statement.bind(tenant).bind(stream.category()).bind(stream.id());
        all(self, statement, |mut row| row.text("state_schema")).await
    }

    async fn save_snapshot(&self, tenant: &str, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.handle().limits.check_snapshot(stream, &snapshot)?;
        let statement = Statement::new(self.handle().dialect.statements.save_snapshot)
            .bind(tenant)
            .bind(stream.category())
            .bind(stream.id())
            .bind(snapshot.schema)
            .bind(snapshot.version)
            .bind(snapshot.position)
            .bind(snapshot.state);
        write(self, statement).await?;
        Ok(())
    }

    async fn documents(&self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        all(self, of_keys(self.handle().dialect.statements.documents, view, keys)?, rows::document).await
    }

    async fn scan_documents(
        &self,
        view: &ViewId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        let statement = of_view(self.handle().dialect.statements.scan_documents, view).bind(after).bind(limit);
        all(self, statement, rows::document).await
    }

    async fn find_documents(&self, query: &DocumentQuery) -> Result<Vec<FoundDocument>, StoreError> {
        self.handle().limits.check_query(query)?;
        let statement = find::page(self.handle().dialect, query).map_err(StoreError::unavailable)?;
        all(self, statement, rows::found_document).await
    }

    async fn count_documents(&self, query: &DocumentQuery) -> Result<u64, StoreError> {
        self.handle().limits.check_query(query)?;
        let statement = find::count(self.handle().dialect, query).map_err(StoreError::unavailable)?;
        Ok(all(self, statement, |mut row| row.number("count")).await?.first().copied().unwrap_or(0))
    }

    async fn dead_letters(
        &self,
        tenant: &str,
        processor: &str,
        (position, place): (Position, u32),
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.dead_letters).bind(tenant).bind(processor);
        all(self, statement.bind(position).bind(place).bind(limit), rows::letter).await
    }

    async fn letter_count(&self, tenant: &str, processor: &str) -> Result<LetterCount, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.letter_count).bind(tenant).bind(processor);
        Ok(one(self, statement, rows::letter_count).await?.unwrap_or_default())
    }

    async fn due_letters(
        &self,
        tenant: &str,
        processor: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.due_letters).bind(tenant).bind(processor);
        all(self, statement.bind(now).bind(limit), rows::letter).await
    }

    async fn next_letter(&self, tenant: &str, processor: &str) -> Result<Option<Timestamp>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.next_letter).bind(tenant).bind(processor);
        Ok(one(self, statement, |mut row| row.optional_instant("retry_at")).await?.flatten())
    }

    async fn letter_of_stream(
        &self,
        tenant: &str,
        processor: &str,
        stream: &StreamId,
        until: Position,
    ) -> Result<Option<DeadLetter>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.letter_of_stream).bind(tenant).bind(processor);
        one(self, statement.bind(stream.to_string()).bind(until), rows::letter).await
    }

    async fn forget_commands(&self, before: Timestamp) -> Result<u64, StoreError> {
        write(self, Statement::new(self.handle().dialect.statements.forget_commands).bind(before)).await
    }

    fn resources(&self) -> Resources {
        self.offered()
    }

    fn sagas(&self) -> &dyn SagaStore {
        self
    }

    fn subscriptions(&self) -> &dyn SubscriptionStore {
        self
    }

    fn transaction_type(&self) -> TypeId {
        TypeId::of::<S::Transaction>()
    }

    fn address(&self) -> String {
        self.place()
    }

    async fn close(&self) {
        self.handle().batcher.close().await;
        self.let_go().await;
    }
}

#[async_trait]
impl<S: SqlStore> SagaStore for S {
    async fn due_effects(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        let statement = of_share(self.handle().dialect.statements.due_effects, tenant, saga, segment);
        all(self, statement.bind(now).bind(limit), rows::effect).await
    }

    async fn next_effect(&self, tenant: &str, saga: &str, segment: Segment) -> Result<Option<Timestamp>, StoreError> {
        let statement = of_share(self.handle().dialect.statements.next_effect, tenant, saga, segment);
        one(self, statement, |mut row| row.instant("not_before")).await
    }

    async fn open_effects(
        &self,
        tenant: &str,
        saga: &str,
        instance: Option<SagaId>,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        let statements = &self.handle().dialect.statements;
        let statement = match instance {
            None => Statement::new(statements.open_effects).bind(tenant).bind(saga),
            Some(id) => Statement::new(statements.effects_of).bind(tenant).bind(saga).bind(id),
        };
        all(self, statement.bind(limit), rows::effect).await
    }

    async fn effects(
        &self,
        tenant: &str,
        saga: &str,
        which: WhichEffects<'_>,
        after: Option<(Timestamp, CommandId)>,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        let statements = &self.handle().dialect.statements;
        let (text, scope) = match which {
            WhichEffects::Waiting => (statements.waiting_effects, None),
            WhichEffects::Parked => (statements.parked_effects, None),
            WhichEffects::Scope(scope) => (statements.effects_in_scope, Some(scope)),
        };
        let (from, id) = after.unwrap_or((Timestamp::from_micros(i64::MIN), CommandId::from(Uuid::nil())));
        let page = Statement::new(text).bind(tenant).bind(saga).bind(from).bind(id).bind(limit);
        all(self, if let Some(scope) = scope { page.bind(scope) } else { page }, rows::effect).await
    }

    async fn due_timers(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, StoreError> {
        let statement = of_share(self.handle().dialect.statements.due_timers, tenant, saga, segment);
        all(self, statement.bind(now).bind(limit), rows::timer).await
    }

    async fn next_timer(&self, tenant: &str, saga: &str, segment: Segment) -> Result<Option<Timestamp>, StoreError> {
        let statement = of_share(self.handle().dialect.statements.next_timer, tenant, saga, segment);
        one(self, statement, |mut row| row.instant("due")).await
    }

    async fn list(
        &self,
        tenant: &str,
        saga: &str,
        filter: &SagaFilter,
        limit: usize,
    ) -> Result<Vec<SagaRow>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.list_sagas)
            .bind(tenant)
            .bind(saga)
            .bind(filter.status.map(|status| i64::from(status.number())))
            .bind(filter.attention.map(i64::from))
            .bind(filter.step.clone())
            .bind(filter.began_before.map(Timestamp::as_micros))
            .bind(filter.changed_before.map(Timestamp::as_micros))
            .bind(filter.after.map(|(began, _)| began.as_micros()))
            .bind(filter.after.map_or(SagaId::from(Uuid::nil()), |(_, id)| id))
            .bind(limit);
        let mut found = all(self, statement, rows::saga).await?;
        let running: Vec<SagaId> = found.iter().filter(|row| !row.status.is_ended()).map(|row| row.id).collect();
        if !running.is_empty() {
            let associations = Statement::new(self.handle().dialect.statements.associations).bind(tenant).bind(saga);
            let associations =
                all(self, associations.bind(super::sagas::distinct(&running)?), super::sagas::association);
            super::sagas::attach(&mut found, associations.await?);
        }
        Ok(found)
    }

    async fn count(&self, tenant: &str, saga: &str) -> Result<Vec<SagaCount>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.count_sagas).bind(tenant).bind(saga);
        all(self, statement, rows::saga_count).await
    }

    async fn history(&self, tenant: &str, saga: &str, id: SagaId) -> Result<Vec<HistoryRow>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.history).bind(tenant).bind(saga);
        all(self, statement.bind(id), rows::history).await
    }

    async fn waiting(&self, tenant: &str, saga: &str, id: SagaId) -> Result<Vec<WaitingInput>, StoreError> {
        let statement = Statement::new(self.handle().dialect.statements.waiting).bind(tenant).bind(saga);
        all(self, statement.bind(id), rows::waiting).await
    }

    async fn forget(&self, tenant: &str, saga: &str, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let statements = &self.handle().dialect.statements;
        let ended = Statement::new(statements.ended_sagas).bind(tenant).bind(saga).bind(before).bind(limit);
        let ended: Vec<SagaId> = all(self, ended, |mut row| Ok::<_, ColumnError>(row.id("saga_id")?.into())).await?;
        if ended.is_empty() {
            return Ok(0);
        }
        let ids = json::list(ended.iter().map(|id| json::id(id.uuid()))).map_err(StoreError::unavailable)?;
        // The instances last: what is interrupted is done again.
        let mut forgotten = 0;
        for text in [statements.forget_history, statements.forget_waiting, statements.forget_sagas] {
            forgotten = write(self, Statement::new(text).bind(tenant).bind(saga).bind(&ids)).await?;
        }
        Ok(forgotten)
    }
}

/// A statement whose first parameters name a share of a saga.
fn of_share(text: &'static str, tenant: &str, saga: &str, segment: Segment) -> Statement {
    Statement::new(text).bind(tenant).bind(saga).bind(segment.mask()).bind(segment.id())
}

async fn all<S: SqlStore, T, E: Into<BoxError>>(
    store: &S,
    statement: Statement,
    read: impl Fn(Row) -> Result<T, E>,
) -> Result<Vec<T>, StoreError> {
    let rows = store.fetch(statement).await.map_err(StoreError::unavailable)?;
    rows.into_iter().map(read).collect::<Result<_, _>>().map_err(StoreError::unavailable)
}

async fn one<S: SqlStore, T, E: Into<BoxError>>(
    store: &S,
    statement: Statement,
    read: impl Fn(Row) -> Result<T, E>,
) -> Result<Option<T>, StoreError> {
    Ok(all(store, statement, read).await?.into_iter().next())
}

pub(super) async fn read_one<S: SqlStore, T, E: Into<BoxError>>(
    store: &S,
    statement: Statement,
    read: impl Fn(Row) -> Result<T, E>,
) -> Result<Option<T>, ReadError> {
    let rows = store.fetch(statement).await.map_err(|source| ReadError::Unavailable { source })?;
    let read = rows.into_iter().next().map(read).transpose();
    read.map_err(|error| ReadError::Unavailable { source: error.into() })
}

/// Runs one statement in a transaction of its own.
async fn write<S: SqlStore>(store: &S, statement: Statement) -> Result<u64, StoreError> {
    let mut transaction = store.transaction().await.map_err(StoreError::unavailable)?;
    let changed = transaction.execute(statement).await.map_err(StoreError::unavailable)?;
    transaction.finish().await.map_err(StoreError::unavailable)?;
    Ok(changed)
}
