//! The next commands for an aggregate are decided while the appends of those before them are committed.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use annals::app::Builder;
use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;
use annals::store::{Append, Conflict, NewEvent, Read};
use annals::{CommandFailure, SendError, Sent};
use tokio::task::JoinHandle;

use crate::shaky::Fate::{self, Slow, Unavailable, UnknownUnwritten, UnknownWritten};
use crate::shaky::Shaky;
use crate::support::{Place, begin, eventually, in_each_embedded_place, in_each_place};
use crate::wallet::*;

/// An application that counts decisions, with the wallet `w-1` open.
async fn opened(place: &Place, balance: u64, declare: impl FnOnce(Builder) -> Builder) -> (Annals, Runs) {
    let runs = Runs::default();
    let counted = runs.clone();
    let app = place.start(|app| declare(app.include::<Wallet>().resource(counted))).await;
    app.send(open("w-1", balance)).await.unwrap();
    (app, runs)
}

/// As [`opened`], on a store whose appends after the first have these fates.
async fn shaky(fates: impl IntoIterator<Item = Fate>) -> (Annals, Runs) {
    let (runs, store) = (Runs::default(), Shaky::with([Slow(0)].into_iter().chain(fates)));
    let app = Annals::builder().without_discovery().include::<Wallet>().resource(runs.clone());
    let app = app.opened_store(store.store()).start().await.unwrap();
    app.send(open("w-1", 10)).await.unwrap();
    (app, runs)
}

type Call<C> = JoinHandle<Result<Sent<<C as Command>::Reply>, SendError<<C as Command>::Error>>>;

/// Sends without waiting. Tasks start in the order in which they were made, so that commands keep the order of calls.
fn sent<C: Command>(app: &Annals, command: C) -> Call<C> {
    tokio::spawn(app.send(command).into_future())
}

/// Waits until so many decisions have been made since `before`.
async fn decided(runs: &Runs, before: usize, count: usize) {
    eventually(async || (runs.get() - before >= count).then_some(())).await;
    assert_eq!(runs.get() - before, count);
}

async fn version<R: std::fmt::Debug, E: std::error::Error + 'static>(
    call: JoinHandle<Result<Sent<R>, SendError<E>>>,
) -> u64 {
    call.await.unwrap().unwrap().version.unwrap().get()
}

/// What another writer stores without asking the aggregate.
fn foreign(amount: u64) -> Append {
    let event = NewEvent {
        stream: StreamId::new("wallet", "w-1"),
        id: annals::message::EventId::new(),
        name: "wallet.deposited".into(),
        revision: 1,
        payload: format!(r#"{{"amount":{amount}}}"#).into_bytes(),
        metadata: Arc::default(),
        tags: Vec::new(),
        recorded_at: Timestamp::EPOCH,
    };
    Append { events: vec![event], ..Append::default() }
}

#[tokio::test]
async fn commands_are_decided_while_the_appends_before_them_are_under_way() {
    in_each_embedded_place(async |place| {
        let (app, runs) = opened(place, 0, |app| app).await;
        let writing = app.journal().store().begin().await.unwrap();
        let before = runs.get();
        let calls: Vec<_> = (1..=10).map(|amount| sent(&app, deposit("w-1", amount))).collect();
        decided(&runs, before, 10).await;
        assert!(calls.iter().all(|call| !call.is_finished()), "nothing is committed, so that nothing is answered");
        assert_eq!(app.journal().store().head().await.unwrap(), Position::new(1));
        drop(writing);
        for (number, call) in (2..).zip(calls) {
            let sent = call.await.unwrap().unwrap();
            assert_eq!((sent.version, sent.position), (Version::new(number), Position::new(number)));
        }
        assert_eq!(runs.get() - before, 10, "nothing was decided twice");
        assert_eq!(balance(&app, "w-1").await, 55);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Guarantee 4: the balance of the rejection has to become true before anyone hears of it.
#[tokio::test]
async fn a_rejection_waits_until_what_it_rests_on_is_stored() {
    in_each_embedded_place(async |place| {
        let (app, runs) = opened(place, 10, |app| app).await;
        let writing = app.journal().store().begin().await.unwrap();
        let before = runs.get();
        let paid = sent(&app, deposit("w-1", 5));
        let refused = sent(&app, withdraw("w-1", 50));
        let changed_nothing = sent(&app, lock("w-1", false));
        let exists = sent(&app, open("w-1", 1));
        let later = sent(&app, deposit("w-1", 40));
        decided(&runs, before, 4).await;
        tokio::task::yield_now().await;
        assert!(!refused.is_finished() && !changed_nothing.is_finished() && !exists.is_finished());
        drop(writing);
        let refused = refused.await.unwrap().unwrap_err().rejection();
        assert_eq!(refused, Some(WalletError::InsufficientFunds { balance: 15, requested: 50 }));
        let changed_nothing = changed_nothing.await.unwrap().unwrap();
        assert_eq!((changed_nothing.version, changed_nothing.position), (Version::new(2), Position::new(2)));
        let exists = exists.await.unwrap();
        assert!(matches!(exists, Err(SendError::Failed(CommandFailure::AlreadyExists { .. }))), "{exists:?}");
        assert_eq!((version(paid).await, version(later).await), (2, 3));
        assert_eq!(runs.get() - before, 4, "nothing was decided twice");
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Guarantee 5: what is recorded under an id of the caller's is recorded in its turn.
#[tokio::test]
async fn a_rejection_under_an_id_is_recorded_behind_what_it_rests_on() {
    in_each_embedded_place(async |place| {
        let (app, _) = opened(place, 10, |app| app).await;
        let writing = app.journal().store().begin().await.unwrap();
        let id = CommandId::new();
        let paid = sent(&app, deposit("w-1", 5));
        let refused = tokio::spawn(app.send(withdraw("w-1", 50)).id(id).into_future());
        let repeated = tokio::spawn(app.send(withdraw("w-1", 50)).id(id).into_future());
        let later = sent(&app, deposit("w-1", 40));
        drop(writing);
        let expected = Some(WalletError::InsufficientFunds { balance: 15, requested: 50 });
        assert_eq!(refused.await.unwrap().unwrap_err().rejection(), expected);
        assert_eq!(repeated.await.unwrap().unwrap_err().rejection(), expected);
        assert_eq!((version(paid).await, version(later).await), (2, 3));
        assert_eq!(app.send(withdraw("w-1", 50)).id(id).await.unwrap_err().rejection(), expected);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// The version that the second command expects holds, since the other writer's event took the place of the first's.
#[tokio::test]
async fn an_event_of_another_writer_at_the_right_version_is_no_basis() {
    in_each_embedded_place(async |place| {
        let (app, runs) = opened(place, 10, |app| app.commands(|commands| commands.conflict_retries = 1)).await;
        let store = app.journal().store();
        let writing = store.begin().await.unwrap();
        let mut other = store.append(foreign(100));
        begin(&mut other).await;
        let before = runs.get();
        let calls: Vec<_> =
            (1..10).map(|amount| sent(&app, DepositMany { wallet: "w-1".into(), amounts: vec![amount] })).collect();
        let refused = sent(&app, withdraw("w-1", 500));
        decided(&runs, before, 1).await;
        drop(writing);
        assert_eq!(other.await.unwrap().position, Position::new(2));
        let mut balance = 110;
        for (amount, call) in (1..).zip(calls) {
            balance += amount;
            let sent = call.await.unwrap().unwrap();
            assert_eq!(sent.reply, [balance], "decided again in the old order, on the true balance");
            assert_eq!(sent.version, Version::new(amount + 2));
        }
        let refused = refused.await.unwrap().unwrap_err().rejection();
        assert_eq!(refused, Some(WalletError::InsufficientFunds { balance, requested: 500 }));
        assert_eq!(crate::wallet::balance(&app, "w-1").await, balance);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Only the first command has met a conflict of its own.
#[tokio::test]
async fn what_was_decided_on_top_of_a_conflict_has_met_none() {
    in_each_embedded_place(async |place| {
        let (app, runs) = opened(place, 10, |app| app.commands(|commands| commands.conflict_retries = 0)).await;
        let store = app.journal().store();
        let writing = store.begin().await.unwrap();
        let mut other = store.append(foreign(100));
        begin(&mut other).await;
        let before = runs.get();
        let first = sent(&app, deposit("w-1", 1));
        let on_top: Vec<_> = (0..5).map(|_| sent(&app, deposit("w-1", 1))).collect();
        decided(&runs, before, 6).await;
        drop(writing);
        other.await.unwrap();
        match first.await.unwrap() {
            Err(SendError::Failed(CommandFailure::Conflict { attempts: 1, source: Conflict::Stream { .. } })) => {}
            other => panic!("expected a conflict, got {other:?}"),
        }
        for call in on_top {
            call.await.unwrap().unwrap();
        }
        assert_eq!(balance(&app, "w-1").await, 115);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// The caller knows the version from an answer that is still on its way to somebody else.
#[tokio::test]
async fn an_expected_version_may_be_one_that_is_under_way() {
    in_each_embedded_place(async |place| {
        let (app, runs) = opened(place, 10, |app| app).await;
        let writing = app.journal().store().begin().await.unwrap();
        let before = runs.get();
        let first = sent(&app, deposit("w-1", 1));
        let expecting = |version| {
            let call = app.send(deposit("w-1", 1)).expect(Version::new(version).unwrap());
            tokio::spawn(call.into_future())
        };
        let (old, right) = (expecting(1), expecting(2));
        decided(&runs, before, 2).await;
        tokio::task::yield_now().await;
        assert!(!old.is_finished(), "version 2 is not yet stored");
        drop(writing);
        assert_eq!((version(first).await, version(right).await), (2, 3));
        let old = old.await.unwrap().unwrap_err();
        assert_eq!(old.to_string(), "the command met a conflict after 1 attempt");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_creation_under_way_exists_for_those_behind_it() {
    in_each_embedded_place(async |place| {
        let (app, runs) = opened(place, 10, |app| app).await;
        let writing = app.journal().store().begin().await.unwrap();
        let before = runs.get();
        let (created, again) = (sent(&app, open("w-2", 5)), sent(&app, open("w-2", 6)));
        let paid = sent(&app, deposit("w-2", 1));
        decided(&runs, before, 2).await;
        drop(writing);
        assert_eq!((version(created).await, version(paid).await), (1, 2));
        let again = again.await.unwrap();
        assert!(matches!(again, Err(SendError::Failed(CommandFailure::AlreadyExists { .. }))), "{again:?}");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_creation_that_fails_never_was() {
    let (app, _) = shaky([Unavailable]).await;
    let (failed, created) = (sent(&app, open("w-2", 5)), sent(&app, open("w-2", 6)));
    let (paid, nobody) = (sent(&app, deposit("w-2", 1)), sent(&app, deposit("w-3", 1)));
    assert!(matches!(failed.await.unwrap(), Err(SendError::Failed(CommandFailure::Append(_)))));
    assert_eq!((version(created).await, version(paid).await), (1, 2));
    assert!(matches!(nobody.await.unwrap(), Err(SendError::Failed(CommandFailure::NotFound { .. }))));
    assert_eq!(balance(&app, "w-2").await, 7);
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_append_that_fails_takes_only_its_own_command_with_it() {
    let (app, runs) = shaky([Slow(9), Unavailable]).await;
    let before = runs.get();
    let calls: Vec<_> = [1, 2, 4, 8].into_iter().map(|amount| sent(&app, deposit("w-1", amount))).collect();
    let mut versions = Vec::new();
    for call in calls {
        versions.push(call.await.unwrap().ok().and_then(|sent| sent.version));
    }
    assert_eq!(versions, [Version::new(2), None, Version::new(3), Version::new(4)]);
    assert_eq!(balance(&app, "w-1").await, 10 + 1 + 4 + 8);
    assert!(runs.get() - before >= 6, "what rested on the second was decided again");
    app.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_append_with_an_unknown_outcome_is_settled_before_anything_is_decided_again() {
    for fate in [UnknownWritten, UnknownUnwritten] {
        let (app, _) = shaky([Slow(1), fate, Slow(3)]).await;
        let many = |amount| DepositMany { wallet: "w-1".into(), amounts: vec![amount] };
        let calls: Vec<_> = [1, 2, 4, 8].into_iter().map(|amount| sent(&app, many(amount))).collect();
        let mut expected = 10;
        for (number, call) in calls.into_iter().enumerate() {
            expected += 1 << number;
            let sent = call.await.unwrap().unwrap();
            assert_eq!((sent.reply, sent.version), (vec![expected], Version::new(number as u64 + 2)), "{fate:?}");
        }
        app.shutdown().await.unwrap();
    }
}

/// As many as are not settled by the retries: the caller is told, and the rest goes on with what the store has.
#[tokio::test(start_paused = true)]
async fn an_outcome_that_stays_unknown_is_reported_and_the_rest_decided_on_what_is_stored() {
    let (app, _) = shaky(std::iter::repeat_n(UnknownUnwritten, 16)).await;
    let first = sent(&app, deposit("w-1", 1));
    // It is sent when the first is settled, and has to be decided on what the store has.
    let failed = first.await.unwrap();
    assert!(matches!(failed, Err(SendError::Failed(CommandFailure::Append(_)))), "{failed:?}");
    let many = DepositMany { wallet: "w-1".into(), amounts: vec![2] };
    assert_eq!(app.send(many).await.unwrap().reply, [12]);
    app.shutdown().await.unwrap();
}

/// Nothing rests on the record of a rejection. Here the next command has moved the wallet on before it is written.
#[tokio::test(start_paused = true)]
async fn a_record_that_was_overtaken_has_met_no_conflict() {
    for fate in [UnknownUnwritten, UnknownWritten] {
        let (runs, store) = (Runs::default(), Shaky::with([Slow(0), fate]));
        let app = Annals::builder().without_discovery().include::<Wallet>().resource(runs.clone());
        let app = app.commands(|commands| commands.conflict_retries = 0);
        let app = app.opened_store(store.store()).start().await.unwrap();
        app.send(open("w-1", 10)).await.unwrap();
        let refused = tokio::spawn(app.send(withdraw("w-1", 50)).id(CommandId::new()).into_future());
        let paid = sent(&app, deposit("w-1", 1));
        assert_eq!(version(paid).await, 2);
        let balance = if fate == UnknownWritten { 10 } else { 11 };
        let expected = Some(WalletError::InsufficientFunds { balance, requested: 50 });
        assert_eq!(refused.await.unwrap().unwrap_err().rejection(), expected);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_repeat_among_commands_is_answered_and_what_was_decided_on_top_of_it_goes_on() {
    in_each_embedded_place(async |place| {
        let (app, _) = opened(place, 10, |app| app).await;
        let id = CommandId::new();
        let once = app.send(deposit("w-1", 1)).id(id).await.unwrap();
        let writing = app.journal().store().begin().await.unwrap();
        let before = sent(&app, deposit("w-1", 2));
        let repeat = tokio::spawn(app.send(deposit("w-1", 1)).id(id).into_future());
        let after = sent(&app, DepositMany { wallet: "w-1".into(), amounts: vec![4] });
        drop(writing);
        let repeat = repeat.await.unwrap().unwrap();
        assert!(repeat.repeated);
        assert_eq!((repeat.version, repeat.position), (once.version, once.position));
        assert_eq!(version(before).await, 3);
        assert_eq!(after.await.unwrap().unwrap().reply, [17]);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Its append goes on, and those behind it need not decide again.
#[tokio::test]
async fn a_call_that_is_dropped_while_its_append_is_under_way_leaves_the_others_alone() {
    in_each_embedded_place(async |place| {
        let (app, runs) = opened(place, 10, |app| app).await;
        let writing = app.journal().store().begin().await.unwrap();
        let before = runs.get();
        let mut dropped = app.send(deposit("w-1", 1)).into_future();
        begin(&mut dropped).await;
        let mut refused = app.send(withdraw("w-1", 50)).into_future();
        begin(&mut refused).await;
        let after = sent(&app, deposit("w-1", 2));
        decided(&runs, before, 3).await;
        drop((dropped, refused));
        let last = sent(&app, deposit("w-1", 4));
        decided(&runs, before, 4).await;
        drop(writing);
        assert_eq!((version(after).await, version(last).await), (3, 4));
        assert_eq!(runs.get() - before, 4, "nothing was decided twice");
        assert_eq!(balance(&app, "w-1").await, 17);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// A call that waits for its turn again, or whose append has failed, may be dropped too.
#[tokio::test]
async fn a_call_that_is_dropped_when_it_is_to_be_decided_again_holds_nobody_up() {
    for polls in 1..40 {
        let (app, _) = shaky([Slow(1), Unavailable, Slow(2), Slow(1)]).await;
        let amounts = [1, 2, 4];
        let calls = amounts.map(|amount| sent(&app, deposit("w-1", amount)));
        let mut dropped = app.send(deposit("w-1", 8)).into_future();
        let last = sent(&app, deposit("w-1", 16));
        for _ in 0..polls {
            tokio::select! {
                biased;
                _ = &mut dropped => break,
                () = tokio::task::yield_now() => {}
            }
        }
        drop(dropped);
        last.await.unwrap().unwrap();
        let mut expected = 10 + 16;
        for (amount, call) in amounts.into_iter().zip(calls) {
            expected += call.await.unwrap().map_or(0, |_| amount);
        }
        assert!(expected >= 10 + 16 + 3, "at most one append fails");
        let right = |balance| [expected, expected + 8].contains(&balance).then_some(());
        eventually(async || right(balance(&app, "w-1").await)).await;
        app.send(deposit("w-1", 1)).await.unwrap();
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn the_commands_that_are_decided_ahead_are_bounded() {
    in_each_embedded_place(async |place| {
        let (app, runs) = opened(place, 0, |app| app).await;
        let writing = app.journal().store().begin().await.unwrap();
        let before = runs.get();
        let calls: Vec<_> = (0..300).map(|_| sent(&app, deposit("w-1", 1))).collect();
        decided(&runs, before, 256).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(runs.get() - before, 256);
        drop(writing);
        for (number, call) in (2..).zip(calls) {
            assert_eq!(version(call).await, number);
        }
        assert_eq!(runs.get() - before, 300);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Counts the commands that are inside.
#[derive(Clone, Default)]
struct Inside(Arc<Mutex<usize>>);

#[async_trait::async_trait]
impl CommandInterceptor for Inside {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        *self.0.lock().unwrap() += 1;
        let result = next.run(command).await;
        *self.0.lock().unwrap() -= 1;
        result
    }
}

#[tokio::test]
async fn interceptors_around_handling_surround_the_commit_too() {
    in_each_embedded_place(async |place| {
        let inside = Inside::default();
        let counting = inside.clone();
        let (app, runs) = opened(place, 10, |app| app.handler_interceptor(counting)).await;
        let writing = app.journal().store().begin().await.unwrap();
        let before = runs.get();
        let calls: Vec<_> = (0..5).map(|_| sent(&app, deposit("w-1", 1))).collect();
        decided(&runs, before, 5).await;
        assert_eq!(*inside.0.lock().unwrap(), 5, "none of them is committed");
        drop(writing);
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(*inside.0.lock().unwrap(), 0);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// The race of two nodes, with many commands under way on each: whoever was told something was told the truth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_decide_ahead_tell_no_lies() {
    const EACH: usize = 40;
    in_each_place(async |place| {
        let patient = |app: Builder| app.commands(|commands| commands.conflict_retries = 500);
        let (here, _) = opened(place, 100, patient).await;
        let there = place.start(|app| patient(app.include::<Wallet>())).await;
        let mut deposits = tokio::task::JoinSet::new();
        let mut withdrawals = tokio::task::JoinSet::new();
        for number in 0..EACH as u64 {
            for app in [&here, &there] {
                let many = DepositMany { wallet: "w-1".into(), amounts: vec![number % 3 + 1, 1] };
                deposits.spawn(app.send(many).into_future());
                withdrawals.spawn(app.send(withdraw("w-1", 90 + number)).into_future());
            }
        }
        let (deposits, withdrawals) = (deposits.join_all().await, withdrawals.join_all().await);
        // Balance by version, from the log.
        let stream = StreamId::new("wallet", "w-1");
        let page = here.journal().read(Read::stream(stream, None)).await.unwrap();
        let mut balances = vec![0_i64];
        for event in &page.events {
            let payload: annals::message::Json = serde_json::from_slice(&event.payload).unwrap();
            let amount = payload["amount"].as_i64().or(payload["balance"].as_i64()).unwrap();
            let sign = if event.recorded.name == "wallet.withdrawn" { -1 } else { 1 };
            balances.push(balances.last().unwrap() + sign * amount);
        }
        assert!(balances.iter().all(|balance| *balance >= 0), "{balances:?}");
        let mut versions = Vec::new();
        for sent in deposits.into_iter().map(Result::unwrap) {
            let version = sent.version.unwrap().get() as usize;
            assert_eq!(sent.reply, [balances[version - 1] as u64, balances[version] as u64]);
            versions.extend([version - 1, version]);
        }
        for sent in withdrawals {
            match sent {
                Ok(sent) => versions.push(sent.version.unwrap().get() as usize),
                Err(error) => match error.rejection() {
                    Some(WalletError::InsufficientFunds { balance, .. }) => {
                        assert!(balances.contains(&(balance as i64)), "there never was a balance of {balance}");
                    }
                    other => panic!("{other:?}"),
                },
            }
        }
        versions.sort_unstable();
        assert_eq!(versions, (2..balances.len()).collect::<Vec<_>>(), "each event belongs to one answer");
        for app in [here, there] {
            app.shutdown().await.unwrap();
        }
    })
    .await;
}
