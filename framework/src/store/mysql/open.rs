//! Opens a database and brings its schema up to date.

use std::time::Duration;

use sqlx::migrate::Migrate;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySqlConnection, MySqlPool};

use crate::message::Position;
use crate::store::error::{BoxError, OpenError};
use crate::store::sql::{MIGRATIONS, SchemaFault, Session, Statement, first, is_current, migrate, migration};

use super::address::Address;
use super::dialect::DIALECT;
use super::errors::{self, BINARY_LOG_AND_TRIGGER};
use super::session::within;
use super::transaction::NO_AUTOCOMMIT;

/// How long a new connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Bytes that a server must take at once: several times the texts of appends.
const MAX_PACKET: usize = 4 << 20;

/// How long a program waits for another one that brings the schema up to date, in seconds.
const MIGRATING: i64 = 60;

/// What every connection of a store is set to. A statement sees what was committed before it began; what does not fit is
/// refused and never cut; a lock that is not free within 20 seconds is given up.
const SETTINGS: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
    SET SESSION sql_mode = 'STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
    ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT', SESSION innodb_lock_wait_timeout = 20";

/// Has a MariaDB end a transaction that is left alone for so long, by a program that hangs, since its locks are in the way
/// of others. A MySQL has nothing of the kind, and takes it for a comment.
fn end_if_left_alone(patience: Duration) -> String {
    format!(
        "SET SESSION autocommit = @@autocommit /*M!100300 , SESSION idle_transaction_timeout = {} */",
        patience.as_secs()
    )
}

/// What a connection that only reads is set to besides.
const ONLY_READS: &str = "SET SESSION TRANSACTION READ ONLY";

/// An open database, before the store is built on it.
pub(super) struct Opened {
    pub(super) address: Address,
    /// For appends.
    pub(super) connection: MySqlConnection,
    pub(super) readers: MySqlPool,
    pub(super) writers: MySqlPool,
    pub(super) head: Position,
    /// Bytes that the server takes at once.
    pub(super) max_packet: usize,
}

pub(super) async fn open(url: &str) -> Result<Opened, OpenError> {
    let address = Address::parse(url)?;
    let unavailable = |source: BoxError| OpenError::Unavailable { address: address.shown.clone(), source };
    let mut connection = connect(&address).await.map_err(unavailable)?;
    let server = Server::ask(&mut connection).await.map_err(unavailable)?;
    server.check().map_err(|reason| unavailable(reason.into()))?;
    bring_up_to_date(&mut connection, &address).await.map_err(|fault| fault.at(address.shown.clone()))?;
    let head = connection.fetch(Statement::new(DIALECT.statements.head)).await.map_err(unavailable)?;
    let head = first(head, |mut row| row.position("head")).map_err(unavailable)?.unwrap_or_default();
    let patience = address.pool.transaction_timeout;
    let readers = address.pool.options().after_connect(move |connection, _| {
        Box::pin(async move {
            settle(connection, patience).await?;
            sqlx::raw_sql(ONLY_READS).execute(connection).await.map(|_| ())
        })
    });
    let writers = address.pool.options().after_connect(move |connection, _| {
        Box::pin(async move {
            settle(connection, patience).await?;
            sqlx::raw_sql(NO_AUTOCOMMIT).execute(connection).await.map(|_| ())
        })
    });
    Ok(Opened {
        readers: readers.connect_lazy_with(address.options.clone()),
        writers: writers.connect_lazy_with(address.options.clone()),
        connection,
        head,
        max_packet: server.max_packet,
        address,
    })
}

/// A connection of its own.
pub(super) async fn connect(address: &Address) -> Result<MySqlConnection, BoxError> {
    within(CONNECT, async {
        let mut connection = address.options.connect().await?;
        settle(&mut connection, address.pool.transaction_timeout).await?;
        Ok::<_, sqlx::Error>(connection)
    })
    .await
}

async fn settle(connection: &mut MySqlConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let text = format!("{SETTINGS}; {}", end_if_left_alone(patience));
    sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await.map(|_| ())
}

/// What the server says about itself.
struct Server {
    version: String,
    max_packet: usize,
}

impl Server {
    async fn ask(connection: &mut MySqlConnection) -> Result<Self, BoxError> {
        let asked = connection.fetch(Statement::new("SELECT VERSION(), @@max_allowed_packet")).await?;
        let said = first(asked, |mut row| {
            let version = row.text("version")?;
            Ok(Self { version, max_packet: usize::try_from(row.number("packet")?).unwrap_or(usize::MAX) })
        })?;
        said.ok_or_else(|| "the server did not tell its version".into())
    }

    /// Whether it has what the statements need, above all `JSON_TABLE`.
    fn check(&self) -> Result<(), String> {
        let mariadb = self.version.contains("MariaDB");
        // An old MariaDB hides its version behind that of a MySQL: `5.5.5-10.11.6-MariaDB`.
        let version = self.version.strip_prefix("5.5.5-").unwrap_or(&self.version);
        let mut numbers = version.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let oldest = if mariadb { (10, 11) } else { (8, 0) };
        if found >= oldest && self.max_packet >= MAX_PACKET {
            return Ok(());
        }
        if found >= oldest {
            return Err(format!(
                "the server takes {} bytes at once; set `max_allowed_packet` to {MAX_PACKET} at least",
                self.max_packet
            ));
        }
        Err(format!("the server is of version {}; MySQL 8.0, MariaDB 10.11 or a newer one is needed", self.version))
    }
}

/// Applies what is missing, while no second program does so.
async fn bring_up_to_date(connection: &mut MySqlConnection, address: &Address) -> Result<(), SchemaFault> {
    let migrations = vec![migration(1, "events and records", include_str!("migrations/0001_events_and_records.sql"))];
    // A server that may only be read is opened all the same if nothing is missing.
    if is_current(connection, &migrations).await {
        return Ok(());
    }
    let lock = super::signs::lock_name(address, "migrations");
    let locked = connection.fetch(Statement::new("SELECT GET_LOCK(?1, ?2)").bind(&lock).bind(MIGRATING)).await;
    let locked = locked.and_then(|rows| first(rows, |mut row| row.optional_integer("locked")));
    match locked.map_err(SchemaFault::Database)?.flatten() {
        Some(1) => {}
        _ => return Err(SchemaFault::Database("another program has been changing the schema for a minute".into())),
    }
    forget_half_way(connection).await;
    let migrated = migrate(connection, migrations).await.map_err(remedied);
    let unlocked = connection.fetch(Statement::new("SELECT RELEASE_LOCK(?1)").bind(&lock)).await;
    migrated?;
    unlocked.map(|_| ()).map_err(SchemaFault::Database)
}

/// MySQL commits each statement of a migration by itself, so one can be left half-way. All its statements can be repeated:
/// it is forgotten, and runs again. Where there is no such table yet, there is nothing to forget.
async fn forget_half_way(connection: &mut MySqlConnection) {
    if let Ok(Some(version)) = connection.dirty_version(MIGRATIONS).await {
        tracing::warn!(version, "a migration was left half-way and runs again");
        let forget = Statement::new("DELETE FROM annals_migrations WHERE success = FALSE");
        if let Err(error) = connection.execute(forget).await {
            tracing::warn!(%error, version, "a migration that was left half-way could not be forgotten");
        }
    }
}

/// Says what to do where the server's own words do not.
fn remedied(fault: SchemaFault) -> SchemaFault {
    let of_the_server = |error: &BoxError| {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
        while let Some(error) = next {
            if let Some(database) = error.downcast_ref::<sqlx::Error>() {
                return errors::number(database);
            }
            next = error.source();
        }
        None
    };
    match fault {
        SchemaFault::Database(error) if of_the_server(&error) == Some(BINARY_LOG_AND_TRIGGER) => SchemaFault::Database(
            format!(
                "the server writes a binary log and lets this user create no trigger: set \
                 `log_bin_trust_function_creators = 1` while the store is first opened ({error})"
            )
            .into(),
        ),
        other => other,
    }
}

/// Closes `connection` in an orderly way.
pub(super) async fn close(connection: MySqlConnection) {
    if let Err(error) = within(CONNECT, connection.close()).await {
        tracing::debug!(%error, "a database connection ended badly");
    }
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn servers_that_are_too_old_are_told_so() {
        let check = |version: &str| Server { version: version.to_owned(), max_packet: 16 << 20 }.check();
        for fit in ["8.0.36", "8.4.3-commercial", "9.1.0", "10.11.19-MariaDB-0+deb12u1", "5.5.5-11.4.2-MariaDB"] {
            assert_eq!(check(fit), Ok(()), "{fit}");
        }
        for old in ["5.7.44-log", "10.6.12-MariaDB", "5.5.5-10.3.39-MariaDB", ""] {
            assert!(check(old).is_err(), "{old}");
        }
        let narrow = Server { version: "8.0.36".to_owned(), max_packet: 1 << 20 }.check();
        assert!(narrow.unwrap_err().contains("max_allowed_packet"));
    }
}
