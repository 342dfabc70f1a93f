//! Metrics of sagas and their timers, for every exporter of the `metrics` facade.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use crate::command::Known;
use crate::store::SagaStatus;

use super::monitor::{EffectOutcome, InputKind, OpenInstances, SagaMonitor};

/// Reports what becomes of sagas and workflows to the `metrics` facade. Give it to the builder when a recorder is installed.
///
/// | metric | kind | labels |
/// |---|---|---|
/// | `annals_sagas_begun_total` | counter | `saga` |
/// | `annals_sagas_ended_total` | counter | `saga`, `outcome` (`completed`, `compensated`, `aborted`) |
/// | `annals_sagas_removed_total` | counter | `saga` |
/// | `annals_sagas_running` | gauge | `saga` |
/// | `annals_sagas_needing_attention` | gauge | `saga` |
/// | `annals_saga_attention_total` | counter | `saga` |
/// | `annals_saga_inputs_total` | counter | `saga`, `input` (`begun`, `event`, `accepted`, `rejected`, `ended`, `deadline`, `intervention`) |
/// | `annals_saga_effects_total` | counter | `saga`, `outcome` (`delivered`, `rejected`, `retried`, `failed`) |
/// | `annals_saga_timers_fired_total` | counter | `saga` |
/// | `annals_saga_timer_delay_seconds` | histogram | `saga` |
///
/// A timer's delay is the time from its instant to the transaction in which it was fired, by the clock of the application. The gauges are set each time that
/// instances are counted ([`SagaConfig::counting`](super::SagaConfig::counting)), by the node that has the first segment of the
/// saga, and to 0 when that node gives it up: their sum over the nodes is the count.
///
/// ```
/// use annals::Annals;
/// use annals::saga::MetricsMonitor;
///
/// let builder = Annals::builder().saga_monitor(MetricsMonitor::new());
/// ```
#[derive(Default)]
pub struct MetricsMonitor {
    begun: Known<&'static str, Counter>,
    ended: Known<(&'static str, SagaStatus), Counter>,
    removed: Known<&'static str, Counter>,
    open: Known<&'static str, (Gauge, Gauge)>,
    attention: Known<&'static str, Counter>,
    inputs: Known<(&'static str, InputKind), Counter>,
    effects: Known<(&'static str, EffectOutcome), Counter>,
    fired: Known<&'static str, (Counter, Histogram)>,
}

impl MetricsMonitor {
    /// Reports to the recorder that is installed in the process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl SagaMonitor for MetricsMonitor {
    fn begun(&self, saga: &'static str, instances: u64) {
        let register = || metrics::counter!("annals_sagas_begun_total", "saga" => saga);
        self.begun.with(saga, register, |count| count.increment(instances));
    }

    fn ended(&self, saga: &'static str, how: SagaStatus, instances: u64) {
        let outcome = match how {
            SagaStatus::Completed => "completed",
            SagaStatus::Compensated => "compensated",
            SagaStatus::Aborted => "aborted",
            // One that runs has not ended.
            SagaStatus::Running => return,
        };
        let register = || metrics::counter!("annals_sagas_ended_total", "saga" => saga, "outcome" => outcome);
        self.ended.with((saga, how), register, |count| count.increment(instances));
    }

    fn handled(&self, saga: &'static str, kind: InputKind, inputs: u64) {
        let register = || metrics::counter!("annals_saga_inputs_total", "saga" => saga, "input" => kind.as_str());
        self.inputs.with((saga, kind), register, |count| count.increment(inputs));
    }

    fn effects(&self, saga: &'static str, outcome: EffectOutcome, attempts: u64) {
        let word = outcome.as_str();
        let register = || metrics::counter!("annals_saga_effects_total", "saga" => saga, "outcome" => word);
        self.effects.with((saga, outcome), register, |count| count.increment(attempts));
    }

    fn attention(&self, saga: &'static str, instances: u64) {
        let register = || metrics::counter!("annals_saga_attention_total", "saga" => saga);
        self.attention.with(saga, register, |count| count.increment(instances));
    }

    fn fired(&self, saga: &'static str, delay: Duration) {
        let register = || {
            let count = metrics::counter!("annals_saga_timers_fired_total", "saga" => saga);
            (count, metrics::histogram!("annals_saga_timer_delay_seconds", "saga" => saga))
        };
        self.fired.with(saga, register, |(count, delays)| {
            count.increment(1);
            delays.record(delay);
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a floating-point number")]
    fn counted(&self, saga: &'static str, open: OpenInstances) {
        let register = || {
            let running = metrics::gauge!("annals_sagas_running", "saga" => saga);
            (running, metrics::gauge!("annals_sagas_needing_attention", "saga" => saga))
        };
        self.open.with(saga, register, |(running, attention)| {
            running.set(open.running as f64);
            attention.set(open.attention as f64);
        });
    }

    fn removed(&self, saga: &'static str, instances: u64) {
        let register = || metrics::counter!("annals_sagas_removed_total", "saga" => saga);
        self.removed.with(saga, register, |count| count.increment(instances));
    }
}

impl std::fmt::Debug for MetricsMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("saga::MetricsMonitor")
    }
}
