//! What is particular to MySQL and MariaDB: the schema, the server's limits and faults, claims, several nodes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::message::{EventId, Metadata, Position, StreamId, Tag, Timestamp, Version};
use annals::store::{
    Append, AppendError, Conflict, Criterion, EventStore, Expected, Maintain, MySqlStore, MySqlTransaction, NewEvent,
    OpenError, Read, Store, StoreError, StreamChange,
};
use annals_tests::servers::Server;
use sqlx::{Connection, MySqlConnection, MySqlPool, Row};
use tokio::task::JoinSet;
use xtask::servers::{Kind, Options, database_url};

use super::claims::{advance, claim};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn stream(id: &str) -> StreamId {
    StreamId::new("wallet", id.to_owned())
}

fn event(id: &str, name: &str) -> NewEvent {
    NewEvent {
        stream: stream(id),
        id: EventId::new(),
        name: name.to_owned().into(),
        revision: 1,
        payload: br#"{"amount":5}"#.to_vec(),
        metadata: Arc::new(Metadata::new().with("user", "ada")),
        tags: vec![Tag::new("wallet", id)],
        recorded_at: Timestamp::from_micros(1_000_001),
    }
}

fn append(events: impl IntoIterator<Item = NewEvent>) -> Append {
    Append { events: events.into_iter().collect(), ..Append::default() }
}

fn expecting(id: &str, version: u64) -> Append {
    let expected = Version::new(version).map_or(Expected::NoStream, Expected::Version);
    Append { expected: vec![(stream(id), expected)], ..append([event(id, "wallet.credited")]) }
}

async fn fresh() -> String {
    Server::MySql.fresh_database().await
}

async fn open(url: &str) -> MySqlStore {
    MySqlStore::open(url).await.unwrap()
}

/// A connection that knows nothing of Annals.
async fn plain(url: &str) -> MySqlConnection {
    MySqlConnection::connect(url).await.unwrap()
}

/// Ends all connections to the database at `url` but its own, as an operator may.
async fn cut_all(url: &str) {
    let mut plain = plain(url).await;
    let others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    for row in sqlx::query(others).fetch_all(&mut plain).await.unwrap() {
        let kill = format!("KILL CONNECTION {}", row.get::<i64, _>(0));
        // One may have ended meanwhile.
        let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(kill)).execute(&mut plain).await;
    }
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let url = fresh().await;
    let store = open(&url).await;
    let written = append([event("a", "wallet.opened"), event("b", "wallet.opened")]);
    store.append(written.clone()).await.unwrap();
    let (first, _) = claim(&store, "p").await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    advance(&mut *transaction, &first, 2).await.unwrap();
    transaction.commit().await.unwrap();
    store.close().await;

    let closed = store.append(append([event("a", "wallet.closed")])).await;
    assert!(matches!(closed, Err(AppendError::Unavailable { .. })), "{closed:?}");
    assert!(store.begin().await.is_err() && claim(&store, "p").await.is_err());
    // The same server by its other name.
    let store = open(&url.replace("mysql://", "mariadb://")).await;
    assert_eq!(*store.appended().borrow(), Position::new(2));
    assert!(store.append(written).await.unwrap().repeated);
    let page = store.read(&Read::all(Position::START)).await.unwrap();
    assert_eq!((page.events.len(), page.scanned), (2, Position::new(2)));
    assert_eq!(page.events[0].recorded.metadata().get("user"), Some("ada"));
    let (next, position) = claim(&store, "p").await.unwrap();
    assert_eq!((position, next.fence), (Position::new(2), first.fence + 1));
}

#[tokio::test]
async fn stored_events_are_readable_in_plain_sql() {
    let url = fresh().await;
    open(&url).await.append(append([event("é 1", "wallet.opened")])).await.unwrap();
    let sql = "SELECT stream_id, JSON_VALUE(payload, '$.amount'), JSON_VALUE(metadata, '$.user'), \
               JSON_VALUE(tags, '$[0]'), CAST(recorded_at AS CHAR), tenant FROM annals_readable_events";
    let row = sqlx::query(sql).fetch_one(&mut plain(&url).await).await.unwrap();
    let texts: Vec<String> = (0..6).map(|column| row.get(column)).collect();
    assert_eq!(texts, ["é 1", "5", "ada", "wallet:é 1", "1970-01-01 00:00:01.000001", ""]);
}

#[tokio::test]
async fn events_are_neither_changed_nor_removed_but_in_maintenance() {
    let url = fresh().await;
    let store = open(&url).await;
    store.append(append([event("a", "wallet.opened"), event("b", "wallet.opened")])).await.unwrap();
    let replace = "REPLACE INTO annals_events SELECT 9, tenant, visibility, slice, version, revision, recorded_at, name, \
                   category, stream_id, UNHEX(REPEAT('00', 16)), tags, metadata, payload FROM annals_events";
    for sql in
        ["UPDATE annals_events SET name = 'x'", "DELETE FROM annals_events", "TRUNCATE TABLE annals_events", replace]
    {
        let refused = Server::MySql.try_execute(&url, sql).await;
        assert!(refused.is_err(), "{sql}");
    }
    assert_eq!(store.count(&Read::all(Position::START)).await.unwrap(), 2);

    let mut maintenance = store.begin_maintenance().await.unwrap();
    let tx = maintenance.as_any_mut().downcast_mut::<MySqlTransaction>().unwrap();
    sqlx::query("DELETE FROM annals_events WHERE position = 1").execute(&mut **tx).await.unwrap();
    maintenance.commit().await.unwrap();
    assert_eq!(store.count(&Read::all(Position::START)).await.unwrap(), 1);
    let refused = Server::MySql.try_execute(&url, "DELETE FROM annals_events").await;
    assert!(refused.is_err(), "what was allowed ended with its transaction");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let url = fresh().await;
    open(&url).await.close().await;
    let newer = "INSERT INTO annals_migrations (version, description, success, checksum, execution_time) \
                 VALUES (999, 'from the future', true, x'00', 0)";
    Server::MySql.execute(&url, newer).await;
    let error = MySqlStore::open(&url).await.unwrap_err();
    assert!(matches!(&error, OpenError::Schema { reason, .. } if reason.contains("newer program")), "{error}");
    assert!(error.to_string().contains("999"), "{error}");
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let url = fresh().await;
    open(&url).await.close().await;
    Server::MySql.execute(&url, "UPDATE annals_migrations SET checksum = x'00'").await;
    let error = MySqlStore::open(&url).await.unwrap_err();
    assert!(matches!(&error, OpenError::Schema { reason, .. } if reason.contains("changed")), "{error}");
}

#[tokio::test]
async fn a_migration_that_was_left_half_way_runs_again() {
    let url = fresh().await;
    let store = open(&url).await;
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    store.close().await;
    let half_way = "UPDATE annals_migrations SET success = FALSE; DROP TABLE annals_timers; \
                    DROP TRIGGER annals_events_never_change; DROP VIEW annals_readable_events";
    Server::MySql.execute(&url, half_way).await;
    let store = open(&url).await;
    assert_eq!(store.head().await.unwrap(), Position::new(1));
    assert_eq!(store.sagas().next_timer("", "s", annals::store::Segment::WHOLE).await.unwrap(), None);
    assert!(Server::MySql.try_execute(&url, "UPDATE annals_events SET name = 'x'").await.is_err());
}

#[tokio::test]
async fn several_programs_may_open_a_new_database_at_once() {
    let url = fresh().await;
    let opened = tokio::join!(open(&url), open(&url), open(&url), open(&url));
    opened.0.append(append([event("a", "wallet.opened")])).await.unwrap();
    assert_eq!(opened.3.head().await.unwrap(), Position::new(1));
}

/// MySQL commits the note that a migration has begun before the tables are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_opens_while_another_one_makes_the_tables_waits_for_them() {
    for _ in 0..10 {
        let url = fresh().await;
        let mut programs = JoinSet::new();
        for late in 0..32 {
            let url = url.clone();
            programs.spawn(async move {
                // Spread over the time that the first one needs.
                tokio::time::sleep(Duration::from_millis(late)).await;
                let store = open(&url).await;
                assert_eq!(store.head().await.unwrap(), Position::START);
                store.close().await;
            });
        }
        while let Some(program) = programs.join_next().await {
            program.unwrap();
        }
    }
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_explained() {
    let url = fresh().await;
    for address in ["mysql:", "mysql://root@127.0.0.1", "postgres://host/db", "mysql://host/db?colour=red"] {
        let error = MySqlStore::open(address).await.unwrap_err();
        assert!(matches!(error, OpenError::Address { .. }), "{address}: {error}");
    }
    for (address, said) in [
        (database_url(&url, "annals_that_is_not_there"), "Unknown database"),
        (url.replace("root@", "nobody:secret@"), "denied"),
        ("mysql://root@127.0.0.1:1/db".to_owned(), "refused"),
    ] {
        let error = MySqlStore::open(&address).await.unwrap_err();
        let OpenError::Unavailable { source, .. } = &error else { panic!("{address}: {error}") };
        assert!(source.to_string().contains(said), "{source}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn the_sign_of_a_node_is_gone_as_soon_as_its_connection_ends() {
    let url = fresh().await;
    let (first, second) = (open(&url).await, open(&url).await);
    first.appear("one").await.unwrap();
    first.appear("one").await.unwrap();
    second.appear("two").await.unwrap();
    assert!(!second.is_gone("one").await.unwrap() && !first.is_gone("two").await.unwrap());
    let (old, _) = claim(&first, "p").await.unwrap();
    cut_all(&url).await;
    gone(&second, "one").await;
    let (new, _) = claim(&second, "p").await.unwrap();
    assert!(new.fence > old.fence);
    let mut transaction = first.begin().await.unwrap();
    let late = advance(&mut *transaction, &old, 1).await;
    assert!(matches!(late, Err(StoreError::ClaimLost { .. })), "{late:?}");
    drop(transaction);
    // It takes its sign again when it is next heard of.
    first.appear("one").await.unwrap();
    assert!(!second.is_gone("one").await.unwrap());
    first.leave("", "one", true).await.unwrap();
    assert!(second.is_gone("one").await.unwrap());
    first.appear("one").await.unwrap();
    first.close().await;
    gone(&second, "one").await;
}

/// Waits until the sign of a node is gone.
async fn gone(store: &MySqlStore, node: &str) {
    let begun = Instant::now();
    while !store.is_gone(node).await.unwrap() {
        assert!(begun.elapsed() < PATIENCE, "the sign of `{node}` stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Two databases of one server are two stores, whose nodes may have the same names.
#[tokio::test]
async fn signs_in_two_stores_on_one_server_are_different_ones() {
    let (first, second) = (open(&fresh().await).await, open(&fresh().await).await);
    first.appear("one").await.unwrap();
    assert!(second.is_gone("one").await.unwrap());
    second.appear("one").await.unwrap();
}

#[tokio::test]
async fn after_lost_connections_everything_goes_on_by_itself() {
    let url = fresh().await;
    let store = open(&url).await;
    store.append(expecting("a", 0)).await.unwrap();
    store.appear("node").await.unwrap();
    let mut fence = claim(&store, "p").await.unwrap().0.fence;
    for version in 1..=5 {
        // Connections of each kind lie idle.
        futures_util::future::join_all((0..4).map(|_| store.head())).await;
        store.begin().await.unwrap().commit().await.unwrap();
        cut_all(&url).await;
        let appended = store.append(expecting("a", version)).await.unwrap();
        assert_eq!((appended.position.get(), appended.repeated), (version + 1, false));
        assert_eq!(store.head().await.unwrap().get(), version + 1);
        store.appear("node").await.unwrap();
        let (claim, _) = claim(&store, "p").await.unwrap();
        assert_eq!(claim.fence, fence + 1);
        fence = claim.fence;
        let mut transaction = store.begin().await.unwrap();
        advance(&mut *transaction, &claim, version).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

/// Guarantee 2 and 3: what one node remembers of streams never wins over what another one has written.
#[tokio::test]
async fn what_a_node_remembers_gives_way_to_what_others_have_written() {
    let url = fresh().await;
    let (first, second) = (open(&url).await, open(&url).await);
    for version in (0..10).step_by(2) {
        assert_eq!(first.append(expecting("a", version)).await.unwrap().position.get(), version + 1);
        assert_eq!(second.append(expecting("a", version + 1)).await.unwrap().position.get(), version + 2);
        let Err(AppendError::Conflict(Conflict::Stream { actual, .. })) =
            first.append(expecting("a", version + 1)).await
        else {
            panic!("the version is stale");
        };
        assert_eq!(actual, Version::new(version + 2));
        let any = Append { expected: vec![(stream("a"), Expected::Exists)], ..Append::default() };
        assert_eq!(first.append(any).await.unwrap().position.get(), version + 2);
    }
    let decided = |after| Append {
        condition: Some(annals::store::Condition { criteria: Criterion::tag(Tag::new("wallet", "a")).into(), after }),
        ..append([event("b", "wallet.opened")])
    };
    let seen = first.head().await.unwrap();
    second.append(expecting("a", 10)).await.unwrap();
    let stale = first.append(decided(seen)).await;
    assert!(matches!(stale, Err(AppendError::Conflict(Conflict::Condition { .. }))), "{stale:?}");
    first.append(decided(first.head().await.unwrap())).await.unwrap();

    // A check of a stream that this node has never seen stands beside an append that needs no question.
    second.append(expecting("c", 0)).await.unwrap();
    second.append(expecting("c", 1)).await.unwrap();
    first.append(expecting("d", 0)).await.unwrap();
    let check = |version| {
        let expected = Version::new(version).map_or(Expected::NoStream, Expected::Version);
        Append { expected: vec![(stream("c"), expected)], ..Append::default() }
    };
    for stale in [check(0), check(1)] {
        let (checked, written) =
            tokio::join!(first.append(stale), first.append(append([event("d", "wallet.credited")])));
        assert!(matches!(checked, Err(AppendError::Conflict(_))), "{checked:?}");
        written.unwrap();
    }
    let (checked, written) =
        tokio::join!(first.append(check(2)), first.append(append([event("d", "wallet.credited")])));
    assert!(checked.is_ok() && written.is_ok());

    // None of these takes a position.
    first.append(expecting("a", 11)).await.unwrap();
    second.change_stream("", &stream("a"), Expected::Any, StreamChange::Archive).await.unwrap();
    let closed = first.append(expecting("a", 12)).await;
    assert!(matches!(closed, Err(AppendError::StreamClosed { .. })), "{closed:?}");
    second.change_stream("", &stream("a"), Expected::Any, StreamChange::Restore).await.unwrap();
    first.append(expecting("a", 12)).await.unwrap();
    second.change_stream("", &stream("a"), Expected::Any, StreamChange::Delete).await.unwrap();
    let gone = first.append(expecting("a", 13)).await;
    assert!(matches!(gone, Err(AppendError::Conflict(Conflict::Stream { actual: None, .. }))), "{gone:?}");
    let again = first.append(expecting("a", 0)).await.unwrap();
    assert_eq!(again.version_of(&stream("a")), Version::new(14), "versions go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_append_to_one_database() {
    let url = fresh().await;
    let stores = [Arc::new(open(&url).await), Arc::new(open(&url).await)];
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&stores[number % 2]);
        tasks.spawn(async move { store.append(append([event("a", "wallet.credited")])).await.unwrap().position.get() });
    }
    let mut positions = tasks.join_all().await;
    positions.sort_unstable();
    assert_eq!(positions, (1..=100).collect::<Vec<_>>());
    assert_eq!(stores[0].stream_head("", &stream("a")).await.unwrap(), Version::new(100));
    assert_eq!(stores[0].head().await.unwrap(), stores[1].head().await.unwrap());
}

#[tokio::test]
async fn an_append_that_the_database_refuses_does_not_take_its_neighbours_along() {
    let url = fresh().await;
    let store = open(&url).await;
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON annals_events FOR EACH ROW IF new.name = 'poison' THEN \
                   SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused by a trigger'; END IF";
    Server::MySql.execute(&url, trigger).await;
    let names = ["one", "poison", "two", "poison", "three"];
    let results = futures_util::future::join_all(names.map(|name| store.append(append([event("a", name)])))).await;
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
async fn what_the_server_takes_at_once_bounds_a_payload() {
    let url = fresh().await;
    let store = open(&url).await;
    let packet =
        sqlx::query("SELECT CAST(@@max_allowed_packet AS SIGNED)").fetch_one(&mut plain(&url).await).await.unwrap();
    let largest = usize::try_from(packet.get::<i64, _>(0)).unwrap().min((16 << 20) + (512 << 10)) - (512 << 10);
    let sized = |bytes| NewEvent { payload: vec![0xfe; bytes], ..event("a", "wallet.opened") };
    match store.append(append([sized(largest + 1)])).await {
        Err(AppendError::Limit(limit)) => assert_eq!((limit.actual, limit.limit), (largest + 1, largest)),
        other => panic!("expected the limit, got {other:?}"),
    }
    // Together they are much more than that.
    store.append(append([sized(largest), sized(3), sized(5 << 20), sized(6 << 20)])).await.unwrap();
    let mut next = Some(Read::stream(stream("a"), None).limit(1));
    let mut sizes = Vec::new();
    while let Some(read) = next {
        let page = store.read(&read).await.unwrap();
        sizes.extend(page.events.iter().map(|event| event.payload.len()));
        assert!(page.events.iter().all(|event| event.payload.iter().all(|byte| *byte == 0xfe)));
        next = read.behind(&page);
    }
    assert_eq!(sizes, [largest, 3, 5 << 20, 6 << 20]);
}

#[tokio::test]
async fn a_handlers_rows_commit_with_the_transaction_and_readers_write_nothing() {
    let url = fresh().await;
    let store = open(&url).await;
    assert_eq!(store.transaction_type(), std::any::TypeId::of::<MySqlTransaction>());
    Server::MySql.execute(&url, "CREATE TABLE counts (id VARCHAR(10) PRIMARY KEY, n INT)").await;
    let resources = store.resources();
    let readers: &MySqlPool = resources.get().unwrap();
    let mut boxed = store.begin().await.unwrap();
    let tx = boxed.as_any_mut().downcast_mut::<MySqlTransaction>().unwrap();
    sqlx::query("INSERT INTO counts VALUES ('a', 1)").execute(&mut **tx).await.unwrap();
    let mut nested = tx.begin().await.unwrap();
    sqlx::query("INSERT INTO counts VALUES ('b', 1)").execute(&mut *nested).await.unwrap();
    nested.commit().await.unwrap();
    let mut dropped = tx.begin().await.unwrap();
    sqlx::query("INSERT INTO counts VALUES ('c', 1)").execute(&mut *dropped).await.unwrap();
    drop(dropped);
    boxed.commit().await.unwrap();
    let count =
        || async { sqlx::query("SELECT count(*) FROM counts").fetch_one(readers).await.unwrap().get::<i64, _>(0) };
    assert_eq!(count().await, 2);
    let refused = sqlx::query("INSERT INTO counts VALUES ('d', 1)").execute(readers).await.unwrap_err();
    assert!(refused.to_string().contains("READ ONLY"), "{refused}");

    let mut boxed = store.begin().await.unwrap();
    let tx = boxed.as_any_mut().downcast_mut::<MySqlTransaction>().unwrap();
    sqlx::query("DELETE FROM counts").execute(&mut **tx).await.unwrap();
    drop(boxed);
    assert_eq!(count().await, 2, "what was not committed never was");
}

/// After a deadlock the server has rolled everything back; what follows must not be committed without what went before.
#[tokio::test]
async fn a_transaction_that_the_server_has_ended_is_not_committed() {
    let url = fresh().await;
    let store = open(&url).await;
    Server::MySql.execute(&url, "CREATE TABLE counts (id VARCHAR(10) PRIMARY KEY, n INT)").await;
    let (claim, _) = claim(&store, "p").await.unwrap();
    let mut boxed = store.begin().await.unwrap();
    let tx = boxed.as_any_mut().downcast_mut::<MySqlTransaction>().unwrap();
    sqlx::query("INSERT INTO counts VALUES ('a', 1)").execute(&mut **tx).await.unwrap();
    sqlx::raw_sql("ROLLBACK").execute(&mut **tx).await.unwrap();
    sqlx::query("INSERT INTO counts VALUES ('b', 1)").execute(&mut **tx).await.unwrap();
    advance(&mut *boxed, &claim, 7).await.unwrap();
    let refused = boxed.commit().await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert_eq!(store.token("", "p").await.unwrap(), Some(Position::START));
    let counts = sqlx::query("SELECT * FROM counts").fetch_all(&mut plain(&url).await).await.unwrap();
    assert!(counts.is_empty());
    store.begin().await.unwrap().commit().await.unwrap();
}

/// Work of a handler, however long, holds up no append.
#[tokio::test]
async fn appends_do_not_wait_for_transactions() {
    let store = open(&fresh().await).await;
    let (claim, _) = claim(&store, "p").await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    advance(&mut *transaction, &claim, 1).await.unwrap();
    let append = store.append(append([event("a", "wallet.opened")]));
    tokio::time::timeout(PATIENCE, append).await.expect("the transaction is in nobody's way").unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn an_append_waits_for_maintenance_and_then_goes_on() {
    let store = open(&fresh().await).await;
    store.append(expecting("a", 0)).await.unwrap();
    let maintenance = store.begin_maintenance().await.unwrap();
    let mut waiting = Box::pin(store.append(expecting("a", 1)));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
    assert!(early.is_err(), "the maintenance holds the append lock");
    drop(maintenance);
    assert_eq!(waiting.await.unwrap().position, Position::new(2));
}

/// Guarantee 1: nobody is told that an outcome is unknown which can be found out.
#[tokio::test]
async fn an_append_whose_connection_breaks_half_way_is_settled_before_it_is_answered() {
    let url = fresh().await;
    let store = open(&url).await;
    store.append(expecting("a", 0)).await.unwrap();
    for version in 1..=3 {
        let maintenance = store.begin_maintenance().await.unwrap();
        let mut waiting = Box::pin(store.append(expecting("a", version)));
        let early = tokio::time::timeout(Duration::from_millis(20), &mut waiting).await;
        assert!(early.is_err(), "it waits in the server, its commit behind it");
        cut_all(&url).await;
        let appended = waiting.await.unwrap();
        assert_eq!((appended.position.get(), appended.repeated), (version + 1, false));
        drop(maintenance);
    }
}

/// A private server, since what is done to it would meet other tests.
fn server(options: Options) -> xtask::servers::Server {
    xtask::servers::Server::start_with(Kind::MariaDb, options).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_server_that_may_only_be_read_is_opened_and_refuses_appends() {
    let server = server(Options::new());
    Server::MySql.execute(&server.url(), "CREATE DATABASE orders").await;
    let url = database_url(&server.url(), "orders");
    let store = open(&url).await;
    store.append(expecting("a", 0)).await.unwrap();
    store.close().await;
    let read_only =
        "CREATE USER app; GRANT SELECT, INSERT, UPDATE, DELETE ON orders.* TO app; SET GLOBAL read_only = 1";
    Server::MySql.execute(&server.url(), read_only).await;
    let store = open(&url.replace("root@", "app@")).await;
    let refused = store.append(expecting("a", 1)).await;
    assert!(matches!(refused, Err(AppendError::ReadOnly { .. })), "{refused:?}");
    assert_eq!(store.count(&Read::stream(stream("a"), None)).await.unwrap(), 1);
    Server::MySql.execute(&server.url(), "SET GLOBAL read_only = 0").await;
    store.append(expecting("a", 1)).await.unwrap();
}

#[tokio::test]
async fn a_server_without_room_says_so_and_keeps_what_it_has() {
    let bounded =
        Options::new().set("innodb-file-per-table", "0").set("innodb-data-file-path", "ibdata1:12M:autoextend:max:32M");
    let server = server(bounded);
    Server::MySql.execute(&server.url(), "CREATE DATABASE orders").await;
    let store = open(&database_url(&server.url(), "orders")).await;
    let mut version = 0;
    let full = loop {
        let mut append = expecting("a", version);
        append.events[0].payload = vec![b'x'; 4 << 20];
        match store.append(append).await {
            Ok(_) => version += 1,
            Err(error) => break error,
        }
        assert!(version < 8, "32 MiB do not fit into 32 MiB");
    };
    assert!(matches!(full, AppendError::Full { .. }), "{full:?}");
    assert_eq!(store.head().await.unwrap().get(), version);
    assert_eq!(store.count(&Read::stream(stream("a"), None)).await.unwrap(), version);
}

#[tokio::test]
async fn scheduled_commands_of_the_future_cost_nothing() {
    let url = fresh().await;
    open(&url).await.close().await;
    let mut plain = plain(&url).await;
    let fill = "INSERT INTO annals_effects \
         (tenant, command_id, saga, saga_id, slice, number, together, kind, name, payload, metadata, attempts, not_before) \
         WITH RECURSIVE digits AS (SELECT 0 AS d UNION ALL SELECT d + 1 FROM digits WHERE d < 9) \
         SELECT '', unhex(md5(p)), '$scheduled', unhex(md5(p)), 0, 1, 0, 0, 'wallet.credit', '', '{}', 0, 1000000 + p FROM \
         (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 1 AS p \
          FROM digits a, digits b, digits c, digits e, digits f) AS numbers";
    sqlx::raw_sql(fill).execute(&mut plain).await.unwrap();
    let due = include_str!("../../../framework/src/store/sql/statements/due_effects.sql");
    let next = include_str!("../../../framework/src/store/sql/statements/next_effect.sql");
    for statement in [due, next] {
        let statement = statement
            .replace("?1", "''")
            .replace("?2", "'$scheduled'")
            .replace("?3", "0")
            .replace("?4", "0")
            .replace("?5", "1000005");
        sqlx::raw_sql("FLUSH STATUS").execute(&mut plain).await.unwrap();
        let statement = sqlx::AssertSqlSafe(statement.replace("?6", "64"));
        assert!(!sqlx::raw_sql(statement).fetch_all(&mut plain).await.unwrap().is_empty());
        let looked_at = sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(&mut plain).await.unwrap();
        let rows: u64 = looked_at.iter().map(|row| row.get::<String, _>(1).parse::<u64>().unwrap()).sum();
        assert!((1..=100).contains(&rows), "{rows} rows were looked at");
    }
}
