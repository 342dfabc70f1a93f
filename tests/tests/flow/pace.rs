//! The status tells how fast a processor is, and in what time it is at the end of its way.

use std::time::Duration;

use annals::Annals;
use annals::app::Builder;
use annals::message::Position;
use annals::prelude::*;
use annals::processor::{ErrorPolicy, OnError, ProcessorStatus};
use annals::testing::TestClock;
use tokio::sync::watch;

use crate::given::{Faults, Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// Counts on up to an amount that can be raised.
#[derive(Clone)]
struct Paced {
    up_to: watch::Sender<i64>,
    faults: Faults,
}

impl Paced {
    fn up_to(amount: i64) -> Self {
        Self { up_to: watch::Sender::new(amount), faults: Faults::default() }
    }
}

#[event_handlers(processor = "paced")]
impl Paced {
    #[handle]
    async fn counted(&self, event: &Counted) -> Result<(), HandlerError> {
        let _ = self.up_to.subscribe().wait_for(|up_to| event.amount <= *up_to).await;
        if self.faults.strike(&event.amount.to_string()) {
            return Err(HandlerError::new("told to fail"));
        }
        Ok(())
    }
}

/// A processor of one segment that handles four events at a time.
fn paced(paced: &Paced, clock: &TestClock) -> Builder {
    let builder = tallies().include::<Paced>().resource(paced.clone()).clock(clock.clone());
    builder.processors(|all| {
        (all.batch, all.segments, all.on_error) = (4, 1, ErrorPolicy::always(OnError::Stop));
    })
}

async fn status(app: &Annals) -> ProcessorStatus {
    app.processors().status().await.unwrap().remove(0)
}

/// Ten events that were there before the processor.
async fn with_history(lasting: &Lasting) {
    let app = lasting.start(tallies()).await;
    for amount in 1..=10 {
        count(&app, "t", amount).await;
    }
    app.shutdown().await.unwrap();
}

/// Waits until the status says this. What was done is counted a moment after it is stored.
async fn told(app: &Annals, position: u64, rate: Option<f64>, remaining: Option<Duration>) -> ProcessorStatus {
    let expected = (Position::new(position), rate, remaining);
    let told = |status: &ProcessorStatus| (status.position, status.rate, status.remaining) == expected;
    eventually(&format!("{expected:?}"), async || Some(status(app).await).filter(told)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_is_an_average_of_late_and_tells_what_remains() {
    for lasting in Lasting::each() {
        with_history(&lasting).await;
        let (clock, pace) = (TestClock::default(), Paced::up_to(4));
        let app = lasting.start(paced(&pace, &clock)).await;
        let four = told(&app, 4, Some(4.0), Some(Duration::from_millis(1_500))).await;
        assert!((four.done() - 0.4).abs() < 1e-9);
        let waits = async || (pace.up_to.receiver_count() > 0).then_some(());
        eventually("the next page is begun", waits).await;
        clock.advance(Duration::from_secs(4));
        let later = status(&app).await;
        assert_eq!((later.rate, later.remaining), (Some(1.0), Some(Duration::from_secs(6))));
        clock.advance(Duration::from_secs(7));
        let idle = status(&app).await;
        assert_eq!((idle.rate, idle.remaining), (Some(0.0), None), "nothing moves");

        pace.up_to.send_replace(i64::MAX);
        app.settled(PATIENCE).await.unwrap();
        // The six that are done now were begun eleven seconds ago.
        told(&app, 10, Some(0.6), Some(Duration::ZERO)).await;
        app.processors().stop("paced").unwrap();
        let stopped = async || Some(status(&app).await).filter(|status| !status.runs_here);
        let stopped = eventually("nobody works on it here", stopped).await;
        assert_eq!((stopped.rate, stopped.remaining), (None, None));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stops_before_an_event_remains_for_a_time_that_nobody_knows() {
    for lasting in Lasting::each() {
        with_history(&lasting).await;
        let (clock, pace) = (TestClock::default(), Paced::up_to(i64::MAX));
        pace.faults.fail("8", u32::MAX);
        let app = lasting.start(paced(&pace, &clock)).await;
        let stopped = told(&app, 7, Some(7.0), None).await;
        assert!(stopped.segments[0].failure.is_some());
        pace.faults.heal("8");
        app.settled(PATIENCE).await.unwrap();
        told(&app, 10, Some(10.0), Some(Duration::ZERO)).await;
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_tells_what_it_has_handled_itself() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let builder = || tallies().include::<Sums>().clock(clock.clone());
        let (one, two) = (lasting.start(builder()).await, lasting.start(builder()).await);
        let half = |status: &ProcessorStatus| status.segments.iter().filter(|segment| segment.here).count() == 8;
        let shared = async || (half(&status(&one).await) && half(&status(&two).await)).then_some(());
        eventually("they share", shared).await;
        for number in 0..40 {
            count(&one, &format!("t{number}"), 1).await;
        }
        one.settled(PATIENCE).await.unwrap();
        let counted = async || {
            let (first, second) = (status(&one).await.rate.unwrap(), status(&two).await.rate.unwrap());
            (first + second > 39.9).then_some((first, second))
        };
        let (first, second) = eventually("all are counted", counted).await;
        assert!(first > 0.0 && second > 0.0 && (first + second - 40.0).abs() < 1e-9, "{first} and {second}");
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    }
}
