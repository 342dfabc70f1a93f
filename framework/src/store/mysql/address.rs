//! Addresses of databases, and the settings that they carry.

use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::store::error::OpenError;

/// What an address must look like.
const EXPECTED: &str = "expected `mysql://USER:PASSWORD@HOST:PORT/DATABASE` or `mariadb://..`";

/// Settings that the driver understands.
const OF_THE_DRIVER: [&str; 12] = [
    "ssl-mode",
    "sslmode",
    "ssl-ca",
    "sslca",
    "ssl-cert",
    "sslcert",
    "ssl-key",
    "sslkey",
    "socket",
    "statement-cache-capacity",
    "timezone",
    "time-zone",
];

/// Prepared statements that a connection keeps. A statement that falls out is closed, which stalls a connection over TCP;
/// a store has some 80 texts, and one more for each shape of criteria.
const STATEMENTS: usize = 512;

/// An address, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) options: MySqlConnectOptions,
    pub(super) pool: Pool,
    /// The address without a password and settings, for people.
    pub(super) shown: String,
}

/// Settings of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) max_connections: u32,
    pub(super) acquire_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_lifetime: Duration,
    /// How long a transaction may be left alone.
    pub(super) transaction_timeout: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            max_connections: 8,
            acquire_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(10 * 60),
            max_lifetime: Duration::from_secs(30 * 60),
            // Longer than a handler may take by default.
            transaction_timeout: Duration::from_secs(20),
        }
    }
}

impl Pool {
    /// Takes the setting `name`; `None` if there is no such setting.
    fn set(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        let seconds = || number(name, value).map(|seconds| Duration::from_secs(u64::from(seconds)));
        Some(match name.replace('_', "-").as_str() {
            "max-connections" => number(name, value).map(|number| self.max_connections = number),
            "acquire-timeout" => seconds().map(|time| self.acquire_timeout = time),
            "idle-timeout" => seconds().map(|time| self.idle_timeout = time),
            "max-lifetime" => seconds().map(|time| self.max_lifetime = time),
            "transaction-timeout" => seconds().map(|time| self.transaction_timeout = time),
            _ => return None,
        })
    }

    pub(super) fn options(&self) -> MySqlPoolOptions {
        MySqlPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.acquire_timeout)
            .idle_timeout(self.idle_timeout)
            .max_lifetime(self.max_lifetime)
            // A round trip for each use; a broken connection is replaced when it is met.
            .test_before_acquire(false)
    }
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
        let (place, settings) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, server) = place.rsplit_once('@').unwrap_or(("", place));
        let user = login.split(':').next().unwrap_or_default();
        let shown = if user.is_empty() { server.to_owned() } else { format!("{user}@{server}") };
        let shown = format!("{scheme}://{shown}");
        // What is not understood may hold a password.
        let wrong = |reason: String| OpenError::Address { url: crate::store::open::without_password(url), reason };
        if !["mysql", "mariadb"].contains(&scheme) || place.is_empty() {
            return Err(wrong(EXPECTED.into()));
        }
        if settings.contains('@') && !place.contains('@') {
            return Err(wrong("write a `?` in a password as `%3F`".to_owned()));
        }
        if server.split_once('/').is_none_or(|(_, database)| database.is_empty()) {
            return Err(wrong(format!("the database is missing; {EXPECTED}")));
        }
        let (mut pool, mut of_the_driver) = (Pool::default(), Vec::new());
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            match pool.set(name, value) {
                Some(set) => set.map_err(wrong)?,
                None if OF_THE_DRIVER.contains(&name) => of_the_driver.push(setting),
                None => return Err(wrong(unknown(name))),
            }
        }
        let for_driver = format!("{scheme}://{place}?{}", of_the_driver.join("&"));
        let options = MySqlConnectOptions::from_str(&for_driver).map_err(|error| wrong(error.to_string()))?;
        let chosen = of_the_driver.iter().any(|setting| setting.starts_with("statement-cache-capacity="));
        let options = if chosen { options } else { options.statement_cache_capacity(STATEMENTS) };
        Ok(Self { options: options.disable_statement_logging(), pool, shown })
    }
}

fn number(name: &str, value: &str) -> Result<u32, String> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("`{name}` is `{value}`, expected a whole number of at least 1")),
    }
}

fn unknown(name: &str) -> String {
    if name == "application_name" || name == "application-name" {
        return format!("there is no setting `{name}`: the server knows a connection by its user alone");
    }
    if name == "charset" || name == "collation" {
        return format!("there is no setting `{name}`: texts are always UTF-8, and compared byte for byte");
    }
    format!(
        "there is no setting `{name}`; there are `max-connections`, `acquire-timeout`, `idle-timeout`, `max-lifetime`, \
         `transaction-timeout` (in seconds), `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`, `socket`, `statement-cache-capacity`, `timezone`"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Address, Pool};

    fn reason(url: &str) -> String {
        Address::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn settings_of_the_pool_stand_beside_those_of_the_driver() {
        let url = "mariadb://ada:se%40cret@db.local:3307/orders?max-connections=3&socket=/run/db&idle-timeout=5\
                   &transaction-timeout=7";
        let Address { options, pool, shown } = Address::parse(url).unwrap();
        assert_eq!(
            (options.get_host(), options.get_port(), options.get_database()),
            ("db.local", 3307, Some("orders"))
        );
        assert_eq!(options.get_socket().unwrap().to_str(), Some("/run/db"));
        let (idle_timeout, transaction_timeout) = (Duration::from_secs(5), Duration::from_secs(7));
        assert_eq!(pool, Pool { max_connections: 3, idle_timeout, transaction_timeout, ..Pool::default() });
        assert_eq!(shown, "mariadb://ada@db.local:3307/orders");
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_its_password() {
        for (url, said) in [
            ("mysql:orders", "expected `mysql://"),
            ("mysql://", "expected `mysql://"),
            ("postgres://ada:secret@host/db", "expected `mysql://"),
            ("mysql://ada:secret@host", "the database is missing"),
            ("mysql://ada:secret@host/", "the database is missing"),
            ("mysql://ada:secret@host:port/db", "port"),
            ("mysql://ada:secret@host/db?colour=red", "no setting `colour`"),
            ("mysql://ada:secret@host/db?max-connections=0", "at least 1"),
            ("mysql://ada:secret@host/db?ssl-mode=perhaps", "perhaps"),
            ("mysql://ada:secret@host/db?application_name=x", "by its user alone"),
            ("mysql://ada:secret@host/db?charset=latin1", "always UTF-8"),
        ] {
            let reason = reason(url);
            assert!(reason.contains(said), "{reason}");
            assert!(!reason.contains("secret"), "{reason}");
        }
    }
}
