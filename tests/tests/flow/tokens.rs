//! Tracking tokens and claims: a processor goes on where it stopped, in one place at a time.

use std::sync::{Arc, Mutex};

use annals::Annals;
use annals::app::Builder;
use annals::message::Position;
use annals::prelude::*;
use annals::processor::ReplayStatus;
use annals::store::{Claim, SegmentRow, SegmentWrite};

use crate::given::{Dice, Lasting, PATIENCE, eventually};
use crate::tallies::*;

async fn sum(app: &Annals) -> Sums {
    app.view::<Sums>().get(&"all".to_owned()).await.unwrap().unwrap_or_default()
}

/// How many segments of the view this application works on.
async fn here(app: &Annals) -> usize {
    let status = app.processors().status().await.unwrap();
    status.iter().flat_map(|processor| &processor.segments).filter(|segment| segment.here).count()
}

/// Takes all segments of the view away from their owners, and does nothing with them.
async fn steal(app: &Annals) -> Vec<(Claim, Position)> {
    give_to(app, "thief").await
}

/// Writes down that the node with this id owns all segments of the view.
async fn give_to(app: &Annals, node: &str) -> Vec<(Claim, Position)> {
    let mut transaction = app.journal().store().begin().await.unwrap();
    let rows = transaction.lock_segments("", "view:sums@1").await.unwrap();
    let claims = rows.iter().map(|row| {
        let (processor, fence) = (row.processor.clone(), row.fence + 1);
        (Claim { tenant: String::new(), processor, segment: row.segment, fence }, row.position)
    });
    let claims = claims.collect();
    let stolen = rows.into_iter().map(|row| SegmentWrite::Change(SegmentRow { owner: Some(node.to_owned()), ..row }));
    transaction.write_segments("", stolen.collect()).await.unwrap();
    transaction.commit().await.unwrap();
    claims
}

fn sums() -> Builder {
    tallies().include::<Sums>().processors(|config| config.batch = 4)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_many_restarts_each_event_is_handled_exactly_once() {
    for lasting in Lasting::each() {
        let seed = Dice::any_seed();
        println!("seed {seed}");
        let mut dice = Dice::seeded(seed);
        let mut counted = 0;
        for round in 0..20 {
            let app = lasting.start(sums()).await;
            for _ in 0..dice.below(12) {
                count_in(&app, "all", &format!("t{}", dice.below(5)), 1).await;
                counted += 1;
            }
            // In turn: after everything was handled, in the middle of it, and without a word.
            match round % 3 {
                0 => {
                    app.settled(PATIENCE).await.unwrap();
                    app.shutdown().await.unwrap();
                }
                1 => app.shutdown().await.unwrap(),
                _ => drop(app),
            }
        }
        let app = lasting.start(sums()).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(sum(&app).await, Sums { total: counted, times: u32::try_from(counted).unwrap() });
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_applications_share_the_segments() {
    for lasting in Lasting::each() {
        let first = lasting.start(sums()).await;
        eventually("the first claims all", async || (here(&first).await == 16).then_some(())).await;
        let second = lasting.start(sums()).await;
        let half = async || (here(&first).await == 8 && here(&second).await == 8).then_some(());
        eventually("each has its half", half).await;

        // What the second appends either of them handles, and the second can wait for it.
        for (number, group) in ["all", "some", "few", "none"].into_iter().enumerate() {
            let sent = count_in(&second, group, "t", 1).await;
            assert_eq!(second.query(SumOf { group: group.into() }).after(&sent).await.unwrap(), 1, "{number}");
        }
        second.settled(PATIENCE).await.unwrap();

        first.shutdown().await.unwrap();
        eventually("the second takes over", async || (here(&second).await == 16).then_some(())).await;
        let sent = count_in(&second, "all", "t", 1).await;
        assert_eq!(second.query(SumOf { group: "all".into() }).after(&sent).await.unwrap(), 2);
        assert_eq!(sum(&second).await, Sums { total: 2, times: 2 });
        second.shutdown().await.unwrap();
    }
}

/// A node that was interrupted may own more than is its part by now; nobody else would take that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_owns_and_does_not_work_on_goes_to_the_others() {
    for lasting in Lasting::each() {
        let (first, second) = (lasting.start(sums()).await, lasting.start(sums()).await);
        let half = async || (here(&first).await == 8 && here(&second).await == 8).then_some(());
        eventually("each has its half", half).await;
        let status = first.processors().status().await.unwrap().remove(0);
        let own = status.segments.into_iter().find(|segment| segment.here).and_then(|segment| segment.owner).unwrap();
        give_to(&first, &own).await;
        eventually("each has its half again", half).await;
        for group in ["all", "some", "few", "none"] {
            count_in(&first, group, "t", 1).await;
        }
        first.settled(PATIENCE).await.unwrap();
        first.shutdown().await.unwrap();
        second.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_on_one_node_goes_to_the_others() {
    for lasting in Lasting::each() {
        let (first, second) = (lasting.start(sums()).await, lasting.start(sums()).await);
        let half = async || (here(&first).await == 8 && here(&second).await == 8).then_some(());
        eventually("each has its half", half).await;
        first.processors().stop("view:sums@1").unwrap();
        eventually("the second takes over", async || (here(&second).await == 16).then_some(())).await;
        let sent = count_in(&first, "all", "t", 1).await;
        assert_eq!(first.query(SumOf { group: "all".into() }).after(&sent).await.unwrap(), 1);
        first.processors().start("view:sums@1").unwrap();
        eventually("it is shared again", half).await;
        first.shutdown().await.unwrap();
        second.shutdown().await.unwrap();
    }
}

/// Whoever claims a segment fences off its owner: the owner's next page is refused as a whole. Here the newcomer claims and
/// does nothing, so the owner claims again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_lost_the_claim_writes_nothing() {
    for lasting in Lasting::each() {
        let app = lasting.start(sums()).await;
        eventually("it is claimed", async || (here(&app).await == 16).then_some(())).await;
        let mut fences = Vec::new();
        for _ in 0..3 {
            let stolen = steal(&app).await;
            fences.push(stolen[0].0.fence);
            for tally in 0..10 {
                count_in(&app, "all", &format!("t{tally}"), 1).await;
            }
            // Under a claim that nobody else has taken since, nothing may have been written.
            let mut transaction = app.journal().store().begin().await.unwrap();
            let rows = transaction.lock_segments("", "view:sums@1").await.unwrap();
            drop(transaction);
            for (claim, position) in stolen {
                let row = rows.iter().find(|row| row.segment == claim.segment).unwrap();
                assert!(row.fence > claim.fence || row.position == position, "{row:?}");
            }
            app.settled(PATIENCE).await.unwrap();
        }
        assert_eq!(sum(&app).await, Sums { total: 30, times: 30 });
        let after = steal(&app).await[0].0.fence;
        assert!(after >= fences[2] + 2 && fences[1] >= fences[0] + 2, "the owner claimed again: {fences:?}, {after}");
        app.shutdown().await.unwrap();
    }
}

/// Who was held up while a segment was merged away and divided off again must not take the new one for its own.
#[tokio::test]
async fn a_fencing_number_never_comes_again() {
    for lasting in Lasting::each() {
        let app = lasting.start(sums()).await;
        eventually("it is claimed", async || (here(&app).await == 16).then_some(())).await;
        let processors = app.processors();
        processors.stop("view:sums@1").unwrap();
        let mut highest = 0;
        for _ in 0..3 {
            steal(&app).await;
            highest = steal(&app).await.into_iter().find(|(claim, _)| claim.segment.id() == 8).unwrap().0.fence;
            processors.merge("view:sums@1", 8).await.unwrap();
            processors.split("view:sums@1", 0).await.unwrap();
            let rows = app.journal().store().segments_of("", "view:sums@1").await.unwrap();
            let again = rows.iter().find(|row| row.segment.id() == 8).unwrap();
            assert!(again.fence > highest, "{} after {highest}", again.fence);
        }
        assert!(highest > 0);
        app.shutdown().await.unwrap();
    }
}

/// Two applications that take the claim from each other all the time still handle each event once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_who_quarrel_double_nothing() {
    let lasting = Lasting::each().into_iter().next().unwrap();
    let (first, second) = (lasting.start(sums()).await, lasting.start(sums()).await);
    for number in 0..200 {
        let app = if number % 2 == 0 { &first } else { &second };
        count_in(app, "all", &format!("t{}", number % 7), 1).await;
        if number % 20 == 0 {
            steal(app).await;
        }
    }
    first.settled(PATIENCE).await.unwrap();
    assert_eq!(sum(&second).await, Sums { total: 200, times: 200 });
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_status_says_how_far_a_processor_is() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        let app = lasting.start(recorded_by(&recorder)).await;
        count(&app, "t", 1).await;
        app.settled(PATIENCE).await.unwrap();
        // What no handler asks for is passed over, and counts as handled.
        app.send(Clear { tally: "t".into(), group: "t".into() }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let status = app.processors().status().await.unwrap().remove(0);
        assert_eq!((status.name.as_str(), status.position.get(), status.head.get()), ("recorder", 2, 2));
        assert!(status.runs_here && status.letters.letters == 0);
        app.shutdown().await.unwrap();
    }
}

/// Notes how each event comes.
#[derive(Clone, Default)]
struct Passages(Arc<Mutex<Vec<ReplayStatus>>>);

#[event_handlers(processor = "passages")]
impl Passages {
    #[handle]
    async fn counted(&self, _event: &Counted, status: ReplayStatus) -> Result<(), HandlerError> {
        self.0.lock().unwrap().push(status);
        Ok(())
    }

    #[reset]
    async fn reset(&self) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// What was handled before the first of several resets is not new after the last: it would be mailed again.
#[tokio::test]
async fn a_reset_in_the_middle_of_a_replay_makes_nothing_new() {
    for lasting in Lasting::each() {
        let passages = Passages::default();
        let app = lasting.start(tallies().include::<Passages>().resource(passages.clone())).await;
        for number in 0..5 {
            count(&app, &format!("t{number}"), 1).await;
        }
        app.settled(PATIENCE).await.unwrap();
        app.processors().pause("passages").await.unwrap();
        passages.0.lock().unwrap().clear();
        for _ in 0..2 {
            app.processors().replay("passages").await.unwrap();
        }
        app.processors().resume("passages").await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(*passages.0.lock().unwrap(), [ReplayStatus::Replay; 5]);
        app.shutdown().await.unwrap();
    }
}

/// The next page is read while one is handled. What is appended after that must not be passed over until something else is
/// appended. On servers, where appends do not wait for handlers.
#[cfg(feature = "servers")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_appended_after_a_page_was_read_ahead_is_handled() {
    for lasting in Lasting::each().into_iter().filter(|lasting| matches!(lasting, Lasting::Server(..))) {
        let recorder = Recorder::default();
        let app = lasting.start(recorded_by(&recorder).processors(|config| config.batch = 2)).await;
        app.settled(PATIENCE).await.unwrap();
        app.processors().pause("recorder").await.unwrap();
        recorder.close_gate();
        for amount in 1..=3 {
            count(&app, "t", amount).await;
        }
        app.processors().resume("recorder").await.unwrap();
        let waits = async || (recorder.waiting() > 0).then_some(());
        eventually("a page is handled, and the next one read", waits).await;
        // The read is quick, and nobody tells when it is done.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        count(&app, "t", 4).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        recorder.open_gate();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(recorder.seen(), ["t:1", "t:2", "t:3", "t:4"]);
        app.shutdown().await.unwrap();
    }
}
