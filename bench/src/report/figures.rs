//! The figures of one subject: of a round, or of all its rounds together.

use crate::measure::{Sample, median};

/// The figures of a round, or of several.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    /// Operations per second.
    pub(crate) per_second: f64,
    /// Latency that half of the operations do not exceed, in microseconds.
    pub(crate) p50_us: f64,
    /// Latency that 99 of 100 operations do not exceed, in microseconds.
    pub(crate) p99_us: f64,
    /// What only some workloads have.
    pub(crate) extra: Vec<Extra>,
}

/// A figure that only some workloads have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extra {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    merge: Merge,
}

/// How the figures of several rounds become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// The middle one.
    Median,
    /// All together, for what should not happen at all.
    Sum,
}

impl Figures {
    /// The median of each figure over several rounds.
    pub(crate) fn merged(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        let names = rounds.first().map_or(&[][..], |round| &round.extra);
        let extra = names.iter().enumerate().map(|(place, extra)| {
            let values = rounds.iter().filter_map(|round| round.extra.get(place)).map(|extra| extra.value);
            let value = match extra.merge {
                Merge::Median => median(values.collect()),
                Merge::Sum => values.sum(),
            };
            Extra { value, ..*extra }
        });
        Self {
            per_second: of(|f| f.per_second),
            p50_us: of(|f| f.p50_us),
            p99_us: of(|f| f.p99_us),
            extra: extra.collect(),
        }
    }

    /// The same with one more figure.
    pub(crate) fn with(mut self, name: &'static str, value: f64, merge: Merge) -> Self {
        self.extra.push(Extra { name, value, merge });
        self
    }

    /// The same where each operation counts as `units`: a replay of so many events, say.
    pub(crate) fn times(mut self, units: u64) -> Self {
        self.per_second *= units as f64;
        self
    }
}

impl From<&Sample> for Figures {
    fn from(sample: &Sample) -> Self {
        Self {
            per_second: sample.per_second(),
            p50_us: sample.quantile_us(0.50),
            p99_us: sample.quantile_us(0.99),
            extra: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(per_second: f64, lost: f64) -> Figures {
        Figures { per_second, p50_us: 1.0, p99_us: 2.0, extra: Vec::new() }.with("lost", lost, Merge::Sum)
    }

    #[test]
    fn rounds_become_medians_and_faults_add_up() {
        let merged = Figures::merged(&[round(10.0, 1.0), round(30.0, 0.0), round(20.0, 2.0)]);
        assert_eq!(merged, round(20.0, 3.0));
    }
}
