//! `tower` layers around dispatch.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;
use annals::{CommandFailure, SendError};
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceBuilder};

use crate::support::{begin, in_each_place};
use crate::wallet::*;

/// Counts its services, and the commands that pass them.
#[derive(Clone, Default)]
struct Counting {
    services: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Counted<S> {
    inner: S,
    calls: Arc<AtomicUsize>,
}

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        self.services.fetch_add(1, Ordering::SeqCst);
        Counted { inner, calls: Arc::clone(&self.calls) }
    }
}

impl<S: Service<CommandMessage>> Service<CommandMessage> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, command: CommandMessage) -> S::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.inner.call(command)
    }
}

#[tokio::test]
async fn a_layer_is_made_into_one_service_that_all_commands_share() {
    in_each_place(async |place| {
        let (all, withdrawals) = (Counting::default(), Counting::default());
        let (first, second) = (all.clone(), withdrawals.clone());
        let app = place.start(|app| app.include::<Wallet>().layer(first).layer_of::<Withdraw, _>(second)).await;
        app.send(open("w-1", 5)).await.unwrap();
        app.send(deposit("w-1", 5)).await.unwrap();
        let refused = app.send(withdraw("w-1", 11)).await.unwrap_err();
        assert_eq!(
            refused.rejection(),
            Some(WalletError::InsufficientFunds { balance: 10, requested: 11 }),
            "a rejection comes through typed"
        );
        let counts = |layer: &Counting| (layer.services.load(Ordering::SeqCst), layer.calls.load(Ordering::SeqCst));
        assert_eq!((counts(&all), counts(&withdrawals)), ((1, 3), (1, 1)));
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Holds commands until it is opened.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

#[async_trait::async_trait]
impl CommandInterceptor for Gate {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        if command.name == "wallet.deposit" {
            self.0.acquire().await.unwrap().forget();
        }
        next.run(command).await
    }
}

#[tokio::test]
async fn the_limits_of_towers_own_layers_are_typed_failures() {
    in_each_place(async |place| {
        let gate = Gate(Arc::new(Semaphore::new(0)));
        let inner = gate.clone();
        let layer = ServiceBuilder::new().load_shed().concurrency_limit(1).into_inner();
        let app = place.start(|app| app.include::<Wallet>().layer(layer).dispatch_interceptor(inner)).await;
        app.send(open("w-1", 5)).await.unwrap();
        let mut first = app.send(deposit("w-1", 1)).into_future();
        begin(&mut first).await;
        match app.send(deposit("w-1", 1)).await {
            Err(SendError::Failed(failure @ CommandFailure::Shed { .. })) => assert!(failure.is_transient()),
            other => panic!("expected `Shed`, got {other:?}"),
        }
        gate.0.add_permits(2);
        first.await.unwrap();
        app.send(deposit("w-1", 1)).await.unwrap();
        app.shutdown().await.unwrap();

        let inner = gate.clone();
        let timeout = tower::timeout::TimeoutLayer::new(Duration::from_millis(20));
        let app = place.start(|app| app.include::<Wallet>().layer(timeout).dispatch_interceptor(inner)).await;
        match app.send(deposit("w-1", 1)).await {
            Err(SendError::Failed(CommandFailure::Timeout { after })) => assert!(after >= Duration::from_millis(20)),
            other => panic!("expected `Timeout`, got {other:?}"),
        }
        assert_eq!(balance(&app, "w-1").await, 7);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_layer_may_run_commands_in_a_task_of_its_own() {
    in_each_place(async |place| {
        // A rate limit cannot be cloned: a buffer owns it, in a task.
        let layer = ServiceBuilder::new().buffer(16).rate_limit(1000, Duration::from_millis(1)).into_inner();
        let app = place.start(|app| app.include::<Wallet>().layer(layer)).await;
        app.send(open("w-1", 0)).await.unwrap();
        for _ in 0..5 {
            app.send(deposit("w-1", 1)).await.unwrap();
        }
        assert_eq!(balance(&app, "w-1").await, 5);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Sends each command twice, as a careless layer may.
#[derive(Clone)]
struct Twice<S>(S);

impl<S> Service<CommandMessage> for Twice<S>
where
    S: Service<CommandMessage, Future: Send> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = futures_util::future::BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, command: CommandMessage) -> Self::Future {
        let (first, second) = (self.0.call(command.clone()), self.0.call(command));
        Box::pin(async move {
            // What the first came to is not looked at; it may not even be kept over the second.
            let _ = first.await.is_ok();
            second.await
        })
    }
}

#[tokio::test]
async fn a_layer_may_send_a_command_more_than_once_and_a_recorded_one_has_one_effect() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>().layer(tower::layer::layer_fn(Twice))).await;
        app.send(many("w-1", 1)).await.unwrap();
        assert_eq!(balance(&app, "w-1").await, 2, "an id that was drawn fresh is not remembered");
        let sent = app.send(many("w-1", 1)).id(CommandId::new()).await.unwrap();
        assert_eq!((sent.repeated, sent.reply), (true, vec![3]));
        assert_eq!(balance(&app, "w-1").await, 3);
        app.shutdown().await.unwrap();
    })
    .await;
}

fn many(wallet: &str, amount: u64) -> DepositMany {
    DepositMany { wallet: wallet.to_owned(), amounts: vec![amount] }
}
