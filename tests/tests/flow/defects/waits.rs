//! Who waits for a view waits once, for what was named, and not for ever.

use std::time::{Duration, Instant};

use annals::prelude::*;
use annals::view::{SeenError, ViewError};

use crate::given::Lasting;
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
    const PATIENCE: Duration = Duration::from_secs(2);
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
        let late = late.patience(PATIENCE).await.unwrap_err();
        let took = begun.elapsed();
        assert!(matches!(&late, SeenError::Unseen { source: ViewError::Stale { view: "sums", .. }, .. }), "{late}");
        assert!(took >= PATIENCE && took < 2 * PATIENCE, "{took:?}");

        // What the first one has used up the second one does not get again.
        let begun = Instant::now();
        let late = app.send(command()).seen_in(&app.view::<Sums>()).seen_in(&app.view::<Touched>());
        let resumed = async {
            tokio::time::sleep(PATIENCE * 3 / 4).await;
            app.processors().resume("view:sums@1").await.unwrap();
        };
        let (late, ()) = tokio::join!(late.patience(PATIENCE).into_future(), resumed);
        let (late, took) = (late.unwrap_err(), begun.elapsed());
        assert!(matches!(&late, SeenError::Unseen { source: ViewError::Stale { view: "touched", .. }, .. }), "{late}");
        assert!(took >= PATIENCE && took < PATIENCE * 3 / 2, "{took:?}");
        app.shutdown().await.unwrap();
    }
}
