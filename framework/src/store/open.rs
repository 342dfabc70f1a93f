//! Opens a store by its address.

use std::sync::Arc;

use super::{MemoryStore, OpenError, SharedStore};

/// Opens the store at `url`, creating it where that is possible.
///
/// | address | store |
/// |---|---|
/// | `memory:` | in this process, gone with it |
/// | `sqlite://orders.db`, `sqlite:orders.db` | a file; created if it is missing |
/// | `sqlite::memory:` | SQLite in this process, gone with it |
/// | `postgres://USER:PASSWORD@HOST/DATABASE`, `postgresql:..` | a database of a PostgreSQL server |
/// | `mysql://USER:PASSWORD@HOST/DATABASE`, `mariadb:..` | a database of a MySQL or MariaDB server |
///
/// # Errors
/// [`OpenError`] says what is wrong with the address or the database.
pub async fn open(url: &str) -> Result<SharedStore, OpenError> {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        "memory" => Ok(Arc::new(MemoryStore::new())),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(super::SqliteStore::open(url).await?)),
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(OpenError::Feature { scheme: scheme.to_owned(), feature: "sqlite" }),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(super::PostgresStore::open(url).await?)),
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => Err(OpenError::Feature { scheme: scheme.to_owned(), feature: "postgres" }),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(Arc::new(super::MySqlStore::open(url).await?)),
        #[cfg(not(feature = "mysql"))]
        "mysql" | "mariadb" => Err(OpenError::Feature { scheme: scheme.to_owned(), feature: "mysql" }),
        _ => Err(OpenError::Address {
            url: without_password(url),
            reason: "expected `memory:`, `sqlite://FILE`, `sqlite::memory:`, `postgres://USER@HOST/DATABASE` or \
                     `mysql://USER@HOST/DATABASE`"
                .to_owned(),
        }),
    }
}

/// The address with the password, if it has one, replaced by `***`.
pub(super) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((login, place)) = rest.split_once('@') else { return url.to_owned() };
    let user = login.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}:***@{place}")
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_password("postgres://ada:secret@host/db"), "postgres://ada:***@host/db");
        assert_eq!(without_password("sqlite://orders.db"), "sqlite://orders.db");
    }
}
