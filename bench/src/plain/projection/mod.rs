//! The view of the workload `projection` by hand, over the framework's own events: pages of positions and payloads, decoded
//! and folded in a map, and the documents of a page read and written with one statement each, in one transaction with
//! the row that says how far it has come.
//!
//! There is one reader, which knows nothing of other nodes, of events that fail, of upcasters, or of waking anybody.

mod mariadb;
mod postgres;
mod sqlite;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::database::{Database, Home};
use crate::deposit::Deposit;
use crate::totals::Totals;

pub(crate) use postgres::Listening;

/// Events of one page at most: as many as a processor of the framework takes.
const PAGE: i64 = 4_096;

/// What is known of an account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Document {
    deposits: u64,
    cents: u64,
    newest: String,
}

impl Document {
    fn fold(&mut self, deposit: Deposit) {
        self.deposits += 1;
        self.cents += deposit.cents;
        self.newest = deposit.reference;
    }
}

/// The documents in one database, on one connection.
#[async_trait]
pub(crate) trait Documents: Send {
    /// A page of positions and payloads after `position`.
    async fn page(&mut self, position: i64, limit: i64) -> Result<Vec<(i64, Vec<u8>)>, Error>;

    /// Begins a transaction.
    async fn begin(&mut self) -> Result<(), Error>;

    /// The documents with these keys, those that there are.
    async fn read(&mut self, keys: &[&str]) -> Result<Vec<(String, Vec<u8>)>, Error>;

    /// Writes documents, new and old ones.
    async fn write(&mut self, documents: &[(&str, String)]) -> Result<(), Error>;

    /// Keeps how far everything has come, and commits.
    async fn commit_at(&mut self, position: i64) -> Result<(), Error>;

    /// The bodies of all documents.
    async fn bodies(&mut self) -> Result<Vec<Vec<u8>>, Error>;

    /// Closes the connection.
    async fn close(self: Box<Self>) -> Result<(), Error>;
}

/// Opens a database that the framework has filled; there are no documents then.
pub(crate) async fn project(home: &Home) -> Result<Box<dyn Documents>, Error> {
    Ok(match home.database {
        Database::Memory => return Err("there is no plain SQL in memory".into()),
        Database::Sqlite => Box::new(sqlite::Sqlite::open(&home.url).await?),
        Database::Postgres => Box::new(postgres::Postgres::open(&home.url).await?),
        Database::Mariadb => Box::new(mariadb::MariaDb::open(&home.url).await?),
    })
}

/// Folds all events, a page in each transaction.
pub(crate) async fn by_pages(documents: &mut dyn Documents) -> Result<(), Error> {
    let mut after = 0;
    loop {
        let page = documents.page(after, PAGE).await?;
        let Some((newest, _)) = page.last() else { return Ok(()) };
        after = *newest;
        take(documents, &page).await?;
    }
}

/// Folds events one by one for a while, each in a transaction of its own with one upsert; gives their number.
pub(crate) async fn one_by_one(documents: &mut dyn Documents, span: Duration) -> Result<u64, Error> {
    let begun = Instant::now();
    let (mut after, mut taken) = (0, 0);
    loop {
        let page = documents.page(after, PAGE).await?;
        let Some((newest, _)) = page.last() else { return Ok(taken) };
        after = *newest;
        for event in page.chunks(1) {
            take(documents, event).await?;
            taken += 1;
            if begun.elapsed() >= span {
                return Ok(taken);
            }
        }
    }
}

async fn take(documents: &mut dyn Documents, events: &[(i64, Vec<u8>)]) -> Result<(), Error> {
    let Some((newest, _)) = events.last() else { return Ok(()) };
    let deposits = events.iter().map(|(_, payload)| serde_json::from_slice(payload));
    let deposits = deposits.collect::<Result<Vec<Deposit>, _>>()?;
    let mut folded: HashMap<String, Document> = HashMap::new();
    for deposit in &deposits {
        if !folded.contains_key(&deposit.account) {
            folded.insert(deposit.account.clone(), Document::default());
        }
    }
    documents.begin().await?;
    let keys: Vec<&str> = folded.keys().map(String::as_str).collect();
    for (key, body) in documents.read(&keys).await? {
        folded.insert(key, serde_json::from_slice(&body)?);
    }
    for deposit in deposits {
        if let Some(document) = folded.get_mut(&deposit.account) {
            document.fold(deposit);
        }
    }
    let bodies = folded.iter().map(|(key, document)| Ok((key.as_str(), serde_json::to_string(document)?)));
    let mut bodies = bodies.collect::<Result<Vec<_>, Error>>()?;
    bodies.sort_unstable();
    documents.write(&bodies).await?;
    documents.commit_at(*newest).await
}

/// What all documents come to together.
pub(crate) async fn totals(documents: &mut dyn Documents) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    for body in documents.bodies().await? {
        let document: Document = serde_json::from_slice(&body)?;
        totals.events += document.deposits;
        totals.cents += document.cents;
    }
    Ok(totals)
}
