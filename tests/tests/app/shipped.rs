//! The interceptors that come with Annals, and what a monitor is told.

use std::future::IntoFuture;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::app::Builder;
use annals::command::interceptors::{CircuitBreaker, Correlate, RateLimit, TimeLimit, Trace};
use annals::command::{CommandInterceptor, CommandMessage, CommandMonitor, CommandOutcome, CommandResult, Next};
use annals::prelude::*;
use annals::store::{Read, ReadError};
use annals::{CommandFailure, SendError};

use crate::wallet::*;

async fn memory(declare: impl FnOnce(Builder) -> Builder) -> Annals {
    let store = annals::store::open("memory:").await.unwrap();
    declare(Annals::builder().without_discovery().opened_store(store).include::<Wallet>()).start().await.unwrap()
}

/// Takes as long, or fails, as the metadata says.
struct Behaving;

#[async_trait::async_trait]
impl CommandInterceptor for Behaving {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        if let Some(seconds) = command.metadata.get("seconds") {
            tokio::time::sleep(Duration::from_secs(seconds.parse().unwrap())).await;
        }
        if command.metadata.get("fails").is_some() {
            return Err(CommandFailure::from(ReadError::Unavailable { source: "down".into() }).into());
        }
        next.run(command).await
    }
}

/// What is written to the log while `run` runs.
async fn logged(run: impl Future<Output = ()>) -> String {
    use tracing::instrument::WithSubscriber;
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    run.with_subscriber(subscriber).await;
    let lines = lines.0.lock().unwrap().clone();
    String::from_utf8(lines).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_warns_before_it_ends_a_command_and_kinds_have_limits_of_their_own() {
    let limit = TimeLimit::of(Duration::from_secs(10)).warn_after(0.5).of_command::<Withdraw>(Duration::from_secs(100));
    let app = memory(|app| app.dispatch_interceptor(limit).dispatch_interceptor(Behaving)).await;
    app.send(open("w-1", 50)).await.unwrap();
    let log = logged(async { drop(app.send(deposit("w-1", 1)).metadata("seconds", "4").await.unwrap()) }).await;
    assert!(!log.contains("takes long"), "{log}");
    let log = logged(async { drop(app.send(deposit("w-1", 1)).metadata("seconds", "6").await.unwrap()) }).await;
    assert!(log.contains("WARN") && log.contains("a command takes long command=\"wallet.deposit\""), "{log}");
    let ended = app.send(deposit("w-1", 1)).metadata("seconds", "11").await;
    assert!(
        matches!(ended, Err(SendError::Failed(CommandFailure::Timeout { after })) if after == Duration::from_secs(10)),
        "{ended:?}"
    );
    app.send(withdraw("w-1", 1)).metadata("seconds", "99").await.unwrap();
    assert_eq!(balance(&app, "w-1").await, 51);
}

#[tokio::test]
async fn a_trace_tells_each_command_with_its_ids_and_outcome() {
    let app = memory(|app| app.dispatch_interceptor(Trace::new()).dispatch_interceptor(Behaving)).await;
    let log = logged(async { drop(app.send(open("w-1", 5)).await.unwrap()) }).await;
    let line = log.lines().find(|line| line.contains("command ended")).unwrap_or_else(|| panic!("{log}"));
    for part in
        ["INFO", "command=\"wallet.open\"", "target=\"w-1\"", "id=", "correlation=", "outcome=\"done\"", "took="]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    let log = logged(async { drop(app.send(withdraw("w-1", 9)).await.unwrap_err()) }).await;
    assert!(log.contains("outcome=\"rejected\"") && log.contains("5 is there, 9 was requested"), "{log}");
    assert!(!log.contains("WARN"), "the domain has answered: {log}");
    let log = logged(async { drop(app.send(deposit("w-1", 9)).metadata("fails", "yes").await.unwrap_err()) }).await;
    assert!(log.contains("WARN") && log.contains("outcome=\"failed\"") && log.contains("down"), "{log}");
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_lets_so_many_through_and_tells_when_the_next_one_may_come() {
    let limit = RateLimit::per_second(number(2)).burst(number(3)).for_each("user");
    let app = memory(|app| app.dispatch_interceptor_of::<Deposit>(limit)).await;
    app.send(open("w-1", 0)).await.unwrap();
    for _ in 0..3 {
        app.send(deposit("w-1", 1)).metadata("user", "ada").await.unwrap();
    }
    let wait = match app.send(deposit("w-1", 1)).metadata("user", "ada").await {
        Err(SendError::Failed(CommandFailure::RateLimited { again_in, .. })) => again_in,
        other => panic!("expected `RateLimited`, got {other:?}"),
    };
    assert!(wait > Duration::from_millis(400) && wait <= Duration::from_millis(500), "{wait:?}");
    app.send(deposit("w-1", 1)).metadata("user", "bob").await.unwrap();
    app.send(deposit("w-1", 1)).await.unwrap();
    tokio::time::advance(wait).await;
    app.send(deposit("w-1", 1)).metadata("user", "ada").await.unwrap();
    let again = annals::command::RetryPolicy::transient();
    app.send(deposit("w-1", 1)).metadata("user", "ada").retry(again).await.unwrap();
    assert_eq!(balance(&app, "w-1").await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_opens_after_failures_in_a_row_and_closes_when_one_goes_well() {
    let breaker = CircuitBreaker::after(3).pause(Duration::from_secs(5));
    let app = memory(|app| app.dispatch_interceptor(breaker).dispatch_interceptor(Behaving)).await;
    app.send(open("w-1", 0)).await.unwrap();
    let fail = async || app.send(deposit("w-1", 1)).metadata("fails", "yes").await.unwrap_err();
    for _ in 0..2 {
        fail().await;
    }
    assert!(app.send(withdraw("w-1", 9)).await.is_err(), "what the domain says is no failure");
    for _ in 0..3 {
        assert!(matches!(fail().await, SendError::Failed(CommandFailure::Read(_))));
    }
    let open_for = |result: Result<_, SendError<Never>>| match result {
        Err(SendError::Failed(CommandFailure::CircuitOpen { again_in, .. })) => again_in,
        other => panic!("expected `CircuitOpen`, got {other:?}"),
    };
    assert_eq!(open_for(app.send(deposit("w-1", 1)).await), Duration::from_secs(5));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(matches!(fail().await, SendError::Failed(CommandFailure::Read(_))), "one is let through");
    assert_eq!(open_for(app.send(deposit("w-1", 1)).await), Duration::from_secs(5), "and it has failed");
    tokio::time::advance(Duration::from_secs(5)).await;
    let mut trial = app.send(deposit("w-1", 1)).metadata("seconds", "1").into_future();
    crate::support::begin(&mut trial).await;
    open_for(app.send(deposit("w-1", 1)).await);
    trial.await.unwrap();
    app.send(deposit("w-1", 1)).await.unwrap();
    assert_eq!(balance(&app, "w-1").await, 2);
}

/// Sends a deposit of its own after each withdrawal, through a gateway that carries nothing.
struct Sending(Arc<tokio::sync::OnceCell<Annals>>);

#[async_trait::async_trait]
impl CommandInterceptor for Sending {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let result = next.run(command).await;
        self.0.get().unwrap().send(deposit("w-2", 1)).await.unwrap();
        result
    }
}

#[tokio::test]
async fn chosen_metadata_is_carried_to_what_is_sent_meanwhile_in_the_same_task() {
    let cell = Arc::new(tokio::sync::OnceCell::new());
    let sending = Sending(Arc::clone(&cell));
    let app = memory(|app| {
        app.dispatch_interceptor(Correlate::keys(["user", Metadata::CORRELATION_ID]))
            .handler_interceptor_of::<Withdraw>(sending)
    })
    .await;
    cell.set(app.clone()).unwrap();
    for wallet in ["w-1", "w-2"] {
        app.send(open(wallet, 5)).await.unwrap();
    }
    let sent = app.send(withdraw("w-1", 1)).metadata("user", "ada").metadata("word", "sesame").await.unwrap();
    let events = app.journal().read(Read::stream(StreamId::new("wallet", "w-2"), None)).await.unwrap().events;
    let metadata = events.last().unwrap().recorded.metadata();
    assert_eq!((metadata.get("user"), metadata.get("word")), (Some("ada"), None));
    assert_eq!(metadata.correlation_id(), Some(sent.command.to_string().as_str()));
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn note(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }
}

impl CommandMonitor for Told {
    fn begun(&self, command: &'static str) {
        self.note(format!("{command} begun"));
    }

    fn ended(&self, command: &'static str, outcome: CommandOutcome, _: Duration) {
        self.note(format!("{command} {}", outcome.as_str()));
    }

    fn retried(&self, command: &'static str) {
        self.note(format!("{command} retried"));
    }
}

#[tokio::test]
async fn a_monitor_is_told_how_every_attempt_has_ended() {
    let told = Told::default();
    let monitor = told.clone();
    let app = memory(|app| app.command_monitor(monitor).dispatch_interceptor(Behaving)).await;
    app.send(open("w-1", 5)).await.unwrap();
    app.send(withdraw("w-1", 9)).await.unwrap_err();
    let retry = annals::command::RetryPolicy::transient().attempts(2).pauses(Duration::ZERO, Duration::ZERO);
    app.send(deposit("w-1", 1)).metadata("fails", "yes").retry(retry).await.unwrap_err();
    let mut dropped = app.send(deposit("w-1", 1)).metadata("seconds", "9").into_future();
    crate::support::begin(&mut dropped).await;
    drop(dropped);
    let told = told.0.lock().unwrap().clone();
    let expected = [
        "wallet.open begun",
        "wallet.open done",
        "wallet.withdraw begun",
        "wallet.withdraw rejected",
        "wallet.deposit begun",
        "wallet.deposit failed",
        "wallet.deposit retried",
        "wallet.deposit begun",
        "wallet.deposit failed",
        "wallet.deposit begun",
        "wallet.deposit dropped",
    ];
    assert_eq!(told, expected);
}

/// Counts what the facade is asked to record.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        self.0.lock().unwrap().push(key.to_string());
        metrics::Counter::noop()
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        self.0.lock().unwrap().push(key.to_string());
        metrics::Gauge::noop()
    }

    fn register_histogram(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        self.0.lock().unwrap().push(key.to_string());
        metrics::Histogram::noop()
    }
}

#[test]
fn the_metrics_facade_gets_counters_and_times_by_command_and_outcome() {
    let recorder = Recorder::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let app = memory(|app| app.command_monitor(annals::command::MetricsMonitor::new())).await;
            app.send(open("w-1", 5)).await.unwrap();
            app.send(open("w-2", 5)).await.unwrap();
            app.send(withdraw("w-1", 9)).await.unwrap_err();
        });
    });
    let mut registered = recorder.0.into_inner().unwrap();
    registered.sort();
    assert_eq!(registered.len(), 8, "each once, however many commands there are: {registered:?}");
    let has = |parts: &[&str]| registered.iter().any(|key| parts.iter().all(|part| key.contains(part)));
    assert!(has(&["annals_commands_total", "wallet.open", "done"]), "{registered:?}");
    assert!(has(&["annals_command_seconds", "wallet.withdraw", "rejected"]), "{registered:?}");
    assert!(has(&["annals_command_wait_seconds", "wallet.withdraw"]), "{registered:?}");
    assert!(has(&["annals_commands_under_way", "wallet.open"]), "{registered:?}");
}
