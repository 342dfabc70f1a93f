//! The documents on MariaDB.

use std::str::FromStr;

use async_trait::async_trait;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::Documents;
use crate::Error;

const TABLES: &str = "
    DROP TABLE IF EXISTS documents;
    CREATE TABLE documents (
        document_key varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
        revision bigint NOT NULL, body longblob
    );
    DROP TABLE IF EXISTS tokens;
    CREATE TABLE tokens (processor varchar(255) NOT NULL PRIMARY KEY, position bigint NOT NULL);
    INSERT INTO tokens VALUES ('balance', 0)";

/// Rows of one statement at most. A connection remembers the statement of this size.
const LARGEST: usize = 1_024;

/// A connection to a server with default settings.
pub(super) struct MariaDb(MySqlConnection);

impl MariaDb {
    pub(super) async fn open(url: &str) -> Result<Self, Error> {
        let mut connection = MySqlConnectOptions::from_str(url)?.disable_statement_logging().connect().await?;
        sqlx::raw_sql(TABLES).execute(&mut connection).await?;
        Ok(Self(connection))
    }
}

#[async_trait]
impl Documents for MariaDb {
    async fn page(&mut self, position: i64, limit: i64) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let select = "SELECT position, payload FROM annals_events FORCE INDEX (PRIMARY) WHERE position > ? AND tenant = '' \
            AND name = 'account.deposited' AND visibility = 0 ORDER BY position LIMIT ?";
        Ok(sqlx::query_as(select).bind(position).bind(limit).fetch_all(&mut self.0).await?)
    }

    async fn begin(&mut self) -> Result<(), Error> {
        sqlx::raw_sql("BEGIN").execute(&mut self.0).await?;
        Ok(())
    }

    async fn read(&mut self, keys: &[&str]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut found = Vec::new();
        for keys in keys.chunks(LARGEST) {
            let list = vec!["?"; keys.len()].join(", ");
            let text = format!("SELECT document_key, body FROM documents WHERE document_key IN ({list})");
            let mut select = sqlx::query_as(AssertSqlSafe(text)).persistent(keys.len() == 1 || keys.len() == LARGEST);
            for key in keys {
                select = select.bind(*key);
            }
            found.extend(select.fetch_all(&mut self.0).await?);
        }
        Ok(found)
    }

    async fn write(&mut self, documents: &[(&str, String)]) -> Result<(), Error> {
        for rows in documents.chunks(LARGEST) {
            let values = vec!["(?, 1, ?)"; rows.len()].join(", ");
            let text = format!(
                "INSERT INTO documents (document_key, revision, body) VALUES {values} \
                 ON DUPLICATE KEY UPDATE revision = revision + 1, body = VALUES(body)"
            );
            let mut upsert = sqlx::query(AssertSqlSafe(text)).persistent(rows.len() == 1 || rows.len() == LARGEST);
            for (key, body) in rows {
                upsert = upsert.bind(*key).bind(body.as_bytes());
            }
            upsert.execute(&mut self.0).await?;
        }
        Ok(())
    }

    async fn commit_at(&mut self, position: i64) -> Result<(), Error> {
        let token = "UPDATE tokens SET position = ? WHERE processor = 'balance'";
        sqlx::query(token).bind(position).execute(&mut self.0).await?;
        sqlx::raw_sql("COMMIT").execute(&mut self.0).await?;
        Ok(())
    }

    async fn bodies(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        Ok(sqlx::query_scalar("SELECT body FROM documents").fetch_all(&mut self.0).await?)
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(self.0.close().await?)
    }
}
