//! Units of work that commit together with rows of the caller's own.

mod own;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use annals::prelude::*;
use annals::store::SqliteTransaction;
use annals::{CommandFailure, SendError};

use crate::support::{Place, assert_has, eventually, in_each_place};
use crate::wallet::*;
use own::Own;

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "post.pay", error = WalletError)]
pub struct Pay {
    wallet: String,
    amount: u64,
    /// Whether somebody else pays something in meanwhile, once.
    contested: bool,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "post.misuse", error = WalletError)]
pub struct SendWhileHolding {}

/// A table of letters, and how often a handler has run.
#[derive(Debug, Clone)]
pub struct Post {
    own: Own,
    runs: Arc<AtomicUsize>,
}

impl annals::handler::FromContext for Post {
    fn from_context(context: &annals::handler::Context<'_>) -> Result<Self, annals::handler::ContextError> {
        Ok(context.resources().get::<Self>().cloned().unwrap())
    }
}

pub struct Counter;

#[command_handlers]
impl Counter {
    #[handle]
    async fn pay(
        command: Pay,
        work: &mut UnitOfWork,
        post: Post,
        gateway: Gateway,
    ) -> Result<(), SendError<WalletError>> {
        work.execute(withdraw(&command.wallet, command.amount)).await?;
        if command.contested && post.runs.fetch_add(1, Ordering::SeqCst) == 0 {
            gateway.send(deposit(&command.wallet, 1)).await.map_err(SendError::into_failure)?;
        }
        post.own.write(work, "paid").await?;
        Ok(())
    }

    #[handle]
    async fn misuse(
        _command: SendWhileHolding,
        work: &mut UnitOfWork,
        post: Post,
        gateway: Gateway,
    ) -> Result<(), SendError<WalletError>> {
        post.own.write(work, "never").await?;
        gateway.send(deposit("w-1", 1)).await.map_err(SendError::into_failure)?;
        Ok(())
    }
}

/// A post office with a wallet of ten, in each place that has tables.
async fn in_each_post_office(case: impl AsyncFn(&Place, Annals, Own)) {
    in_each_place(async |place| {
        let Some(own) = Own::of(place).await else { return };
        let post = Post { own: own.clone(), runs: Arc::default() };
        let app = place.start(|app| app.include::<Wallet>().include::<Counter>().resource(post)).await;
        app.send(open("w-1", 10)).await.unwrap();
        case(place, app.clone(), own).await;
        app.shutdown().await.unwrap();
    })
    .await;
}

async fn balance(app: &Annals) -> u64 {
    app.aggregate::<Wallet>("w-1").load().await.unwrap().unwrap().state.balance
}

#[tokio::test]
async fn rows_of_a_joined_transaction_and_events_are_committed_together() {
    in_each_post_office(async |_, app, own| {
        let mut work = app.unit_of_work().unwrap().metadata("user", "mia");
        own.join(&mut work, "first").await.unwrap();
        own.write(&mut work, "second").await.unwrap();
        work.execute(withdraw("w-1", 4)).await.unwrap();
        assert_eq!((own.letters().await, balance(&app).await), (0, 10));
        let position = work.commit().await.unwrap();
        assert_eq!((own.letters().await, balance(&app).await), (2, 6));
        let event = app.journal().event_at(position).await.unwrap().unwrap();
        assert_eq!(event.recorded.metadata.get().get("user"), Some("mia"));
        // The state in memory has moved on with it.
        app.send(withdraw("w-1", 6)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_is_dropped_or_rolled_back_leaves_neither() {
    in_each_post_office(async |_, app, own| {
        let undone = Arc::new(AtomicUsize::new(0));
        for drops in [true, false] {
            let mut work = app.unit_of_work().unwrap();
            let undone = Arc::clone(&undone);
            work.on_roll_back(async move {
                undone.fetch_add(1, Ordering::SeqCst);
            });
            work.execute(withdraw("w-1", 4)).await.unwrap();
            own.join(&mut work, "never").await.unwrap();
            match drops {
                true => drop(work),
                false => work.roll_back().await,
            }
        }
        assert_eq!((own.letters().await, balance(&app).await), (0, 10));
        eventually(async || (undone.load(Ordering::SeqCst) == 2).then_some(())).await;
        app.send(withdraw("w-1", 10)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn after_a_conflict_there_is_neither() {
    in_each_post_office(async |_, app, own| {
        let mut work = app.unit_of_work().unwrap();
        work.execute(withdraw("w-1", 4)).await.unwrap();
        app.send(deposit("w-1", 1)).await.unwrap();
        own.join(&mut work, "never").await.unwrap();
        let failure = work.commit().await.unwrap_err();
        assert!(matches!(failure, CommandFailure::Conflict { attempts: 1, .. }), "{failure:?}");
        assert_eq!((own.letters().await, balance(&app).await), (0, 11));
    })
    .await;
}

#[tokio::test]
async fn the_transaction_of_a_handler_is_begun_again_after_a_conflict() {
    in_each_post_office(async |_, app, own| {
        let id = CommandId::new();
        let pay = Pay { wallet: "w-1".to_owned(), amount: 4, contested: true };
        assert!(!app.send(pay.clone()).id(id).await.unwrap().repeated);
        assert_eq!((own.letters().await, balance(&app).await), (1, 7));
        assert!(app.send(pay).id(id).await.unwrap().repeated);
        assert_eq!(own.letters().await, 1);
        let refused = app.send(Pay { wallet: "w-1".to_owned(), amount: 40, contested: false }).await.unwrap_err();
        assert!(refused.rejection().is_some());
        assert_eq!(own.letters().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_holds_a_transaction_sends_nothing_that_would_wait_for_it() {
    in_each_post_office(async |_, app, own| {
        let refused = app.send(SendWhileHolding {}).await.unwrap_err();
        let SendError::Failed(failure) = refused else { panic!("{refused:?}") };
        let source = std::error::Error::source(&failure).unwrap().to_string();
        assert_has(
            &source,
            &["`wallet.deposit` was sent by a task that holds a transaction", "execute it in the unit"],
        );
        assert_eq!((own.letters().await, balance(&app).await), (0, 10));
    })
    .await;
}

#[tokio::test]
async fn a_unit_joins_one_transaction() {
    in_each_post_office(async |_, app, own| {
        let mut work = app.unit_of_work().unwrap();
        own.join(&mut work, "first").await.unwrap();
        let refused = work.join(()).await.unwrap_err().to_string();
        assert_has(&refused, &["joins one transaction"]);
        work.commit().await.unwrap();
        assert_eq!(own.letters().await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_transaction_of_the_store_is_refused_with_the_remedy() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let mut work = app.unit_of_work().unwrap();
        let refused = work.join("a text").await.unwrap_err();
        assert_has(&refused.to_string(), &["cannot join a value that is no `sqlx::Transaction<'static, _>`"]);
        if place.kind() != "sqlite" {
            let refused = work.transaction::<SqliteTransaction>().await.unwrap_err();
            assert_has(&refused.to_string(), &["has no `SqliteTransaction`"]);
        }
        work.roll_back().await;
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_unit_of_a_caller_needs_no_transaction() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let mut work = app.unit_of_work().unwrap();
        work.execute(open("w-1", 10)).await.unwrap();
        work.execute(open("w-2", 0)).await.unwrap();
        work.execute(withdraw("w-1", 1)).await.unwrap();
        work.before_commit(|work| Box::pin(async { Ok(work.execute(deposit("w-2", 1)).await?) }));
        assert!(app.aggregate::<Wallet>("w-1").load().await.unwrap().is_none());
        work.commit().await.unwrap();
        let second = app.aggregate::<Wallet>("w-2").load().await.unwrap().unwrap();
        assert_eq!((balance(&app).await, second.state.balance), (9, 1));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_unique_value_that_is_taken_undoes_the_rows_too() {
    in_each_place(async |place| {
        let Some(own) = Own::of(place).await else { return };
        let app = place.start(|app| app.include::<crate::state_stored::Cart>()).await;
        app.send(crate::state_stored::take("c-1", 7)).await.unwrap();
        for (table, taken) in [(7, true), (8, false)] {
            let mut work = app.unit_of_work().unwrap();
            own.join(&mut work, "reserved").await.unwrap();
            work.execute(crate::state_stored::take("c-2", table)).await.unwrap();
            match work.commit().await {
                Err(CommandFailure::Taken { value, .. }) if taken => assert_eq!(value, "7"),
                Ok(_) if !taken => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(own.letters().await, 1);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_the_store_does_not_have_holds_nothing() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let mut work = app.unit_of_work().unwrap();
        let refused = work.transaction::<annals::store::MemoryTransaction>().await.map(|_| ());
        assert_eq!(refused.is_ok(), place.kind() == "memory");
        if let Err(refused) = refused {
            assert_has(&refused.to_string(), &["the store at `", "has no `MemoryTransaction`"]);
            app.send(open("w-1", 10)).await.unwrap();
        }
        work.roll_back().await;
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_task_that_holds_a_transaction_in_a_unit_of_its_own_sends_nothing_beside_it() {
    in_each_post_office(async |_, app, own| {
        let mut work = app.unit_of_work().unwrap();
        own.join(&mut work, "first").await.unwrap();
        let refused = app.send(deposit("w-1", 1)).await.unwrap_err();
        assert_has(&refused.to_string(), &["was sent by a task that holds a transaction"]);
        work.commit().await.unwrap();
        app.send(deposit("w-1", 1)).await.unwrap();
        assert_eq!((own.letters().await, balance(&app).await), (1, 11));
    })
    .await;
}

#[tokio::test]
async fn what_was_to_be_undone_is_undone_when_the_unit_is_dropped() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let undone = Arc::new(AtomicUsize::new(0));
        let mut work = app.unit_of_work().unwrap();
        let counts = Arc::clone(&undone);
        work.on_roll_back(async move {
            counts.fetch_add(1, Ordering::SeqCst);
        });
        drop(work);
        eventually(async || (undone.load(Ordering::SeqCst) == 1).then_some(())).await;
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_task_sends_beside_a_handler_that_holds_a_transaction_waits_for_nobody_in_vain() {
    in_each_post_office(async |_, app, own| {
        app.send(open("w-2", 0)).await.unwrap();
        for _ in 0..5 {
            let pay = Pay { wallet: "w-1".to_owned(), amount: 1, contested: false };
            let (paid, one, two) =
                tokio::join!(app.send(pay), app.send(deposit("w-2", 1)), app.send(deposit("w-2", 1)));
            paid.unwrap();
            one.unwrap();
            two.unwrap();
        }
        assert_eq!((own.letters().await, balance(&app).await), (5, 5));
    })
    .await;
}
