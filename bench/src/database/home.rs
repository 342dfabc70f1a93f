//! One database, for one subject and one round.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use xtask::servers::database_url;

use super::Database;
use crate::Error;

/// Opens a connection of the right kind, has it do something, and closes it.
macro_rules! on_a_connection {
    (by $options:ident, $url:expr, |$connection:ident| $body:block) => {{
        let mut $connection = $options::from_str($url)?.disable_statement_logging().connect().await?;
        $body
        $connection.close().await?;
    }};
    ($database:expr, $url:expr, |$connection:ident| $body:block) => {
        match $database {
            Database::Memory => return Err("there is no SQL in memory".into()),
            Database::Sqlite => on_a_connection!(by SqliteConnectOptions, $url, |$connection| $body),
            Database::Postgres => on_a_connection!(by PgConnectOptions, $url, |$connection| $body),
            Database::Mariadb => on_a_connection!(by MySqlConnectOptions, $url, |$connection| $body),
        }
    };
}

/// One database.
#[derive(Debug)]
pub(crate) struct Home {
    /// Its kind.
    pub(crate) database: Database,
    /// Its address, as `annals::store::open` and sqlx take it.
    pub(crate) url: String,
    remains: Remains,
}

/// What is left to remove.
#[derive(Debug)]
enum Remains {
    Nothing,
    Folder(PathBuf),
    Database { server: String, name: String },
}

impl Home {
    pub(super) fn in_memory() -> Self {
        Self { database: Database::Memory, url: "memory:".to_owned(), remains: Remains::Nothing }
    }

    pub(super) fn in_file(parent: &Path, name: &str) -> Result<Self, Error> {
        let folder = parent.join(name);
        fs::create_dir(&folder)?;
        let url = format!("sqlite://{}", folder.join("events.db").display());
        Ok(Self { database: Database::Sqlite, url, remains: Remains::Folder(folder) })
    }

    pub(super) async fn on_server(database: Database, server: &str, name: &str) -> Result<Self, Error> {
        execute(database, server, format!("CREATE DATABASE {name}")).await?;
        let remains = Remains::Database { server: server.to_owned(), name: name.to_owned() };
        Ok(Self { database, url: database_url(server, name), remains })
    }

    /// Runs a statement on a connection of its own.
    pub(crate) async fn execute(&self, statement: String) -> Result<(), Error> {
        execute(self.database, &self.url, statement).await
    }

    /// Runs a query on a connection of its own; gives its first column.
    pub(crate) async fn texts(&self, query: String) -> Result<Vec<String>, Error> {
        texts(self.database, &self.url, query).await
    }

    /// Removes the database; nobody may be connected any more.
    pub(crate) async fn remove(self) -> Result<(), Error> {
        match self.remains {
            Remains::Nothing => Ok(()),
            Remains::Folder(folder) => Ok(fs::remove_dir_all(folder)?),
            Remains::Database { server, name } => {
                execute(self.database, &server, format!("DROP DATABASE {name}")).await
            }
        }
    }
}

/// Runs a statement that no value goes into but what we made up.
async fn execute(database: Database, url: &str, statement: String) -> Result<(), Error> {
    on_a_connection!(database, url, |connection| {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await?;
    });
    Ok(())
}

/// The first column of what such a statement gives.
async fn texts(database: Database, url: &str, statement: String) -> Result<Vec<String>, Error> {
    let mut texts = Vec::new();
    on_a_connection!(database, url, |connection| {
        for row in connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(statement))).await? {
            texts.push(row.try_get(0)?);
        }
    });
    Ok(texts)
}
