//! The documents on PostgreSQL, and the least that tells a reader of something new.

use std::str::FromStr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

use super::Documents;
use crate::Error;

const TABLES: &str = "
    DROP TABLE IF EXISTS documents;
    CREATE TABLE documents (document_key text NOT NULL COLLATE \"C\" PRIMARY KEY, revision bigint NOT NULL, body bytea);
    DROP TABLE IF EXISTS tokens;
    CREATE TABLE tokens (processor text NOT NULL PRIMARY KEY, position bigint NOT NULL) WITH (fillfactor = 50);
    INSERT INTO tokens VALUES ('balance', 0)";

const UPSERT: &str = "INSERT INTO documents AS d (document_key, revision, body) \
    SELECT key, 1, body FROM unnest($1::text[], $2::bytea[]) AS row (key, body) \
    ON CONFLICT (document_key) DO UPDATE SET revision = d.revision + 1, body = excluded.body";

/// A connection to a server with default settings.
pub(super) struct Postgres(PgConnection);

impl Postgres {
    pub(super) async fn open(url: &str) -> Result<Self, Error> {
        let mut connection = PgConnectOptions::from_str(url)?.disable_statement_logging().connect().await?;
        sqlx::raw_sql(TABLES).execute(&mut connection).await?;
        Ok(Self(connection))
    }
}

#[async_trait]
impl Documents for Postgres {
    async fn page(&mut self, position: i64, limit: i64) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let select = "SELECT position, payload FROM annals_events WHERE position > $1 AND tenant = '' \
            AND name = 'account.deposited' AND visibility = 0 ORDER BY position LIMIT $2";
        Ok(sqlx::query_as(select).bind(position).bind(limit).fetch_all(&mut self.0).await?)
    }

    async fn begin(&mut self) -> Result<(), Error> {
        sqlx::query("BEGIN").execute(&mut self.0).await?;
        Ok(())
    }

    async fn read(&mut self, keys: &[&str]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let select = "SELECT document_key, body FROM documents WHERE document_key = ANY ($1)";
        Ok(sqlx::query_as(select).bind(keys).fetch_all(&mut self.0).await?)
    }

    async fn write(&mut self, documents: &[(&str, String)]) -> Result<(), Error> {
        let keys: Vec<&str> = documents.iter().map(|(key, _)| *key).collect();
        let bodies: Vec<&[u8]> = documents.iter().map(|(_, body)| body.as_bytes()).collect();
        sqlx::query(UPSERT).bind(keys).bind(bodies).execute(&mut self.0).await?;
        Ok(())
    }

    async fn commit_at(&mut self, position: i64) -> Result<(), Error> {
        let token = "UPDATE tokens SET position = $1 WHERE processor = 'balance'";
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

/// One connection that notifies, one that listens, and one that writes a document when it hears of something.
pub(crate) struct Listening {
    notifying: PgConnection,
    listening: PgListener,
    documents: Postgres,
}

impl Listening {
    pub(crate) async fn open(url: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url)?.disable_statement_logging();
        let notifying = options.connect().await?;
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
        let mut listening = PgListener::connect_with(&pool).await?;
        listening.listen("bench").await?;
        Ok(Self { notifying, listening, documents: Postgres::open(url).await? })
    }

    /// Notifies, hears of it, and writes one document; gives the time that it took.
    pub(crate) async fn round_trip(&mut self, key: &str) -> Result<Duration, Error> {
        let begun = Instant::now();
        sqlx::query("SELECT pg_notify('bench', $1)").bind(key).execute(&mut self.notifying).await?;
        let heard = self.listening.recv().await?;
        self.documents.write(&[(heard.payload(), "{}".to_owned())]).await?;
        Ok(begun.elapsed())
    }

    pub(crate) async fn close(self) -> Result<(), Error> {
        self.notifying.close().await?;
        drop(self.listening);
        Box::new(self.documents).close().await
    }
}
