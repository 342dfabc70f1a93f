//! What was measured, and what came of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::figures::Figures;
use crate::database::Database;
use crate::measure::median;
use crate::subject::Subject;

/// One thing that all subjects do.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Case {
    pub(crate) workload: &'static str,
    pub(crate) database: Database,
    /// Clients at the same time.
    pub(crate) clients: u32,
    /// What else tells it from other cases, such as the events of one append.
    #[serde(flatten)]
    pub(crate) parameters: BTreeMap<&'static str, u64>,
}

impl Case {
    pub(crate) fn new(workload: &'static str, database: Database, clients: u32) -> Self {
        Self { workload, database, clients, parameters: BTreeMap::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<u64>) -> Self {
        self.parameters.insert(name, value.into());
        self
    }

    /// The parameters in words.
    pub(crate) fn detail(&self) -> String {
        let parameters = self.parameters.iter().map(|(name, value)| format!("{name} {value}"));
        parameters.collect::<Vec<_>>().join(", ")
    }
}

/// One subject in one case: an object of the file.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) case: Case,
    pub(crate) subject: Subject,
    /// Median of the rounds.
    pub(crate) ops_per_second: f64,
    /// Latency of one operation, median of the rounds.
    pub(crate) p50_us: f64,
    /// Latency of one operation, median of the rounds.
    pub(crate) p99_us: f64,
    /// Only for the framework: median of the ratios within each round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_to_plain: Option<f64>,
    /// Only for the framework: median of the ratios within each round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_to_batched: Option<f64>,
    /// Figures that only some workloads have.
    #[serde(flatten)]
    pub(crate) extra: BTreeMap<&'static str, f64>,
    /// Operations per second of each round.
    pub(crate) rounds: Vec<f64>,
    /// What plain SQL came to its connections by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access: Option<String>,
    /// Where it was measured.
    pub(crate) machine: String,
}

impl Row {
    /// The rows of one case, from the figures of each subject's rounds.
    pub(crate) fn of(
        case: &Case,
        measured: &[(Subject, Vec<Figures>)],
        access: Option<&str>,
        machine: &str,
    ) -> Vec<Self> {
        let rates = |subject: Subject| {
            let rounds = measured.iter().find(|(measured, _)| *measured == subject).map(|(_, rounds)| rounds);
            rounds.map(|rounds| rounds.iter().map(|round| round.per_second).collect::<Vec<_>>())
        };
        let row = |(subject, rounds): &(Subject, Vec<Figures>)| {
            let merged = Figures::merged(rounds);
            let own: Vec<_> = rounds.iter().map(|round| round.per_second).collect();
            let ratio =
                |other| (*subject == Subject::Annals).then(|| rates(other)).flatten().map(|other| ratio(&own, &other));
            Self {
                case: case.clone(),
                subject: *subject,
                ops_per_second: merged.per_second,
                p50_us: merged.p50_us,
                p99_us: merged.p99_us,
                ratio_to_plain: ratio(Subject::Plain),
                ratio_to_batched: ratio(Subject::Batched),
                extra: merged.extra.iter().map(|extra| (extra.name, extra.value)).collect(),
                access: access.filter(|_| *subject == Subject::Plain).map(str::to_owned),
                rounds: own,
                machine: machine.to_owned(),
            }
        };
        measured.iter().map(row).collect()
    }
}

/// The median of the ratios within each round: what slowed one round down slowed both sides.
pub(crate) fn ratio(one: &[f64], other: &[f64]) -> f64 {
    median(one.iter().zip(other).map(|(one, other)| one / other).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rates: &[f64]) -> Vec<Figures> {
        let figures = |rate: &f64| Figures { per_second: *rate, p50_us: 1.0, p99_us: 2.0, extra: Vec::new() };
        rates.iter().map(figures).collect()
    }

    #[test]
    fn ratios_are_taken_within_rounds_and_stand_on_the_rows_of_the_framework() {
        let measured = [
            (Subject::Annals, figures(&[40.0, 90.0, 60.0])),
            (Subject::Plain, figures(&[10.0, 30.0, 10.0])),
            (Subject::Batched, figures(&[40.0, 45.0, 60.0])),
        ];
        let case = Case::new("append", Database::Sqlite, 64).with("batch", 10_u64);
        let rows = Row::of(&case, &measured, Some("one connection"), "here");
        assert_eq!((rows[0].ratio_to_plain, rows[0].ratio_to_batched), (Some(4.0), Some(1.0)));
        assert_eq!((rows[1].ratio_to_plain, rows[2].ratio_to_batched), (None, None));

        let json = serde_json::to_value(&rows[0]).expect("a row is plain data");
        assert_eq!(json["workload"], "append");
        assert_eq!(json["database"], "sqlite");
        assert_eq!(json["subject"], "annals");
        assert_eq!(json["clients"], 64);
        assert_eq!(json["batch"], 10);
        assert_eq!(json["ops_per_second"], 60.0);
    }
}
