//! A caller's transaction on the server of a MySQL or MariaDB store.

use std::any::Any;

use annals::message::{CommandId, Position, Tag, Timestamp, Version};
use annals::store::records::ViewId;
use annals::store::{
    Append, AppendError, CommandRecord, Condition, Conflict, Criteria, Criterion, DocumentChange, DocumentWrite,
    EventStore, Expected, IndexChange, Maintain, MySqlStore, MySqlTransaction, Outcome, Store, StoreError,
    StreamChange,
};
use annals_tests::servers::Server;
use sqlx::{MySql, MySqlPool, Row, SqlitePool, Transaction};

use super::super::cut::Cut;
use super::{
    assert_conflict, assert_each_lost_answer_is_told, assert_not_joined, assert_unavailable, event, expecting, head,
    stream, wakes,
};

/// A store, and a caller's own pool with a table in its database.
struct Shop {
    url: String,
    store: MySqlStore,
    pool: MySqlPool,
}

impl Shop {
    async fn open() -> Self {
        let url = Server::MySql.fresh_database().await;
        let store = MySqlStore::open(&url).await.unwrap();
        let pool = MySqlPool::connect(&url).await.unwrap();
        sqlx::query("CREATE TABLE sales (id VARCHAR(20) PRIMARY KEY)").execute(&pool).await.unwrap();
        Self { url, store, pool }
    }

    /// A transaction that has written the row `id`.
    async fn sale(&self, id: &str) -> Transaction<'static, MySql> {
        sale(&self.pool, id).await
    }

    /// A transaction at `level` that has begun to read.
    async fn reading(&self, level: &str) -> Transaction<'static, MySql> {
        let begin = format!("SET TRANSACTION ISOLATION LEVEL {level}; START TRANSACTION");
        let mut transaction = self.pool.begin_with(sqlx::AssertSqlSafe(begin)).await.unwrap();
        sqlx::query("SELECT COUNT(*) FROM sales").fetch_one(&mut *transaction).await.unwrap();
        transaction
    }

    /// What is stored: ids of rows, and the head.
    async fn stored(&self) -> (Vec<String>, u64) {
        let rows = sqlx::query("SELECT id FROM sales ORDER BY id").fetch_all(&self.pool).await.unwrap();
        (rows.iter().map(|row| row.get(0)).collect(), head(&self.store).await)
    }
}

/// A transaction on a connection of `pool` that has written the row `id`.
async fn sale(pool: &MySqlPool, id: &str) -> Transaction<'static, MySql> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO sales VALUES (?)").bind(id).execute(&mut *transaction).await.unwrap();
    transaction
}

const LEVELS: [&str; 4] = ["REPEATABLE READ", "READ COMMITTED", "SERIALIZABLE", "READ UNCOMMITTED"];

#[tokio::test]
async fn rows_of_a_caller_and_events_commit_together_or_not_at_all() {
    let shop = Shop::open().await;
    let other_node = MySqlStore::open(&shop.url).await.unwrap();
    shop.store.append(expecting("a", 0)).await.unwrap();
    let joined = shop.store.join(Box::new(shop.sale("one").await)).await.unwrap();
    shop.store.append(expecting("b", 0)).await.unwrap();
    assert_eq!(joined.commit_with(expecting("a", 1)).await.unwrap().position.get(), 3, "it holds no lock before");
    assert_eq!(shop.stored().await, (vec!["one".to_owned()], 3));
    wakes(&shop.store, 3).await;

    let joined = shop.store.join(Box::new(shop.sale("two").await)).await.unwrap();
    assert_conflict(joined.commit_with(expecting("a", 1)).await);
    drop(shop.store.join(Box::new(shop.sale("three").await)).await.unwrap());
    assert_eq!(shop.stored().await, (vec!["one".to_owned()], 3));
    for node in [&shop.store, &other_node] {
        let version = head(node).await - 1;
        assert_eq!(node.append(expecting("a", version)).await.unwrap().position.get(), version + 2);
    }
}

/// A snapshot that the first read took does not have what others append afterwards.
#[tokio::test]
async fn what_others_append_after_the_first_read_is_seen_at_every_level_of_isolation() {
    for level in LEVELS {
        let shop = Shop::open().await;
        shop.store.append(expecting("a", 0)).await.unwrap();
        let unless = |criteria: Criteria| {
            let condition = Condition { criteria, after: Position::new(1) };
            Append { condition: Some(condition), events: vec![event("c")], ..Append::default() }
        };
        let mut late = Vec::new();
        for _ in 0..6 {
            late.push(shop.store.join(Box::new(shop.reading(level).await)).await.unwrap());
        }
        shop.store.append(expecting("a", 1)).await.unwrap();
        let other = event("b");
        shop.store.append(Append { events: vec![other.clone()], ..Append::default() }).await.unwrap();
        for (stale, actual) in [(expecting("a", 1), 2), (expecting("b", 0), 1)] {
            let conflict = assert_conflict(late.pop().unwrap().commit_with(stale).await);
            assert!(
                matches!(conflict, Conflict::Stream { actual: Some(found), .. } if found.get() == actual),
                "{level}: {conflict}"
            );
        }
        for criterion in [Criterion::tag(Tag::new("wallet", "b")), Criterion::names(["wallet.credited"])] {
            let conflict = assert_conflict(late.pop().unwrap().commit_with(unless(criterion.into())).await);
            assert!(matches!(conflict, Conflict::Condition { .. }), "{level}: {conflict}");
        }
        let known = Append { rests_on: Some(other.id), ..expecting("a", 2) };
        let unrelated = Criterion::tag(Tag::new("wallet", "z"));
        let known = Append { condition: unless(unrelated.into()).condition, ..known };
        let appended = late.pop().unwrap().commit_with(known).await.unwrap();
        assert_eq!((appended.position.get(), appended.versions[0].1.get()), (4, 3), "{level}");
        let repeated = Append { events: vec![other], ..Append::default() };
        assert!(late.pop().unwrap().commit_with(repeated).await.unwrap().repeated, "{level}");
    }
}

/// Records have no positions: that the head has not moved says nothing about them.
#[tokio::test]
async fn records_that_others_write_after_the_first_read_are_seen_at_every_level_of_isolation() {
    let view = || ViewId { tenant: String::new(), name: "balances".to_owned(), version: 1 };
    let writing = |revision| {
        let document = Some(b"{}".to_vec());
        let (key, index) = ("k".to_owned(), IndexChange::default());
        let write = DocumentWrite { view: view(), key, read_revision: revision, document, index };
        Append { documents: vec![write], ..expecting("b", 0) }
    };
    let record = CommandRecord {
        id: CommandId::new(),
        name: "wallet.credit".to_owned(),
        target: None,
        outcome: Outcome::Rejected(b"{}".to_vec()),
        recorded_at: Timestamp::from_micros(1_000),
        position: Position::START,
        version: None,
    };
    for level in LEVELS {
        let shop = Shop::open().await;
        shop.store.append(expecting("a", 0)).await.unwrap();
        let mut late = Vec::new();
        for _ in 0..4 {
            late.push(shop.store.join(Box::new(shop.reading(level).await)).await.unwrap());
        }
        let write = async || {
            let mut transaction = shop.store.begin().await.unwrap();
            transaction.write_documents(&view(), vec![DocumentChange::put("k", b"[]")]).await.unwrap();
            transaction.commit().await.unwrap();
        };
        write().await;
        let executed = Append { command: Some(record.clone()), ..Append::default() };
        shop.store.append(executed.clone()).await.unwrap();
        shop.store.change_stream("", &stream("a"), Expected::Any, StreamChange::Archive).await.unwrap();

        let conflict = assert_conflict(late.pop().unwrap().commit_with(writing(0)).await);
        assert!(matches!(conflict, Conflict::Document { .. }), "{level}: {conflict}");
        let again = late.pop().unwrap().commit_with(executed).await;
        assert!(matches!(again, Err(AppendError::CommandRepeated(_))), "{level}: {again:?}");
        let closed = late.pop().unwrap().commit_with(expecting("a", 1)).await;
        assert!(matches!(closed, Err(AppendError::StreamClosed { .. })), "{level}: {closed:?}");
        let mut last = late.pop().unwrap();
        let found = last.documents(&view(), &["k".to_owned()]).await.unwrap();
        assert_eq!((found.len(), found[0].revision), (1, 1), "{level}: what is to be written on is the newest");
        assert_eq!(last.commit_with(writing(1)).await.unwrap().version_of(&stream("b")), Some(Version::FIRST));
    }
}

#[tokio::test]
async fn a_transaction_that_was_committed_before_its_time_stores_nothing() {
    let shop = Shop::open().await;
    let table = "CREATE TABLE more (id INT)";
    let mut joined = shop.store.join(Box::new(shop.sale("one").await)).await.unwrap();
    let tx = joined.as_any_mut().downcast_mut::<MySqlTransaction>().unwrap();
    sqlx::raw_sql(table).execute(&mut **tx).await.unwrap();
    assert_unavailable(joined.commit_with(expecting("a", 0)).await, "ended already");
    let mut transaction = shop.sale("two").await;
    sqlx::raw_sql("DROP TABLE more").execute(&mut *transaction).await.unwrap();
    let ended = shop.store.join(Box::new(transaction)).await.map(drop);
    assert!(matches!(ended, Err(StoreError::Unavailable { .. })), "{ended:?}");
    assert_eq!(head(&shop.store).await, 0);
}

#[tokio::test]
async fn transactions_of_other_databases_are_refused() {
    let (shop, other) = (Shop::open().await, Shop::open().await);
    let foreign = shop.store.join(Box::new(other.sale("one").await)).await;
    let name = other.url.rsplit('/').next().unwrap().split('?').next().unwrap();
    assert_not_joined(&shop.store, foreign, name, "the store's own database");
    assert_eq!(other.stored().await, (vec![], 0), "what was refused is rolled back");

    let sqlite = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let joined = shop.store.join(Box::new(sqlite.begin().await.unwrap())).await;
    assert_not_joined(&shop.store, joined, "a transaction of SQLite", "a transaction of MySQL");
}

#[tokio::test]
async fn a_session_that_would_cut_values_is_refused() {
    let shop = Shop::open().await;
    let mut lenient = shop.pool.begin().await.unwrap();
    sqlx::raw_sql("SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'").execute(&mut *lenient).await.unwrap();
    let joined = shop.store.join(Box::new(lenient)).await;
    assert_not_joined(&shop.store, joined, "not strict", "STRICT_ALL_TABLES");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_told_and_settled_by_a_repeat() {
    let shop = Shop::open().await;
    let cut = Cut::before(&shop.url).await;
    let pool = MySqlPool::connect(cut.url()).await.unwrap();
    let sale = async |id: &str| Box::new(sale(&pool, id).await) as Box<dyn Any + Send>;
    assert_each_lost_answer_is_told(&shop.store, &cut, sale, async || shop.stored().await).await;
    shop.store.close().await;
}
