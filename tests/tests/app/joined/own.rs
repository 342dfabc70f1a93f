//! A table of the caller's own in the database of the store.

use annals::CommandFailure;
use annals::command::UnitOfWork;
#[cfg(feature = "servers")]
use annals::store::{MySqlTransaction, PostgresTransaction};
use annals::store::{SqliteTransaction, StoreTransaction};
use sqlx::{AssertSqlSafe, SqlitePool};
#[cfg(feature = "servers")]
use sqlx::{MySqlPool, PgPool};

use crate::support::Place;

const TABLE: &str = "CREATE TABLE letters (text VARCHAR(100))";
const COUNT: &str = "SELECT COUNT(*) FROM letters";

/// Letters that the program writes itself, beside events.
#[derive(Debug, Clone)]
pub enum Own {
    Sqlite(SqlitePool),
    #[cfg(feature = "servers")]
    Postgres(PgPool),
    #[cfg(feature = "servers")]
    MySql(MySqlPool),
}

fn insert(text: &str) -> sqlx::AssertSqlSafe<String> {
    AssertSqlSafe(format!("INSERT INTO letters VALUES ('{text}')"))
}

impl Own {
    /// Its own connections to the database of `place`; `None` in memory.
    pub async fn of(place: &Place) -> Option<Self> {
        let url = place.url()?;
        // The tables of the store are there first.
        place.node().await.close().await;
        Some(match place.kind() {
            "sqlite" => {
                let pool = SqlitePool::connect(&url).await.unwrap();
                sqlx::raw_sql(TABLE).execute(&pool).await.unwrap();
                Self::Sqlite(pool)
            }
            #[cfg(feature = "servers")]
            "postgres" => {
                let pool = PgPool::connect(&url).await.unwrap();
                sqlx::raw_sql(TABLE).execute(&pool).await.unwrap();
                Self::Postgres(pool)
            }
            #[cfg(feature = "servers")]
            "mysql" => {
                let pool = MySqlPool::connect(&url).await.unwrap();
                sqlx::raw_sql(TABLE).execute(&pool).await.unwrap();
                Self::MySql(pool)
            }
            other => panic!("{other}"),
        })
    }

    pub async fn letters(&self) -> i64 {
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(COUNT).fetch_one(pool).await.unwrap(),
            #[cfg(feature = "servers")]
            Self::Postgres(pool) => sqlx::query_scalar(COUNT).fetch_one(pool).await.unwrap(),
            #[cfg(feature = "servers")]
            Self::MySql(pool) => sqlx::query_scalar(COUNT).fetch_one(pool).await.unwrap(),
        }
    }

    /// Begins a transaction, writes a letter, and has `work` join it.
    pub async fn join(&self, work: &mut UnitOfWork, text: &str) -> Result<(), CommandFailure> {
        match self {
            Self::Sqlite(pool) => {
                let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
                sqlx::raw_sql(insert(text)).execute(&mut *transaction).await.unwrap();
                work.join(transaction).await
            }
            #[cfg(feature = "servers")]
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await.unwrap();
                sqlx::raw_sql(insert(text)).execute(&mut *transaction).await.unwrap();
                work.join(transaction).await
            }
            #[cfg(feature = "servers")]
            Self::MySql(pool) => {
                let mut transaction = pool.begin().await.unwrap();
                sqlx::raw_sql(insert(text)).execute(&mut *transaction).await.unwrap();
                work.join(transaction).await
            }
        }
    }

    /// Writes a letter in the transaction of `work`.
    pub async fn write(&self, work: &mut UnitOfWork, text: &str) -> Result<(), CommandFailure> {
        match self {
            Self::Sqlite(_) => {
                let transaction = transaction_of::<SqliteTransaction>(work).await?;
                sqlx::raw_sql(insert(text)).execute(&mut **transaction).await.unwrap();
            }
            #[cfg(feature = "servers")]
            Self::Postgres(_) => {
                let transaction = transaction_of::<PostgresTransaction>(work).await?;
                sqlx::raw_sql(insert(text)).execute(&mut **transaction).await.unwrap();
            }
            #[cfg(feature = "servers")]
            Self::MySql(_) => {
                let transaction = transaction_of::<MySqlTransaction>(work).await?;
                sqlx::raw_sql(insert(text)).execute(&mut **transaction).await.unwrap();
            }
        }
        Ok(())
    }
}

async fn transaction_of<T: StoreTransaction + 'static>(work: &mut UnitOfWork) -> Result<&mut T, CommandFailure> {
    work.transaction().await
}
