//! Numbered migrations, and what their failures mean to whoever opens the store.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use crate::store::error::{BoxError, OpenError};

use super::session::{Session, Statement};
use super::value::ColumnError;

/// Where a database keeps which migrations it has.
pub(crate) const MIGRATIONS: &str = "annals_migrations";

/// The migrations that a database has, or none while one of them is under way or was left half-way.
const DONE: &str = "SELECT version, checksum FROM annals_migrations \
    WHERE NOT EXISTS (SELECT 1 FROM annals_migrations AS begun WHERE begun.success = FALSE) ORDER BY version";

/// A migration of this program. Once released, its text never changes.
pub(crate) fn migration(version: i64, description: &'static str, sql: &'static str) -> Migration {
    Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
}

/// Whether the schema is exactly the one of this program. Nothing is locked or written for it, so that a store opens while
/// another program writes. It is one statement: between two of them another program could begin a migration, and one that
/// was only begun would be taken for one that is done.
pub(crate) async fn is_current<C: Session>(connection: &mut C, migrations: &[Migration]) -> bool {
    let Ok(rows) = connection.fetch(Statement::new(DONE)).await else { return false };
    let applied: Result<Vec<_>, _> = rows
        .into_iter()
        .map(|mut row| Ok::<_, ColumnError>((row.integer("version")?, row.bytes("checksum")?)))
        .collect();
    let ours = migrations.iter().map(|migration| (migration.version, migration.checksum.to_vec()));
    applied.is_ok_and(|applied| applied.into_iter().eq(ours))
}

/// Applies what is missing. The caller sees to it that no second program does so meanwhile.
pub(crate) async fn migrate<C: Migrate>(connection: &mut C, migrations: Vec<Migration>) -> Result<(), SchemaFault> {
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(MIGRATIONS);
    if let Some(version) = connection.dirty_version(MIGRATIONS).await.ok().flatten() {
        return Err(MigrateError::Dirty(version).into());
    }
    // `run_direct` and not `run`: with the latter the compiler cannot prove that callers may be sent between threads.
    migrator.run_direct(None, connection, false).await?;
    Ok(())
}

/// Why a schema could not be brought up to date.
#[derive(Debug)]
pub(crate) enum SchemaFault {
    /// It does not fit this program, for this reason.
    Unfit(String),
    /// The database said no.
    Database(BoxError),
}

impl SchemaFault {
    /// The error for whoever opens the store at `address`.
    pub(crate) fn at(self, address: String) -> OpenError {
        match self {
            Self::Unfit(reason) => OpenError::Schema { address, reason },
            Self::Database(source) => OpenError::Unavailable { address, source },
        }
    }
}

impl From<MigrateError> for SchemaFault {
    fn from(error: MigrateError) -> Self {
        Self::Unfit(match error {
            MigrateError::VersionMissing(version) => format!(
                "it was made by a newer program: its migration {version} is unknown to this one; \
                 update this program, or restore a copy from before"
            ),
            MigrateError::VersionMismatch(version) => {
                format!("its migration {version} is not the one of this program; was the schema changed by hand?")
            }
            MigrateError::Dirty(version) => {
                format!("its migration {version} was left half-way; restore a copy from before")
            }
            other => return Self::Database(other.into()),
        })
    }
}

impl From<sqlx::Error> for SchemaFault {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}
