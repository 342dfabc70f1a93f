//! Who waits for a view waits once, for what was named, and not for ever; who looks on changes nothing.

use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use annals::Annals;
use annals::message::{Position, Recorded};
use annals::prelude::*;
use annals::view::{SeenError, ViewError};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use crate::given::{Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// Another view beside the sums.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "touched", key = String)]
struct Touched {
    times: u32,
}

#[view_handlers]
impl Touched {
    #[handle(key = group)]
    fn counted(&mut self, _event: &Counted) {
        self.times += 1;
    }
}

/// Each thing that is waited for has a time of its own, and nobody knows how long all of it takes; or one that was not asked for
/// holds the answer up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_patience_is_for_all_views_that_are_named_and_for_no_other() {
    const AT_MOST: Duration = Duration::from_secs(2);
    for lasting in Lasting::each().into_iter().take(1) {
        let app = lasting.start(tallies().include::<Sums>().include::<Touched>().include::<LiveSums>()).await;
        for view in ["view:sums@1", "view:touched@1"] {
            app.processors().pause(view).await.unwrap();
        }
        let command = || Count { tally: "t".into(), group: "t".into(), amount: 1 };
        // Views that are behind are not waited for where nobody names them.
        app.send(command()).seen_in(&app.view::<LiveSums>()).await.unwrap();
        let begun = Instant::now();
        let late = app.send(command()).seen_in(&app.view::<Sums>()).seen_in(&app.view::<Touched>());
        let late = late.patience(AT_MOST).await.unwrap_err();
        let took = begun.elapsed();
        assert!(matches!(&late, SeenError::Unseen { source: ViewError::Stale { view: "sums", .. }, .. }), "{late}");
        assert!(took >= AT_MOST && took < 2 * AT_MOST, "{took:?}");

        // What the first one has used up the second one does not get again.
        let begun = Instant::now();
        let late = app.send(command()).seen_in(&app.view::<Sums>()).seen_in(&app.view::<Touched>());
        let resumed = async {
            // So late that most of the patience is used up.
            tokio::time::sleep(AT_MOST * 3 / 4).await;
            app.processors().resume("view:sums@1").await.unwrap();
        };
        let (late, ()) = tokio::join!(late.patience(AT_MOST).into_future(), resumed);
        let (late, took) = (late.unwrap_err(), begun.elapsed());
        assert!(matches!(&late, SeenError::Unseen { source: ViewError::Stale { view: "touched", .. }, .. }), "{late}");
        assert!(took >= AT_MOST && took < AT_MOST * 3 / 2, "{took:?}");
        app.shutdown().await.unwrap();
    }
}

/// Waits for a view in the middle of a transaction, in which on some databases nobody else writes.
#[derive(Clone, Default)]
struct Impatient(Arc<Mutex<Vec<i64>>>);

#[event_handlers(processor = "impatient")]
impl Impatient {
    #[handle]
    async fn counted(&self, event: &Counted, recorded: Recorded, sums: Views<Sums>) -> Result<(), HandlerError> {
        sums.wait_until(recorded.position, Duration::from_millis(100)).await?;
        self.0.lock().unwrap().push(event.amount);
        Ok(())
    }
}

/// A handler waits for what cannot happen before it has ended, and both stand still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_waits_for_a_view_holds_it_up_no_longer_than_it_says() {
    for lasting in Lasting::each() {
        let impatient = Impatient::default();
        let builder = tallies().include::<Impatient>().include::<Sums>().resource(impatient.clone());
        let builder = builder.processors(|all| {
            (all.batch, all.attempts, all.handler_time) = (1, u32::MAX, Duration::from_secs(3600));
        });
        let app = lasting.start(builder).await;
        for amount in 1..=3 {
            count(&app, "t", amount).await;
        }
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(*impatient.0.lock().unwrap(), [1, 2, 3]);
        assert_eq!(app.view::<Sums>().get(&"t".to_owned()).await.unwrap(), Some(Sums { total: 6, times: 3 }));
        app.shutdown().await.unwrap();
    }
}

/// Programs that watch over processors keep the database busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_looks_at_processors_writes_nothing() {
    let file = Lasting::file();
    // Longer than the test: the node does not renew its time meanwhile.
    let builder = tallies().include::<Sums>().node(|node| node.lease = Duration::from_secs(3600));
    let app: Annals = file.start(builder).await;
    count(&app, "t", 1).await;
    app.settled(PATIENCE).await.unwrap();
    let stored = async || {
        let rows = app.journal().store().segments_of("", "view:sums@1").await.unwrap();
        rows.iter().all(|row| row.position == Position::new(1)).then_some(())
    };
    eventually("all tokens are stored", stored).await;
    let mut outside = SqliteConnectOptions::from_str(&file.url()).unwrap().connect().await.unwrap();
    // Another number whenever another connection has written.
    let mut version =
        async || -> i64 { sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut outside).await.unwrap() };
    let before = version().await;
    for _ in 0..50 {
        app.processors().status().await.unwrap();
        assert!(app.processors().health(Duration::from_secs(1)).await.unwrap().is_good());
        app.view::<Sums>().versions().await.unwrap();
    }
    assert_eq!(version().await, before);
    count(&app, "t", 1).await;
    assert_ne!(version().await, before, "it would have been seen");
    app.shutdown().await.unwrap();
}
