//! An append that is held open between taking its place and its commit, while others go on (guarantee 2).

use std::time::{Duration, Instant};

use annals::StreamId;
use annals::message::{EventId, Position, Tag, Timestamp};
use annals::store::{self, Append, Criterion, NewEvent, Read, SharedStore};
use sqlx::Connection;

use super::processes::Child;

/// Until what must happen has happened.
const PATIENCE: Duration = Duration::from_secs(20);

fn event(id: &str, name: &'static str) -> Append {
    let event = NewEvent {
        stream: StreamId::new("order", id),
        id: EventId::new(),
        name: name.into(),
        revision: 1,
        payload: b"{}".to_vec(),
        metadata: std::sync::Arc::default(),
        tags: vec![Tag::new("colour", "red")],
        recorded_at: Timestamp::from_micros(1),
    };
    Append { events: vec![event], ..Append::default() }
}

/// Ways to read, each with what it is to find in the end.
fn readers() -> Vec<Read> {
    vec![
        Read::all(Position::START),
        Read::category("order", Position::START),
        Read::matching(Criterion::names(["free", "held"]), Position::START),
        Read::matching(Criterion::names(["free"]), Position::START),
        Read::matching(Criterion::tag(Tag::new("colour", "red")), Position::START),
        Read::matching(Criterion::tag(Tag::new("colour", "blue")), Position::START),
    ]
}

/// A reader that goes on where it has got to.
struct Follower {
    store: SharedStore,
    read: Read,
    passed: Position,
    seen: Vec<u64>,
}

impl Follower {
    fn of(store: &SharedStore) -> Vec<Self> {
        let of = |read| Self { store: SharedStore::clone(store), read, passed: Position::START, seen: Vec::new() };
        readers().into_iter().map(of).collect()
    }

    async fn go_on(&mut self) {
        let mut read = self.read.clone();
        if let store::Scope::All { after, .. } | store::Scope::Category { after, .. } = &mut read.scope {
            *after = self.passed;
        }
        let page = self.store.read(&read).await.unwrap();
        for event in &page.events {
            assert!(event.recorded.position > self.passed, "it was shown behind the reader's back");
            self.seen.push(event.recorded.position.get());
        }
        self.passed = page.scanned;
    }
}

/// What holds an append open.
trait Hold {
    /// Has the next append of an event named `held` wait before its commit, or makes it by hand.
    async fn take(&mut self, url: &str);

    /// Whether an append waits there.
    async fn is_taken(&mut self) -> bool;

    /// Lets it commit.
    async fn release(self);
}

async fn a_reader_never_passes_an_append_in_flight(url: &str, mut hold: impl Hold, by_hand: bool) {
    let (one, two) = (store::open(url).await.unwrap(), store::open(url).await.unwrap());
    for _ in 0..3 {
        one.append(event("a", "free")).await.unwrap();
    }
    hold.take(url).await;
    let held = SharedStore::clone(&one);
    let held = tokio::spawn(async move { if by_hand { None } else { Some(held.append(event("a", "held")).await) } });
    let begun = Instant::now();
    while !hold.is_taken().await {
        assert!(begun.elapsed() < PATIENCE, "no append is under way");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // Others go on, on the same handle, on another one and in another process.
    let others: Vec<_> = [&one, &two, &one, &two]
        .into_iter()
        .enumerate()
        .map(|(number, store)| {
            let store = SharedStore::clone(store);
            tokio::spawn(async move { store.append(event(&format!("o-{number}"), "free")).await })
        })
        .collect();
    let mut child = Child::start(url);

    let restarted = store::open(url).await.unwrap();
    let mut followers: Vec<Follower> = [&one, &two, &restarted].into_iter().flat_map(Follower::of).collect();
    for _ in 0..20 {
        for follower in &mut followers {
            follower.go_on().await;
            assert!(follower.passed <= Position::new(3), "{:?} passed an append in flight", follower.read);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    hold.release().await;
    if let Some(held) = held.await.unwrap() {
        held.unwrap();
    }
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert!(child.acknowledgement().await, "the other process goes on");
    child.kill().await;
    let again = store::open(url).await.unwrap();
    let log = again.export(Position::START, usize::from(u16::MAX)).await.unwrap();
    let positions: Vec<u64> = log.iter().map(|event| event.position.get()).collect();
    assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>(), "positions are dense");
    for mut follower in followers {
        follower.read.limit = log.len() + 1;
        while follower.passed < Position::new(log.len() as u64) {
            follower.go_on().await;
        }
        let wanted = log.iter().filter(|event| {
            let category = match &follower.read.scope {
                store::Scope::Category { category, .. } => event.stream.category() == category,
                _ => true,
            };
            let criteria = follower.read.criteria.as_ref();
            category && criteria.is_none_or(|criteria| criteria.matches(&event.name, &event.tags))
        });
        assert_eq!(follower.seen, wanted.map(|event| event.position.get()).collect::<Vec<_>>(), "{:?}", follower.read);
    }
    for store in [one, two, restarted, again] {
        store.close().await;
    }
}

/// A transaction of another program that has written the next event by hand.
struct SqliteHold(Option<sqlx::SqliteConnection>);

impl Hold for SqliteHold {
    async fn take(&mut self, url: &str) {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        let sql = "BEGIN IMMEDIATE; \
             CREATE TEMP TABLE held AS SELECT * FROM annals_events ORDER BY position DESC LIMIT 1; \
             UPDATE held SET position = position + 1, version = version + 1, event_id = randomblob(16); \
             INSERT INTO annals_events SELECT * FROM held; \
             INSERT INTO annals_tags (tenant, tag, position, visibility) \
             SELECT t.tenant, t.tag, held.position, t.visibility FROM held, annals_tags t \
             WHERE t.position = held.position - 1";
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        self.0 = Some(connection);
    }

    async fn is_taken(&mut self) -> bool {
        self.0.is_some()
    }

    async fn release(self) {
        let mut connection = self.0.unwrap();
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_sqlite_file_no_reader_passes_an_append_in_flight() {
    let directory = tempfile::TempDir::new().unwrap();
    let url = format!("sqlite://{}", directory.path().join("annals.db").display());
    a_reader_never_passes_an_append_in_flight(&url, SqliteHold(None), true).await;
}

#[cfg(feature = "servers")]
mod servers {
    use annals_tests::servers::Server;
    use sqlx::{Connection, MySqlConnection, PgConnection, Row};

    use super::{Hold, a_reader_never_passes_an_append_in_flight};

    /// A trigger has the append wait for a lock that this connection holds.
    struct PostgresHold(PgConnection);

    impl Hold for PostgresHold {
        async fn take(&mut self, url: &str) {
            let sql = "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.name = 'held' THEN PERFORM pg_advisory_xact_lock(4711); END IF; RETURN NEW; END $$; \
                 CREATE TRIGGER hold AFTER INSERT ON annals_events FOR EACH ROW EXECUTE FUNCTION hold()";
            Server::Postgres.execute(url, sql).await;
            sqlx::raw_sql("SELECT pg_advisory_lock(4711)").execute(&mut self.0).await.unwrap();
        }

        async fn is_taken(&mut self) -> bool {
            let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            let row = sqlx::query(sql).fetch_one(&mut self.0).await.unwrap();
            row.get::<i64, _>(0) > 0
        }

        async fn release(mut self) {
            sqlx::raw_sql("SELECT pg_advisory_unlock(4711)").execute(&mut self.0).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_postgres_no_reader_passes_an_append_in_flight() {
        let url = Server::Postgres.fresh_database().await;
        let hold = PostgresHold(PgConnection::connect(&url).await.unwrap());
        a_reader_never_passes_an_append_in_flight(&url, hold, false).await;
    }

    /// The same on MySQL. Its locks have names of their own in the whole server.
    struct MySqlHold(MySqlConnection, String);

    impl Hold for MySqlHold {
        async fn take(&mut self, url: &str) {
            let Self(connection, lock) = self;
            let sql = format!(
                "CREATE TRIGGER hold AFTER INSERT ON annals_events FOR EACH ROW BEGIN \
                 IF NEW.name = 'held' THEN DO GET_LOCK('{lock}', 60); DO RELEASE_LOCK('{lock}'); END IF; END"
            );
            Server::MySql.execute(url, sql).await;
            let sql = sqlx::AssertSqlSafe(format!("SELECT GET_LOCK('{lock}', 0)"));
            sqlx::raw_sql(sql).execute(&mut *connection).await.unwrap();
        }

        async fn is_taken(&mut self) -> bool {
            let sql = "SELECT count(*) FROM information_schema.processlist \
                       WHERE db = database() AND state = 'User lock'";
            let row = sqlx::query(sql).fetch_one(&mut self.0).await.unwrap();
            row.get::<i64, _>(0) > 0
        }

        async fn release(mut self) {
            let sql = sqlx::AssertSqlSafe(format!("SELECT RELEASE_LOCK('{}')", self.1));
            sqlx::raw_sql(sql).execute(&mut self.0).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_mysql_no_reader_passes_an_append_in_flight() {
        let url = Server::MySql.fresh_database().await;
        let hold = MySqlHold(
            MySqlConnection::connect(&url).await.unwrap(),
            annals::message::EventId::new().uuid().simple().to_string(),
        );
        a_reader_never_passes_an_append_in_flight(&url, hold, false).await;
    }
}
