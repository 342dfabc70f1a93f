//! The work in Annals: a command for an aggregate, sent through the gateway.
//!
//! Beyond what plain SQL does, it folds the state, and records each command's id so that a repeat would have no effect.

use std::path::Path;

use annals::prelude::*;

use crate::Error;
use crate::measure::Subject;
use crate::workload::Deposit;

/// How the table calls this subject.
pub(crate) const NAME: &str = "annals";

/// Pay money into an account, which need not exist.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "account.pay-in")]
struct PayIn {
    #[target]
    account: String,
    cents: u64,
    reference: String,
}

/// Money was paid in. In JSON it is the same text as a [`Deposit`].
#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "account.deposited")]
struct Deposited {
    account: String,
    cents: u64,
    reference: String,
}

/// Invariant: `cents` is the sum of all deposits.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "account")]
struct Account {
    cents: u64,
}

#[command_handlers]
impl Account {
    #[handle(create_if_missing)]
    fn pay_in(&self, command: PayIn) -> Result<Deposited, Never> {
        let PayIn { account, cents, reference } = command;
        Ok(Deposited { account, cents, reference })
    }
}

#[event_sourcing]
impl Account {
    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.cents += event.cents;
    }
}

/// An application on a database file of its own.
pub(crate) struct Accounts {
    app: Annals,
    url: String,
}

impl Accounts {
    /// Makes the database `file`; the settings are the defaults of an application.
    pub(crate) async fn open(file: &Path) -> Result<Self, Error> {
        let url = format!("sqlite://{}", file.display());
        Ok(Self { app: Annals::open(&url).await?, url })
    }
}

impl Subject for Accounts {
    async fn deposit(&self, Deposit { account, cents, reference }: Deposit) -> Result<(), Error> {
        self.app.send(PayIn { account, cents, reference }).await?;
        Ok(())
    }

    async fn finish(self) -> Result<u64, Error> {
        self.app.shutdown().await?;
        let store = annals::store::open(&self.url).await?;
        let head = store.head().await?;
        store.close().await;
        Ok(head.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    #[test]
    fn both_subjects_store_the_same_payload() {
        let deposit = Workload { clients: 1, aggregates: 10, commands: 10 }.deposit(3);
        let Deposit { account, cents, reference } = deposit.clone();
        let event = Deposited { account, cents, reference };
        assert_eq!(serde_json::to_string(&event).ok(), serde_json::to_string(&deposit).ok());
    }
}
