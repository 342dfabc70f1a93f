//! A command id is executed at most once, and a repeat gets the first answer (guarantee 5).

use std::future::IntoFuture;
use std::time::Duration;

use annals::app::Builder;
use annals::message::Never;
use annals::prelude::*;
use annals::testing::TestClock;
use annals::{SendError, Sent};

use crate::support::{eventually, in_each_place};
use crate::wallet::*;

fn wallets(app: Builder) -> Builder {
    app.include::<Wallet>()
}

fn id() -> CommandId {
    CommandId::new()
}

#[track_caller]
fn assert_repeats<R: PartialEq + std::fmt::Debug>(first: &Sent<R>, second: &Sent<R>) {
    assert!(!first.repeated && second.repeated);
    assert_eq!((&first.reply, first.version, first.position), (&second.reply, second.version, second.position));
    assert_eq!((&first.stream, first.command), (&second.stream, second.command));
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer() {
    in_each_place(async |place| {
        let app = place.start(wallets).await;
        let (one, two) = (id(), id());
        let created = app.send(open("w-1", 5)).id(one).await.unwrap();
        let many = DepositMany { wallet: "w-1".into(), amounts: vec![1, 2] };
        let first = app.send(many.clone()).id(two).await.unwrap();
        app.send(deposit("w-1", 10)).await.unwrap();

        let second = app.send(many).id(two).await.unwrap();
        assert_eq!(second.reply, [6, 8], "the balance was higher meanwhile");
        assert_repeats(&first, &second);
        // No `AlreadyExists`: the wallet was created by this very command.
        assert_repeats(&created, &app.send(open("w-1", 5)).id(one).await.unwrap());
        assert_eq!(app.journal().store().head().await.unwrap(), Position::new(4));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_repeat_is_known_on_another_node_and_after_a_restart() {
    in_each_place(async |place| {
        let app = place.start(wallets).await;
        let there = place.start(wallets).await;
        let (one, two, three) = (id(), id(), id());
        let created = app.send(open("w-1", 5)).id(one).await.unwrap();
        let changed = app.send(deposit("w-1", 5)).id(two).await.unwrap();
        let refused = app.send(withdraw("w-1", 50)).id(three).await.unwrap_err().rejection();
        assert_repeats(&created, &there.send(open("w-1", 5)).id(one).await.unwrap());
        assert_repeats(&changed, &there.send(deposit("w-1", 5)).id(two).await.unwrap());
        app.shutdown().await.unwrap();
        there.shutdown().await.unwrap();

        let again = place.start(wallets).await;
        assert_repeats(&created, &again.send(open("w-1", 5)).id(one).await.unwrap());
        assert_repeats(&changed, &again.send(deposit("w-1", 5)).id(two).await.unwrap());
        again.send(deposit("w-1", 90)).await.unwrap();
        assert_eq!(again.send(withdraw("w-1", 50)).id(three).await.unwrap_err().rejection(), refused);
        assert_eq!(balance(&again, "w-1").await, 100);
        again.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_rejection_is_remembered_although_the_state_has_changed() {
    in_each_place(async |place| {
        let app = place.start(wallets).await;
        app.send(open("w-1", 5)).await.unwrap();
        let command = id();
        let first = app.send(withdraw("w-1", 6)).id(command).await.unwrap_err().rejection();
        app.send(deposit("w-1", 100)).await.unwrap();
        let second = app.send(withdraw("w-1", 6)).id(command).await.unwrap_err().rejection();
        assert_eq!(second, Some(WalletError::InsufficientFunds { balance: 5, requested: 6 }));
        assert_eq!(first, second);
        app.send(withdraw("w-1", 6)).id(id()).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_decision_without_events_is_remembered() {
    in_each_place(async |place| {
        let app = place.start(wallets).await;
        app.send(open("w-1", 5)).await.unwrap();
        app.send(open("w-2", 5)).await.unwrap();
        let command = id();
        let first = app.send(lock("w-1", false)).id(command).await.unwrap();
        app.send(lock("w-1", true)).await.unwrap();
        assert_repeats(&first, &app.send(lock("w-1", false)).id(command).await.unwrap());
        assert_eq!(app.journal().store().head().await.unwrap(), Position::new(3));
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Nothing was decided, so that there is nothing to remember.
#[tokio::test]
async fn a_failure_is_not_remembered() {
    in_each_place(async |place| {
        let app = place.start(wallets).await;
        let command = id();
        assert!(matches!(app.send(deposit("w-1", 5)).id(command).await, Err(SendError::Failed(_))));
        app.send(open("w-1", 5)).await.unwrap();
        assert!(!app.send(deposit("w-1", 5)).id(command).await.unwrap().repeated);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_repeats_that_come_at_the_same_time_one_is_executed() {
    in_each_place(async |place| {
        let (here, there) = (place.start(wallets).await, place.start(wallets).await);
        here.send(open("w-1", 0)).await.unwrap();
        for _ in 0..10 {
            let (before, command) = (balance(&here, "w-1").await, id());
            let mut calls = tokio::task::JoinSet::new();
            for node in [&here, &there, &here, &there] {
                calls.spawn(node.send(deposit("w-1", 1)).id(command).into_future());
            }
            let answers: Vec<Sent<()>> = calls.join_all().await.into_iter().map(Result::unwrap).collect();
            assert_eq!(answers.iter().filter(|sent| !sent.repeated).count(), 1);
            assert!(answers.iter().all(|sent| sent.version == answers[0].version));
            assert_eq!(balance(&here, "w-1").await, before + 1);
        }
        for node in [here, there] {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn an_id_is_forgotten_after_the_time_that_is_set() {
    in_each_place(async |place| {
        let clock = TestClock::default();
        let timed = clock.clone();
        let hour = Duration::from_secs(3600);
        let app =
            place.start(|app| wallets(app).clock(timed).commands(|commands| commands.remembered = 10 * hour)).await;
        let command = id();
        app.send(open("w-1", 0)).await.unwrap();
        app.send(deposit("w-1", 1)).id(command).await.unwrap();
        clock.advance(9 * hour);
        assert!(app.send(deposit("w-1", 1)).id(command).await.unwrap().repeated);
        let journal = app.journal();
        clock.advance(hour);
        assert!(app.send(deposit("w-1", 1)).id(command).await.unwrap().repeated, "ten hours are not over");
        eventually(async || {
            clock.advance(hour);
            journal.store().command("", command).await.unwrap().is_none().then_some(())
        })
        .await;
        assert!(!app.send(deposit("w-1", 1)).id(command).await.unwrap().repeated);
        assert_eq!(balance(&app, "w-1").await, 2);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Gives out numbers, once each.
pub struct Counter;

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "counter.next", reply = usize, error = CounterError)]
pub struct NextNumber {
    pub odd: bool,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("{number} is even")]
pub struct CounterError {
    number: usize,
}

#[command_handlers]
impl Counter {
    #[handle]
    async fn next(command: NextNumber, runs: Runs) -> Result<usize, CounterError> {
        runs.count();
        let number = runs.get();
        // Whoever runs at the same time has its chance.
        tokio::task::yield_now().await;
        if command.odd && number.is_multiple_of(2) { Err(CounterError { number }) } else { Ok(number) }
    }
}

#[tokio::test]
async fn a_handler_outside_aggregates_runs_once_for_an_id() {
    in_each_place(async |place| {
        let runs = Runs::default();
        let counted = runs.clone();
        let app = place.start(|app| wallets(app).include::<Counter>().resource(counted)).await;
        let command = id();
        let calls: Vec<_> =
            (0..8).map(|_| tokio::spawn(app.send(NextNumber { odd: false }).id(command).into_future())).collect();
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap().unwrap());
        }
        assert_eq!(runs.get(), 1);
        assert_eq!(answers.iter().filter(|sent| !sent.repeated).count(), 1);
        for answer in &answers[1..] {
            assert_repeats(&answers[0], answer);
        }
        // Without an id of the caller's each call is a command of its own.
        assert_eq!(app.send(NextNumber { odd: false }).await.unwrap().reply, 2);
        app.send(open("w-1", 0)).await.unwrap();
        assert_repeats(&answers[0], &app.send(NextNumber { odd: false }).id(command).await.unwrap());
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_rejection_of_a_handler_outside_aggregates_is_remembered() {
    in_each_place(async |place| {
        let runs = Runs::default();
        runs.count();
        let counted = runs.clone();
        let app = place.start(|app| app.include::<Counter>().resource(counted)).await;
        let command = id();
        let first = app.send(NextNumber { odd: true }).id(command).await.unwrap_err().rejection();
        let second = app.send(NextNumber { odd: true }).id(command).await.unwrap_err().rejection();
        assert_eq!((first.clone(), runs.get()), (Some(CounterError { number: 2 }), 2));
        assert_eq!(first, second);
        let other: Result<Sent<usize>, SendError<CounterError>> = app.send(NextNumber { odd: true }).id(id()).await;
        assert_eq!(other.unwrap().reply, 3);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_id_belongs_to_one_command() {
    in_each_place(async |place| {
        let app = place.start(|app| wallets(app).include::<Counter>()).await;
        let command = id();
        app.send(open("w-1", 5)).id(command).await.unwrap();
        let other = app.send(deposit("w-1", 5)).id(command).await.unwrap_err();
        assert_eq!(
            other.to_string(),
            format!(
                "the command id {command} belongs to an earlier `wallet.open`, to another target or of another kind"
            )
        );
        let outside = app.send(NextNumber { odd: false }).id(command).await.unwrap_err();
        assert!(outside.to_string().contains("belongs to an earlier"), "{outside}");
        app.shutdown().await.unwrap();
    })
    .await;
}

/// `Never` has no values: such a command cannot be rejected, and the compiler knows.
#[tokio::test]
async fn a_command_without_an_error_cannot_be_rejected() {
    in_each_place(async |place| {
        let app = place.start(wallets).await;
        app.send(open("w-1", 1)).await.unwrap();
        match app.send(deposit("w-1", 1)).await {
            Ok(sent) => assert_eq!(sent.version, Version::new(2)),
            Err(SendError::Rejected(never)) => {
                let _: Never = never;
                match never {}
            }
            Err(SendError::Failed(failure)) => panic!("{failure}"),
        }
        app.shutdown().await.unwrap();
    })
    .await;
}
