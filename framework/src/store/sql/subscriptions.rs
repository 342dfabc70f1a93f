//! Subscriptions and their deliveries, once for every SQL backend.

use async_trait::async_trait;

use crate::message::{Position, Tag, Timestamp};
use crate::store::error::{BoxError, StoreError};
use crate::store::subscriptions::{
    DeliveryCounts, DeliveryRow, DeliveryState, Glance, HeldSubscription, ParkedChange, SubscriptionRow,
    SubscriptionStore,
};

use super::json;
use super::session::Statement;
use super::store::SqlStore;
use super::transaction::SqlTransaction;
use super::value::{ColumnError, Row, first};

/// What differs in the SQL of subscriptions.
#[derive(Debug)]
pub(crate) struct SubscriptionSql {
    /// The present instant in microseconds since 1970.
    pub(crate) now: &'static str,
    /// Stands behind a query whose rows nobody else may lock before the transaction ends.
    pub(crate) for_update: &'static str,
    /// Adds a subscription, or changes no row if there is one of this name.
    pub(crate) add: &'static str,
    /// Writes deliveries, ?3 [[position, sequence, state, attempts, number, consumer, due, replayed, reason]].
    pub(crate) put: &'static str,
    /// Removes the deliveries of the positions ?3, a list.
    pub(crate) take_away: &'static str,
    /// The tags of the events at the positions ?2, a list.
    pub(crate) tags: &'static str,
}

const ROW: &str = "name, generation, revision, settings, position, number, replaying, consumers";
const DELIVERY: &str = "position, sequence, state, attempts, number, consumer, due, replayed, reason";
const OF_NAME: &str = "tenant = ?1 AND subscription = ?2";

#[async_trait]
impl<S: SqlStore> SubscriptionStore for S {
    async fn hold_subscription(&self, tenant: &str, name: &str) -> Result<Box<dyn HeldSubscription>, StoreError> {
        self.handle().limits.check_subscription(name)?;
        let transaction = self.transaction().await.map_err(StoreError::unavailable)?;
        let sql = &self.handle().dialect.subscriptions;
        Ok(Box::new(Held::of(transaction, sql, tenant, name).await.map_err(StoreError::unavailable)?))
    }

    async fn glance(&self, tenant: &str, name: &str) -> Result<Option<Glance>, StoreError> {
        self.handle().limits.check_subscription(name)?;
        let now = self.handle().dialect.subscriptions.now;
        let text = format!(
            "SELECT {ROW}, {now}, (SELECT coalesce(max(position), 0) FROM annals_events), \
             (SELECT min(due) FROM annals_deliveries WHERE {OF_NAME} AND state IN (0, 1)) \
             FROM annals_subscriptions WHERE tenant = ?1 AND name = ?2"
        );
        let found = all(self, Statement::built(text, vec![tenant.into(), name.into()]), |mut row| {
            let subscription = subscription(&mut row)?;
            let (now, head) = (row.instant("now")?, row.position("head")?);
            Ok(Glance { row: subscription, now, head, next_due: row.optional_instant("next_due")? })
        });
        Ok(found.await?.pop())
    }

    async fn list(&self, tenant: &str) -> Result<Vec<SubscriptionRow>, StoreError> {
        let text = format!("SELECT {ROW} FROM annals_subscriptions WHERE tenant = ?1 ORDER BY name");
        all(self, Statement::built(text, vec![tenant.into()]), |mut row| subscription(&mut row)).await
    }

    async fn counts(&self, tenant: &str, name: &str) -> Result<DeliveryCounts, StoreError> {
        let text = format!(
            "SELECT state, count(*), min(CASE WHEN replayed = 0 THEN position END) FROM annals_deliveries \
             WHERE {OF_NAME} GROUP BY state"
        );
        let groups = all(self, Statement::built(text, vec![tenant.into(), name.into()]), |mut row| {
            let (state, count) = (DeliveryState::from_code(row.integer("state")?), row.number("count")?);
            Ok((state, count, row.optional_integer("lowest")?))
        });
        let mut counts = DeliveryCounts::default();
        for (state, count, lowest) in groups.await? {
            match state {
                DeliveryState::Waiting => counts.waiting = count,
                DeliveryState::Out => counts.out = count,
                DeliveryState::Parked => counts.parked = count,
                DeliveryState::Replaying => counts.replaying = count,
            }
            if let (true, Some(lowest)) = (state.is_open(), lowest) {
                let lowest = Position::new(lowest.unsigned_abs());
                counts.lowest = Some(counts.lowest.map_or(lowest, |other| other.min(lowest)));
            }
        }
        Ok(counts)
    }

    async fn parked(
        &self,
        tenant: &str,
        name: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let text = format!(
            "SELECT {DELIVERY} FROM annals_deliveries WHERE {OF_NAME} AND state = 2 AND position > ?3 \
             ORDER BY position LIMIT ?4"
        );
        let values = vec![tenant.into(), name.into(), after.into(), limit.into()];
        all(self, Statement::built(text, values), delivery).await
    }

    async fn tags(&self, tenant: &str, positions: &[Position]) -> Result<Vec<(Position, Vec<Tag>)>, StoreError> {
        let positions = list(positions)?;
        let statement = Statement::new(self.handle().dialect.subscriptions.tags).bind(tenant).bind(positions);
        let rows = self.fetch(statement).await.map_err(StoreError::unavailable)?;
        let read = |mut row: Row| -> Result<_, BoxError> {
            let position = row.position("position")?;
            let tags: Vec<String> = serde_json::from_str(&row.text("tags")?)?;
            Ok((position, tags.iter().filter_map(|tag| Tag::parse(tag)).collect()))
        };
        rows.into_iter().map(read).collect::<Result<_, _>>().map_err(StoreError::unavailable)
    }
}

/// A transaction that has locked the row of its subscription.
struct Held<T> {
    transaction: T,
    sql: &'static SubscriptionSql,
    tenant: String,
    name: String,
    row: Option<SubscriptionRow>,
    now: Timestamp,
}

impl<T: SqlTransaction> Held<T> {
    async fn of(mut transaction: T, sql: &'static SubscriptionSql, tenant: &str, name: &str) -> Result<Self, BoxError> {
        let SubscriptionSql { now, for_update, .. } = sql;
        let text =
            format!("SELECT {ROW}, {now} FROM annals_subscriptions WHERE tenant = ?1 AND name = ?2 {for_update}");
        let found = transaction.fetch(Statement::built(text, vec![tenant.into(), name.into()])).await?;
        let found = first(found, |mut row| Ok((subscription(&mut row)?, row.instant("now")?)))?;
        let (row, now) = found.map_or((None, Timestamp::EPOCH), |(row, now)| (Some(row), now));
        Ok(Self { transaction, sql, tenant: tenant.to_owned(), name: name.to_owned(), row, now })
    }

    fn of_name(&self, text: &'static str) -> Statement {
        Statement::new(text).bind(&self.tenant).bind(&self.name)
    }

    async fn run(&mut self, statement: Statement) -> Result<u64, StoreError> {
        self.transaction.execute(statement).await.map_err(StoreError::unavailable)
    }

    async fn deliveries(&mut self, text: String, limit: Option<usize>) -> Result<Vec<DeliveryRow>, StoreError> {
        let mut statement = Statement::built(text, vec![(&self.tenant).into(), (&self.name).into()]);
        if let Some(limit) = limit {
            statement = statement.bind(limit);
        }
        let rows = self.transaction.fetch(statement).await.map_err(StoreError::unavailable)?;
        rows.into_iter().map(delivery).collect::<Result<_, _>>().map_err(StoreError::unavailable)
    }
}

#[async_trait]
impl<T: SqlTransaction> HeldSubscription for Held<T> {
    fn row(&self) -> Option<&SubscriptionRow> {
        self.row.as_ref()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    async fn create(&mut self, row: &SubscriptionRow) -> Result<bool, StoreError> {
        let count = Statement::new("SELECT count(*) FROM annals_subscriptions WHERE tenant = ?1").bind(&self.tenant);
        let count = self.transaction.fetch(count).await.map_err(StoreError::unavailable)?;
        let there = first(count, |mut row| row.number("count")).map_err(StoreError::unavailable)?;
        let there = usize::try_from(there.unwrap_or_default()).unwrap_or(usize::MAX);
        if self.row.is_some() {
            return Ok(false);
        }
        self.transaction.appending().limits.check_subscriptions(there.saturating_add(1))?;
        let statement = of_row(self.of_name(self.sql.add), row);
        Ok(self.run(statement).await? > 0)
    }

    async fn update(&mut self, row: &SubscriptionRow) -> Result<(), StoreError> {
        let statement = self.of_name(
            "UPDATE annals_subscriptions SET generation = ?3, revision = ?4, settings = ?5, position = ?6, \
             number = ?7, replaying = ?8, consumers = ?9 WHERE tenant = ?1 AND name = ?2",
        );
        self.run(of_row(statement, row)).await?;
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), StoreError> {
        let deliveries = self.of_name("DELETE FROM annals_deliveries WHERE tenant = ?1 AND subscription = ?2");
        self.run(deliveries).await?;
        let row = self.of_name("DELETE FROM annals_subscriptions WHERE tenant = ?1 AND name = ?2");
        self.run(row).await?;
        Ok(())
    }

    async fn open(&mut self) -> Result<Vec<DeliveryRow>, StoreError> {
        let text =
            format!("SELECT {DELIVERY} FROM annals_deliveries WHERE {OF_NAME} AND state IN (0, 1) ORDER BY position");
        self.deliveries(text, None).await
    }

    async fn replaying(&mut self, limit: usize) -> Result<Vec<DeliveryRow>, StoreError> {
        let text = format!(
            "SELECT {DELIVERY} FROM annals_deliveries WHERE {OF_NAME} AND state = 3 ORDER BY position LIMIT ?3"
        );
        self.deliveries(text, Some(limit)).await
    }

    async fn put(&mut self, deliveries: &[DeliveryRow]) -> Result<(), StoreError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let rows = json::list(deliveries.iter().map(|delivery| {
            (
                delivery.position.get(),
                &delivery.sequence,
                delivery.state.code(),
                delivery.attempts,
                delivery.number,
                &delivery.consumer,
                delivery.due.as_micros(),
                u8::from(delivery.replayed),
                &delivery.reason,
            )
        }));
        let statement = self.of_name(self.sql.put).bind(rows.map_err(StoreError::unavailable)?);
        self.run(statement).await?;
        Ok(())
    }

    async fn take_away(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        if !positions.is_empty() {
            let statement = self.of_name(self.sql.take_away).bind(list(positions)?);
            self.run(statement).await?;
        }
        Ok(())
    }

    async fn change_parked(
        &mut self,
        change: ParkedChange,
        first: Position,
        last: Position,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let Some(behind) = limit.checked_sub(1) else { return Ok(0) };
        let edge = self.of_name(
            "SELECT position FROM annals_deliveries WHERE tenant = ?1 AND subscription = ?2 AND state = 2 \
             AND position >= ?3 AND position <= ?4 ORDER BY position LIMIT 1 OFFSET ?5",
        );
        let edge = self.transaction.fetch(edge.bind(first).bind(last).bind(behind)).await;
        let edge = self::first(edge.map_err(StoreError::unavailable)?, |mut row| row.position("position"));
        let last = edge.map_err(StoreError::unavailable)?.unwrap_or(last);
        let statement = self.of_name(match change {
            ParkedChange::Replay => {
                "UPDATE annals_deliveries SET state = 3 WHERE tenant = ?1 AND subscription = ?2 AND state = 2 \
                 AND position >= ?3 AND position <= ?4"
            }
            ParkedChange::Discard => {
                "DELETE FROM annals_deliveries WHERE tenant = ?1 AND subscription = ?2 AND state = 2 \
                 AND position >= ?3 AND position <= ?4"
            }
        });
        self.run(statement.bind(first).bind(last)).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.finish().await.map_err(StoreError::unavailable)
    }
}

/// `statement`, whose first parameters name a subscription, with what its row holds.
fn of_row(statement: Statement, row: &SubscriptionRow) -> Statement {
    statement
        .bind(&row.generation)
        .bind(row.revision)
        .bind(&row.settings)
        .bind(row.position)
        .bind(row.number)
        .bind(row.replaying)
        .bind(&row.consumers)
}

fn list(positions: &[Position]) -> Result<String, StoreError> {
    json::list(positions.iter().map(|position| position.get())).map_err(StoreError::unavailable)
}

fn subscription(row: &mut Row) -> Result<SubscriptionRow, ColumnError> {
    Ok(SubscriptionRow {
        name: row.text("name")?,
        generation: row.text("generation")?,
        revision: row.number("revision")?,
        settings: row.text("settings")?,
        position: row.position("position")?,
        number: row.number("number")?,
        replaying: row.number("replaying")?,
        consumers: row.text("consumers")?,
    })
}

fn delivery(mut row: Row) -> Result<DeliveryRow, ColumnError> {
    Ok(DeliveryRow {
        position: row.position("position")?,
        sequence: row.text("sequence")?,
        state: DeliveryState::from_code(row.integer("state")?),
        attempts: row.small("attempts")?,
        number: row.number("number")?,
        consumer: row.text("consumer")?,
        due: row.instant("due")?,
        replayed: row.truth("replayed")?,
        reason: row.optional_text("reason")?,
    })
}

async fn all<S: SqlStore, T>(
    store: &S,
    statement: Statement,
    read: impl Fn(Row) -> Result<T, ColumnError> + Send,
) -> Result<Vec<T>, StoreError> {
    let rows = store.fetch(statement).await.map_err(StoreError::unavailable)?;
    rows.into_iter().map(read).collect::<Result<_, _>>().map_err(StoreError::unavailable)
}
