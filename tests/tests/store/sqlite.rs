//! What is particular to SQLite: the file, its schema, its claims, a handler's own rows.

use std::process::Stdio;
use std::sync::Arc;

use annals::message::{EventId, Metadata, Position, StreamId, Tag, Timestamp, Version};
use annals::store::{
    Append, AppendError, EventStore, Expected, Maintain, NewEvent, OpenError, Read, SqliteStore, SqliteTransaction,
    Store, StoreTransaction,
};
use sqlx::{Connection, Row, SqliteConnection, SqlitePool};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::claims::{advance, claim};
use super::open::url;

fn event(id: &str, name: &str) -> NewEvent {
    NewEvent {
        stream: StreamId::new("wallet", id.to_owned()),
        id: EventId::new(),
        name: name.to_owned().into(),
        revision: 1,
        payload: br#"{"amount":5}"#.to_vec(),
        metadata: Arc::new(Metadata::new().with("user", "ada")),
        tags: vec![Tag::new("wallet", id)],
        recorded_at: Timestamp::from_micros(1_000),
    }
}

fn append(events: impl IntoIterator<Item = NewEvent>) -> Append {
    Append { events: events.into_iter().collect(), ..Append::default() }
}

async fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(&url(directory)).await.unwrap()
}

/// A connection that knows nothing of Annals.
async fn plain(directory: &TempDir) -> SqliteConnection {
    SqliteConnection::connect(&url(directory)).await.unwrap()
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let written = append([event("a", "wallet.opened"), event("b", "wallet.opened")]);
    store.append(written.clone()).await.unwrap();
    let (first, _) = claim(&store, "p").await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    advance(&mut *transaction, &first, 2).await.unwrap();
    transaction.commit().await.unwrap();
    store.close().await;

    let store = open(&directory).await;
    assert_eq!(*store.appended().borrow(), Position::new(2));
    assert!(store.append(written).await.unwrap().repeated);
    let page = store.read(&Read::all(Position::START)).await.unwrap();
    assert_eq!((page.events.len(), page.scanned), (2, Position::new(2)));
    assert_eq!(page.events[0].recorded.metadata().get("user"), Some("ada"));
    let (next, position) = claim(&store, "p").await.unwrap();
    assert_eq!((position, next.fence), (Position::new(2), first.fence + 1));
    store.close().await;
    let closed = store.append(append([event("a", "wallet.closed")])).await;
    assert!(matches!(closed, Err(AppendError::Unavailable { .. })), "{closed:?}");
    assert!(store.begin().await.is_err());
}

#[tokio::test]
async fn stored_events_are_readable_in_plain_sql() {
    let directory = TempDir::new().unwrap();
    open(&directory).await.append(append([event("a", "wallet.opened")])).await.unwrap();
    let mut plain = plain(&directory).await;
    let sql =
        "SELECT payload ->> '$.amount', metadata ->> '$.user', tags ->> 0, typeof(payload), slice FROM annals_events";
    let row = sqlx::query(sql).fetch_one(&mut plain).await.unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<&str, _>(1)), (5, "ada"));
    assert_eq!((row.get::<&str, _>(2), row.get::<&str, _>(3)), ("wallet:a", "text"));
    assert!((0..1024).contains(&row.get::<i64, _>(4)));
    let sql = "SELECT tag FROM annals_tags WHERE position = 1";
    assert_eq!(sqlx::query(sql).fetch_one(&mut plain).await.unwrap().get::<&str, _>(0), "wallet:a");
}

#[tokio::test]
async fn events_are_neither_changed_nor_removed() {
    let directory = TempDir::new().unwrap();
    open(&directory).await.append(append([event("a", "wallet.opened")])).await.unwrap();
    let mut plain = plain(&directory).await;
    for sql in ["UPDATE annals_events SET name = 'x'", "DELETE FROM annals_events"] {
        let refused = sqlx::query(sql).execute(&mut plain).await.unwrap_err();
        assert!(refused.to_string().contains("events "), "{refused}");
    }
}

#[tokio::test]
async fn maintenance_may_change_events_until_its_transaction_ends() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    let change = "UPDATE annals_events SET name = 'wallet.renamed'";
    let changed = async |mut boxed: Box<dyn StoreTransaction>| {
        let tx = boxed.as_any_mut().downcast_mut::<SqliteTransaction>().unwrap();
        let changed = sqlx::query(change).execute(&mut **tx).await.map(|result| result.rows_affected());
        (changed, boxed)
    };
    let (refused, boxed) = changed(store.begin().await.unwrap()).await;
    assert!(refused.unwrap_err().to_string().contains("events never change"));
    drop(boxed);
    let (allowed, boxed) = changed(store.begin_maintenance().await.unwrap()).await;
    assert_eq!(allowed.unwrap(), 1);
    boxed.commit().await.unwrap();
    let page = store.read(&Read::all(Position::START)).await.unwrap();
    assert_eq!(page.events[0].recorded.name, "wallet.renamed");
    drop(changed(store.begin_maintenance().await.unwrap()).await);
    let (refused, _) = changed(store.begin().await.unwrap()).await;
    assert!(refused.is_err(), "a maintenance that was dropped leaves nothing open");
}

/// Runs `pragma` on the connection that writes.
async fn on_the_writer(store: &SqliteStore, pragma: &'static str) {
    let mut boxed = store.begin().await.unwrap();
    let tx = boxed.as_any_mut().downcast_mut::<SqliteTransaction>().unwrap();
    sqlx::raw_sql(pragma).execute(&mut **tx).await.unwrap();
}

#[tokio::test]
async fn a_full_database_says_so_and_goes_on_when_there_is_room() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    on_the_writer(&store, "PRAGMA max_page_count = 1").await;
    let large = || append([NewEvent { payload: vec![b'x'; 1 << 20], ..event("a", "wallet.credited") }]);
    let full = store.append(large()).await;
    assert!(matches!(full, Err(AppendError::Full { .. })), "{full:?}");
    on_the_writer(&store, "PRAGMA max_page_count = 1000000").await;
    assert_eq!(store.append(large()).await.unwrap().position, Position::new(2));
}

#[tokio::test]
async fn a_database_that_may_only_be_read_says_so() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    on_the_writer(&store, "PRAGMA query_only = ON").await;
    let refused = store.append(append([event("a", "wallet.credited")])).await;
    assert!(matches!(refused, Err(AppendError::ReadOnly { .. })), "{refused:?}");
    assert_eq!(store.read(&Read::all(Position::START)).await.unwrap().events.len(), 1);
}

#[tokio::test]
async fn a_file_in_another_text_encoding_is_refused() {
    let directory = TempDir::new().unwrap();
    let address = url(&directory);
    let mut plain = SqliteConnection::connect(&format!("{address}?mode=rwc")).await.unwrap();
    sqlx::raw_sql("PRAGMA encoding = 'UTF-16'; CREATE TABLE t (x)").execute(&mut plain).await.unwrap();
    plain.close().await.unwrap();
    let error = SqliteStore::open(&address).await.unwrap_err();
    assert!(matches!(&error, OpenError::Schema { reason, .. } if reason.contains("UTF-16")), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = TempDir::new().unwrap();
    open(&directory).await.close().await;
    let mut plain = plain(&directory).await;
    let newer = "INSERT INTO annals_migrations (version, description, success, checksum, execution_time) \
                 VALUES (999, 'from the future', true, x'00', 0)";
    sqlx::query(newer).execute(&mut plain).await.unwrap();
    let error = SqliteStore::open(&url(&directory)).await.unwrap_err();
    assert!(matches!(&error, OpenError::Schema { reason, .. } if reason.contains("newer program")), "{error}");
    assert!(error.to_string().contains("999"), "{error}");
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let directory = TempDir::new().unwrap();
    open(&directory).await.close().await;
    let mut plain = plain(&directory).await;
    sqlx::query("UPDATE annals_migrations SET checksum = x'00'").execute(&mut plain).await.unwrap();
    let error = SqliteStore::open(&url(&directory)).await.unwrap_err();
    assert!(matches!(&error, OpenError::Schema { reason, .. } if reason.contains("changed")), "{error}");
}

#[tokio::test]
async fn two_programs_may_open_a_new_file_at_once() {
    let directory = TempDir::new().unwrap();
    let opened = tokio::join!(open(&directory), open(&directory), open(&directory));
    opened.0.append(append([event("a", "wallet.opened")])).await.unwrap();
    assert_eq!(opened.2.head().await.unwrap(), Position::new(1));
}

#[tokio::test]
async fn addresses_that_name_no_store_are_explained() {
    let directory = TempDir::new().unwrap();
    for address in ["sqlite:", "sqlite://", "postgres://host/db", "sqlite://x.db?mode=ro", "sqlite://x.db?colour=red"] {
        let error = SqliteStore::open(address).await.unwrap_err();
        assert!(matches!(error, OpenError::Address { .. }), "{address}: {error}");
    }
    let garbage = directory.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database, however long the text may be ".repeat(40)).unwrap();
    for address in [format!("sqlite://{}", garbage.display()), format!("sqlite://{}", directory.path().display())] {
        let error = SqliteStore::open(&address).await.unwrap_err();
        assert!(matches!(error, OpenError::Unavailable { .. }), "{address}: {error}");
    }
}

#[tokio::test]
async fn the_sign_of_a_node_is_there_as_long_as_its_store_is_open() {
    let directory = TempDir::new().unwrap();
    let (first, second) = (open(&directory).await, open(&directory).await);
    first.appear("one").await.unwrap();
    first.appear("one").await.unwrap();
    second.appear("two").await.unwrap();
    assert!(!second.is_gone("one").await.unwrap() && !first.is_gone("two").await.unwrap());
    assert!(!first.is_gone("one").await.unwrap());
    second.leave("", "two", true).await.unwrap();
    assert!(first.is_gone("two").await.unwrap());
    first.close().await;
    assert!(second.is_gone("one").await.unwrap());
    let left = std::fs::read_dir(directory.path()).unwrap().filter_map(Result::ok);
    assert!(left.into_iter().all(|file| !file.file_name().to_string_lossy().ends_with(".lock")));
}

/// Not a test by itself: the other process of [`a_killed_process_takes_its_sign_along`].
#[tokio::test]
async fn a_process_that_appears_and_stays() {
    let Ok(url) = std::env::var("ANNALS_TEST_STORE") else { return };
    let store = SqliteStore::open(&url).await.unwrap();
    store.appear("other").await.unwrap();
    println!("appeared");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_process_takes_its_sign_along() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let mut other = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "store::sqlite::a_process_that_appears_and_stays"])
        .env("ANNALS_TEST_STORE", url(&directory))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("appeared") {
            break;
        }
    }
    assert!(!store.is_gone("other").await.unwrap());
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    other.kill().await.unwrap();
    assert!(store.is_gone("other").await.unwrap());
    store.leave("", "other", false).await.unwrap();
    assert!(!directory.path().join("annals.db-annals-other.lock").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_append_to_one_file() {
    let directory = TempDir::new().unwrap();
    let stores = [Arc::new(open(&directory).await), Arc::new(open(&directory).await)];
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&stores[number % 2]);
        tasks.spawn(async move { store.append(append([event("a", "wallet.credited")])).await.unwrap().position.get() });
    }
    let mut positions = tasks.join_all().await;
    positions.sort_unstable();
    assert_eq!(positions, (1..=100).collect::<Vec<_>>());
    assert_eq!(stores[0].head().await.unwrap(), stores[1].head().await.unwrap());
}

#[tokio::test]
async fn an_append_that_the_database_refuses_does_not_take_its_neighbours_along() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON annals_events WHEN new.name = 'poison' \
                   BEGIN SELECT RAISE(ABORT, 'refused by a trigger'); END";
    sqlx::query(trigger).execute(&mut plain(&directory).await).await.unwrap();
    let names = ["one", "poison", "two", "poison", "three"];
    let appends = names.map(|name| store.append(append([event("a", name)])));
    let results = futures_join(appends).await;
    for (name, result) in names.iter().zip(&results) {
        match result {
            Ok(_) => assert_ne!(*name, "poison"),
            Err(AppendError::Unavailable { source }) => {
                assert_eq!(*name, "poison");
                assert!(source.to_string().contains("refused by a trigger"), "{source}");
            }
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
    let stored = store.read(&Read::all(Position::START)).await.unwrap();
    let stored: Vec<_> = stored.events.iter().map(|event| event.recorded.name.as_str()).collect();
    assert_eq!(stored, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_commit_that_the_database_refuses_stores_nothing_and_stops_nobody() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let sql = "CREATE TABLE parents (id INTEGER PRIMARY KEY); \
               CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED); \
               CREATE TRIGGER orphan AFTER INSERT ON annals_events WHEN new.name = 'poison' \
               BEGIN INSERT INTO children VALUES (1); END";
    sqlx::raw_sql(sql).execute(&mut plain(&directory).await).await.unwrap();
    let names = ["one", "poison", "two"];
    let results = futures_join(names.map(|name| store.append(append([event("a", name)])))).await;
    for (name, result) in names.iter().zip(&results) {
        match result {
            Ok(_) => assert_ne!(*name, "poison"),
            Err(AppendError::Unavailable { source }) => {
                assert_eq!(*name, "poison");
                assert!(source.to_string().contains("FOREIGN KEY"), "{source}");
            }
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
    let stored = store.read(&Read::all(Position::START)).await.unwrap();
    let stored: Vec<_> = stored.events.iter().map(|event| event.recorded.name.as_str()).collect();
    assert_eq!(stored, ["one", "two"]);
}

#[tokio::test]
async fn a_page_is_full_although_others_events_lie_between() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    for number in 0..60 {
        let tenant = if number % 10 == 0 { "rare" } else { "common" };
        let of_tenant = Append { tenant: tenant.to_owned(), ..append([event("a", "wallet.credited")]) };
        store.append(of_tenant).await.unwrap();
    }
    let read = |after, limit| Read::all(Position::new(after)).tenant("rare").limit(limit);
    let positions = async |read: &Read| {
        let page = store.read(read).await.unwrap();
        let positions: Vec<_> = page.events.iter().map(|event| event.recorded.position.get()).collect();
        (positions, page.scanned.get(), page.more)
    };
    assert_eq!(positions(&read(0, 3)).await, (vec![1, 11, 21], 21, true));
    assert_eq!(positions(&read(21, 3)).await, (vec![31, 41, 51], 51, true));
    assert_eq!(positions(&read(51, 3)).await, (vec![], 60, false));
    assert_eq!(positions(&read(0, 3).up_to(Position::new(12))).await, (vec![1, 11], 12, false));
}

/// Polls all of `futures` together, so that they meet in one batch.
async fn futures_join<F: Future + Unpin, const N: usize>(futures: [F; N]) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(Some).collect();
    let mut outputs: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in pending.iter_mut().zip(&mut outputs) {
            if let Some(running) = future
                && let std::task::Poll::Ready(value) = std::pin::Pin::new(running).poll(context)
            {
                (*output, *future) = (Some(value), None);
            }
        }
        if pending.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_handlers_rows_commit_with_the_transaction() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    assert_eq!(store.transaction_type(), std::any::TypeId::of::<SqliteTransaction>());
    let resources = store.resources();
    let readers: &SqlitePool = resources.get().unwrap();
    let mut boxed = store.begin().await.unwrap();
    let tx = boxed.as_any_mut().downcast_mut::<SqliteTransaction>().unwrap();
    sqlx::query("CREATE TABLE counts (id TEXT PRIMARY KEY, n INTEGER)").execute(&mut **tx).await.unwrap();
    sqlx::query("INSERT INTO counts VALUES ('a', 1)").execute(&mut **tx).await.unwrap();
    let mut nested = tx.begin().await.unwrap();
    sqlx::query("INSERT INTO counts VALUES ('b', 1)").execute(&mut *nested).await.unwrap();
    nested.commit().await.unwrap();
    let mut dropped = tx.begin().await.unwrap();
    sqlx::query("INSERT INTO counts VALUES ('c', 1)").execute(&mut *dropped).await.unwrap();
    drop(dropped);
    boxed.commit().await.unwrap();
    let count = || sqlx::query("SELECT count(*) FROM counts").fetch_one(readers);
    assert_eq!(count().await.unwrap().get::<i64, _>(0), 2);
    let refused = sqlx::query("INSERT INTO counts VALUES ('d', 1)").execute(readers).await.unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");

    let mut boxed = store.begin().await.unwrap();
    let tx = boxed.as_any_mut().downcast_mut::<SqliteTransaction>().unwrap();
    let mut leaked = tx.begin().await.unwrap();
    sqlx::query("DELETE FROM counts").execute(&mut *leaked).await.unwrap();
    std::mem::forget(leaked);
    drop(boxed);
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    assert_eq!(count().await.unwrap().get::<i64, _>(0), 2);
}

#[tokio::test]
async fn a_dropped_transaction_lets_go_of_the_file_at_once() {
    let directory = TempDir::new().unwrap();
    let (first, second) = (open(&directory).await, open(&directory).await);
    drop(first.begin().await.unwrap());
    let append = second.append(append([event("a", "wallet.opened")]));
    tokio::time::timeout(std::time::Duration::from_secs(10), append).await.expect("the file is free").unwrap();
}

#[tokio::test]
async fn a_transaction_that_the_database_has_ended_does_not_stop_the_next() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let mut boxed = store.begin().await.unwrap();
    let tx = boxed.as_any_mut().downcast_mut::<SqliteTransaction>().unwrap();
    sqlx::query("ROLLBACK").execute(&mut **tx).await.unwrap();
    assert!(boxed.commit().await.is_err());
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    store.begin().await.unwrap().commit().await.unwrap();
}

#[test]
fn a_lone_append_needs_no_timer() {
    let directory = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(&directory).await;
        for version in 0..20 {
            let expected = Version::new(version).map_or(Expected::NoStream, Expected::Version);
            let event = event("a", "wallet.credited");
            let expected = vec![(event.stream.clone(), expected)];
            let appended = store.append(Append { expected, ..append([event]) }).await.unwrap();
            assert_eq!(appended.position.get(), version + 1);
        }
        store.begin().await.unwrap().commit().await.unwrap();
    });
}

#[tokio::test]
async fn scheduled_commands_of_the_future_cost_nothing() {
    let directory = TempDir::new().unwrap();
    open(&directory).await.close().await;
    let mut plain = plain(&directory).await;
    let due = include_str!("../../../framework/src/store/sql/statements/due_effects.sql");
    let next = include_str!("../../../framework/src/store/sql/statements/next_effect.sql");
    let page = include_str!("../../../framework/src/store/sql/statements/waiting_effects.sql");
    let behind = "(tenant=? AND saga=? AND not_before>?)";
    let by_due = [("e", due, "(tenant=? AND saga=? AND not_before<?)"), ("e", next, "(tenant=? AND saga=?)")];
    for (table, statement, sought) in by_due.into_iter().chain([("annals_effects", page, behind)]) {
        let plan = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let plan = plan.fetch_all(&mut plain).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
        assert_eq!(plan[0], format!("SEARCH {table} USING INDEX annals_effects_by_due {sought}"), "{statement}");
        let sorts = plan.iter().filter(|step| step.contains("TEMP B-TREE") && !step.contains("LAST TERM")).count();
        assert_eq!(sorts, 0, "the index gives the order: {plan:?}");
    }
    let drop = include_str!("../../../framework/src/store/sqlite/sql/drop_labels.sql");
    let plan = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {drop}")));
    let plan: Vec<String> = plan.fetch_all(&mut plain).await.unwrap().iter().map(|step| step.get("detail")).collect();
    let sought = "INDEX annals_effects_by_scope (tenant=? AND saga=? AND scope=? AND label=?)";
    assert!(plan.iter().any(|step| step.contains(sought)), "{plan:?}");
}

#[tokio::test]
async fn pages_of_sagas_cost_what_they_hold() {
    let directory = TempDir::new().unwrap();
    open(&directory).await.close().await;
    let mut plain = plain(&directory).await;
    macro_rules! statements {
        ($($name:literal reads $table:literal by $index:literal),+ $(,)?) => {
            [$(($table, $index, include_str!(concat!("../../../framework/src/store/sqlite/sql/", $name, ".sql")))),+]
        };
    }
    for (table, index, statement) in statements![
        "sagas" reads "annals_sagas" by "PRIMARY KEY (saga_id=?",
        "update_sagas" reads "s" by "PRIMARY KEY (saga_id=?",
        "forget_sagas" reads "annals_sagas" by "PRIMARY KEY (saga_id=?",
        "associations" reads "annals_associations" by "INDEX annals_associations_by_instance (saga_id=?",
        "end_associations" reads "annals_associations" by "INDEX annals_associations_by_instance (saga_id=?",
        "drop_associations" reads "annals_associations" by "INDEX annals_associations_by_instance (saga_id=?",
        "timers" reads "annals_timers" by "PRIMARY KEY (saga_id=?",
        "end_timers" reads "annals_timers" by "PRIMARY KEY (saga_id=?",
        "cancel_timers" reads "annals_timers" by "PRIMARY KEY (saga_id=? AND name=?",
        "take_waiting" reads "annals_saga_waiting" by "PRIMARY KEY (saga_id=? AND number=?",
        "forget_waiting" reads "annals_saga_waiting" by "PRIMARY KEY (saga_id=?",
        "forget_history" reads "annals_saga_history" by "INDEX annals_saga_history_by_instance (saga_id=?",
        "open_among" reads "annals_effects" by "INDEX annals_effects_by_command (tenant=? AND command_id=?",
        "finish_effects" reads "annals_effects" by "INDEX annals_effects_by_command (tenant=? AND command_id=?",
    ] {
        let plan = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let plan = plan.fetch_all(&mut plain).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
        let sought = format!("SEARCH {table} USING {index}");
        assert!(plan.iter().any(|step| step.replace("COVERING ", "").starts_with(&sought)), "{statement}: {plan:?}");
    }
}

#[tokio::test]
async fn a_directory_that_is_missing_is_named_with_the_remedy() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("data").join("of");
    let url = format!("sqlite://{}", missing.join("orders.db").display());
    let error = SqliteStore::open(&url).await.unwrap_err();
    assert!(matches!(&error, OpenError::Directory { directory, .. } if *directory == missing), "{error:?}");
    let expected = format!("the store at `{url}` cannot be opened: create the directory `{}` first", missing.display());
    assert_eq!(error.to_string(), expected);

    std::fs::create_dir_all(&missing).unwrap();
    SqliteStore::open(&url).await.unwrap().close().await;
}
