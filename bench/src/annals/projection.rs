//! A view that follows the store: how fast it catches up, how soon it is there, and what it costs while nothing happens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::prelude::*;
use annals::store::{Import, StoredEvent, Visibility};
use annals::view::ViewError;
use annals::{Clock, StreamId};

use super::Accounts;
use super::account::{Account, Deposited, PayIn};
use crate::Error;
use crate::deposit::Deposit;
use crate::totals::Totals;

/// Events of one import.
const FILLING: usize = 2_000;
/// Documents of one page while they are counted.
const PAGE: usize = 1_000;
/// A view that takes longer than this to catch up is stuck.
const PATIENCE: Duration = Duration::from_secs(900);

/// What is known of an account. In JSON it is the same text as a document of the hand-written side.
#[derive(View, Serialize, Deserialize, Default, Debug, Clone)]
#[view(name = "balance", key = String)]
pub(crate) struct Balance {
    deposits: u64,
    cents: u64,
    newest: String,
}

#[view_handlers]
impl Balance {
    #[handle(key = account)]
    fn deposited(&mut self, event: Deposited) {
        self.deposits += 1;
        self.cents += event.cents;
        self.newest = event.reference;
    }
}

/// Fills an empty store with deposits, each as it would be stored if it had been paid in alone.
pub(crate) async fn fill(url: &str, deposits: impl Iterator<Item = Deposit>) -> Result<(), Error> {
    let store = annals::store::open(url).await?;
    let mut versions: HashMap<String, u64> = HashMap::new();
    let mut import = Import::default();
    for (deposit, position) in deposits.zip(1..) {
        let version = versions.entry(deposit.account.clone()).or_default();
        *version += 1;
        import.events.push(StoredEvent {
            tenant: String::new(),
            position: Position::new(position),
            stream: StreamId::new(<Account as Aggregate>::NAME, deposit.account.clone()),
            version: Version::new(*version).ok_or("versions begin at 1")?,
            id: EventId::new(),
            name: Deposited::NAME.into(),
            revision: Deposited::REVISION,
            payload: serde_json::to_vec(&deposit)?,
            metadata: Metadata::default(),
            tags: Vec::new(),
            recorded_at: annals::message::SystemClock.now(),
            visibility: Visibility::Visible,
        });
        if import.events.len() == FILLING {
            store.import(std::mem::take(&mut import)).await?;
        }
    }
    if !import.events.is_empty() {
        store.import(import).await?;
    }
    store.close().await;
    Ok(())
}

impl Accounts {
    /// Opens the store at `url` with a view in so many segments; `None` leaves them at the default.
    pub(crate) async fn viewed(url: &str, segments: Option<u32>) -> Result<Arc<Self>, Error> {
        let builder = Annals::builder().store(url).without_discovery().include::<Account>().include::<Balance>();
        let builder = builder.processors(|all| all.segments = segments.unwrap_or(all.segments));
        Ok(Arc::new(Self { app: builder.start().await? }))
    }

    /// Waits until the view has folded everything up to `head`.
    pub(crate) async fn caught_up(&self, head: u64) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match self.app.view::<Balance>().after(Position::new(head)).await {
                Ok(_) => return Ok(()),
                Err(ViewError::Stale { .. }) if begun.elapsed() < PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What all documents come to together.
    pub(crate) async fn viewed_totals(&self) -> Result<Totals, Error> {
        let mut totals = Totals::default();
        let mut after: Option<String> = None;
        loop {
            let page = self.app.view::<Balance>().list(after.as_deref(), PAGE).await?;
            for (_, balance) in &page {
                totals.events += balance.deposits;
                totals.cents += balance.cents;
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                _ => return Ok(totals),
            }
        }
    }

    /// Pays in, and waits until the view has folded it; gives the moments of the answer and of the sight of it.
    pub(crate) async fn seen(&self, Deposit { account, cents, reference }: Deposit) -> Result<[Instant; 2], Error> {
        let sent = self.app.send(PayIn { account, cents, reference }).await?;
        let answered = Instant::now();
        self.app.view::<Balance>().after(sent.position).await?;
        Ok([answered, Instant::now()])
    }
}
