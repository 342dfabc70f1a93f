//! The work of a command as a plain async function: no bus, no lane, no interceptors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use annals::message::{Event, Payloads, SystemClock};
use annals::store::{Append, Expected, NewEvent, SharedStore};
use annals::{Clock, EventId, StreamId, Version};

use super::account::{Account, Deposited};
use crate::Error;
use crate::deposit::Deposit;

/// A store, and the states of its accounts.
pub(crate) struct Direct {
    store: SharedStore,
    payloads: Payloads,
    states: Mutex<HashMap<String, (Account, Option<Version>)>>,
}

impl Direct {
    pub(crate) async fn open(url: &str) -> Result<Arc<Self>, Error> {
        let store = annals::store::open(url).await?;
        Ok(Arc::new(Self { store, payloads: Payloads::json(), states: Mutex::default() }))
    }

    /// Decides on the state in memory, stores the event, and moves the state on.
    pub(crate) async fn deposit(&self, Deposit { account, cents, reference }: Deposit) -> Result<(), Error> {
        let stream = StreamId::new("account", account.as_str());
        let version = self.state(|states| states.entry(account.clone()).or_default().1);
        let event = Deposited { account: account.clone(), cents, reference };
        let append = Append {
            events: vec![NewEvent {
                stream: stream.clone(),
                id: EventId::new(),
                name: Deposited::NAME.into(),
                revision: Deposited::REVISION,
                payload: self.payloads.encode(&event)?,
                metadata: Arc::default(),
                tags: event.tags(),
                recorded_at: SystemClock.now(),
            }],
            expected: [(stream.clone(), Expected::exactly(version))].into_iter().collect(),
            ..Append::default()
        };
        let appended = self.store.append(append).await?;
        self.state(|states| {
            let (state, version) = states.entry(account).or_default();
            state.deposits += 1;
            state.cents += event.cents;
            *version = appended.version_of(&stream);
        });
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.store.close().await;
    }

    fn state<T>(&self, look: impl FnOnce(&mut HashMap<String, (Account, Option<Version>)>) -> T) -> T {
        look(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
