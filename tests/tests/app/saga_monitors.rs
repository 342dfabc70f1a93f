//! What a monitor of sagas is told, and what the metrics facade gets from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::app::Builder;
use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;
use annals::saga::{EffectOutcome, InputKind, OpenInstances, SagaMonitor, SagaRetention, SagaStatus};
use annals::testing::TestClock;
use annals::{Clock, CommandFailure};

use crate::wallet::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Opens a wallet and closes after a minute. Without money it is no use; with too much nobody knows what to do.
#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "saving")]
struct Saving {
    wallet: String,
    balance: u64,
}

#[saga_handlers]
impl Saving {
    #[begin]
    fn begin(&mut self, effects: &mut Effects) {
        match self.balance {
            0 => effects.send(Withdraw { wallet: self.wallet.clone(), amount: 1 }),
            balance => effects.send(OpenWallet { wallet: self.wallet.clone(), balance }),
        }
        effects.deadline("over", MINUTE);
    }

    #[rejected]
    fn refused(&mut self, _command: &Withdraw, _why: &WalletError, effects: &mut Effects) {
        effects.end_compensated();
    }

    #[deadline("over")]
    fn over(&mut self, effects: &mut Effects) {
        effects.end();
    }
}

/// Fails once for each wallet whose name begins with `late`.
#[derive(Default)]
struct Hesitating(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl CommandInterceptor for Hesitating {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let target = command.target.clone().unwrap_or_default().to_string();
        let new = {
            let mut seen = self.0.lock().unwrap();
            let new = target.starts_with("late") && !seen.contains(&target);
            seen.push(target);
            new
        };
        match new {
            true => Err(CommandFailure::Timeout { after: Duration::ZERO }.into()),
            false => next.run(command).await,
        }
    }
}

async fn savings(clock: &TestClock, declare: impl FnOnce(Builder) -> Builder) -> Annals {
    let store = annals::store::open("memory:").await.unwrap();
    let app = Annals::builder().without_discovery().opened_store(store).include::<Wallet>().include::<Saving>();
    let app = app.clock(clock.clone()).handler_interceptor(Hesitating::default());
    declare(app.saga("saving", |saving| saving.retention = SagaRetention::For(MINUTE))).start().await.unwrap()
}

/// Looks until `probe` finds something; the time of the application goes on meanwhile by `step`.
async fn until(clock: &TestClock, step: Duration, mut probe: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(20);
    while !probe().await {
        assert!(tokio::time::Instant::now() < patience, "it has not happened");
        clock.advance(step);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Three instances: one that ends in time after its command was tried twice, one whose command is refused, and one that is
/// ended by hand, since the wallet that it opens is there. Whoever is told finds the same in `told`.
async fn save(app: &Annals, clock: &TestClock, told: impl Fn(&str) -> f64) {
    let sagas = app.sagas().of::<Saving>();
    let still = Duration::ZERO;
    // The first count, of none.
    until(clock, still, async || told("counts") == 1.0).await;
    app.send(open("poor", 0)).await.unwrap();
    app.send(open("taken", 5)).await.unwrap();
    sagas.begin("refused", &Saving { wallet: "poor".into(), balance: 0 }).await.unwrap();
    until(clock, still, async || told("ended compensated") == 1.0).await;
    let stuck = sagas.begin("stuck", &Saving { wallet: "taken".into(), balance: 1 }).await.unwrap();
    until(clock, still, async || told("attention") == 1.0).await;
    let begun = clock.now();
    let late = sagas.begin("late", &Saving { wallet: "late".into(), balance: 1 }).await.unwrap();
    until(clock, still, async || told("effects retried") == 1.0).await;
    // The pause before the second attempt.
    clock.advance(Duration::from_secs(1));
    until(clock, still, async || told("effects delivered") == 1.0).await;
    assert_eq!(told("running"), 0.0, "instances are counted now and then, not with each input");
    assert!(sagas.abort(stuck).await.unwrap());
    assert_eq!(told("ended aborted"), 1.0);
    // The deadline of the late one is fired three seconds late.
    clock.set(begun.plus(MINUTE + Duration::from_secs(3)));
    until(clock, still, async || told("ended completed") == 1.0).await;
    assert!(sagas.open(late).await.unwrap().is_empty());
}

/// Adds up what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeMap<String, f64>>>);

impl Told {
    fn add(&self, what: impl Into<String>, count: f64) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += count;
    }

    fn told(&self, what: &str) -> f64 {
        self.0.lock().unwrap().get(what).copied().unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "the numbers of a test are small")]
impl SagaMonitor for Told {
    fn begun(&self, saga: &'static str, instances: u64) {
        assert_eq!(saga, "saving");
        self.add("begun", instances as f64);
    }

    fn ended(&self, _: &'static str, how: SagaStatus, instances: u64) {
        self.add(format!("ended {how:?}").to_lowercase(), instances as f64);
    }

    fn handled(&self, _: &'static str, kind: InputKind, inputs: u64) {
        self.add(format!("handled {}", kind.as_str()), inputs as f64);
    }

    fn effects(&self, _: &'static str, outcome: EffectOutcome, attempts: u64) {
        self.add(format!("effects {}", outcome.as_str()), attempts as f64);
    }

    fn attention(&self, _: &'static str, instances: u64) {
        self.add("attention", instances as f64);
    }

    fn fired(&self, _: &'static str, delay: Duration) {
        self.add("fired", 1.0);
        self.add("delay", delay.as_secs_f64());
    }

    fn counted(&self, _: &'static str, open: OpenInstances) {
        let mut told = self.0.lock().unwrap();
        *told.entry("counts".into()).or_default() += 1.0;
        told.insert("running".into(), open.running as f64);
        told.insert("needing attention".into(), open.attention as f64);
    }

    fn removed(&self, _: &'static str, instances: u64) {
        self.add("removed", instances as f64);
    }
}

#[tokio::test]
async fn a_monitor_is_told_what_becomes_of_sagas_their_effects_and_timers() {
    let (clock, told) = (TestClock::default(), Told::default());
    let monitor = told.clone();
    let app = savings(&clock, |app| app.saga_monitor(monitor)).await;
    save(&app, &clock, |what| told.told(what)).await;
    // The retention of a minute, and one more until it is looked at.
    until(&clock, MINUTE, async || told.told("removed") == 3.0).await;
    app.shutdown().await.unwrap();
    let mut told = told.0.lock().unwrap().clone();
    assert!(told.remove("counts").is_some_and(|counts| counts > 1.0));
    let expected = [
        ("attention", 1.0),
        ("begun", 3.0),
        ("delay", 3.0),
        ("effects delivered", 1.0),
        ("effects failed", 1.0),
        ("effects rejected", 1.0),
        ("effects retried", 1.0),
        ("ended aborted", 1.0),
        ("ended compensated", 1.0),
        ("ended completed", 1.0),
        ("fired", 1.0),
        ("handled begun", 3.0),
        ("handled deadline", 1.0),
        ("handled rejected", 1.0),
        ("needing attention", 0.0),
        ("removed", 3.0),
        ("running", 0.0),
    ];
    assert_eq!(told, expected.map(|(what, count)| (what.to_owned(), count)).into());
}

/// The open ones are counted as often as is said, by the node that has the first segment: who gives it up says so.
#[tokio::test]
async fn open_instances_are_counted_by_one_node() {
    let (clock, first, second) = (TestClock::default(), Told::default(), Told::default());
    let store = annals::store::open("memory:").await.unwrap();
    let start = async |name: &'static str, monitor: Told| {
        let app = Annals::builder().without_discovery().opened_store(Arc::clone(&store)).clock(clock.clone());
        let app = app.include::<Wallet>().include::<Saving>().saga_monitor(monitor);
        let app = app.sagas(|all| all.counting = Duration::from_secs(1));
        app.node(|node| node.name = name.into()).start().await.unwrap()
    };
    let one = start("one", first.clone()).await;
    let sagas = one.sagas().of::<Saving>();
    one.send(open("taken", 5)).await.unwrap();
    for (key, wallet) in [("a", "a"), ("b", "taken")] {
        sagas.begin(key, &Saving { wallet: wallet.into(), balance: 1 }).await.unwrap();
    }
    until(&clock, Duration::ZERO, async || first.told("attention") == 1.0).await;
    let two = start("two", second.clone()).await;
    let both = |told: &Told| (told.told("running"), told.told("needing attention"));
    clock.advance(Duration::from_secs(1));
    until(&clock, Duration::ZERO, async || both(&first) == (2.0, 1.0)).await;
    assert_eq!(both(&second), (0.0, 0.0), "the other one does not count");
    two.processors().claim("saga:saving", 0).await.unwrap();
    until(&clock, Duration::ZERO, async || both(&second) == (2.0, 1.0)).await;
    until(&clock, Duration::ZERO, async || both(&first) == (0.0, 0.0)).await;
    one.shutdown().await.unwrap();
    two.shutdown().await.unwrap();
}

/// Keeps what the facade is asked to record, by metric and labels.
#[derive(Clone, Default)]
struct Recorder(Told);

/// One metric of it.
struct Recorded(Told, String);

impl Recorder {
    fn handle(&self, key: &metrics::Key) -> Arc<Recorded> {
        let labels: Vec<&str> = key.labels().map(metrics::Label::value).collect();
        Arc::new(Recorded(self.0.clone(), format!("{} {}", key.name(), labels.join(" "))))
    }
}

#[expect(clippy::cast_precision_loss, reason = "the numbers of a test are small")]
impl metrics::CounterFn for Recorded {
    fn increment(&self, value: u64) {
        self.0.add(&self.1, value as f64);
    }

    fn absolute(&self, value: u64) {
        self.0.add(&self.1, value as f64);
    }
}

impl metrics::GaugeFn for Recorded {
    fn increment(&self, value: f64) {
        self.0.add(&self.1, value);
    }

    fn decrement(&self, value: f64) {
        self.0.add(&self.1, -value);
    }

    fn set(&self, value: f64) {
        let mut recorded = self.0.0.lock().unwrap();
        if self.1 == "annals_sagas_running saving" {
            *recorded.entry("counts".into()).or_default() += 1.0;
        }
        recorded.insert(self.1.clone(), value);
    }
}

impl metrics::HistogramFn for Recorded {
    fn record(&self, value: f64) {
        self.0.add(&self.1, value);
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        self.handle(key).into()
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.handle(key))
    }

    fn register_histogram(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::from_arc(self.handle(key))
    }
}

#[test]
fn the_metrics_facade_gets_counters_gauges_and_delays_by_saga() {
    let (recorder, clock) = (Recorder::default(), TestClock::default());
    let recorded = recorder.0.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let app = savings(&clock, |app| app.saga_monitor(annals::saga::MetricsMonitor::new())).await;
            let told = |what: &str| {
                recorded.told(match what {
                    "counts" => "counts",
                    "attention" => "annals_saga_attention_total saving",
                    "running" => "annals_sagas_running saving",
                    "effects retried" => "annals_saga_effects_total saving retried",
                    "effects delivered" => "annals_saga_effects_total saving delivered",
                    "ended aborted" => "annals_sagas_ended_total saving aborted",
                    "ended compensated" => "annals_sagas_ended_total saving compensated",
                    "ended completed" => "annals_sagas_ended_total saving completed",
                    other => panic!("{other}"),
                })
            };
            save(&app, &clock, told).await;
            until(&clock, MINUTE, async || recorded.told("annals_sagas_removed_total saving") == 3.0).await;
            app.shutdown().await.unwrap();
        });
    });
    let mut recorded = recorded.0.lock().unwrap().clone();
    assert!(recorded.remove("counts").is_some_and(|counts| counts > 1.0));
    let expected = [
        ("annals_saga_attention_total saving", 1.0),
        ("annals_saga_effects_total saving delivered", 1.0),
        ("annals_saga_effects_total saving failed", 1.0),
        ("annals_saga_effects_total saving rejected", 1.0),
        ("annals_saga_effects_total saving retried", 1.0),
        ("annals_saga_inputs_total saving begun", 3.0),
        ("annals_saga_inputs_total saving deadline", 1.0),
        ("annals_saga_inputs_total saving rejected", 1.0),
        ("annals_saga_timer_delay_seconds saving", 3.0),
        ("annals_saga_timers_fired_total saving", 1.0),
        ("annals_sagas_begun_total saving", 3.0),
        ("annals_sagas_ended_total saving aborted", 1.0),
        ("annals_sagas_ended_total saving compensated", 1.0),
        ("annals_sagas_ended_total saving completed", 1.0),
        ("annals_sagas_needing_attention saving", 0.0),
        ("annals_sagas_removed_total saving", 3.0),
        ("annals_sagas_running saving", 0.0),
    ];
    assert_eq!(recorded, expected.map(|(what, count)| (what.to_owned(), count)).into());
}
