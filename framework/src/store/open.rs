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
/// | `mysql://USER:PASSWORD@HOST/DATABASE`, `mariadb://..` | a database on a MySQL 8 or MariaDB 10.11 server |
/// | `postgres://USER:PASSWORD@HOST/DATABASE`, `postgresql://..` | a database of a PostgreSQL server |
///
/// # Errors
/// [`OpenError`] says what is wrong with the address or the database.
pub async fn open(url: &str) -> Result<SharedStore, OpenError> {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        "memory" if url == "memory:" => Ok(Arc::new(MemoryStore::new())),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(super::SqliteStore::open(url).await?)),
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(OpenError::Feature { scheme: scheme.to_owned(), feature: "sqlite" }),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(Arc::new(super::MySqlStore::open(url).await?)),
        #[cfg(not(feature = "mysql"))]
        "mysql" | "mariadb" => Err(OpenError::Feature { scheme: scheme.to_owned(), feature: "mysql" }),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(super::PostgresStore::open(url).await?)),
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => Err(OpenError::Feature { scheme: scheme.to_owned(), feature: "postgres" }),
        _ => Err(OpenError::Address {
            url: without_password(url),
            reason: "expected `memory:`, `sqlite://FILE`, `sqlite::memory:`, `postgres://USER@HOST/DATABASE` or \
                     `mysql://USER@HOST/DATABASE`"
                .to_owned(),
        }),
    }
}

/// The address with everything that may be a password replaced by `***`.
pub(super) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else { return url.to_owned() };
    // A password may hold any sign, also those that end a login or begin the parameters.
    let place = match rest.rsplit_once('@') {
        None => rest.to_owned(),
        Some((login, place)) => {
            let login = login.strip_prefix("//").map_or((String::new(), login), |login| ("//".to_owned(), login));
            match login.1.split_once(':') {
                Some((user, _)) => format!("{}{user}:***@{place}", login.0),
                None => rest.to_owned(),
            }
        }
    };
    let Some((place, parameters)) = place.split_once('?') else { return format!("{scheme}:{place}") };
    let shown = parameters.split('&').map(|parameter| match parameter.split_once('=') {
        Some((key, _)) if key.to_lowercase().contains("password") => format!("{key}=***"),
        _ => parameter.to_owned(),
    });
    format!("{scheme}:{place}?{}", shown.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_password("postgres://ada:secret@host/db"), "postgres://ada:***@host/db");
        for (url, shown) in [
            ("mysql:u:secret@host/db", "mysql:u:***@host/db"),
            ("mongo://u:secr@et@host/db", "mongo://u:***@host/db"),
            ("mysql://u:sec?ret@host/db", "mysql://u:***@host/db"),
            ("mongo://host/db?password=secret&a=b", "mongo://host/db?password=***&a=b"),
            ("postgres://ada@host/db", "postgres://ada@host/db"),
            ("sqlite://orders.db", "sqlite://orders.db"),
            ("orders", "orders"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
