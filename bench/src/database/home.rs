//! One database, for one subject and one round.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use xtask::servers::database_url;

use super::Database;
use crate::Error;

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

/// Runs a statement that no value goes into but a name that we made up.
async fn execute(database: Database, server: &str, statement: String) -> Result<(), Error> {
    let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
    if database == Database::Postgres {
        let mut connection = PgConnectOptions::from_str(server)?.disable_statement_logging().connect().await?;
        connection.execute(statement).await?;
        return Ok(connection.close().await?);
    }
    let mut connection = MySqlConnectOptions::from_str(server)?.disable_statement_logging().connect().await?;
    connection.execute(statement).await?;
    Ok(connection.close().await?)
}
