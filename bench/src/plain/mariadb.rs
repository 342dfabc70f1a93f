//! Plain SQL on MariaDB.

use std::str::FromStr;
use std::sync::LazyLock;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection, MySql as Driver, Row as _};

use super::access::{Access, Connections};
use super::{PAGE, Packing, Part, Row, Table};
use crate::Error;
use crate::deposit::Deposit;
use crate::totals::Totals;

/// A database on a server with default settings.
pub(super) struct MariaDb {
    connections: Connections<Driver>,
}

const HEAD: &str = "SELECT max(version) FROM events WHERE tenant = '' AND category = 'account' AND stream_id = ?";

/// Rows of one statement at most.
const LARGEST: usize = 256;

/// One statement for each number of rows that is written at once: up to 32 exactly, then 64, 128 and 256. Together they
/// stay below the number of statements that a connection remembers.
static INSERTS: LazyLock<Vec<(usize, Inserts)>> = LazyLock::new(|| {
    let sizes = (1..=32).chain([64, 128, LARGEST]);
    sizes.map(|size| (size, Inserts::of(size))).collect()
});

struct Inserts {
    events: String,
    tags: String,
}

impl Inserts {
    fn of(size: usize) -> Self {
        let event = "(?, '', 0, 'account', ?, ?, ?, 'account.deposited', 1, ?, '{}', ?, ?, ?)";
        let into = "INSERT INTO events (position, tenant, visibility, category, stream_id, version, event_id, name, revision, \
            payload, metadata, tags, recorded_at, slice) VALUES";
        let tag = "('', ?, ?, 0)";
        let tags = "INSERT INTO tags (tenant, tag, position, visibility) VALUES";
        Self {
            events: format!("{into} {}", vec![event; size].join(", ")),
            tags: format!("{tags} {}", vec![tag; size].join(", ")),
        }
    }

    /// The statements for as many of `left` rows as one can take.
    fn for_most_of(left: usize) -> (usize, &'static Self) {
        let fitting = INSERTS.partition_point(|(size, _)| *size <= left);
        let (size, inserts) = &INSERTS[fitting.saturating_sub(1)];
        (*size, inserts)
    }
}

const TAG_HEAD: &str = "SELECT max(position) FROM tags WHERE tenant = '' AND tag = ?";

impl MariaDb {
    pub(super) async fn open(url: &str, access: Access) -> Result<Self, Error> {
        let options = MySqlConnectOptions::from_str(url)?.disable_statement_logging();
        let mut first = options.connect().await?;
        sqlx::raw_sql(include_str!("sql/mariadb.sql")).execute(&mut first).await?;
        first.close().await?;
        Ok(Self { connections: Connections::open(options, access).await? })
    }
}

#[async_trait]
impl Table for MariaDb {
    async fn deposit(&self, deposit: &Deposit) -> Result<(), Error> {
        loop {
            let mut connection = self.connections.write().await?;
            let mut transaction = connection.begin().await?;
            let head: Option<i64> =
                sqlx::query_scalar(HEAD).bind(&deposit.account).fetch_one(&mut *transaction).await?;
            match insert_some(&mut transaction, &[Row::new(deposit, head.unwrap_or(0) + 1)?]).await {
                Ok(_) => return Ok(transaction.commit().await?),
                Err(error) if is_conflict(&error) => transaction.rollback().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn insert(&self, rows: &[Row]) -> Result<(), Error> {
        let mut connection = self.connections.write().await?;
        let tagged = rows.iter().any(|row| row.tag.is_some());
        if Inserts::for_most_of(rows.len()).0 == rows.len() && !tagged {
            insert_some(&mut connection, rows).await?;
            return Ok(());
        }
        let mut transaction = connection.begin().await?;
        let mut left = rows;
        while !left.is_empty() {
            let (some, rest) = left.split_at(Inserts::for_most_of(left.len()).0);
            insert_some(&mut transaction, some).await?;
            if tagged {
                let mut insert = sqlx::query(Inserts::for_most_of(some.len()).1.tags.as_str());
                for row in some {
                    insert = insert.bind(row.tag.as_deref().map(str::as_bytes)).bind(row.position);
                }
                insert.execute(&mut *transaction).await?;
            }
            left = rest;
        }
        Ok(transaction.commit().await?)
    }

    async fn insert_if(&self, row: &Row, boundary: &str, after: Option<i64>) -> Result<Option<i64>, Error> {
        let mut connection = self.connections.write().await?;
        // InnoDB has no lock for a value that is not there yet, without gap locks that deadlock.
        let locked: Option<i64> =
            sqlx::query_scalar("SELECT get_lock(?, 60)").bind(boundary).fetch_one(&mut *connection).await?;
        if locked != Some(1) {
            return Err("the lock was not to be had".into());
        }
        let mut transaction = connection.begin().await?;
        let newest: Option<i64> = sqlx::query_scalar(TAG_HEAD).bind(boundary).fetch_one(&mut *transaction).await?;
        let holds = after.is_none_or(|after| newest.is_none_or(|newest| newest <= after));
        let mut position = None;
        if holds {
            let inserted = insert_some(&mut transaction, std::slice::from_ref(row)).await?;
            let tag = "INSERT INTO tags (tenant, tag, position, visibility) VALUES ('', ?, ?, 0)";
            sqlx::query(tag).bind(boundary).bind(inserted).execute(&mut *transaction).await?;
            position = Some(inserted);
        }
        transaction.commit().await?;
        sqlx::query("DO release_lock(?)").bind(boundary).execute(&mut *connection).await?;
        Ok(position)
    }

    async fn after(&self, position: i64) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let page = "SELECT position, payload FROM events WHERE position > ? ORDER BY position LIMIT 512";
        let mut connection = self.connections.read().await?;
        Ok(sqlx::query_as(page).bind(position).fetch_all(&mut *connection).await?)
    }

    async fn fold(&self, part: Part<'_>, packing: Packing) -> Result<Totals, Error> {
        let mut connection = self.connections.read().await?;
        match packing {
            Packing::Rows => fold_rows(&mut connection, part).await,
            Packing::Pages => fold_pages(&mut connection, part).await,
        }
    }

    async fn count(&self) -> Result<u64, Error> {
        let mut connection = self.connections.read().await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut *connection).await?;
        Ok(count.try_into()?)
    }

    async fn close(&self) {
        self.connections.close().await;
    }
}

/// Whether another client was first: a duplicate key (1062), or a deadlock in which we were chosen to give way (1213).
fn is_conflict(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.is_unique_violation() || error.code().is_some_and(|code| code == "40001")
}

/// Inserts as many rows as there is a statement for; gives the position of the first.
async fn insert_some(connection: &mut MySqlConnection, rows: &[Row]) -> Result<i64, sqlx::Error> {
    let mut insert = sqlx::query(Inserts::for_most_of(rows.len()).1.events.as_str());
    for row in rows {
        insert =
            insert.bind(row.position).bind(row.stream.as_bytes()).bind(row.version).bind(row.id.as_bytes().as_slice());
        insert = insert.bind(row.payload.as_bytes()).bind(row.tags()).bind(row.recorded_at).bind(row.slice());
    }
    Ok(insert.execute(connection).await?.last_insert_id().try_into().unwrap_or(0))
}

async fn fold_rows(connection: &mut MySqlConnection, part: Part<'_>) -> Result<Totals, Error> {
    let mut rows = match part {
        Part::Stream(stream) => {
            let select = "SELECT payload FROM events \
                WHERE tenant = '' AND category = 'account' AND stream_id = ? ORDER BY version";
            sqlx::query(select).bind(stream.as_bytes()).fetch(connection)
        }
        Part::All => sqlx::query("SELECT payload FROM events ORDER BY position").fetch(connection),
    };
    let mut totals = Totals::default();
    while let Some(row) = rows.try_next().await? {
        totals.add_json(row.try_get(0)?)?;
    }
    Ok(totals)
}

async fn fold_pages(connection: &mut MySqlConnection, part: Part<'_>) -> Result<Totals, Error> {
    // The default cuts the text at a megabyte.
    sqlx::query("SET SESSION group_concat_max_len = 1073741824").execute(&mut *connection).await?;
    let mut totals = Totals::default();
    let mut after = 0_i64;
    loop {
        let page = match part {
            Part::Stream(stream) => {
                let select = "SELECT group_concat(payload ORDER BY version SEPARATOR '\\n'), max(version), count(*) FROM (\
                    SELECT payload, version FROM events \
                    WHERE tenant = '' AND category = 'account' AND stream_id = ? AND version > ? \
                    ORDER BY version LIMIT ?) AS page";
                sqlx::query(select).bind(stream.as_bytes())
            }
            Part::All => sqlx::query(
                "SELECT group_concat(payload ORDER BY position SEPARATOR '\\n'), max(position), count(*) FROM (\
                 SELECT payload, position FROM events WHERE position > ? ORDER BY position LIMIT ?) AS page",
            ),
        };
        let page = page.bind(after).bind(PAGE).fetch_one(&mut *connection).await?;
        let count: i64 = page.try_get(2)?;
        if count > 0 {
            totals.add_json_lines(page.try_get(0)?)?;
            after = page.try_get(1)?;
        }
        if count < PAGE {
            return Ok(totals);
        }
    }
}
