//! The documents on SQLite.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::Documents;
use crate::Error;

const TABLES: &str = "
    DROP TABLE IF EXISTS documents;
    CREATE TABLE documents (
        document_key TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, body BLOB
    ) STRICT, WITHOUT ROWID;
    DROP TABLE IF EXISTS tokens;
    CREATE TABLE tokens (processor TEXT NOT NULL PRIMARY KEY, position INTEGER NOT NULL);
    INSERT INTO tokens VALUES ('balance', 0)";

/// A connection to a file with the settings of the SQLite store of Annals.
pub(super) struct Sqlite(SqliteConnection);

impl Sqlite {
    pub(super) async fn open(url: &str) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str(url)?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(60))
            .pragma("wal_autocheckpoint", "8192")
            .pragma("cache_size", "-16384")
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        sqlx::raw_sql(TABLES).execute(&mut connection).await?;
        Ok(Self(connection))
    }
}

#[async_trait]
impl Documents for Sqlite {
    async fn page(&mut self, position: i64, limit: i64) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let select = "SELECT position, CAST(payload AS BLOB) FROM annals_events NOT INDEXED WHERE position > ? AND tenant = '' \
            AND name = 'account.deposited' AND visibility = 0 ORDER BY position LIMIT ?";
        Ok(sqlx::query_as(select).bind(position).bind(limit).fetch_all(&mut self.0).await?)
    }

    async fn begin(&mut self) -> Result<(), Error> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.0).await?;
        Ok(())
    }

    async fn read(&mut self, keys: &[&str]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let select = "SELECT document_key, CAST(body AS BLOB) FROM documents \
            WHERE document_key IN (SELECT value FROM json_each(?))";
        Ok(sqlx::query_as(select).bind(serde_json::to_string(keys)?).fetch_all(&mut self.0).await?)
    }

    async fn write(&mut self, documents: &[(&str, String)]) -> Result<(), Error> {
        let upsert = "INSERT INTO documents (document_key, revision, body) \
            SELECT value ->> 0, 1, CAST(value ->> 1 AS BLOB) FROM json_each(?) WHERE true \
            ON CONFLICT DO UPDATE SET revision = revision + 1, body = excluded.body";
        sqlx::query(upsert).bind(serde_json::to_string(documents)?).execute(&mut self.0).await?;
        Ok(())
    }

    async fn commit_at(&mut self, position: i64) -> Result<(), Error> {
        let token = "UPDATE tokens SET position = ? WHERE processor = 'balance'";
        sqlx::query(token).bind(position).execute(&mut self.0).await?;
        sqlx::query("COMMIT").execute(&mut self.0).await?;
        Ok(())
    }

    async fn bodies(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        Ok(sqlx::query_scalar("SELECT body FROM documents").fetch_all(&mut self.0).await?)
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(self.0.close().await?)
    }
}
