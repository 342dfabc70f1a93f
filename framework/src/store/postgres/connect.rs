//! Connections, and what is set on them.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection, Row};

/// How long the server may take to answer to a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks at a process of the server that is ending.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What holds on every connection. The rules of appends need READ COMMITTED; a commit that is acknowledged is on the
/// disk, so that `synchronous_commit` is never off. A node that is gone without a word is noticed in a minute, since the
/// locks that it held are in the way of others.
const EVERYWHERE: &str = "\
    SET default_transaction_isolation = 'read committed'; \
    SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 4; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// What holds for statements of the framework alone. Each of them names the index that it needs by its shape: tables are
/// joined in the order written, row by row. A planner that knows nothing about a new table, or keeps a plan that it made
/// when the table was empty, would read whole tables, or sort what an index has in order. Compiling a plan costs more
/// than such statements run.
const PLANS: &str = "\
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; \
    SET enable_hashjoin = off; SET enable_mergejoin = off; \
    SET join_collapse_limit = 1; SET from_collapse_limit = 1; SET plan_cache_mode = force_generic_plan; SET jit = off";

/// A connection that may wait for long keeps its session, whatever the server's habits are.
const PATIENT: &str = "\
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'statement_timeout')";

/// A transaction under the append lock that is left alone, by a program that hangs, does not keep others from writing.
const BRISK: &str = "SET idle_in_transaction_session_timeout = '30s'";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Appends.
    Append,
    /// Reads of events and records.
    Read,
    /// Claims, held as long as the connection lives.
    Hold,
    /// Waking other nodes. What it says is of no worth after a crash, so that its commits need not reach the disk.
    Wake,
}

/// Connects for `purpose`.
pub(super) async fn connect(options: &PgConnectOptions, purpose: Purpose) -> Result<PgConnection, sqlx::Error> {
    let connecting = async {
        let mut connection = options.connect().await?;
        set(&mut connection, EVERYWHERE).await?;
        match purpose {
            Purpose::Append => {
                set(&mut connection, PLANS).await?;
                set(&mut connection, PATIENT).await?;
                set(&mut connection, BRISK).await?;
            }
            Purpose::Read => set(&mut connection, PLANS).await?,
            Purpose::Hold => set(&mut connection, PATIENT).await?,
            Purpose::Wake => set(&mut connection, "SET synchronous_commit = off").await?,
        }
        Ok(connection)
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(silent("connect")))
}

/// Prepares a connection of a pool.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    set(connection, EVERYWHERE).await
}

/// Prepares a connection for transactions and handlers: the server ends one that is left alone for so long, by a program
/// that hangs, since its locks are in the way of others.
pub(super) async fn prepare_for_work(connection: &mut PgConnection, patience: Duration) -> Result<(), sqlx::Error> {
    prepare(connection).await?;
    let sql = "SELECT set_config('idle_in_transaction_session_timeout', $1, false)";
    sqlx::query(sql).bind(format!("{}ms", patience.as_millis())).execute(connection).await?;
    Ok(())
}

/// A process of the server. Its number is given out again, but not with the same beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    number: i32,
    began: String,
}

impl Process {
    /// The one behind `connection`.
    pub(super) async fn behind(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let sql = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        let row = sqlx::query(sql).fetch_one(connection).await?;
        Ok(Self { number: row.try_get(0)?, began: row.try_get(1)? })
    }

    /// Ends it through another connection of the same user, and waits until it is gone. What it had committed by then is
    /// committed, everything else is undone, and its locks are free.
    pub(super) async fn end(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2";
        loop {
            let found = sqlx::query(sql).bind(self.number).bind(&self.began).fetch_optional(&mut *connection).await?;
            if found.is_none() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// The server did not answer in time.
pub(super) fn silent(what: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("the server did not answer: {what}")))
}

async fn set(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    connection.execute(sqlx::raw_sql(sql)).await?;
    Ok(())
}
