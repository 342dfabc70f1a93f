//! Replaying one account, scanning everything, and following what is appended.

use std::sync::Arc;
use std::time::Duration;

use annals::message::{Decode, Event as _, UpcastError};
use annals::prelude::*;
use annals::store::Read;
use tokio::sync::watch;

use super::Accounts;
use super::account::{Account, Deposited};
use crate::Error;
use crate::totals::Totals;

impl Accounts {
    /// Builds the state of an account from all of its events.
    pub(crate) async fn replay(&self, account: &str) -> Result<Totals, Error> {
        let loaded = self.app.aggregate::<Account>(account).load().await?;
        let state = loaded.map(|loaded| loaded.state).unwrap_or_default();
        Ok(Totals { events: state.deposits, cents: state.cents })
    }

    /// Reads every event in order.
    pub(crate) async fn scan(&self) -> Result<Totals, Error> {
        let mut totals = Totals::default();
        let read = Read::all(Position::START);
        let each = |event: Decode<'_>| -> Result<(), UpcastError> {
            totals.add(event.into_event::<Deposited>()?.cents);
            Ok(())
        };
        self.journal().fold(read, &[Deposited::NAME], each).await?;
        Ok(totals)
    }

    /// Starts to follow from the first event.
    pub(crate) fn follow(self: &Arc<Self>) -> Follower {
        Follower { appended: self.journal().store().appended(), accounts: Arc::clone(self), after: Position::START }
    }
}

/// A live reader, built as a processor is: it reads pages, and waits for the store's signal when there is nothing.
#[derive(Debug)]
pub(crate) struct Follower {
    accounts: Arc<Accounts>,
    appended: watch::Receiver<Position>,
    after: Position,
}

impl Follower {
    /// The next events, as positions and payloads. Empty where none came for a while.
    pub(crate) async fn next(&mut self) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        self.appended.mark_unchanged();
        let page = self.accounts.journal().read(Read::all(self.after)).await?;
        self.after = page.scanned;
        if page.events.is_empty() {
            // A processor also polls, for what other programs append.
            let _ = tokio::time::timeout(Duration::from_millis(50), self.appended.changed()).await;
        }
        let events = page.events.into_iter();
        events.map(|event| Ok((event.recorded.position.get().try_into()?, event.payload))).collect()
    }
}
