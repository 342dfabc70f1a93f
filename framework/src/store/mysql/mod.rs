//! The store on a MySQL 8 or MariaDB 10.11 server.
//!
//! Appends go through one connection and are told apart from those of other nodes by a locked row; a pool of
//! connections reads, another one is for the transactions of handlers. The texts of all statements are constant, but for
//! those of appends, which carry their values as literals so that several go in one round trip.

mod address;
mod append;
mod dialect;
mod errors;
mod open;
mod page;
mod parameters;
mod place;
mod session;
mod signs;
mod subscriptions;
mod transaction;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{MySql, MySqlPool, Transaction};
use tokio::sync::watch;

use crate::handler::Resources;

use super::bare::BareEvent;
use super::batcher::{BatchLimits, BatchWriter, Batcher};
use super::error::{BoxError, OpenError, ReadError};
use super::limits::Limits;
use super::read::Read;
use super::sql::{Found, Handle, Row, Session, SqlStore, Statement, Unfit, Wanted, first};

use address::Address;
use dialect::DIALECT;
use place::Place;
use signs::Signs;
pub use transaction::MySqlTransaction;

/// A store in a database of a MySQL 8 or MariaDB 10.11 server.
///
/// One database is one store; several nodes may share it. `mysql://` and `mariadb://` mean the same:
///
/// ```text
/// mysql://USER:PASSWORD@HOST:PORT/DATABASE?max-connections=8&ssl-mode=VERIFY_IDENTITY
/// ```
///
/// | setting | what it is | default |
/// |---|---|---|
/// | `max-connections` | connections for reading, and as many again for transactions; there is one more for appends and one for claims | 8 |
/// | `acquire-timeout` | how long a caller waits for one of them, in seconds | 10 |
/// | `idle-timeout` | after which an unused one is closed, in seconds | 600 |
/// | `max-lifetime` | after which one is replaced, in seconds | 1800 |
/// | `transaction-timeout` | after which a MariaDB ends a transaction that is left alone, in seconds | 20 |
/// | `ssl-mode` | `DISABLED`, `PREFERRED`, `REQUIRED`, `VERIFY_CA`, `VERIFY_IDENTITY`; TLS is rustls | `PREFERRED` |
/// | `ssl-ca`, `ssl-cert`, `ssl-key` | files in PEM: the authority, and a certificate of one's own | the web's authorities |
/// | `socket` | a Unix socket, which is faster than TCP to the same machine | TCP |
/// | `statement-cache-capacity` | prepared statements that each connection keeps | 512 |
/// | `timezone` | of the sessions that handlers get; Annals itself stores whole microseconds | `+00:00` |
///
/// A program that hangs in the middle of a transaction keeps what that has locked, and whoever wants to take over its work
/// waits for that, until the server ends the transaction: after `transaction-timeout`, which must be longer than a handler
/// may take ([`handler_time`](crate::processor::ProcessorConfig::handler_time)). A MySQL never does so: there others wait
/// until the program is ended, or its connection.
///
/// The user needs `SELECT`, `INSERT`, `UPDATE` and `DELETE`, and to open the store for the first time also `CREATE`, `DROP`,
/// `INDEX`, `REFERENCES`, `CREATE VIEW` and `TRIGGER`. A server with a binary log must not use the format `STATEMENT`, and
/// lets a user without `SUPER` create the triggers only with `log_bin_trust_function_creators = 1`.
///
/// Keys are stored as bytes, so that they are compared exactly; the view `annals_readable_events` shows events with all
/// keys and payloads as texts. `UPDATE`, `DELETE` and `TRUNCATE` on events are refused by the database.
///
/// A payload, like every other value, must fit into what the server takes at once (`max_allowed_packet`): with the 16 MiB
/// that MariaDB has by default a payload may be half a MiB less than that. What exceeds it is refused with
/// [`LimitError`](super::LimitError).
///
/// It offers handlers that read a [`sqlx::MySqlPool`], whose connections refuse to write.
#[derive(Debug)]
pub struct MySqlStore {
    handle: Handle,
    writer: Arc<append::Writer>,
    address: Address,
    readers: MySqlPool,
    writers: MySqlPool,
    signs: Signs,
}

/// Bytes of the largest key: the width of its columns.
const KEY: usize = 512;

/// Bytes of a statement beside its largest value.
const BESIDE: usize = 512 << 10;

impl MySqlStore {
    /// Opens the store at `url`, bringing its schema up to date. The database must be there. It needs a running tokio
    /// runtime.
    ///
    /// # Errors
    /// [`OpenError::Address`] for an address of another form; [`OpenError::Unavailable`] when the server cannot be reached,
    /// is too old, or refuses the user or the schema; [`OpenError::Schema`] when the tables were made by a newer program
    /// or changed.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, Limits::default(), BatchLimits::default()).await
    }

    /// Opens the store at `url` with other limits. Names have 512 bytes at most, and payloads what the server takes.
    ///
    /// # Errors
    /// As [`MySqlStore::open`].
    pub async fn open_with(url: &str, mut limits: Limits, batch: BatchLimits) -> Result<Self, OpenError> {
        let opened = open::open(url).await?;
        limits.name_bytes = limits.name_bytes.min(KEY);
        limits.payload_bytes = limits.payload_bytes.min(opened.max_packet.saturating_sub(BESIDE));
        let appended = watch::Sender::new(opened.head);
        let address = opened.address.clone();
        let writer = Arc::new(append::Writer::new(address, opened.connection, appended.clone()));
        let batcher = Batcher::start(Arc::clone(&writer) as Arc<dyn BatchWriter>, batch, limits.clone());
        Ok(Self {
            handle: Handle { dialect: &DIALECT, batcher, appended, limits },
            writer,
            readers: opened.readers,
            writers: opened.writers,
            signs: Signs::at(opened.address.clone()),
            address: opened.address,
        })
    }
}

#[async_trait]
impl SqlStore for MySqlStore {
    type Transaction = MySqlTransaction;
    type Database = MySql;

    fn handle(&self) -> &Handle {
        &self.handle
    }

    async fn fetch(&self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        page::fetch(&self.readers, statement).await
    }

    async fn events(&self, wanted: Wanted) -> Result<Found, ReadError> {
        page::page(&self.readers, wanted).await
    }

    async fn bare_page(&self, read: &Read) -> Result<Option<Found<BareEvent>>, ReadError> {
        page::bare_page(&self.readers, read).await
    }

    async fn transaction(&self) -> Result<MySqlTransaction, BoxError> {
        MySqlTransaction::begin(&self.writers, self.handle.appending()).await
    }

    async fn maintenance(&self) -> Result<MySqlTransaction, BoxError> {
        let connection = open::connect(&self.address).await?;
        MySqlTransaction::maintain(connection, self.handle.appending()).await
    }

    async fn joined(&self, mut transaction: Transaction<'static, MySql>) -> Result<MySqlTransaction, Unfit> {
        let there = Place::read(Session::fetch(&mut *transaction, Place::question()).await?)?;
        if !there.is(&Place::read(self.fetch(Place::question()).await?)?) {
            return Err(Unfit::elsewhere(there));
        }
        if !there.is_strict() {
            let remedy = "it would cut what does not fit; add `STRICT_ALL_TABLES` to the `sql_mode` of its session";
            let given = "a transaction whose `sql_mode` is not strict".to_owned();
            return Err(Unfit::Refused { given, remedy: remedy.to_owned() });
        }
        Ok(MySqlTransaction::join(transaction, self.handle.appending()).await?)
    }

    async fn take_sign(&self, node: &str) -> Result<(), BoxError> {
        self.signs.take(node).await
    }

    async fn sign_is_free(&self, node: &str) -> Result<bool, BoxError> {
        let asked = self.fetch(signs::is_free(&self.address, node)).await?;
        Ok(first(asked, |mut row| row.truth("free"))?.unwrap_or(false))
    }

    async fn drop_sign(&self, node: &str) -> Result<(), BoxError> {
        self.signs.drop(node).await
    }

    fn offered(&self) -> Resources {
        let mut resources = Resources::default();
        resources.insert(self.readers.clone());
        resources
    }

    fn place(&self) -> String {
        self.address.shown.clone()
    }

    async fn let_go(&self) {
        self.writer.close().await;
        self.signs.release().await;
        self.readers.close().await;
        self.writers.close().await;
    }
}
