//! Drives a subject with many clients at once and takes the time of each command.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

use crate::Error;
use crate::workload::{Deposit, Workload};

/// Something that executes deposits durably.
pub(crate) trait Subject: Send + Sync + 'static {
    /// Executes one deposit; it is on the disk when this returns.
    fn deposit(&self, deposit: Deposit) -> impl Future<Output = Result<(), Error>> + Send;

    /// Closes the database and tells how many events it holds.
    async fn finish(self) -> Result<u64, Error>;
}

/// What one round of one subject took.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    elapsed: Duration,
    /// One for each command, ascending.
    latencies: Vec<Duration>,
}

/// Sends the whole workload; gives the subject back, to be finished outside the measured time.
pub(crate) async fn measure<S: Subject>(subject: S, workload: Workload) -> Result<(S, Sample), Error> {
    let subject = Arc::new(subject);
    warm_up(&subject, workload).await?;
    let next = Arc::new(AtomicU32::new(0));
    let mut clients = JoinSet::new();
    let started = Instant::now();
    for _ in 0..workload.clients {
        clients.spawn(client(Arc::clone(&subject), workload, Arc::clone(&next)));
    }
    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    let subject = Arc::into_inner(subject).ok_or("a client still holds the subject")?;
    Ok((subject, Sample { elapsed, latencies }))
}

async fn warm_up<S: Subject>(subject: &Arc<S>, workload: Workload) -> Result<(), Error> {
    let mut deposits = JoinSet::new();
    for deposit in workload.warm_up() {
        let subject = Arc::clone(subject);
        deposits.spawn(async move { subject.deposit(deposit).await });
        if deposits.len() >= workload.clients as usize {
            deposits.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = deposits.join_next().await {
        done??;
    }
    Ok(())
}

/// Takes the next command until none is left.
async fn client<S: Subject>(subject: Arc<S>, workload: Workload, next: Arc<AtomicU32>) -> Result<Vec<Duration>, Error> {
    let mut latencies = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= workload.commands {
            return Ok(latencies);
        }
        let deposit = workload.deposit(number);
        let sent = Instant::now();
        subject.deposit(deposit).await?;
        latencies.push(sent.elapsed());
    }
}

/// The figures of a round, or the medians of several.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Commands per second.
    pub(crate) per_second: f64,
    /// Latency that half of the commands stay below, in milliseconds.
    pub(crate) p50_ms: f64,
    /// Latency that 99 of 100 commands stay below, in milliseconds.
    pub(crate) p99_ms: f64,
}

impl Sample {
    pub(crate) fn figures(&self) -> Figures {
        Figures { per_second: self.per_second(), p50_ms: self.quantile_ms(0.50), p99_ms: self.quantile_ms(0.99) }
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// How many commands were timed.
    #[cfg(test)]
    pub(crate) fn latencies(&self) -> usize {
        self.latencies.len()
    }

    /// The smallest latency that `share` of the commands do not exceed.
    fn quantile_ms(&self, share: f64) -> f64 {
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }
}

impl Figures {
    /// The median of each figure over several rounds.
    pub(crate) fn medians(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        Self { per_second: of(|f| f.per_second), p50_ms: of(|f| f.p50_ms), p99_ms: of(|f| f.p99_ms) }
    }
}

/// The middle value; the mean of the two middle ones where their number is even.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    match (values.len() % 2, values.get(upper)) {
        (_, None) => 0.0,
        (1, Some(middle)) => *middle,
        (_, Some(above)) => (values[upper - 1] + above) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 9.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), 3.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn quantiles_are_latencies_that_occurred() {
        let latencies = (1..=200).map(Duration::from_millis).collect();
        let sample = Sample { elapsed: Duration::from_secs(2), latencies };
        assert_eq!(sample.figures(), Figures { per_second: 100.0, p50_ms: 100.0, p99_ms: 198.0 });
    }
}
