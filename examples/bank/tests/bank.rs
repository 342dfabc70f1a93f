//! What the bank promises.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use annals::SendError;
use annals::prelude::*;
use annals::testing::given;
use bank::{Account, AccountOpened, Bank, BankError, Deposit, Deposited, OpenAccount, Transfer, Withdraw, Withdrawn};

#[test]
fn nobody_withdraws_what_is_not_there() {
    let withdraw = |amount| Withdraw { account: "ada".into(), amount };
    let account = || given::<Account>((AccountOpened {}, Deposited { amount: 10 }));
    account().when(withdraw(10)).then_events(Withdrawn { amount: 10 });
    account().when(withdraw(11)).then_error(BankError::NotEnough { balance: 10, wanted: 11 });
}

#[test]
fn opening_an_open_account_changes_nothing() {
    let open = || OpenAccount { account: "ada".into() };
    given::<Account>(()).when(open()).then_events(AccountOpened {});
    given::<Account>(AccountOpened {}).when(open()).then_nothing();
}

async fn bank() -> Annals {
    let app = Annals::builder().store("sqlite::memory:").without_discovery();
    let app = app.include::<Account>().include::<Bank>().start().await.unwrap();
    for account in ["ada", "bob"] {
        app.send(OpenAccount { account: account.into() }).await.unwrap();
        app.send(Deposit { account: account.into(), amount: 100 }).await.unwrap();
    }
    app
}

async fn balances(app: &Annals) -> [u64; 2] {
    let mut balances = [0; 2];
    for (balance, account) in balances.iter_mut().zip(["ada", "bob"]) {
        *balance = app.aggregate::<Account>(account).load().await.unwrap().unwrap().state.balance;
    }
    balances
}

#[tokio::test]
async fn a_transfer_happens_whole_or_not_at_all() {
    let app = bank().await;
    let transfer = |to: &str, amount| Transfer { from: "ada".into(), to: to.into(), amount };
    app.send(transfer("bob", 30)).await.unwrap();
    assert_eq!(balances(&app).await, [70, 130]);
    let refused = app.send(transfer("bob", 71)).await.unwrap_err();
    assert_eq!(refused.rejection(), Some(BankError::NotEnough { balance: 70, wanted: 71 }));
    // There is no such account: the money does not leave the first one.
    assert!(matches!(app.send(transfer("eve", 1)).await, Err(SendError::Failed(_))));
    assert_eq!(balances(&app).await, [70, 130]);
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn transfers_that_race_conserve_the_money() {
    let app = bank().await;
    for round in 0..20 {
        let there = Transfer { from: "ada".into(), to: "bob".into(), amount: round };
        let back = Transfer { from: "bob".into(), to: "ada".into(), amount: 2 * round };
        // Either may be refused, or give up after conflicts; neither may lose anything.
        drop(tokio::join!(app.send(there), app.send(back)));
    }
    let [ada, bob] = balances(&app).await;
    assert_eq!(ada + bob, 200);
    app.shutdown().await.unwrap();
}
