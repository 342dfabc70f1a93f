//! Metrics of commands, for every exporter of the `metrics` facade.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use metrics::{Counter, Gauge, Histogram};

use super::monitor::{CommandMonitor, CommandOutcome};

/// Reports what becomes of commands to the `metrics` facade. Give it to the builder when a recorder is installed.
///
/// | metric | kind | labels |
/// |---|---|---|
/// | `annals_commands_under_way` | gauge | `command` |
/// | `annals_commands_total` | counter | `command`, `outcome` (`done`, `repeated`, `rejected`, `busy`, `conflict`, `failed`, `dropped`) |
/// | `annals_command_seconds` | histogram | `command`, `outcome` |
/// | `annals_command_wait_seconds` | histogram | `command` |
/// | `annals_command_retries_total` | counter | `command` |
/// | `annals_command_conflicts_total` | counter | `command` |
///
/// ```
/// use annals::Annals;
/// use annals::command::MetricsMonitor;
///
/// let builder = Annals::builder().command_monitor(MetricsMonitor::new());
/// ```
#[derive(Default)]
pub struct MetricsMonitor {
    /// Handles are looked up once: a look-up in the recorder costs more than all else here.
    ended: Known<(&'static str, CommandOutcome), (Counter, Histogram)>,
    under_way: Known<&'static str, Gauge>,
    waits: Known<&'static str, Histogram>,
    retries: Known<&'static str, Counter>,
    conflicts: Known<&'static str, Counter>,
}

/// The handles that were looked up so far.
pub(crate) struct Known<K, H>(RwLock<HashMap<K, H, RandomState>>);

impl<K, H> Default for Known<K, H> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Copy + Eq + std::hash::Hash, H> Known<K, H> {
    pub(crate) fn with(&self, key: K, register: impl FnOnce() -> H, record: impl FnOnce(&H)) {
        if let Some(handle) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return record(handle);
        }
        record(self.0.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(register));
    }
}

impl MetricsMonitor {
    /// Reports to the recorder that is installed in the process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn under_way(&self, command: &'static str, change: impl FnOnce(&Gauge)) {
        self.under_way.with(command, || metrics::gauge!("annals_commands_under_way", "command" => command), change);
    }
}

impl CommandMonitor for MetricsMonitor {
    fn begun(&self, command: &'static str) {
        self.under_way(command, |gauge| gauge.increment(1));
    }

    fn ended(&self, command: &'static str, outcome: CommandOutcome, took: Duration) {
        self.under_way(command, |gauge| gauge.decrement(1));
        let register = || {
            let word = outcome.as_str();
            let count = metrics::counter!("annals_commands_total", "command" => command, "outcome" => word);
            let time = metrics::histogram!("annals_command_seconds", "command" => command, "outcome" => word);
            (count, time)
        };
        self.ended.with((command, outcome), register, |(count, time)| {
            count.increment(1);
            time.record(took);
        });
    }

    fn waited(&self, command: &'static str, waited: Duration) {
        let register = || metrics::histogram!("annals_command_wait_seconds", "command" => command);
        self.waits.with(command, register, |time| time.record(waited));
    }

    fn retried(&self, command: &'static str) {
        let register = || metrics::counter!("annals_command_retries_total", "command" => command);
        self.retries.with(command, register, |count| count.increment(1));
    }

    fn conflicted(&self, command: &'static str) {
        let register = || metrics::counter!("annals_command_conflicts_total", "command" => command);
        self.conflicts.with(command, register, |count| count.increment(1));
    }
}

impl std::fmt::Debug for MetricsMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MetricsMonitor")
    }
}
