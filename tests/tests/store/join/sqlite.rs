//! A caller's transaction on the file of a SQLite store.

use std::str::FromStr;
use std::time::Duration;

use annals::store::{EventStore, MemoryStore, SqliteStore, SqliteTransaction, Store, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Row, Sqlite, SqlitePool, Transaction};
use tempfile::TempDir;

use super::super::open::url;
use super::{assert_conflict, assert_not_joined, assert_unavailable, expecting, head, wakes};

const IMMEDIATE: &str = "BEGIN IMMEDIATE";

/// A store, and a caller's own pool with a table on its file.
struct Shop {
    directory: TempDir,
    store: SqliteStore,
    pool: SqlitePool,
}

impl Shop {
    async fn open() -> Self {
        let directory = TempDir::new().unwrap();
        let store = SqliteStore::open(&url(&directory)).await.unwrap();
        let pool = SqlitePool::connect(&url(&directory)).await.unwrap();
        sqlx::query("CREATE TABLE sales (id TEXT PRIMARY KEY)").execute(&pool).await.unwrap();
        Self { directory, store, pool }
    }

    /// A transaction that has written the row `id`.
    async fn sale(&self, id: &str) -> Transaction<'static, Sqlite> {
        let mut transaction = self.pool.begin_with(IMMEDIATE).await.unwrap();
        sqlx::query("INSERT INTO sales VALUES (?)").bind(id).execute(&mut *transaction).await.unwrap();
        transaction
    }

    /// What is stored: ids of rows, and the head.
    async fn stored(&self) -> (Vec<String>, u64) {
        let rows = sqlx::query("SELECT id FROM sales ORDER BY id").fetch_all(&self.pool).await.unwrap();
        (rows.iter().map(|row| row.get(0)).collect(), head(&self.store).await)
    }
}

fn there(ids: &[&str], head: u64) -> (Vec<String>, u64) {
    (ids.iter().map(|id| (*id).to_owned()).collect(), head)
}

#[tokio::test]
async fn rows_of_a_caller_and_events_commit_together_or_not_at_all() {
    let shop = Shop::open().await;
    shop.store.append(expecting("a", 0)).await.unwrap();
    let joined = shop.store.join(Box::new(shop.sale("one").await)).await.unwrap();
    assert_eq!(joined.commit_with(expecting("a", 1)).await.unwrap().position.get(), 2);
    assert_eq!(shop.stored().await, there(&["one"], 2));
    wakes(&shop.store, 2).await;

    let joined = shop.store.join(Box::new(shop.sale("two").await)).await.unwrap();
    assert_conflict(joined.commit_with(expecting("a", 1)).await);
    let mut joined = shop.store.join(Box::new(shop.sale("three").await)).await.unwrap();
    let tx = joined.as_any_mut().downcast_mut::<SqliteTransaction>().unwrap();
    sqlx::query("INSERT INTO sales VALUES ('four')").execute(&mut **tx).await.unwrap();
    drop(joined);
    assert_eq!(shop.stored().await, there(&["one"], 2));

    shop.store.append(expecting("a", 2)).await.unwrap();
    let joined = shop.store.join(Box::new(shop.sale("five").await)).await.unwrap();
    joined.commit().await.unwrap();
    assert_eq!(shop.stored().await, there(&["five", "one"], 3), "a transaction may do without events");
}

#[tokio::test]
async fn a_transaction_of_the_store_itself_takes_events_at_its_end() {
    let shop = Shop::open().await;
    for (id, version) in [("one", 0), ("two", 0), ("three", 1)] {
        let mut transaction = shop.store.begin().await.unwrap();
        let tx = transaction.as_any_mut().downcast_mut::<SqliteTransaction>().unwrap();
        sqlx::query("INSERT INTO sales VALUES (?)").bind(id).execute(&mut **tx).await.unwrap();
        let result = transaction.commit_with(expecting("a", version)).await;
        assert_eq!(result.is_ok(), id != "two", "{result:?}");
    }
    assert_eq!(shop.stored().await, there(&["one", "three"], 2));
}

#[tokio::test]
async fn a_deferred_transaction_that_has_read_too_early_is_told_to_begin_again() {
    let shop = Shop::open().await;
    shop.store.append(expecting("a", 0)).await.unwrap();
    for first_read in [true, false] {
        let mut transaction = shop.pool.begin().await.unwrap();
        if first_read {
            sqlx::query("SELECT count(*) FROM sales").fetch_one(&mut *transaction).await.unwrap();
        }
        let joined = shop.store.join(Box::new(transaction)).await.unwrap();
        let before = head(&shop.store).await;
        shop.store.append(expecting("b", before - 1)).await.unwrap();
        let result = joined.commit_with(expecting("a", 1)).await;
        if first_read {
            assert_unavailable(result, "BEGIN IMMEDIATE");
            assert_eq!(head(&shop.store).await, 2);
        } else {
            assert_eq!(result.unwrap().position.get(), 4, "it has read nothing before it was joined");
        }
    }
    let late = shop.store.join(Box::new(shop.pool.begin().await.unwrap())).await.unwrap();
    shop.store.append(expecting("a", 2)).await.unwrap();
    assert_conflict(late.commit_with(expecting("a", 2)).await);
}

#[tokio::test]
async fn a_transaction_that_waits_too_long_for_others_is_told_so() {
    let shop = Shop::open().await;
    let options = SqliteConnectOptions::from_str(&url(&shop.directory)).unwrap();
    let options = options.busy_timeout(Duration::from_millis(1));
    let hasty = SqlitePoolOptions::new().connect_with(options).await.unwrap();
    let joined = shop.store.join(Box::new(hasty.begin().await.unwrap())).await.unwrap();
    let other = shop.sale("other").await;
    assert_unavailable(joined.commit_with(expecting("a", 0)).await, "busy_timeout");
    other.commit().await.unwrap();
    let joined = shop.store.join(Box::new(hasty.begin().await.unwrap())).await.unwrap();
    joined.commit_with(expecting("a", 0)).await.unwrap();
    assert_eq!(shop.stored().await, there(&["other"], 1));
}

#[tokio::test]
async fn a_transaction_that_has_ended_stores_nothing() {
    let shop = Shop::open().await;
    for end in ["ROLLBACK", "COMMIT"] {
        let mut joined = shop.store.join(Box::new(shop.sale("one").await)).await.unwrap();
        let tx = joined.as_any_mut().downcast_mut::<SqliteTransaction>().unwrap();
        sqlx::raw_sql(end).execute(&mut **tx).await.unwrap();
        assert_unavailable(joined.commit_with(expecting("a", 0)).await, "ended already");
    }
    assert_eq!(head(&shop.store).await, 0);
}

#[tokio::test]
async fn transactions_of_other_databases_are_refused() {
    let (shop, other) = (Shop::open().await, Shop::open().await);
    let foreign = shop.store.join(Box::new(other.sale("one").await)).await;
    let file = other.store.file().display().to_string();
    assert_not_joined(&shop.store, foreign, &file, "the store's own database");
    assert_eq!(other.stored().await, there(&[], 0), "what was refused is rolled back");

    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let fileless = shop.store.join(Box::new(pool.begin().await.unwrap())).await;
    assert_not_joined(&shop.store, fileless, "without a file", "the store's own database");

    let memory = MemoryStore::new();
    let joined = memory.join(Box::new(shop.sale("one").await)).await;
    assert_not_joined(&memory, joined, "a transaction of SQLite", "`Store::begin`");
}

#[tokio::test]
async fn a_closed_store_joins_nothing() {
    let shop = Shop::open().await;
    shop.store.close().await;
    let refused = shop.store.join(Box::new(shop.pool.begin().await.unwrap())).await.map(drop);
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
}
