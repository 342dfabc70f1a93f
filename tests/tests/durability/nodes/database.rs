//! The database that the nodes share, as anybody can look at it.

use sqlx::Connection as _;

/// A database of its own.
pub(super) enum Database {
    Sqlite(tempfile::TempDir),
    #[cfg(feature = "servers")]
    Server {
        url: String,
        port: u16,
    },
}

/// Runs `$run` with a connection to the database at `$url`.
macro_rules! connected {
    ($url:expr, $connection:ident => $run:expr) => {{
        let url = $url;
        match url.split_once(':') {
            #[cfg(feature = "servers")]
            Some(("postgres", _)) => {
                let mut $connection = sqlx::PgConnection::connect(&url).await.unwrap();
                let found = $run;
                $connection.close().await.unwrap();
                found
            }
            #[cfg(feature = "servers")]
            Some(("mysql", _)) => {
                let mut $connection = sqlx::MySqlConnection::connect(&url).await.unwrap();
                let found = $run;
                $connection.close().await.unwrap();
                found
            }
            _ => {
                let mut $connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                let found = $run;
                $connection.close().await.unwrap();
                found
            }
        }
    }};
}

impl Database {
    pub(super) fn file() -> Self {
        Self::Sqlite(tempfile::TempDir::new().unwrap())
    }

    /// A new one on `server`.
    #[cfg(feature = "servers")]
    pub(super) async fn on(server: &xtask::servers::Server) -> Self {
        let name = format!("annals_{}", annals::message::EventId::new().uuid().simple());
        let admin = server.url();
        execute(&admin, format!("CREATE DATABASE {name}")).await;
        Self::Server { url: xtask::servers::database_url(&admin, &name), port: server.port() }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => format!("sqlite://{}", directory.path().join("annals.db").display()),
            #[cfg(feature = "servers")]
            Self::Server { url, .. } => url.clone(),
        }
    }

    /// Where its server listens.
    #[cfg(feature = "servers")]
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Sqlite(_) => None,
            Self::Server { port, .. } => Some(*port),
        }
    }

    pub(super) async fn execute(&self, sql: impl Into<String>) {
        execute(&self.url(), sql.into()).await;
    }

    /// The one number that `sql` asks for.
    pub(super) async fn number(&self, sql: impl Into<String>) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.into());
        connected!(self.url(), connection => sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap())
    }
}

async fn execute(url: &str, sql: String) {
    let sql = sqlx::AssertSqlSafe(sql);
    connected!(url, connection => { sqlx::raw_sql(sql).execute(&mut connection).await.unwrap(); });
}
