//! Databases on the servers that `cargo xtask test` has started.

use sqlx::Connection;

/// A database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Its address is in `ANNALS_TEST_POSTGRES`.
    Postgres,
    /// Its address is in `ANNALS_TEST_MYSQL`.
    MySql,
}

impl Server {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Postgres, Self::MySql];

    /// The address of the server.
    ///
    /// # Panics
    /// When nobody has started one.
    #[must_use]
    pub fn url(self) -> String {
        let variable = match self {
            Self::Postgres => "ANNALS_TEST_POSTGRES",
            Self::MySql => "ANNALS_TEST_MYSQL",
        };
        std::env::var(variable)
            .unwrap_or_else(|_| panic!("{variable} is not set: run the tests with `cargo xtask test`"))
    }

    /// Makes a database of its own for a test; returns its address.
    ///
    /// # Panics
    /// When the server does not let us.
    pub async fn fresh_database(self) -> String {
        let name = format!("annals_{}", annals::message::EventId::new().uuid().simple());
        self.execute(&self.url(), format!("CREATE DATABASE {name}")).await;
        xtask::servers::database_url(&self.url(), &name)
    }

    /// Executes statements on the database at `url`, as anybody could.
    ///
    /// # Panics
    /// When the server refuses; [`Server::try_execute`] gives its answer.
    pub async fn execute(self, url: &str, sql: impl Into<String>) {
        self.try_execute(url, sql).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Executes statements on the database at `url`, as anybody could.
    ///
    /// # Errors
    /// What the server says.
    pub async fn try_execute(self, url: &str, sql: impl Into<String>) -> Result<(), sqlx::Error> {
        let sql = sqlx::AssertSqlSafe(sql.into());
        match self {
            Self::Postgres => {
                let mut connection = sqlx::PgConnection::connect(url).await?;
                sqlx::raw_sql(sql).execute(&mut connection).await?;
                connection.close().await
            }
            Self::MySql => {
                let mut connection = sqlx::MySqlConnection::connect(url).await?;
                sqlx::raw_sql(sql).execute(&mut connection).await?;
                connection.close().await
            }
        }
    }
}
