//! What is particular to PostgreSQL: the schema, locks and claims between nodes, lost connections, a handler's own rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::message::{EventId, Metadata, Position, StreamId, Tag, Timestamp, Version};
use annals::store::{
    self, Append, AppendError, Condition, Criteria, Criterion, Expected, NewEvent, OpenError, PostgresTransaction,
    Read, SharedStore, StoreTransaction,
};
use annals_tests::servers::Server;
use futures_util::future::join_all;
use sqlx::{Connection, PgConnection, Row};

use super::claims::{advance, claim};
use super::cut::Cut;

/// Until what must happen has happened.
const PATIENCE: Duration = Duration::from_secs(20);

fn event(id: &str, name: &str) -> NewEvent {
    NewEvent {
        stream: StreamId::new("wallet", id.to_owned()),
        id: EventId::new(),
        name: name.to_owned().into(),
        revision: 1,
        payload: br#"{"amount":5}"#.to_vec(),
        metadata: Arc::new(Metadata::new().with("user", "ada")),
        tags: vec![Tag::new("wallet", id)],
        recorded_at: Timestamp::from_micros(1_000_000),
    }
}

fn append(events: impl IntoIterator<Item = NewEvent>) -> Append {
    Append { events: events.into_iter().collect(), ..Append::default() }
}

async fn fresh() -> (String, SharedStore) {
    let url = Server::Postgres.fresh_database().await;
    let store = store::open(&url).await.unwrap();
    (url, store)
}

async fn plain(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

fn with(url: &str, parameters: &str) -> String {
    format!("{url}{}{parameters}", if url.contains('?') { "&" } else { "?" })
}

/// The name of the database at `url`.
fn database(url: &str) -> &str {
    url.rsplit('/').next().unwrap().split('?').next().unwrap()
}

async fn names(store: &SharedStore) -> Vec<String> {
    let page = store.read(&Read::all(Position::START)).await.unwrap();
    page.events.iter().map(|event| event.recorded.name.to_string()).collect()
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let (url, store) = fresh().await;
    let written = append([event("a", "wallet.opened"), event("b", "wallet.opened")]);
    store.append(written.clone()).await.unwrap();
    let (first, _) = claim(&*store, "p").await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    advance(&mut *transaction, &first, 2).await.unwrap();
    transaction.commit().await.unwrap();
    store.close().await;
    let closed = store.append(append([event("a", "wallet.closed")])).await;
    assert!(matches!(closed, Err(AppendError::Unavailable { .. })), "{closed:?}");
    assert!(store.begin().await.is_err());

    let store = store::open(&url).await.unwrap();
    assert_eq!(*store.appended().borrow(), Position::new(2));
    assert!(store.append(written).await.unwrap().repeated);
    let (next, position) = claim(&*store, "p").await.unwrap();
    assert_eq!((position, next.fence), (Position::new(2), first.fence + 1));
    store.close().await;
}

#[tokio::test]
async fn stored_events_are_readable_in_plain_sql() {
    let (url, store) = fresh().await;
    let binary = NewEvent { payload: vec![0xff, 0x00], ..event("b", "wallet.sealed") };
    store.append(append([event("a", "wallet.opened"), binary])).await.unwrap();
    let sql = "SELECT payload, metadata::json ->> 'user', tags::json ->> 0, recorded_at = to_timestamp(1), slice \
               FROM annals_readable_events ORDER BY position";
    let rows = sqlx::query(sql).fetch_all(&mut plain(&url).await).await.unwrap();
    assert_eq!((rows[0].get::<&str, _>(0), rows[0].get::<&str, _>(1)), (r#"{"amount":5}"#, "ada"));
    assert_eq!((rows[0].get::<&str, _>(2), rows[0].get::<bool, _>(3)), ("wallet:a", true));
    assert!((0..1024).contains(&rows[0].get::<i16, _>(4)));
    assert_eq!(rows[1].get::<&str, _>(0), r"\xff00");
    store.close().await;
}

#[tokio::test]
async fn events_are_neither_changed_nor_removed() {
    let (url, store) = fresh().await;
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    for sql in ["UPDATE annals_events SET name = 'x'", "DELETE FROM annals_events", "TRUNCATE annals_events"] {
        let refused = Server::Postgres.try_execute(&url, sql).await.unwrap_err();
        assert!(refused.to_string().contains("events "), "{refused}");
    }
    assert_eq!(names(&store).await, ["wallet.opened"]);
    store.close().await;
}

#[tokio::test]
async fn maintenance_may_change_events_until_its_transaction_ends() {
    let (_, store) = fresh().await;
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    let change = async |mut boxed: Box<dyn StoreTransaction>| {
        let tx = boxed.as_any_mut().downcast_mut::<PostgresTransaction>().unwrap();
        let sql = "UPDATE annals_events SET name = 'wallet.renamed'";
        let changed = sqlx::query(sql).execute(&mut **tx).await.map(|result| result.rows_affected());
        if changed.is_ok() {
            boxed.commit().await.unwrap();
        }
        changed
    };
    assert!(change(store.begin().await.unwrap()).await.is_err());
    assert_eq!(change(store.begin_maintenance().await.unwrap()).await.unwrap(), 1);
    assert_eq!(names(&store).await, ["wallet.renamed"]);
    assert!(change(store.begin().await.unwrap()).await.is_err(), "the connection has forgotten the maintenance");
    store.close().await;
}

#[tokio::test]
async fn appends_do_not_wait_for_a_handlers_transaction() {
    let (url, store) = fresh().await;
    Server::Postgres.execute(&url, "CREATE TABLE counts (id text PRIMARY KEY, n bigint NOT NULL)").await;
    let mut boxed = store.begin().await.unwrap();
    let tx = boxed.as_any_mut().downcast_mut::<PostgresTransaction>().unwrap();
    sqlx::query("INSERT INTO counts VALUES ('a', 1)").execute(&mut **tx).await.unwrap();
    let appended = tokio::time::timeout(PATIENCE, store.append(append([event("a", "wallet.opened")]))).await;
    assert_eq!(appended.expect("the append does not wait").unwrap().position, Position::new(1));
    boxed.commit().await.unwrap();
    let row = sqlx::query("SELECT n FROM counts").fetch_one(&mut plain(&url).await).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 1);
    store.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_database_is_said() {
    let url = Server::Postgres.fresh_database().await;
    let missing = url.replace(database(&url), "annals_that_is_not_there");
    let error = store::open(&missing).await.map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Unavailable { .. }), "{error:?}");
    assert!(format!("{:?}", error).contains("does not exist"), "{error:?}");

    let no_schema = with(&url, "options[search_path]=nowhere");
    let error = store::open(&no_schema).await.map(drop).unwrap_err();
    assert!(format!("{error:?}").contains("search path"), "{error:?}");

    let latin = format!("annals_{}", annals::message::EventId::new().uuid().simple());
    let sql = format!("CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    Server::Postgres.execute(&Server::Postgres.url(), sql).await;
    let error = store::open(&url.replace(database(&url), &latin)).await.map(drop).unwrap_err();
    assert!(format!("{error:?}").contains("LATIN1"), "{error:?}");

    store::open(&url).await.unwrap().close().await;
    let newer = "INSERT INTO annals_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99, 'later', true, '', 0)";
    Server::Postgres.execute(&url, newer).await;
    let error = store::open(&url).await.map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Schema { .. }), "{error:?}");
    assert!(error.to_string().contains("newer program"), "{error}");
    let changed = "DELETE FROM annals_migrations WHERE version = 99; UPDATE annals_migrations SET checksum = 'x'";
    Server::Postgres.execute(&url, changed).await;
    let error = store::open(&url).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("changed by hand"), "{error}");
}

#[tokio::test]
async fn a_server_that_only_reads_refuses_appends_and_answers_reads() {
    let (url, store) = fresh().await;
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    store.close().await;
    let name = database(&url);
    Server::Postgres.execute(&url, format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let store = store::open(&url).await.unwrap();
    assert_eq!(names(&store).await, ["wallet.opened"]);
    let refused = store.append(append([event("a", "wallet.closed")])).await;
    assert!(matches!(refused, Err(AppendError::ReadOnly { .. })), "{refused:?}");
    store.close().await;
}

#[tokio::test]
async fn a_role_that_may_not_make_tables_can_use_a_store_that_is_there() {
    let (url, store) = fresh().await;
    store.close().await;
    let role = format!("annals_{}", annals::message::EventId::new().uuid().simple());
    let sql = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'secret'; REVOKE CREATE ON SCHEMA public FROM PUBLIC; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    );
    Server::Postgres.execute(&url, sql).await;
    let store = store::open(&with(&url, &format!("user={role}&password=secret"))).await.unwrap();
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    store.appear("node").await.unwrap();
    claim(&*store, "p").await.unwrap();
    assert_eq!(names(&store).await, ["wallet.opened"]);
    store.close().await;
    let sql = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    Server::Postgres.execute(&url, sql).await;
}

#[tokio::test]
async fn two_stores_in_one_database_do_not_meet() {
    let url = Server::Postgres.fresh_database().await;
    Server::Postgres.execute(&url, "CREATE SCHEMA one; CREATE SCHEMA two").await;
    let one = store::open(&with(&url, "options[search_path]=one")).await.unwrap();
    let two = store::open(&with(&url, "options[search_path]=two")).await.unwrap();
    // Holds the append lock of the one.
    let maintenance = one.begin_maintenance().await.unwrap();
    let appended = tokio::time::timeout(PATIENCE, two.append(append([event("a", "wallet.opened")]))).await;
    assert_eq!(appended.expect("the append does not wait").unwrap().position, Position::new(1));
    drop(maintenance);
    assert_eq!(one.append(append([event("a", "wallet.moved")])).await.unwrap().position, Position::new(1));
    assert_eq!(
        (names(&one).await, names(&two).await),
        (vec!["wallet.moved".to_owned()], vec!["wallet.opened".to_owned()])
    );
    one.appear("node").await.unwrap();
    assert!(two.is_gone("node").await.unwrap());
    two.appear("node").await.unwrap();
    one.close().await;
    two.close().await;
}

/// Ends every connection to the database but its own.
async fn end_connections(url: &str) {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    Server::Postgres.execute(url, sql).await;
}

#[tokio::test]
async fn after_lost_connections_everything_goes_on_by_itself() {
    let (url, store) = fresh().await;
    for round in 1..=3 {
        let id = format!("w-{round}");
        store.append(append([event(&id, "wallet.opened")])).await.unwrap();
        let idle = (store.begin().await.unwrap(), store.begin().await.unwrap());
        drop(idle);
        assert_eq!(names(&store).await.len(), 2 * round - 1);
        store.appear("node").await.unwrap();
        claim(&*store, "p").await.unwrap();

        end_connections(&url).await;
        assert_eq!(names(&store).await.len(), 2 * round - 1);
        let again = store.append(append([event(&id, "wallet.credited")])).await.unwrap();
        assert_eq!((again.position, again.repeated), (Position::new(2 * round as u64), false));
        let transaction = store.begin().await.unwrap();
        transaction.commit().await.unwrap();
        store.appear("node").await.unwrap();
        claim(&*store, "p").await.unwrap();
    }
    store.close().await;
}

#[tokio::test]
async fn the_sign_of_a_node_is_gone_as_soon_as_its_connection_ends() {
    let (url, one) = fresh().await;
    let two = store::open(&url).await.unwrap();
    two.appear("two").await.unwrap();
    two.appear("two").await.unwrap();
    assert!(!one.is_gone("two").await.unwrap() && one.is_gone("three").await.unwrap());
    let (old, _) = claim(&*two, "sales").await.unwrap();
    end_connections(&url).await;
    gone(&*one, "two").await;
    let (new, _) = claim(&*one, "sales").await.unwrap();
    assert!(new.fence > old.fence);
    // A node that was cut off cannot write any more.
    let mut late = two.begin().await.unwrap();
    assert!(advance(&mut *late, &old, 5).await.is_err());
    drop(late);
    two.appear("two").await.unwrap();
    assert!(!one.is_gone("two").await.unwrap());
    two.leave("", "two", true).await.unwrap();
    assert!(one.is_gone("two").await.unwrap());
    two.appear("two").await.unwrap();
    two.close().await;
    gone(&*one, "two").await;
    one.close().await;
}

/// Waits until the sign of a node is gone: the server may still be ending its connection.
async fn gone(store: &dyn store::Store, node: &str) {
    let begun = Instant::now();
    while !store.is_gone(node).await.unwrap() {
        assert!(begun.elapsed() < PATIENCE, "the sign of `{node}` stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_append_wakes_readers_on_other_nodes() {
    let (url, one) = fresh().await;
    let two = store::open(&url).await.unwrap();
    let mut seen = two.appended();
    let mut head = 0;
    // Until the other node listens, what is appended is not heard.
    let heard = async {
        loop {
            one.append(append([event("a", "wallet.credited")])).await.unwrap();
            head += 1;
            if tokio::time::timeout(Duration::from_millis(200), seen.changed()).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("the other node hears of it");
    let begun = Instant::now();
    while seen.borrow_and_update().get() < head {
        assert!(begun.elapsed() < PATIENCE);
        let _ = tokio::time::timeout(PATIENCE, seen.changed()).await;
    }
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn what_one_node_knows_does_not_mislead_it_when_others_write() {
    let (url, one) = fresh().await;
    let two = store::open(&url).await.unwrap();
    let version = |number| Expected::Version(Version::new(number).unwrap());
    let expecting = |expected| Append {
        expected: vec![(StreamId::new("wallet", "a"), expected)],
        ..append([event("a", "wallet.credited")])
    };
    for round in 0..10 {
        // Each node has seen the stream before the other one has written to it.
        let newest = 4 * round;
        let start = if newest == 0 { Expected::NoStream } else { version(newest) };
        assert_eq!(one.append(expecting(start)).await.unwrap().position, Position::new(newest + 1));
        assert_eq!(two.append(expecting(version(newest + 1))).await.unwrap().position, Position::new(newest + 2));
        for stale in [Expected::NoStream, version(newest + 1), version(newest + 3)] {
            let refused = one.append(expecting(stale)).await;
            let text = refused.unwrap_err().to_string();
            assert!(text.contains(&format!("is at version {}", newest + 2)), "{text}");
        }
        let any = one.append(expecting(Expected::Any)).await.unwrap();
        assert_eq!((any.position, any.versions[0].1.get()), (Position::new(newest + 3), newest + 3));
        let exists = two.append(expecting(Expected::Exists)).await.unwrap();
        assert_eq!(exists.position, Position::new(newest + 4));
    }
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn conditions_hold_between_nodes() {
    let (url, one) = fresh().await;
    let two = store::open(&url).await.unwrap();
    let nodes = [one, two];
    let mut accepted = 0;
    for round in 0..25_u64 {
        let tag = Tag::new("course", round % 5);
        let head = nodes[0].head().await.unwrap();
        let racers = (0..8).map(|racer| {
            let tagged = NewEvent { tags: vec![tag.clone()], ..event(&format!("{round}-{racer}"), "student.enrolled") };
            let condition = Condition { criteria: Criterion::tag(tag.clone()).into(), after: head };
            nodes[racer % 2].append(Append { condition: Some(condition), ..append([tagged]) })
        });
        let results = join_all(racers).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        accepted += 1;
        // One that looks back to the beginning is decided by the database.
        let old = Condition { criteria: Criterion::tag(tag.clone()).into(), after: Position::START };
        let refused = nodes[1].append(Append { condition: Some(old), ..append([event("x", "x")]) }).await;
        assert!(matches!(refused, Err(AppendError::Conflict(_))), "{refused:?}");
    }
    assert_eq!(nodes[0].head().await.unwrap(), Position::new(accepted));
    for node in nodes {
        node.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_is_lost_is_answered_all_the_same() {
    let (url, direct) = fresh().await;
    let cut = Cut::before(&url).await;
    let store = store::open(cut.url()).await.unwrap();
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    for round in 0..5_u64 {
        // The answer to the next statement on each connection is swallowed: it is carried out, and nobody is told.
        cut.swallow_answers();
        let id = format!("w-{round}");
        let appended = store.append(append([event(&id, "wallet.credited")])).await.unwrap();
        assert_eq!((appended.position, appended.repeated), (Position::new(round + 2), false));
        assert!(cut.swallowed() > round, "an answer was lost");
    }
    assert_eq!(names(&direct).await.len(), 6, "each is stored once");
    store.close().await;
    direct.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_to_a_server_that_is_gone_fails_in_time_and_later_ones_go_on() {
    let (url, direct) = fresh().await;
    let cut = Cut::before(&url).await;
    let store = store::open(cut.url()).await.unwrap();
    store.append(append([event("a", "wallet.opened")])).await.unwrap();
    cut.refuse();
    let begun = Instant::now();
    let failed = store.append(append([event("a", "wallet.credited")])).await;
    assert!(failed.as_ref().is_err_and(AppendError::is_transient), "{failed:?}");
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    assert!(store.read(&Read::all(Position::START)).await.is_err());
    cut.accept();
    store.append(append([event("a", "wallet.closed")])).await.unwrap();
    assert_eq!(names(&direct).await, ["wallet.opened", "wallet.closed"]);
    store.close().await;
    direct.close().await;
}

/// Rows of tables and indexes that were looked at since the statistics were reset. Connections that are still open may
/// have more to tell.
async fn rows_looked_at(url: &str) -> i64 {
    let sql = "SELECT (sum(coalesce(seq_tup_read, 0)) + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes))::bigint \
               FROM pg_stat_user_tables";
    sqlx::query(sql).fetch_one(&mut plain(url).await).await.unwrap().get(0)
}

#[tokio::test]
async fn a_statement_looks_at_the_rows_that_it_needs_on_tables_without_statistics() {
    let (url, store) = fresh().await;
    store.close().await;
    let fill = "ALTER TABLE annals_events SET (autovacuum_enabled = off); \
         ALTER TABLE annals_tags SET (autovacuum_enabled = off); \
         INSERT INTO annals_events SELECT p, (p - 1) / 1000 + 1, 1, p, gen_random_uuid(), 0, 0, '', 'wallet.credited', \
         'wallet', 'w-' || p % 1000, '[]', '{}', '{}' FROM generate_series(1, 20000) p; \
         INSERT INTO annals_tags SELECT position, 0, '', 'wallet:' || stream_id FROM annals_events; \
         INSERT INTO annals_tags SELECT position, 0, '', 'zone:' || position % 2 FROM annals_events";
    Server::Postgres.execute(&url, fill).await;
    let wallet = |id: &str| Criterion::tag(Tag::new("wallet", id));
    let both = wallet("w-8").and_tag(Tag::new("zone", 0));
    let either = Criteria::from(both.clone()).or(wallet("w-9").clone());
    let named = Criterion::names(["wallet.credited"]).and_tag(Tag::new("wallet", "w-7"));
    let after = Position::new(10_000);
    let reads = [
        Read::all(after),
        Read::all(Position::START).backward(),
        Read::category("wallet", after),
        Read::category("wallet", Position::START).only(named.clone()),
        Read::stream(StreamId::new("wallet", "w-5"), None),
        Read::stream(StreamId::new("wallet", "w-5"), None).backward(),
        Read::matching(both, after),
        Read::matching(either, after),
        Read::matching(named, after),
        Read::matching(Criterion::names(["wallet.credited"]), after),
    ];
    for read in reads {
        Server::Postgres.execute(&url, "SELECT pg_stat_reset()").await;
        let store = store::open(&url).await.unwrap();
        let page = store.read(&read.clone().limit(20)).await.unwrap();
        assert!(!page.events.is_empty(), "{read:?}");
        store.close().await;
        settled(&url, &format!("{read:?}")).await;
    }
    Server::Postgres.execute(&url, "SELECT pg_stat_reset()").await;
    let store = store::open(&url).await.unwrap();
    let stream = StreamId::new("wallet", "w-5");
    assert_eq!(store.stream_head("", &stream).await.unwrap(), Version::new(20));
    assert_eq!(store.stream_info("", &stream).await.unwrap().unwrap().newest, Version::new(20));
    for expected in [Expected::Any, Expected::Version(Version::new(21).unwrap()), Expected::NoStream] {
        let condition = Condition { criteria: wallet("w-3").into(), after: Position::new(19_990) };
        let mut append = append([event("w-5", "wallet.credited")]);
        append.expected = vec![(stream.clone(), expected)];
        append.condition = Some(condition);
        let _ = store.append(append).await;
    }
    assert_eq!(store.head().await.unwrap(), Position::new(20_002));
    store.close().await;
    settled(&url, "appends").await;
}

#[tokio::test]
async fn scheduled_commands_of_the_future_cost_nothing_on_tables_without_statistics() {
    let (url, store) = fresh().await;
    store.close().await;
    let fill = "ALTER TABLE annals_effects SET (autovacuum_enabled = off); \
         INSERT INTO annals_effects (tenant, command_id, saga, saga_id, slice, number, together, kind, name, payload, metadata, attempts, not_before) \
         SELECT '', gen_random_uuid(), '$scheduled', gen_random_uuid(), 0, 1, 0, 0, 'wallet.credit', '', '{}', 0, 1000000 + p \
         FROM generate_series(1, 100000) p";
    Server::Postgres.execute(&url, fill).await;
    Server::Postgres.execute(&url, "SELECT pg_stat_reset()").await;
    let store = store::open(&url).await.unwrap();
    let due = async |micros| {
        store
            .sagas()
            .due_effects("", "$scheduled", annals::store::Segment::WHOLE, Timestamp::from_micros(micros), 64)
            .await
            .unwrap()
            .len()
    };
    assert_eq!((due(1_000_000).await, due(1_000_005).await, due(2_000_000).await), (0, 5, 64));
    let next = store.sagas().next_effect("", "$scheduled", annals::store::Segment::WHOLE).await.unwrap();
    assert_eq!(next, Some(Timestamp::from_micros(1_000_001)));
    store.close().await;
    settled(&url, "scheduled commands").await;
}

/// Waits until every connection has told what it has looked at: few rows.
async fn settled(url: &str, what: &str) {
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = 'annals'";
    let begun = Instant::now();
    while sqlx::query(sql).fetch_one(&mut plain(url).await).await.unwrap().get::<i64, _>(0) > 0 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rows = rows_looked_at(url).await;
    assert!((1..=1_000).contains(&rows), "{rows} rows were looked at for {what}");
}

#[tokio::test]
async fn pages_of_sagas_cost_what_they_hold() {
    let (url, store) = fresh().await;
    let mut plain = plain(&url).await;
    macro_rules! statements {
        ($($name:literal),+ $(,)?) => {
            [$(include_str!(concat!("../../../framework/src/store/postgres/sql/", $name, ".sql"))),+]
        };
    }
    let statements = statements![
        "sagas",
        "update_sagas",
        "forget_sagas",
        "associations",
        "end_associations",
        "drop_associations",
        "timers",
        "end_timers",
        "cancel_timers",
        "take_waiting",
        "forget_waiting",
        "forget_history",
        "open_among",
        "finish_effects",
    ];
    // The server knows nothing of the tables, as at the first start of an application that is busy at once.
    for statement in statements {
        let third = statement.contains("$3");
        let (types, values) = if third { ("text, text, text", "'', 's', '[]'") } else { ("text, text", "'', '[]'") };
        let prepare = format!("PREPARE p ({types}) AS {statement}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut plain).await.unwrap();
        let explain = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("EXPLAIN EXECUTE p ({values})")));
        let plan: Vec<String> = explain.fetch_all(&mut plain).await.unwrap().iter().map(|step| step.get(0)).collect();
        sqlx::raw_sql("DEALLOCATE p").execute(&mut plain).await.unwrap();
        let sought: Vec<&String> = plan.iter().filter(|step| step.contains("Index Cond:")).collect();
        assert!(!sought.is_empty(), "{statement}: {plan:#?}");
        for condition in sought {
            let by_id = condition.contains("(saga_id = ") || condition.contains("(command_id = ");
            assert!(by_id, "{statement} reads more than it names: {plan:#?}");
        }
        assert!(!plan.iter().any(|step| step.contains("Seq Scan on annals_")), "{statement}: {plan:#?}");
    }
    store.close().await;
}
