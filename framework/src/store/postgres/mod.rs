//! The store on a PostgreSQL server, version 12 or newer.
//!
//! Appends are written on one connection, in one round trip each batch (see the module `append`). Events and records are read on
//! a few others. Transactions of handlers come from a pool; appends do not wait for them, nor they for appends. One
//! connection holds the sign of life of this node, and two wake other nodes and hear from them.
//!
//! Between the program and the server there may be a pooler if it keeps a session for each connection; one that hands
//! connections on between transactions takes that sign away.

mod address;
mod append;
mod bare;
mod connect;
mod dialect;
mod errors;
mod key;
mod open;
mod page;
mod readers;
mod session;
mod signs;
mod subscriptions;
mod transaction;
mod wake;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Postgres, Transaction};
use tokio::sync::watch;

use crate::handler::Resources;

use super::bare::BareEvent;
use super::batcher::{BatchLimits, Batcher};
use super::error::{BoxError, OpenError, ReadError};
use super::limits::Limits;
use super::read::Read;
use super::sql::{Found, Handle, Row, Session, SqlStore, Statement, Unfit, Wanted, first};

use address::Address;
use append::{Line, Writer};
use bare::BarePages;
use dialect::DIALECT;
use errors::{Meaning, meaning};
use key::Keys;
use readers::Readers;
use signs::Signs;
use transaction::Place;
pub use transaction::PostgresTransaction;
use wake::Wake;

/// A store in a schema of a PostgreSQL database.
///
/// Any number of nodes may append to it, read it, and share its processors; what a node works on goes to others as soon as
/// its connection ends, or when it is not heard of for the time of its lease. A transaction ([`Store::begin`](super::Store::begin)) is an ordinary one of the
/// server: appends go on meanwhile.
///
/// A program that hangs in the middle of a transaction keeps what that has locked, and whoever wants to take over its work
/// waits for that, until the server ends the transaction: after `transaction_timeout`. It must be longer than a handler may
/// take ([`handler_time`](crate::processor::ProcessorConfig::handler_time)), for as far as the server can see, one that waits
/// for something else hangs too.
///
/// It offers handlers a [`sqlx::PgPool`], the one that transactions come from.
///
/// An append that cannot be written since the server cannot be reached fails after 10 seconds. If the connection broke
/// while it was written, up to 10 more are spent on finding out what became of it; only then is the outcome unknown.
#[derive(Debug)]
pub struct PostgresStore {
    handle: Handle,
    line: Line,
    readers: Readers,
    bare_pages: BarePages,
    pool: PgPool,
    signs: Signs,
    keys: Keys,
    wake: Mutex<Option<Wake>>,
    address: Address,
}

impl PostgresStore {
    /// Opens the store at `url`, bringing the schema up to date; the database must be there. It needs a running tokio
    /// runtime.
    ///
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE` or `postgresql://..`, with parameters after a `?`:
    ///
    /// | parameter | meaning | default |
    /// |---|---|---|
    /// | `max_connections` | connections for transactions and handlers, 1 to 1000 | 10 |
    /// | `max_readers` | connections that read events and records, 1 to 1000 | 6 |
    /// | `acquire_timeout` | seconds that somebody waits for one of these, 1 to 1000 | 10 |
    /// | `transaction_timeout` | seconds after which the server ends a transaction that is left alone, 1 to 1000 | 20 |
    /// | `application_name` | what the server calls the connections | `annals` |
    /// | `statement-cache-capacity` | prepared statements of each connection | 512 |
    /// | `sslmode` | `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full` | `prefer` |
    /// | `sslrootcert`, `sslcert`, `sslkey` | files with the server's authority, and the client's certificate and key | |
    /// | `host` | another host, or the directory of a Unix socket | |
    /// | `options[search_path]` | the schema of the store, which must be there | `public` |
    ///
    /// Four more connections are opened: for appends, for the sign of life, and two to wake other nodes.
    ///
    /// # Errors
    /// [`OpenError::Address`] for another address; [`OpenError::Unavailable`] when the server cannot be reached or is
    /// too old, or the database is not encoded in UTF-8; [`OpenError::Schema`] when its tables were made by a newer
    /// program or changed.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, Limits::default(), BatchLimits::default()).await
    }

    /// Opens the store at `url` with other limits.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn open_with(url: &str, limits: Limits, batch: BatchLimits) -> Result<Self, OpenError> {
        let address = Address::parse(url)?;
        let opened = open::open(&address).await?;
        let (options, keys) = (&address.options, opened.keys);
        let appended = watch::Sender::new(opened.head);
        let line = Line::new(options.clone(), keys.append());
        let writer = Writer::new(line.clone(), appended.clone());
        let batcher = Batcher::start(Arc::new(writer), batch, limits.clone());
        let patience = address.transaction_timeout;
        let pool = PgPoolOptions::new()
            .max_connections(address.connections)
            .acquire_timeout(address.acquire_timeout)
            .test_before_acquire(false)
            .after_connect(move |connection, _| Box::pin(connect::prepare_for_work(connection, patience)))
            .connect_lazy_with(options.clone());
        Ok(Self {
            line,
            bare_pages: BarePages::default(),
            readers: Readers::new(options.clone(), address.readers, address.acquire_timeout),
            pool,
            signs: Signs::new(options.clone(), keys.clone()),
            wake: Mutex::new(Some(Wake::start(options.clone(), keys.channel(), appended.clone()))),
            handle: Handle { dialect: &DIALECT, batcher, appended, limits },
            keys,
            address,
        })
    }
}

impl PostgresStore {
    fn own(&self, transaction: Transaction<'static, Postgres>) -> PostgresTransaction {
        PostgresTransaction::new(transaction, self.handle.appending(), self.keys.append())
    }
}

#[async_trait]
impl SqlStore for PostgresStore {
    type Transaction = PostgresTransaction;
    type Database = Postgres;

    fn handle(&self) -> &Handle {
        &self.handle
    }

    async fn fetch(&self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        self.readers.fetch(statement).await?.iter().map(session::owned).collect()
    }

    async fn events(&self, wanted: Wanted) -> Result<Found, ReadError> {
        page::page(&self.readers, wanted).await
    }

    async fn bare_page(&self, read: &Read) -> Result<Option<Found<BareEvent>>, ReadError> {
        self.bare_pages.page(&self.readers, read).await
    }

    async fn transaction(&self) -> Result<PostgresTransaction, BoxError> {
        // Connections are not tested before they are used. After the server was away all of the idle ones are broken.
        let mut broken = 0;
        loop {
            match self.pool.begin().await {
                Ok(transaction) => return Ok(self.own(transaction)),
                Err(error) if meaning(&error) == Meaning::Lost && broken < self.address.connections => broken += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn maintenance(&self) -> Result<PostgresTransaction, BoxError> {
        let mut transaction = self.transaction().await?;
        transaction.control("SET LOCAL annals.maintenance = 'on'").await?;
        transaction.fetch(Statement::new("SELECT pg_advisory_xact_lock(?1)").bind(self.keys.append())).await?;
        Ok(transaction)
    }

    async fn joined(&self, mut transaction: Transaction<'static, Postgres>) -> Result<PostgresTransaction, Unfit> {
        let there = Place::read(Session::fetch(&mut *transaction, Place::question()).await?)?;
        if !there.is(&Place::read(self.fetch(Place::question()).await?)?) {
            return Err(Unfit::elsewhere(there.shown));
        }
        // PostgreSQL treats READ UNCOMMITTED as READ COMMITTED.
        if !matches!(there.isolation.as_str(), "read committed" | "read uncommitted") {
            let given = format!("a transaction at {}", there.isolation.to_uppercase());
            let remedy =
                "it does not see what others append meanwhile; begin it with `BEGIN ISOLATION LEVEL READ COMMITTED`";
            return Err(Unfit::Refused { given, remedy: remedy.to_owned() });
        }
        Ok(self.own(transaction).mark_joined().await?)
    }

    async fn take_sign(&self, node: &str) -> Result<(), BoxError> {
        self.signs.take(node).await
    }

    async fn sign_is_free(&self, node: &str) -> Result<bool, BoxError> {
        let asked = self.fetch(Statement::new(signs::IS_FREE).bind(self.keys.sign(node))).await?;
        Ok(first(asked, |mut row| row.truth("free"))?.unwrap_or(false))
    }

    async fn drop_sign(&self, node: &str) -> Result<(), BoxError> {
        self.signs.drop(node).await
    }

    fn offered(&self) -> Resources {
        let mut resources = Resources::default();
        resources.insert(self.pool.clone());
        resources
    }

    fn place(&self) -> String {
        self.address.shown.clone()
    }

    async fn let_go(&self) {
        self.wake.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.line.close().await;
        self.signs.close().await;
        self.readers.close().await;
        self.pool.close().await;
    }
}
