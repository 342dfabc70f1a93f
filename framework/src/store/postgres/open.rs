//! Looks at a database, and brings its schema up to date.

use sqlx::migrate::Migration;
use sqlx::{PgConnection, Row};

use crate::message::Position;
use crate::store::error::{BoxError, OpenError};
use crate::store::sql::{SchemaFault, is_current, migrate, migration};

use super::address::Address;
use super::connect::{Purpose, connect};
use super::key::Keys;

/// The oldest server that is tried with, as it numbers itself: PostgreSQL 12.
const OLDEST: i32 = 120_000;

/// What the store is built on.
pub(super) struct Opened {
    pub(super) keys: Keys,
    pub(super) head: Position,
}

pub(super) async fn open(address: &Address) -> Result<Opened, OpenError> {
    let shown = || address.shown.clone();
    let unavailable = |source: BoxError| OpenError::Unavailable { address: shown(), source };
    let mut connection = connect(&address.options, Purpose::Hold).await.map_err(|error| unavailable(error.into()))?;
    let keys = look(&mut connection).await.map_err(unavailable)?;
    bring_up_to_date(&mut connection, &keys).await.map_err(|fault| fault.at(shown()))?;
    let head = head(&mut connection).await.map_err(|error| unavailable(error.into()))?;
    if let Err(error) = sqlx::Connection::close(connection).await {
        tracing::debug!(%error, "a connection ended badly");
    }
    Ok(Opened { keys, head })
}

/// Whether the database can hold a store, and the keys of the store.
async fn look(connection: &mut PgConnection) -> Result<Keys, BoxError> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
               current_setting('server_encoding'), current_schema()::text";
    let row = sqlx::query(sql).fetch_one(connection).await?;
    if row.try_get::<i32, _>(0)? < OLDEST {
        let version: String = row.try_get(1)?;
        return Err(format!("the server is PostgreSQL {version}; it has to be 12 or newer").into());
    }
    let encoding: String = row.try_get(2)?;
    if encoding != "UTF8" {
        return Err(format!("the database is encoded in {encoding}; create one with the encoding UTF8").into());
    }
    let schema: Option<String> = row.try_get(3)?;
    let schema = schema.ok_or("no schema of the search path exists; create one, or set `options[search_path]`")?;
    Ok(Keys::of(&schema))
}

/// Applies what is missing. Nothing is written where nothing is missing, so that a role that may not create tables, and a
/// standby, can open the store.
async fn bring_up_to_date(connection: &mut PgConnection, keys: &Keys) -> Result<(), SchemaFault> {
    if is_current(connection, &migrations()).await {
        return Ok(());
    }
    sqlx::query("SELECT pg_advisory_lock($1)").bind(keys.migration()).execute(&mut *connection).await?;
    let migrated = migrate(connection, migrations()).await;
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(keys.migration()).execute(connection).await?;
    migrated
}

fn migrations() -> Vec<Migration> {
    vec![migration(1, "events and records", include_str!("migrations/0001_events_and_records.sql"))]
}

async fn head(connection: &mut PgConnection) -> Result<Position, sqlx::Error> {
    let row = sqlx::query("SELECT coalesce(max(position), 0) FROM annals_events").fetch_one(connection).await?;
    Ok(Position::new(row.try_get::<i64, _>(0)?.unsigned_abs()))
}
