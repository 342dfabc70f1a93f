//! Reading documents: in pages, by waiting for them, and by following them.

use std::time::Duration;

use annals::Annals;
use annals::message::Position;
use annals::view::{ViewError, ViewHandlers};
use futures_util::StreamExt;

use crate::given::PATIENCE;
use crate::tallies::*;

const STORES: [&str; 2] = ["memory:", "sqlite::memory:"];

async fn keys<V: ViewHandlers>(app: &Annals, after: Option<&str>, limit: usize) -> Vec<String> {
    let page = app.view::<V>().list(after, limit).await.unwrap();
    page.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn documents_are_listed_in_pages_in_the_order_of_their_keys() {
    for url in STORES {
        let app = tallies().include::<Sums>().include::<InlineSums>().include::<LiveSums>();
        let app = app.store(url).start().await.unwrap();
        for number in [4, 2, 5, 1, 3] {
            count(&app, &format!("t{number}"), 1).await;
        }
        app.settled(PATIENCE).await.unwrap();
        for (after, page) in [(None, vec!["t1", "t2"]), (Some("t2"), vec!["t3", "t4"]), (Some("t4"), vec!["t5"])] {
            assert_eq!(keys::<Sums>(&app, after, 2).await, page, "asynchronous, {url}");
            assert_eq!(keys::<InlineSums>(&app, after, 2).await, page, "inline, {url}");
            assert_eq!(keys::<LiveSums>(&app, after, 2).await, page, "live, {url}");
        }
        // The key after which a page begins need not be there.
        assert_eq!(keys::<Sums>(&app, Some("t33"), 9).await, ["t4", "t5"], "{url}");
        assert!(keys::<Sums>(&app, Some("t5"), 9).await.is_empty(), "{url}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_document_can_be_waited_for() {
    for url in STORES {
        let app = tallies().include::<Sums>().store(url).start().await.unwrap();
        let view = app.view::<Sums>();
        let key = "t".to_owned();
        let waiting = view.wait_for(&key, PATIENCE, |sum| sum.is_some_and(|sum| sum.total >= 6));
        let counting = async {
            for _ in 0..3 {
                count(&app, "t", 2).await;
            }
        };
        let (found, ()) = tokio::join!(waiting, counting);
        assert_eq!(found.unwrap(), Some(Sums { total: 6, times: 3 }), "{url}");
        // That there is none can be waited for too.
        app.send(Clear { tally: "t".into(), group: "t".into() }).await.unwrap();
        assert_eq!(view.wait_for(&key, PATIENCE, |sum| sum.is_none()).await.unwrap(), None);
        let late = view.wait_for(&key, Duration::from_millis(30), |sum| sum.is_some()).await;
        assert!(matches!(late, Err(ViewError::Timeout { key, .. }) if key == "t"), "{url}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_document_can_be_followed() {
    for url in STORES {
        let app = tallies().include::<Sums>().store(url).start().await.unwrap();
        let mut changes = std::pin::pin!(app.view::<Sums>().changes(&"t".to_owned()));
        assert_eq!(changes.next().await.unwrap().unwrap(), None, "as it is now, {url}");
        for times in 1..=3 {
            count(&app, "other", 1).await;
            count(&app, "t", 1).await;
            let seen = changes.next().await.unwrap().unwrap();
            assert_eq!(seen, Some(Sums { total: i64::from(times), times }), "only its own changes, {url}");
        }
        app.send(Clear { tally: "t".into(), group: "t".into() }).await.unwrap();
        assert_eq!(changes.next().await.unwrap().unwrap(), None, "{url}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_view_can_be_read_after_a_position() {
    for url in STORES {
        let app = tallies().include::<Sums>().include::<LiveSums>().store(url).start().await.unwrap();
        for times in 1..=30 {
            let sent = count(&app, "t", 1).await;
            let view = app.view::<Sums>();
            let view = if times % 2 == 0 { view.after(&sent).await } else { view.after(sent.position).await };
            let view = view.unwrap();
            assert_eq!(view.get(&"t".to_owned()).await.unwrap().unwrap().times, times, "{url}");
        }
        // A live view is never behind.
        app.view::<LiveSums>().after(Position::new(1_000_000)).await.unwrap();
        app.shutdown().await.unwrap();
    }
}
