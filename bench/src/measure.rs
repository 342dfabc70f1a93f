//! Drives an operation with many clients at once for a while, and takes the time of each.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Error;

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Clients at the same time, each waiting for its answer before it goes on.
    pub(crate) clients: u32,
    /// No operation is begun after this time.
    pub(crate) span: Duration,
}

/// One operation of one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// The client, from 0.
    pub(crate) client: u32,
    /// The operation, from 0, over all clients.
    pub(crate) number: u32,
}

/// What a measurement took.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// From the first operation's beginning to the last one's end.
    pub(crate) elapsed: Duration,
    /// One for each operation, ascending.
    latencies: Vec<Duration>,
}

impl Sample {
    pub(crate) fn new(elapsed: Duration, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self { elapsed, latencies }
    }

    /// The same operations over another time.
    pub(crate) fn again(elapsed: Duration, other: Self) -> Self {
        Self { elapsed, ..other }
    }

    /// How many operations were timed.
    pub(crate) fn operations(&self) -> u64 {
        self.latencies.len() as u64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The smallest latency in microseconds that `share` of the operations do not exceed.
    pub(crate) fn quantile_us(&self, share: f64) -> f64 {
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }
}

/// Has each client do `operation` again and again until the time is over. At least one operation is done by each.
pub(crate) async fn drive<O, F>(load: Load, operation: O) -> Result<Sample, Error>
where
    O: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send,
{
    let operation = Arc::new(operation);
    let next = Arc::new(AtomicU32::new(0));
    let mut clients = JoinSet::new();
    let started = Instant::now();
    for client in 0..load.clients {
        let (operation, next) = (Arc::clone(&operation), Arc::clone(&next));
        clients.spawn(async move {
            let mut latencies = Vec::with_capacity(1024);
            loop {
                let call = Call { client, number: next.fetch_add(1, Ordering::Relaxed) };
                let begun = Instant::now();
                operation(call).await?;
                let ended = Instant::now();
                latencies.push(ended - begun);
                if ended - started >= load.span {
                    return Ok::<_, Error>(latencies);
                }
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    Ok(Sample::new(started.elapsed(), latencies))
}

/// Does `operation` once for each item, by so many clients at a time.
pub(crate) async fn each<T, O, F>(clients: usize, items: impl Iterator<Item = T>, operation: O) -> Result<(), Error>
where
    O: Fn(T) -> F,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for item in items {
        running.spawn(operation(item));
        if running.len() >= clients {
            running.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

/// The middle value; the mean of the two middle ones where their number is even.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
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
        let sample = Sample::new(Duration::from_secs(2), (1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(sample.per_second(), 100.0);
        assert_eq!((sample.quantile_us(0.50), sample.quantile_us(0.99)), (100_000.0, 198_000.0));
    }

    #[tokio::test]
    async fn every_client_takes_part_and_every_operation_is_counted() {
        let load = Load { clients: 5, span: Duration::ZERO };
        let sample = drive(load, |_| async { Ok(()) }).await.expect("nothing fails");
        assert_eq!(sample.operations(), 5);
    }

    #[tokio::test]
    async fn an_operation_that_fails_ends_the_measurement() {
        let load = Load { clients: 2, span: Duration::from_secs(60) };
        let operation = |call: Call| async move {
            tokio::task::yield_now().await;
            if call.number == 7 { Err("no".into()) } else { Ok(()) }
        };
        let outcome = drive(load, operation).await;
        assert_eq!(outcome.expect_err("the seventh fails").to_string(), "no");
    }
}
