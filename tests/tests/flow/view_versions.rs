//! Building a view anew: under a raised version, and by a replay.

use std::time::Duration;

use annals::prelude::*;
use annals::processor::ProcessorError;
use annals::store::DocumentChange;
use annals::store::records::ViewId;
use annals::testing::TestClock;
use annals::view::ViewError;

use crate::given::{Faults, Lasting, PATIENCE, eventually};
use crate::tallies::*;

mod first {
    use super::*;

    #[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
    #[view(name = "largest", version = 1, key = String)]
    pub(super) struct Largest {
        pub(super) amount: i64,
    }

    #[view_handlers]
    impl Largest {
        /// The mistake that the next version mends: it keeps the newest amount.
        #[handle(key = tally)]
        fn counted(&mut self, event: &Counted) {
            self.amount = event.amount;
        }
    }
}

mod second {
    use super::*;

    #[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
    #[view(name = "largest", version = 2, key = String)]
    pub(super) struct Largest {
        pub(super) amount: i64,
        pub(super) second: i64,
    }

    #[view_handlers]
    impl Largest {
        #[handle(key = tally)]
        fn counted(&mut self, event: &Counted) {
            self.second = self.second.max(self.amount.min(event.amount));
            self.amount = self.amount.max(event.amount);
        }
    }
}

#[tokio::test]
async fn a_raised_version_is_built_anew_beside_the_old_one() {
    let key = "t".to_owned();
    for lasting in Lasting::each() {
        let app = lasting.start(tallies().include::<first::Largest>()).await;
        for amount in [3, 9, 4] {
            count(&app, "t", amount).await;
        }
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(app.view::<first::Largest>().get(&key).await.unwrap(), Some(first::Largest { amount: 4 }));
        app.shutdown().await.unwrap();

        let app = lasting.start(tallies().include::<second::Largest>()).await;
        app.settled(PATIENCE).await.unwrap();
        let rebuilt = app.view::<second::Largest>().get(&key).await.unwrap();
        assert_eq!(rebuilt, Some(second::Largest { amount: 9, second: 4 }));
        app.shutdown().await.unwrap();

        // The old program still finds its own documents, so that a release can be taken back.
        let app = lasting.start(tallies().include::<first::Largest>()).await;
        assert_eq!(app.view::<first::Largest>().get(&key).await.unwrap(), Some(first::Largest { amount: 4 }));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_replay_forgets_the_documents_and_folds_all_events_again() {
    for lasting in Lasting::each() {
        let app = lasting.start(tallies().include::<Sums>()).await;
        for _ in 0..300 {
            count(&app, "t", 1).await;
        }
        app.settled(PATIENCE).await.unwrap();
        // Somebody has spoilt one document and invented another.
        let view = ViewId { tenant: String::new(), name: "sums".into(), version: 1 };
        let spoilt = br#"{"total":-1,"times":0}"#.to_vec();
        let mut transaction = app.journal().store().begin().await.unwrap();
        let writes = vec![DocumentChange::put("t", spoilt.clone()), DocumentChange::put("ghost", spoilt)];
        transaction.write_documents(&view, writes).await.unwrap();
        transaction.commit().await.unwrap();

        app.processors().replay("view:sums@1").await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let documents = app.view::<Sums>().list(None, 10).await.unwrap();
        assert_eq!(documents, [("t".to_owned(), Sums { total: 300, times: 300 })]);
        app.shutdown().await.unwrap();
    }
}

/// A view that fails on demand.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "fragile", key = String)]
struct Fragile {
    lines: Vec<i64>,
}

#[view_handlers]
impl Fragile {
    #[handle(key = group)]
    fn counted(&mut self, event: &Counted, faults: &Faults) {
        assert!(!faults.strike(&format!("{}:{}", event.tally, event.amount)), "told to fail");
        self.lines.push(event.amount);
    }
}

/// A letter that is due at the very moment of the replay must not be handled beside it: the replay meets its event in
/// its place.
#[tokio::test]
async fn a_replay_takes_the_dead_letters_along() {
    for lasting in Lasting::each() {
        let (faults, clock) = (Faults::default(), TestClock::default());
        let builder = tallies().include::<Fragile>().resource(faults.clone()).clock(clock.clone());
        let app = lasting.start(builder).await;
        faults.fail("t:2", u32::MAX);
        for amount in 1..=4 {
            count(&app, "t", amount).await;
        }
        let put_aside = async || {
            let letters = app.processors().dead_letters("view:fragile@1").await.unwrap();
            (letters.len() == 3).then_some(())
        };
        eventually("one has failed and two wait behind it", put_aside).await;
        faults.heal("t:2");
        clock.advance(Duration::from_secs(60));
        app.processors().replay("view:fragile@1").await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let document = app.view::<Fragile>().get(&"t".to_owned()).await.unwrap();
        assert_eq!(document, Some(Fragile { lines: vec![1, 2, 3, 4] }));
        assert!(app.processors().dead_letters("view:fragile@1").await.unwrap().is_empty());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_view_whose_event_is_parked_says_so_to_who_waits_for_it() {
    for lasting in Lasting::each() {
        let faults = Faults::default();
        faults.fail("bad:1", u32::MAX);
        let builder = tallies().include::<Fragile>().resource(faults).processors(|config| config.attempts = 2);
        let app = lasting.start(builder).await;
        let (bad, good) = (count(&app, "bad", 1).await, count(&app, "good", 1).await);
        let parked = app.view::<Fragile>().after(&bad).await;
        assert!(matches!(parked, Err(ViewError::Parked { view: "fragile" })), "{parked:?}");
        let view = app.view::<Fragile>().after(&good).await.unwrap();
        assert_eq!(view.list(None, 9).await.unwrap(), [("good".to_owned(), Fragile { lines: vec![1] })]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_replayed_says_why() {
    let recorder = Recorder::default();
    let app = recorded_by(&recorder).store("memory:").start().await.unwrap();
    let runs = async || app.processors().status().await.unwrap().iter().all(|one| one.runs_here).then_some(());
    eventually("the processor is claimed", runs).await;
    let refused = app.processors().replay("recorder").await.unwrap_err();
    assert!(matches!(&refused, ProcessorError::Refused { reason, .. } if reason.contains("#[reset]")), "{refused}");
    let unknown = app.processors().replay("nobody").await.unwrap_err();
    assert!(matches!(unknown, ProcessorError::Unknown { processor, .. } if processor == "nobody"));
    // It still runs.
    count(&app, "t", 1).await;
    app.settled(PATIENCE).await.unwrap();
    assert_eq!(recorder.seen(), ["t:1"]);
    app.shutdown().await.unwrap();
}

/// An inline view has no processor: what was stored before it existed is folded at start, once.
#[tokio::test]
async fn an_inline_view_is_brought_up_to_what_was_stored_before_it() {
    let key = "t".to_owned();
    for lasting in Lasting::each() {
        let app = lasting.start(tallies()).await;
        for amount in 1..=600 {
            count(&app, "t", amount).await;
        }
        app.shutdown().await.unwrap();
        let modes = || tallies().include::<InlineSums>().include::<LiveSums>();
        for more in 1..=2 {
            let app = lasting.start(modes()).await;
            count(&app, "t", more).await;
            let inline = app.view::<InlineSums>().get(&key).await.unwrap().unwrap();
            let live = app.view::<LiveSums>().get(&key).await.unwrap().unwrap();
            assert_eq!((inline.total, inline.times), (live.total, live.times));
            assert_eq!(i64::from(inline.times), 600 + more);
            app.shutdown().await.unwrap();
        }
    }
}
