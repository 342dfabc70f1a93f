//! A caller's transaction on the server of a PostgreSQL store.

use std::any::Any;

use annals::message::{Position, Tag};
use annals::store::{
    Append, Condition, Conflict, Criterion, EventStore, PostgresStore, PostgresTransaction, Store, StoreError,
};
use annals_tests::servers::Server;
use sqlx::{PgPool, Postgres, Row, SqlitePool, Transaction};

use super::super::cut::Cut;
use super::{
    assert_conflict, assert_each_lost_answer_is_told, assert_not_joined, assert_unavailable, event, expecting, head,
    wakes,
};

/// A store, and a caller's own pool with a table in its database.
struct Shop {
    url: String,
    store: PostgresStore,
    pool: PgPool,
}

impl Shop {
    async fn open() -> Self {
        let url = Server::Postgres.fresh_database().await;
        let store = PostgresStore::open(&url).await.unwrap();
        let pool = PgPool::connect(&url).await.unwrap();
        sqlx::query("CREATE TABLE sales (id text PRIMARY KEY)").execute(&pool).await.unwrap();
        Self { url, store, pool }
    }

    /// A transaction that has written the row `id`.
    async fn sale(&self, id: &str) -> Transaction<'static, Postgres> {
        sale(&self.pool, id).await
    }

    /// What is stored: ids of rows, and the head.
    async fn stored(&self) -> (Vec<String>, u64) {
        let rows = sqlx::query("SELECT id FROM sales ORDER BY id").fetch_all(&self.pool).await.unwrap();
        (rows.iter().map(|row| row.get(0)).collect(), head(&self.store).await)
    }
}

/// A transaction on a connection of `pool` that has written the row `id`.
async fn sale(pool: &PgPool, id: &str) -> Transaction<'static, Postgres> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO sales VALUES ($1)").bind(id).execute(&mut *transaction).await.unwrap();
    transaction
}

#[tokio::test]
async fn rows_of_a_caller_and_events_commit_together_or_not_at_all() {
    let shop = Shop::open().await;
    let other_node = PostgresStore::open(&shop.url).await.unwrap();
    shop.store.append(expecting("a", 0)).await.unwrap();
    let joined = shop.store.join(Box::new(shop.sale("one").await)).await.unwrap();
    shop.store.append(expecting("b", 0)).await.unwrap();
    assert_eq!(joined.commit_with(expecting("a", 1)).await.unwrap().position.get(), 3, "it holds no lock before");
    assert_eq!(shop.stored().await, (vec!["one".to_owned()], 3));
    wakes(&shop.store, 3).await;
    wakes(&other_node, 3).await;

    let joined = shop.store.join(Box::new(shop.sale("two").await)).await.unwrap();
    assert_conflict(joined.commit_with(expecting("a", 1)).await);
    drop(shop.store.join(Box::new(shop.sale("three").await)).await.unwrap());
    assert_eq!(shop.stored().await, (vec!["one".to_owned()], 3));
    for node in [&shop.store, &other_node] {
        let version = head(node).await - 1;
        assert_eq!(node.append(expecting("a", version)).await.unwrap().position.get(), version + 2);
    }
    other_node.close().await;
    shop.store.close().await;
}

#[tokio::test]
async fn what_others_append_after_the_first_read_is_seen() {
    let shop = Shop::open().await;
    shop.store.append(expecting("a", 0)).await.unwrap();
    let about_a = Criterion::tag(Tag::new("wallet", "a"));
    let condition = Condition { criteria: about_a.into(), after: Position::new(1) };
    let decided = Append { condition: Some(condition), events: vec![event("b")], ..Append::default() };
    for (version, append) in [(1, expecting("a", 1)), (2, decided)] {
        let mut transaction = shop.sale("one").await;
        let sql = "SELECT max(position) FROM annals_events";
        let read: i64 = sqlx::query(sql).fetch_one(&mut *transaction).await.unwrap().get(0);
        assert_eq!(read.unsigned_abs(), version);
        let joined = shop.store.join(Box::new(transaction)).await.unwrap();
        shop.store.append(expecting("a", version)).await.unwrap();
        let conflict = assert_conflict(joined.commit_with(append).await);
        assert_eq!(matches!(conflict, Conflict::Stream { .. }), version == 1, "{conflict}");
    }
    assert_eq!(shop.stored().await, (vec![], 3));
    shop.store.close().await;
}

#[tokio::test]
async fn a_transaction_that_reads_from_a_snapshot_is_refused() {
    let shop = Shop::open().await;
    for level in ["REPEATABLE READ", "SERIALIZABLE", "READ COMMITTED", "READ UNCOMMITTED"] {
        let begin = sqlx::AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {level}"));
        let transaction = shop.pool.begin_with(begin).await.unwrap();
        let joined = shop.store.join(Box::new(transaction)).await;
        if level.starts_with("READ") {
            joined.unwrap().commit_with(expecting(level, 0)).await.unwrap();
        } else {
            assert_not_joined(&shop.store, joined, level, "`BEGIN ISOLATION LEVEL READ COMMITTED`");
        }
    }
    shop.store.close().await;
}

#[tokio::test]
async fn a_transaction_that_has_ended_stores_nothing() {
    let shop = Shop::open().await;
    for end in ["ROLLBACK", "COMMIT", "COMMIT; BEGIN"] {
        let mut joined = shop.store.join(Box::new(shop.sale("one").await)).await.unwrap();
        let tx = joined.as_any_mut().downcast_mut::<PostgresTransaction>().unwrap();
        sqlx::raw_sql(end).execute(&mut **tx).await.unwrap();
        assert_unavailable(joined.commit_with(expecting("a", 0)).await, "ended already");
        sqlx::query("DELETE FROM sales").execute(&shop.pool).await.unwrap();
    }
    let mut transaction = shop.sale("one").await;
    sqlx::raw_sql("COMMIT").execute(&mut *transaction).await.unwrap();
    let ended = shop.store.join(Box::new(transaction)).await.map(drop);
    assert!(matches!(ended, Err(StoreError::Unavailable { .. })), "{ended:?}");
    assert_eq!(head(&shop.store).await, 0);
    shop.store.close().await;
}

#[tokio::test]
async fn transactions_of_other_databases_are_refused() {
    let (shop, other) = (Shop::open().await, Shop::open().await);
    let remedy = "the store's own database";
    let foreign = shop.store.join(Box::new(other.sale("one").await)).await;
    let name = other.url.rsplit('/').next().unwrap().split('?').next().unwrap();
    assert_not_joined(&shop.store, foreign, name, remedy);
    assert_eq!(other.stored().await, (vec![], 0), "what was refused is rolled back");

    let mut elsewhere = shop.pool.begin().await.unwrap();
    let sql = "CREATE SCHEMA other; SET LOCAL search_path = other";
    sqlx::raw_sql(sql).execute(&mut *elsewhere).await.unwrap();
    assert_not_joined(&shop.store, shop.store.join(Box::new(elsewhere)).await, "schema `other`", remedy);

    let sqlite = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let joined = shop.store.join(Box::new(sqlite.begin().await.unwrap())).await;
    assert_not_joined(&shop.store, joined, "a transaction of SQLite", "a transaction of PostgreSQL");
    other.store.close().await;
    shop.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_told_and_settled_by_a_repeat() {
    let shop = Shop::open().await;
    let cut = Cut::before(&shop.url).await;
    let pool = PgPool::connect(cut.url()).await.unwrap();
    let sale = async |id: &str| Box::new(sale(&pool, id).await) as Box<dyn Any + Send>;
    assert_each_lost_answer_is_told(&shop.store, &cut, sale, async || shop.stored().await).await;
    shop.store.close().await;
}
