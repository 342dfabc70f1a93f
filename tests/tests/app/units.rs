//! Units of work: several decisions, one atomic append.

use std::future::IntoFuture;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use annals::prelude::*;
use annals::{CommandFailure, SendError};

use crate::meanwhile::{Waiting, Waits, foreign};
use crate::support::{eventually, in_each_embedded_place, in_each_place};
use crate::wallet::*;

/// What the handlers have done besides.
#[derive(Default, Debug, Clone)]
pub struct Diary(Arc<Mutex<Vec<&'static str>>>);

impl Diary {
    fn note(&self, entry: &'static str) {
        self.0.lock().unwrap().push(entry);
    }

    fn entries(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

impl annals::handler::FromContext for Diary {
    fn from_context(context: &annals::handler::Context<'_>) -> Result<Self, annals::handler::ContextError> {
        Ok(context.resources().get::<Self>().cloned().unwrap_or_default())
    }
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "bank.transfer", error = WalletError)]
pub struct Transfer {
    from: String,
    to: String,
    amount: u64,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "bank.order", error = WalletError)]
pub struct Try {
    what: What,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub enum What {
    Panic,
    GoOnAfterRejection,
    FailAtLast,
    Publish,
    SendAfterwards,
    Look,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "bank.mirror", error = WalletError)]
pub struct Mirror {
    from: String,
    to: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug)]
#[event(name = "bank.noted")]
pub struct Noted {
    #[tag]
    by: String,
}

pub struct Bank;

#[command_handlers]
impl Bank {
    #[handle]
    async fn transfer(command: Transfer, work: &mut UnitOfWork, diary: Diary) -> Result<(), SendError<WalletError>> {
        let (before, after, undone) = (diary.clone(), diary.clone(), diary.clone());
        work.before_commit(move |_| {
            Box::pin(async move {
                before.note("last");
                Ok(())
            })
        });
        work.after_commit(async move { after.note("committed") });
        work.on_roll_back(async move { undone.note("undone") });
        let Transfer { from, to, amount } = command;
        work.execute(withdraw(&from, amount)).await?;
        work.execute(deposit(&to, amount)).await.map_err(SendError::into_failure)?;
        Ok(())
    }

    /// Pays what another wallet has, which is only looked at.
    #[handle]
    async fn mirror(command: Mirror, work: &mut UnitOfWork, waits: Waiting) -> Result<(), SendError<WalletError>> {
        let seen = work.aggregate::<Wallet>(&command.from).await?.map_or(0, |wallet| wallet.state.balance);
        work.execute(deposit(&command.to, seen)).await.map_err(SendError::into_failure)?;
        waits.meet();
        Ok(())
    }

    #[handle]
    async fn attempt(command: Try, work: &mut UnitOfWork, diary: Diary) -> Result<(), SendError<WalletError>> {
        let undone = diary.clone();
        work.on_roll_back(async move { undone.note("undone") });
        work.execute(deposit("w-1", 1)).await.map_err(SendError::into_failure)?;
        match command.what {
            What::Panic => panic!("on purpose"),
            What::GoOnAfterRejection => {
                let rejected = work.execute(withdraw("w-1", 1_000_000)).await.unwrap_err();
                assert!(rejected.rejection().is_some());
                work.execute(deposit("w-1", 2)).await.map_err(SendError::into_failure)?;
            }
            What::FailAtLast => work.before_commit(|_| Box::pin(async { Err("no".into()) })),
            What::Publish => {
                let noted = Noted { by: "bank".to_owned() };
                work.publish(StreamId::new("notes", "n-1"), &noted)?;
            }
            What::SendAfterwards => {
                let seen = work.aggregate::<Wallet>("w-1").await?.unwrap().state.balance;
                work.send(deposit("w-1", seen))?;
            }
            What::Look => {
                work.insert(7_u32);
                assert_eq!(work.get::<u32>(), Some(&7));
                let inside = work.aggregate::<Wallet>("w-1").await?.unwrap();
                diary.note(if inside.state.balance == 11 { "sees itself" } else { "is blind" });
            }
        }
        Ok(())
    }
}

async fn bank(place: &crate::support::Place, diary: &Diary) -> Annals {
    let diary = diary.clone();
    place.start(|app| app.include::<Wallet>().include::<Bank>().resource(diary)).await
}

fn transfer(from: &str, to: &str, amount: u64) -> Transfer {
    Transfer { from: from.to_owned(), to: to.to_owned(), amount }
}

async fn balance(app: &Annals, wallet: &str) -> u64 {
    app.aggregate::<Wallet>(wallet).load().await.unwrap().unwrap().state.balance
}

#[tokio::test]
async fn several_aggregates_are_changed_in_one_append() {
    in_each_place(async |place| {
        let diary = Diary::default();
        let app = bank(place, &diary).await;
        app.send(open("w-1", 10)).await.unwrap();
        let second = app.send(open("w-2", 0)).await.unwrap();
        let sent = app.send(transfer("w-1", "w-2", 4)).await.unwrap();
        assert_eq!(sent.position.get(), second.position.get() + 2);
        assert_eq!((balance(&app, "w-1").await, balance(&app, "w-2").await), (6, 4));
        assert_eq!(diary.entries(), ["last", "committed"]);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn one_rejection_and_nothing_is_stored() {
    in_each_place(async |place| {
        let diary = Diary::default();
        let app = bank(place, &diary).await;
        app.send(open("w-1", 10)).await.unwrap();
        let last = app.send(open("w-2", 0)).await.unwrap();
        let refused = app.send(transfer("w-1", "w-2", 11)).await.unwrap_err();
        assert!(matches!(refused, SendError::Rejected(WalletError::InsufficientFunds { .. })), "{refused:?}");
        let missing = app.send(transfer("w-1", "w-9", 1)).await.unwrap_err();
        assert!(matches!(missing, SendError::Failed(CommandFailure::Handler { .. })), "{missing:?}");
        assert_eq!(app.journal().store().head().await.unwrap(), last.position);
        assert_eq!(diary.entries(), ["undone", "undone"]);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_command_in_a_unit_sees_what_those_before_it_have_left() {
    in_each_place(async |place| {
        let diary = Diary::default();
        let app = bank(place, &diary).await;
        app.send(open("w-1", 10)).await.unwrap();
        app.send(Try { what: What::Look }).await.unwrap();
        assert_eq!(diary.entries(), ["sees itself"]);
        // To itself: the money is there again.
        app.send(transfer("w-1", "w-1", 11)).await.unwrap();
        assert_eq!(balance(&app, "w-1").await, 11);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_rejection_may_be_lived_with() {
    in_each_place(async |place| {
        let app = bank(place, &Diary::default()).await;
        app.send(open("w-1", 10)).await.unwrap();
        app.send(Try { what: What::GoOnAfterRejection }).await.unwrap();
        assert_eq!(balance(&app, "w-1").await, 13);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn after_an_error_a_panic_or_a_last_objection_nothing_is_stored() {
    in_each_place(async |place| {
        let diary = Diary::default();
        let app = bank(place, &diary).await;
        app.send(open("w-1", 10)).await.unwrap();
        let panicked = app.send(Try { what: What::Panic }).await.unwrap_err();
        assert!(matches!(panicked, SendError::Failed(CommandFailure::Panicked { .. })), "{panicked:?}");
        let failed = app.send(Try { what: What::FailAtLast }).await.unwrap_err();
        assert!(matches!(failed, SendError::Failed(CommandFailure::Handler { .. })), "{failed:?}");
        assert_eq!(diary.entries(), ["undone"; 2]);
        assert_eq!(balance(&app, "w-1").await, 10);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn events_may_be_published_with_the_rest() {
    in_each_place(async |place| {
        let app = bank(place, &Diary::default()).await;
        app.send(open("w-1", 10)).await.unwrap();
        let sent = app.send(Try { what: What::Publish }).await.unwrap();
        let event = app.journal().event_at(sent.position).await.unwrap().unwrap();
        assert_eq!((&*event.recorded.name, event.recorded.stream.to_string().as_str()), ("bank.noted", "notes/n-1"));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_unit_sends_leaves_after_its_commit() {
    in_each_place(async |place| {
        let app = bank(place, &Diary::default()).await;
        app.send(open("w-1", 10)).await.unwrap();
        app.send(Try { what: What::SendAfterwards }).await.unwrap();
        eventually(async || (balance(&app, "w-1").await == 22).then_some(())).await;
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_unit_has_only_looked_at_has_to_be_the_same_when_it_commits() {
    in_each_place(async |place| {
        let bank = |waits| place.start(|app| app.include::<Wallet>().include::<Bank>().resource(waits));
        let paid = foreign(StreamId::new("wallet", "w-1"), &Deposited { amount: 5 });
        let waits = Waits::storing(place.node().await, paid);
        let runs = waits.runs();
        let app = bank(waits).await;
        app.send(open("w-1", 10)).await.unwrap();
        app.send(open("w-2", 0)).await.unwrap();
        let mirror = |from: &str| Mirror { from: from.to_owned(), to: "w-2".to_owned() };
        app.send(mirror("w-1")).await.unwrap();
        assert_eq!((runs(), balance(&app, "w-2").await), (2, 15));
        app.shutdown().await.unwrap();

        // That there is none counts as well.
        let opened = foreign(StreamId::new("wallet", "w-3"), &WalletOpened { balance: 7 });
        let waits = Waits::storing(place.node().await, opened);
        let runs = waits.runs();
        let app = bank(waits).await;
        app.send(mirror("w-3")).await.unwrap();
        assert_eq!((runs(), balance(&app, "w-2").await), (2, 22));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_unit_whose_sender_goes_away_while_it_commits_is_whole_and_does_what_comes_after() {
    in_each_embedded_place(async |place| {
        let diary = Diary::default();
        let app = bank(place, &diary).await;
        app.send(open("w-1", 10)).await.unwrap();
        app.send(open("w-2", 0)).await.unwrap();
        let writing = app.journal().store().begin().await.unwrap();
        let mut call = app.send(transfer("w-1", "w-2", 4)).into_future();
        tokio::select! {
            biased;
            answer = &mut call => panic!("nothing can be committed, and it was answered: {answer:?}"),
            () = eventually(async || (diary.entries() == ["last"]).then_some(())) => drop(call),
        }
        assert_eq!((balance(&app, "w-1").await, balance(&app, "w-2").await), (10, 0));
        drop(writing);
        eventually(async || (diary.entries() == ["last", "committed"]).then_some(())).await;
        assert_eq!((balance(&app, "w-1").await, balance(&app, "w-2").await), (6, 4));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn money_is_conserved_by_racing_transfers_on_two_nodes() {
    in_each_place(async |place| {
        let (one, two) = (bank(place, &Diary::default()).await, bank(place, &Diary::default()).await);
        for wallet in ["w-0", "w-1", "w-2"] {
            one.send(open(wallet, 100)).await.unwrap();
        }
        let conflicts = AtomicUsize::new(0);
        let transfers = (0..30_usize).map(|number| {
            let (app, conflicts) = (if number % 2 == 0 { &one } else { &two }, &conflicts);
            async move {
                let wallet = |number: usize| format!("w-{}", number % 3);
                let transfer = transfer(&wallet(number), &wallet(number + 1), 1 + number as u64);
                match app.send(transfer).await {
                    Ok(_) | Err(SendError::Rejected(_)) => {}
                    Err(SendError::Failed(CommandFailure::Conflict { .. })) => {
                        conflicts.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(other) => panic!("{other:?}"),
                }
                // Others change the same wallets in their own lanes meanwhile.
                while let Err(refused) = app.send(deposit(&wallet(number), 1)).await {
                    assert!(matches!(refused.into_failure(), CommandFailure::Conflict { .. }));
                }
            }
        });
        futures_util::future::join_all(transfers).await;
        let mut sum = 0;
        for wallet in ["w-0", "w-1", "w-2"] {
            sum += balance(&one, wallet).await;
        }
        assert_eq!(sum, 330, "{} transfers gave up after conflicts", conflicts.load(Ordering::Relaxed));
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_unit_under_an_id_takes_effect_once() {
    in_each_place(async |place| {
        let diary = Diary::default();
        let (one, two) = (bank(place, &diary).await, bank(place, &diary).await);
        one.send(open("w-1", 10)).await.unwrap();
        one.send(open("w-2", 0)).await.unwrap();
        let id = CommandId::new();
        let (first, second) =
            tokio::join!(async { one.send(transfer("w-1", "w-2", 4)).id(id).await.unwrap() }, async {
                two.send(transfer("w-1", "w-2", 4)).id(id).await.unwrap()
            },);
        assert!(first.repeated != second.repeated, "{first:?} {second:?}");
        assert_eq!((balance(&one, "w-1").await, balance(&one, "w-2").await), (6, 4));
        assert_eq!(diary.entries().iter().filter(|entry| **entry == "committed").count(), 1);
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    })
    .await;
}
