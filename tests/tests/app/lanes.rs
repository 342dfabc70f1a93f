//! The commands for one aggregate run one after the other.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use annals::app::Builder;
use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;
use annals::{CommandFailure, SendError};
use tokio::sync::Semaphore;

use crate::support::{begin, in_each_place};
use crate::wallet::*;

/// Holds every command in its lane until it is let through.
#[derive(Clone)]
struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn closed() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    fn let_through(&self, commands: usize) {
        self.open.add_permits(commands);
    }

    async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }
}

#[async_trait::async_trait]
impl CommandInterceptor for Gate {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        next.run(command).await
    }
}

fn gated(gate: &Gate) -> impl FnOnce(Builder) -> Builder {
    let gate = gate.clone();
    move |app| app.include::<Wallet>().handler_interceptor(gate)
}

#[tokio::test]
async fn many_commands_for_one_aggregate_run_in_the_order_in_which_they_were_sent() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        app.send(open("w-1", 0)).await.unwrap();
        let mut calls = Vec::new();
        for amount in 1..=64 {
            let call = app.send(DepositMany { wallet: "w-1".into(), amounts: vec![amount] });
            calls.push(tokio::spawn(call.into_future()));
        }
        let (mut balance, mut version) = (0, 1);
        for (amount, call) in (1..).zip(calls) {
            let sent = call.await.unwrap().unwrap();
            (balance, version) = (balance + amount, version + 1);
            assert_eq!((sent.reply, sent.version), (vec![balance], Version::new(version)));
        }
        assert_eq!(crate::wallet::balance(&app, "w-1").await, 64 * 65 / 2);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// With room for one state, lanes come and go; those in use stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_cache_costs_speed_and_nothing_else() {
    in_each_place(async |place| {
        let runs = Runs::default();
        let counted = runs.clone();
        let declare = |app: Builder| {
            app.include::<Wallet>().resource(counted).commands(|commands| {
                commands.cached_states = 1;
                commands.conflict_retries = 0;
            })
        };
        let app = place.start(declare).await;
        let mut calls = tokio::task::JoinSet::new();
        for wallet in 0..8 {
            app.send(open(&format!("w-{wallet}"), 0)).await.unwrap();
        }
        for number in 0..64 {
            let call = app.send(deposit(&format!("w-{}", number % 8), 1));
            calls.spawn(call.into_future());
        }
        assert!(calls.join_all().await.iter().all(Result::is_ok));
        assert_eq!(runs.get(), 8 + 64, "on one node no decision meets a conflict");
        for wallet in 0..8 {
            assert_eq!(balance(&app, &format!("w-{wallet}")).await, 8);
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_panics_is_a_failure_and_the_aggregate_goes_on() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        app.send(open("w-1", 5)).await.unwrap();
        match app.send(Explode { wallet: "w-1".into(), later: false }).await {
            Err(SendError::Failed(failure @ CommandFailure::Panicked { .. })) => {
                assert_eq!(failure.to_string(), "the handler of `wallet.explode` panicked: the wallet has exploded");
            }
            other => panic!("expected `Panicked`, got {other:?}"),
        }
        assert_eq!(app.send(deposit("w-1", 1)).await.unwrap().version, Version::new(2));
        assert_eq!(balance(&app, "w-1").await, 6);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// The event is stored: the fault is in the code that applies it, and others than this wallet go on.
#[tokio::test]
async fn an_event_that_panics_when_it_is_applied_fails_the_commands_of_its_aggregate_alone() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        app.send(open("w-1", 5)).await.unwrap();
        app.send(Explode { wallet: "w-1".into(), later: true }).await.unwrap();
        for _ in 0..2 {
            match app.send(deposit("w-1", 1)).await {
                Err(SendError::Failed(CommandFailure::Panicked { message, .. })) => {
                    assert_eq!(message, "the wallet was mined");
                }
                other => panic!("expected `Panicked`, got {other:?}"),
            }
        }
        app.send(open("w-2", 5)).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn more_commands_than_may_wait_are_refused_as_busy() {
    in_each_place(async |place| {
        let gate = Gate::closed();
        let app = place.start(|app| gated(&gate)(app).commands(|commands| commands.lane_limit = 2)).await;
        let first = tokio::spawn(app.send(open("w-1", 0)).into_future());
        gate.arrival().await;
        let mut second = app.send(deposit("w-1", 1)).into_future();
        begin(&mut second).await;
        let mut third = app.send(deposit("w-1", 1)).into_future();
        begin(&mut third).await;
        match app.send(deposit("w-1", 1)).await {
            Err(SendError::Failed(failure @ CommandFailure::Busy { .. })) => {
                assert_eq!(failure.to_string(), "2 commands wait for `wallet/w-1`, the limit is 2");
                assert!(failure.is_transient());
            }
            other => panic!("expected `Busy`, got {other:?}"),
        }
        // Only this wallet is busy.
        let elsewhere = tokio::spawn(app.send(open("w-2", 0)).into_future());
        gate.arrival().await;
        gate.let_through(5);
        assert!(elsewhere.await.unwrap().is_ok() && first.await.unwrap().is_ok());
        assert!(second.await.is_ok() && third.await.is_ok());
        app.send(deposit("w-1", 1)).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_call_that_waits_too_long_fails_and_gives_the_lane_back() {
    in_each_place(async |place| {
        let gate = Gate::closed();
        let app = place.start(gated(&gate)).await;
        let after = Duration::from_millis(20);
        match app.send(open("w-1", 0)).timeout(after).await {
            Err(SendError::Failed(failure @ CommandFailure::Timeout { .. })) => {
                assert_eq!(failure.to_string(), "no answer to the command within 20ms; it may still be executed");
                assert!(failure.is_transient());
            }
            other => panic!("expected `Timeout`, got {other:?}"),
        }
        gate.let_through(1);
        assert_eq!(app.send(open("w-1", 7)).await.unwrap().version, Version::new(1));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_the_lane_back() {
    in_each_place(async |place| {
        let gate = Gate::closed();
        let app = place.start(gated(&gate)).await;
        let mut abandoned = app.send(open("w-1", 0)).into_future();
        begin(&mut abandoned).await;
        let mut waiting = app.send(deposit("w-1", 1)).into_future();
        begin(&mut waiting).await;
        drop((abandoned, waiting));
        gate.let_through(1);
        app.send(open("w-1", 7)).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}
