//! Transfers over two accounts: what both decide is stored in one atomic append.

use annals::SendError;
use annals::prelude::*;

/// Why money does not move.
#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum BankError {
    /// The account has less than what was asked for.
    #[error("the account has {balance}, and {wanted} was wanted")]
    NotEnough {
        /// What is there.
        balance: u64,
        /// What was wanted.
        wanted: u64,
    },
}

/// Opens an account, or does nothing if it is open.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "account.open", error = BankError)]
pub struct OpenAccount {
    /// The account.
    #[target]
    pub account: String,
}

/// Puts money into an account.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "account.deposit", error = BankError)]
pub struct Deposit {
    /// The account.
    #[target]
    pub account: String,
    /// How much.
    pub amount: u64,
}

/// Takes money out of an account.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "account.withdraw", error = BankError)]
pub struct Withdraw {
    /// The account.
    #[target]
    pub account: String,
    /// How much.
    pub amount: u64,
}

/// Moves money from one account to another.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "bank.transfer", error = BankError)]
pub struct Transfer {
    /// Whose money it is.
    pub from: String,
    /// Whose it will be.
    pub to: String,
    /// How much.
    pub amount: u64,
}

/// An account was opened.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[event(name = "account.opened")]
pub struct AccountOpened {}

/// Money came in.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[event(name = "account.deposited")]
pub struct Deposited {
    /// How much.
    pub amount: u64,
}

/// Money went out.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[event(name = "account.withdrawn")]
pub struct Withdrawn {
    /// How much.
    pub amount: u64,
}

/// An account. Invariant: its balance is never below zero.
#[derive(Aggregate, Default, Debug, Clone, PartialEq, Eq)]
#[aggregate(name = "account")]
pub struct Account {
    /// What is there.
    pub balance: u64,
}

#[command_handlers]
impl Account {
    #[handle(create)]
    fn open(_command: OpenAccount) -> AccountOpened {
        AccountOpened {}
    }

    /// The same command, for an account that is there.
    #[handle]
    fn open_again(&self, _command: OpenAccount) {}

    #[handle]
    fn deposit(&self, command: Deposit) -> Deposited {
        Deposited { amount: command.amount }
    }

    #[handle]
    fn withdraw(&self, command: Withdraw) -> Result<Withdrawn, BankError> {
        if self.balance < command.amount {
            return Err(BankError::NotEnough { balance: self.balance, wanted: command.amount });
        }
        Ok(Withdrawn { amount: command.amount })
    }
}

#[event_sourcing]
impl Account {
    #[apply]
    fn opened(&mut self, _event: &AccountOpened) {}

    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.balance += event.amount;
    }

    #[apply]
    fn withdrawn(&mut self, event: &Withdrawn) {
        self.balance -= event.amount;
    }
}

/// What concerns more than one account.
#[derive(Debug, Default)]
pub struct Bank;

#[command_handlers]
impl Bank {
    /// Both accounts decide, and what they decide is stored together. If one of them has changed meanwhile, this runs
    /// again on what is there then.
    #[handle]
    async fn transfer(command: Transfer, work: &mut UnitOfWork) -> Result<(), SendError<BankError>> {
        let Transfer { from, to, amount } = command;
        work.execute(Withdraw { account: from, amount }).await?;
        work.execute(Deposit { account: to, amount }).await?;
        Ok(())
    }
}
