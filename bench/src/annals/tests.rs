use annals::Tag;

use super::account::Deposited;
use super::*;
use crate::totals::Totals;

#[test]
fn both_sides_store_the_same_payload() {
    let deposit = Deposit::on(3, 7);
    let Deposit { account, cents, reference } = deposit.clone();
    let event = Deposited { account, cents, reference };
    assert_eq!(serde_json::to_string(&event).ok(), serde_json::to_string(&deposit).ok());
}

#[tokio::test]
async fn commands_appends_and_readers_agree() {
    let accounts = Accounts::open("memory:").await.unwrap();
    for number in 0..3 {
        accounts.deposit(Deposit::on(1, number)).await.unwrap();
    }
    let batch: Vec<_> = (3..10).map(|number| Deposit::on(1, number)).collect();
    accounts.append(&batch, 3).await.unwrap();
    assert!(accounts.append(&batch, 3).await.is_err(), "the stream has moved on");
    let all = Totals { events: 10, cents: (1..=10).sum() };
    assert_eq!(accounts.replay("account-000001").await.unwrap(), all);
    assert_eq!(accounts.scan().await.unwrap(), all);
    let mut follower = accounts.follow();
    assert_eq!(follower.next().await.unwrap().len(), 10);
    assert!(follower.next().await.unwrap().is_empty());
    drop(follower);

    let tag = || Tag::new("course", "a");
    let first = accounts.append_if(&Deposit::on(2, 1), tag(), Position::START).await.unwrap();
    assert_eq!(first, Enrolled::At(Position::new(11)));
    let stale = accounts.append_if(&Deposit::on(2, 2), tag(), Position::START).await.unwrap();
    assert_eq!(stale, Enrolled::Conflict);
    assert_eq!(accounts.boundary(tag(), Position::START).await.unwrap(), Position::new(11));
    assert_eq!(accounts.count().await.unwrap(), 11);
    accounts.close().await.unwrap();
}
