//! What the address of a store says.

use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::store::error::OpenError;

/// Connections for transactions and handlers, unless the address says otherwise.
const CONNECTIONS: u32 = 10;
/// Connections that read events and records, unless the address says otherwise.
const READERS: u32 = 6;
/// How long somebody waits for a connection, unless the address says otherwise.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction may be left alone, unless the address says otherwise: longer than a handler may take by default.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(20);
/// Prepared statements that a connection keeps, unless the address says otherwise. A statement that is pushed out costs
/// a stall of the network, so that there must be room for all.
const STATEMENTS: usize = 512;

/// Parameters that sqlx understands.
const PASSED_ON: [&str; 17] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "statement-cache-capacity",
    "user",
];

/// An address, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) options: PgConnectOptions,
    pub(super) connections: u32,
    pub(super) readers: usize,
    pub(super) acquire_timeout: Duration,
    pub(super) transaction_timeout: Duration,
    /// For people, without the password.
    pub(super) shown: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        // What is not understood may hold a password.
        let wrong = |reason: String| OpenError::Address { url: crate::store::open::without_password(url), reason };
        let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
        if parameters.contains('@') && !place.contains('@') {
            return Err(wrong("write a `?` in a password as `%3F`".to_owned()));
        }
        let named = place.split_once("://").is_some_and(|(_, place)| !place.is_empty());
        if !named && !parameters.contains("host=") {
            return Err(wrong("expected `postgres://USER:PASSWORD@HOST:PORT/DATABASE`".to_owned()));
        }
        let (mut connections, mut readers, mut acquire_timeout) = (CONNECTIONS, READERS, ACQUIRE_TIMEOUT);
        let mut transaction_timeout = TRANSACTION_TIMEOUT;
        let (mut passed_on, mut own_cache, mut own_name) = (Vec::new(), false, false);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match key.replace('-', "_").as_str() {
                "max_connections" => connections = number(key, value).map_err(wrong)?,
                "max_readers" => readers = number(key, value).map_err(wrong)?,
                "acquire_timeout" => {
                    acquire_timeout = Duration::from_secs(number(key, value).map_err(wrong)?.into());
                }
                "transaction_timeout" => {
                    transaction_timeout = Duration::from_secs(number(key, value).map_err(wrong)?.into());
                }
                _ if PASSED_ON.contains(&key) || key.starts_with("options[") => {
                    own_cache |= key == "statement-cache-capacity";
                    own_name |= key == "application_name";
                    passed_on.push(parameter);
                }
                _ => {
                    return Err(wrong(format!(
                        "the parameter `{key}` is unknown; there are `max_connections`, `max_readers`, \
                         `acquire_timeout` and `transaction_timeout` (seconds), `{}`",
                        PASSED_ON.join("`, `")
                    )));
                }
            }
        }
        let rest = if passed_on.is_empty() { place.to_owned() } else { format!("{place}?{}", passed_on.join("&")) };
        let mut options = PgConnectOptions::from_str(&rest)
            .map_err(|error| wrong(format!("{error}; expected `postgres://USER:PASSWORD@HOST:PORT/DATABASE`")))?
            .disable_statement_logging();
        if !own_cache {
            options = options.statement_cache_capacity(STATEMENTS);
        }
        if !own_name {
            options = options.application_name("annals");
        }
        let shown = shown(&options);
        Ok(Self { options, connections, readers: readers as usize, acquire_timeout, transaction_timeout, shown })
    }
}

fn number(key: &str, value: &str) -> Result<u32, String> {
    match value.parse() {
        Ok(number @ 1..=1000) => Ok(number),
        _ => Err(format!("`{key}` is `{value}`; expected a number from 1 to 1000")),
    }
}

fn shown(options: &PgConnectOptions) -> String {
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    match options.get_socket() {
        Some(socket) => format!("postgres://{user}@/{database}?host={}", socket.display()),
        None => format!("postgres://{user}@{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_says_where_and_how() {
        let address = Address::parse(
            "postgresql://ada:secret@db.example:5433/shop?sslmode=require&max_connections=3&max_readers=2\
             &transaction_timeout=7",
        );
        let address = address.unwrap();
        assert_eq!((address.options.get_host(), address.options.get_port()), ("db.example", 5433));
        assert_eq!((address.connections, address.readers), (3, 2));
        assert_eq!(address.transaction_timeout.as_secs(), 7);
        assert_eq!(address.options.get_application_name(), Some("annals"));
        assert_eq!(address.shown, "postgres://ada@db.example:5433/shop");
    }

    #[test]
    fn the_program_may_have_a_name() {
        let address = Address::parse("postgres://ada@db.example/shop?application_name=till").unwrap();
        assert_eq!(address.options.get_application_name(), Some("till"));
    }

    #[test]
    fn a_wrong_address_is_explained_without_its_password() {
        for (url, reason) in [
            ("postgres://ada:secret@db.example/shop?poolsize=3", "`poolsize` is unknown"),
            ("postgres://ada:secret@db.example/shop?max_connections=0", "a number from 1 to 1000"),
            ("postgres://ada:secret@db.example:port/shop", "expected `postgres://USER"),
            ("postgres://ada:secret@db.example/shop?sslmode=perhaps", "perhaps"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
