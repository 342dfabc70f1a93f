//! A wallet: an aggregate with every kind of handler, and a way to count how often a decision ran.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use annals::handler::{Context, ContextError, FromContext};
use annals::prelude::*;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
pub enum WalletError {
    #[error("{balance} is there, {requested} was requested")]
    InsufficientFunds { balance: u64, requested: u64 },
    #[error("nobody has so much")]
    TooMuch,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "wallet.open", error = WalletError)]
pub struct OpenWallet {
    #[target]
    pub wallet: String,
    pub balance: u64,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "wallet.deposit")]
pub struct Deposit {
    #[target]
    pub wallet: String,
    pub amount: u64,
}

/// Deposits of zero are refused, after those before them have been applied.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "wallet.deposit-many", error = WalletError, reply = Vec<u64>)]
pub struct DepositMany {
    #[target]
    pub wallet: String,
    pub amounts: Vec<u64>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "wallet.withdraw", error = WalletError)]
pub struct Withdraw {
    #[target]
    pub wallet: String,
    pub amount: u64,
}

/// Locking a locked wallet changes nothing.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "wallet.lock")]
pub struct Lock {
    #[target]
    pub wallet: String,
    pub locked: bool,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "wallet.explode")]
pub struct Explode {
    #[target]
    pub wallet: String,
    /// Whether the handler panics, or the event that it emits.
    pub later: bool,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "wallet.opened")]
pub struct WalletOpened {
    pub balance: u64,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "wallet.deposited")]
pub struct Deposited {
    pub amount: u64,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "wallet.withdrawn")]
pub struct Withdrawn {
    pub amount: u64,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "wallet.locked")]
pub struct Locked {
    pub locked: bool,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "wallet.mined")]
pub struct Mined {}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "wallet")]
pub struct Wallet {
    pub balance: u64,
    pub locked: bool,
}

#[command_handlers]
impl Wallet {
    #[handle(create)]
    fn open(command: OpenWallet, runs: Runs) -> Result<WalletOpened, WalletError> {
        runs.count();
        if command.balance > 1_000_000 {
            return Err(WalletError::TooMuch);
        }
        Ok(WalletOpened { balance: command.balance })
    }

    #[handle]
    fn deposit(&self, command: Deposit, runs: Runs) -> Deposited {
        runs.count();
        Deposited { amount: command.amount }
    }

    #[handle(create_if_missing)]
    fn deposit_many(&mut self, command: DepositMany, events: &mut Events<Self>) -> Result<Vec<u64>, WalletError> {
        let mut balances = Vec::new();
        for amount in command.amounts {
            if amount == 0 {
                return Err(WalletError::InsufficientFunds { balance: self.balance, requested: 0 });
            }
            events.apply(self, Deposited { amount });
            balances.push(self.balance);
        }
        Ok(balances)
    }

    #[handle]
    fn withdraw(&self, command: Withdraw, runs: Runs) -> Result<Withdrawn, WalletError> {
        runs.count();
        if command.amount > self.balance {
            return Err(WalletError::InsufficientFunds { balance: self.balance, requested: command.amount });
        }
        Ok(Withdrawn { amount: command.amount })
    }

    #[handle]
    fn lock(&self, command: Lock, runs: Runs) -> Option<Locked> {
        runs.count();
        (self.locked != command.locked).then_some(Locked { locked: command.locked })
    }

    #[handle]
    fn explode(&self, command: Explode) -> Mined {
        assert!(command.later, "the wallet has exploded");
        Mined {}
    }
}

#[event_sourcing]
impl Wallet {
    #[apply]
    fn opened(&mut self, event: &WalletOpened) {
        self.balance = event.balance;
    }

    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.balance += event.amount;
    }

    #[apply]
    fn withdrawn(&mut self, event: &Withdrawn) {
        self.balance -= event.amount;
    }

    #[apply]
    fn locked(&mut self, event: &Locked) {
        self.locked = event.locked;
    }

    #[apply]
    fn mined(&mut self, _event: &Mined) {
        panic!("the wallet was mined");
    }
}

/// How often decisions ran, in an application that was given one as a resource.
#[derive(Debug, Clone, Default)]
pub struct Runs(Arc<AtomicUsize>);

impl Runs {
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl FromContext for Runs {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(context.resources().get::<Self>().cloned().unwrap_or_default())
    }
}

pub fn open(wallet: &str, balance: u64) -> OpenWallet {
    OpenWallet { wallet: wallet.to_owned(), balance }
}

pub fn deposit(wallet: &str, amount: u64) -> Deposit {
    Deposit { wallet: wallet.to_owned(), amount }
}

pub fn withdraw(wallet: &str, amount: u64) -> Withdraw {
    Withdraw { wallet: wallet.to_owned(), amount }
}

pub fn lock(wallet: &str, locked: bool) -> Lock {
    Lock { wallet: wallet.to_owned(), locked }
}

pub async fn balance(app: &Annals, wallet: &str) -> u64 {
    app.aggregate::<Wallet>(wallet).load().await.unwrap().unwrap().state.balance
}
