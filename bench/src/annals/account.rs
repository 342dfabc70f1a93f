//! The aggregate.

use annals::prelude::*;

/// Pay money into an account, which need not exist.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "account.pay-in")]
pub(super) struct PayIn {
    #[target]
    pub(super) account: String,
    pub(super) cents: u64,
    pub(super) reference: String,
}

/// Money was paid in. In JSON it is the same text as a [`crate::deposit::Deposit`].
#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "account.deposited")]
pub(crate) struct Deposited {
    pub(super) account: String,
    pub(super) cents: u64,
    pub(super) reference: String,
}

/// Invariants: `cents` is the sum of all deposits, `deposits` their number.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "account")]
pub(crate) struct Account {
    pub(super) deposits: u64,
    pub(super) cents: u64,
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
        self.deposits += 1;
        self.cents += event.cents;
    }
}
