//! Aggregates that are an enum: each variant takes its own commands, and events lead from one to the next.

use annals::prelude::*;
use annals::testing::given;
use annals::{CommandFailure, SendError};

use crate::support::in_each_place;

/// An account. It is opened, may be frozen and thawed, and is closed for good.
#[derive(Aggregate, Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
#[aggregate(name = "account", snapshot(every = 2))]
pub enum Account {
    #[default]
    Unopened,
    Open(Open),
    Frozen {
        balance: u64,
        reason: String,
    },
    Closed(Closed),
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Open {
    balance: u64,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Closed {
    paid_out: u64,
}

#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum AccountError {
    #[error("only {balance} are left")]
    TooLittle { balance: u64 },
    #[error("frozen: {reason}")]
    Frozen { reason: String },
}

macro_rules! commands {
    ($($name:ident($stored:literal) { $($field:ident: $ty:ty),* })*) => {$(
        #[derive(Command, Serialize, Deserialize, Clone, Debug)]
        #[command(name = $stored, error = AccountError)]
        pub struct $name { #[target] pub account: String, $(pub $field: $ty),* }
    )*};
}
commands! {
    OpenAccount("account.open") { balance: u64 }
    Withdraw("account.withdraw") { amount: u64 }
    Freeze("account.freeze") { reason: String }
    Thaw("account.thaw") {}
    Close("account.close") {}
    Look("account.look") {}
    Seize("account.seize") {}
}

macro_rules! events {
    ($($name:ident($stored:literal) { $($field:ident: $ty:ty),* })*) => {$(
        #[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
        #[event(name = $stored)]
        pub struct $name { $(pub $field: $ty),* }
    )*};
}
events! {
    AccountOpened("account.opened") { balance: u64 }
    Withdrawn("account.withdrawn") { amount: u64 }
    AccountFrozen("account.frozen") { reason: String }
    AccountThawed("account.thawed") {}
    AccountClosed("account.closed") {}
    Looked("account.looked") { open: bool }
}

#[command_handlers]
impl Account {
    /// A command may create an account and mean something else for one that is there.
    #[handle(create)]
    fn open(command: OpenAccount) -> AccountOpened {
        AccountOpened { balance: command.balance }
    }

    #[handle(when = Frozen { .. })]
    fn reopen(_command: OpenAccount) -> AccountThawed {
        AccountThawed {}
    }

    #[handle(when = Open(open))]
    fn withdraw(open: &Open, command: Withdraw) -> Result<Withdrawn, AccountError> {
        if open.balance < command.amount {
            return Err(AccountError::TooLittle { balance: open.balance });
        }
        Ok(Withdrawn { amount: command.amount })
    }

    #[handle(when = Frozen { reason, .. })]
    fn withdraw_frozen(reason: &str, _command: Withdraw) -> Result<Withdrawn, AccountError> {
        Err(AccountError::Frozen { reason: reason.to_owned() })
    }

    #[handle(when = Open(_))]
    fn freeze(command: Freeze) -> AccountFrozen {
        AccountFrozen { reason: command.reason }
    }

    #[handle(when = Frozen { .. })]
    fn thaw(_command: Thaw) -> AccountThawed {
        AccountThawed {}
    }

    #[handle(when = Open(_) | Frozen { .. })]
    fn close(_command: Close) -> AccountClosed {
        AccountClosed {}
    }

    #[handle(when = Open)]
    fn look_at_open(_command: Look) -> Looked {
        Looked { open: true }
    }

    /// In every other variant.
    #[handle]
    fn look(&self, _command: Look) -> Looked {
        Looked { open: false }
    }

    /// A fault: the account need not be open.
    #[handle]
    fn seize(&self, _command: Seize) -> Withdrawn {
        Withdrawn { amount: 1 }
    }
}

/// Seizes in a unit of work.
#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "bailiff.visit", error = AccountError)]
pub struct Visit {}

pub struct Bailiff;

#[command_handlers]
impl Bailiff {
    #[handle]
    async fn visit(_command: Visit, work: &mut UnitOfWork) -> Result<(), SendError<AccountError>> {
        work.execute(Seize { account: account() }).await
    }
}

#[event_sourcing]
impl Account {
    #[apply(when = Unopened, then = Open)]
    fn opened(event: &AccountOpened) -> Open {
        Open { balance: event.balance }
    }

    #[apply(when = Open(open))]
    fn withdrawn(open: &mut Open, event: &Withdrawn) {
        open.balance -= event.amount;
    }

    #[apply]
    fn frozen(&mut self, event: &AccountFrozen) {
        if let Self::Open(Open { balance }) = *self {
            *self = Self::Frozen { balance, reason: event.reason.clone() };
        }
    }

    #[apply(when = Frozen { balance, .. }, then = Open)]
    fn thawed(balance: &mut u64, _event: &AccountThawed) -> Open {
        Open { balance: *balance }
    }

    #[apply(when = Open(open), then = Closed)]
    fn closed(open: &mut Open, _event: &AccountClosed) -> Closed {
        Closed { paid_out: open.balance }
    }

    #[apply(when = Frozen { balance, .. }, then = Closed)]
    fn closed_frozen(balance: &mut u64, _event: &AccountClosed) -> Closed {
        Closed { paid_out: *balance }
    }

    #[apply]
    fn looked(&mut self, _event: &Looked) {}
}

fn account() -> String {
    "a-1".to_owned()
}

fn withdraw(amount: u64) -> Withdraw {
    Withdraw { account: account(), amount }
}

fn opened() -> AccountOpened {
    AccountOpened { balance: 10 }
}

fn frozen() -> AccountFrozen {
    AccountFrozen { reason: "court".to_owned() }
}

#[test]
fn each_variant_decides_by_itself() {
    given::<Account>(opened()).when(withdraw(4)).then_events(Withdrawn { amount: 4 });
    given::<Account>(opened()).when(withdraw(11)).then_error(AccountError::TooLittle { balance: 10 });
    let error = AccountError::Frozen { reason: "court".to_owned() };
    given::<Account>((opened(), frozen())).when(withdraw(4)).then_error(error);
}

#[test]
fn a_variant_without_a_handler_does_not_take_the_command() {
    let expected = "Open(open) | Frozen { reason, .. }";
    given::<Account>((opened(), AccountClosed {})).when(withdraw(1)).then_wrong_variant(expected);
    given::<Account>(opened()).when(Thaw { account: account() }).then_wrong_variant("Frozen { .. }");
}

#[test]
fn a_handler_without_a_variant_takes_all_that_is_left() {
    given::<Account>(opened()).when(Look { account: account() }).then_events(Looked { open: true });
    given::<Account>((opened(), frozen())).when(Look { account: account() }).then_events(Looked { open: false });
}

#[test]
fn one_command_may_create_and_mean_something_else_for_what_exists() {
    let open = || OpenAccount { account: account(), balance: 10 };
    given::<Account>(()).when(open()).then_events(opened());
    given::<Account>((opened(), frozen())).when(open()).then_events(AccountThawed {});
    given::<Account>(opened()).when(open()).then_wrong_variant("Frozen { .. }");
}

#[test]
fn events_lead_from_one_variant_to_the_next() {
    given::<Account>((opened(), frozen(), AccountThawed {})).when(withdraw(10)).then_events(Withdrawn { amount: 10 });
    given::<Account>((opened(), AccountClosed {}))
        .when(Look { account: account() })
        .then_events(Looked { open: false });
}

#[test]
#[should_panic(expected = "the event `account.thawed` is applied when Frozen { balance, .. }")]
fn a_history_that_cannot_have_been_is_found() {
    given::<Account>((opened(), AccountThawed {})).when(withdraw(1)).then_nothing();
}

#[tokio::test]
async fn variants_live_in_stored_aggregates() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Account>()).await;
        app.send(OpenAccount { account: account(), balance: 10 }).await.unwrap();
        app.send(withdraw(3)).await.unwrap();
        app.send(Freeze { account: account(), reason: "court".to_owned() }).await.unwrap();
        app.send(OpenAccount { account: account(), balance: 0 }).await.unwrap();
        app.send(Close { account: account() }).await.unwrap();

        let node = place.start(|app| app.include::<Account>()).await;
        for node in [&app, &node] {
            let failure = node.send(withdraw(1)).await.unwrap_err();
            let SendError::Failed(CommandFailure::WrongVariant { stream, .. }) = failure else {
                panic!("expected `WrongVariant`, got {failure:?}");
            };
            assert_eq!(stream.to_string(), "account/a-1");
            let state = node.aggregate::<Account>("a-1").load().await.unwrap().unwrap().state;
            assert_eq!(state, Account::Closed(Closed { paid_out: 7 }));
        }
        node.shutdown().await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_for_another_variant_is_never_stored() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Account>().include::<Bailiff>()).await;
        app.send(OpenAccount { account: account(), balance: 10 }).await.unwrap();
        let frozen = app.send(Freeze { account: account(), reason: "court".to_owned() }).await.unwrap();

        let failure = app.send(Seize { account: account() }).await.unwrap_err();
        let SendError::Failed(CommandFailure::Misfit { stream, source }) = failure else {
            panic!("expected `Misfit`, got {failure:?}");
        };
        assert_eq!((stream.to_string().as_str(), source.place), ("account/a-1", "when Open(open)"));
        let failure = app.send(Visit {}).await.unwrap_err();
        assert!(matches!(failure, SendError::Failed(_)), "in a unit of work: {failure:?}");
        assert_eq!(app.journal().store().head().await.unwrap(), frozen.position);
        app.send(Close { account: account() }).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}
