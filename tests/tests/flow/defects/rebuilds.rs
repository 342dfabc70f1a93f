//! What a view may be trusted with while it is built anew, and after something went wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use annals::Annals;
use annals::app::Builder;
use annals::message::{EventId, Position, StreamId};
use annals::prelude::*;
use annals::processor::{Ailment, ErrorPolicy, OnError, ProcessorError, ProcessorStatus};
use annals::store::records::ViewId;
use annals::store::{Append, DocumentChange, NewEvent};
use annals::view::ViewError;

use crate::given::{Dice, Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// What was brought in, in order: shows what was left out, doubled or turned round.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "harvest", key = String)]
struct Harvest {
    amounts: Vec<i64>,
}

#[view_handlers]
impl Harvest {
    #[handle(key = group)]
    fn counted(&mut self, event: &Counted) {
        self.amounts.push(event.amount);
    }
}

/// The same, newest first.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "harvest", key = String, version = 2, from = Harvest)]
struct Stack {
    amounts: Vec<i64>,
}

impl From<Harvest> for Stack {
    fn from(harvest: Harvest) -> Self {
        Self { amounts: harvest.amounts.into_iter().rev().collect() }
    }
}

#[view_handlers]
impl Stack {
    #[handle(key = group)]
    fn counted(&mut self, event: &Counted) {
        self.amounts.insert(0, event.amount);
    }
}

const STACK: &str = "view:harvest@2";

/// Small pages, so that much can happen between two of them.
fn second_version() -> Builder {
    tallies().include::<Stack>().processors(|all| (all.batch, all.segments) = (4, 4))
}

async fn status(app: &Annals) -> ProcessorStatus {
    app.processors().status().await.unwrap().remove(0)
}

async fn built(app: &Annals) {
    eventually("it is built", async || (!status(app).await.building).then_some(())).await;
}

/// Something that people do to a processor. A segment that another change has taken away refuses it.
async fn steer(app: &Annals, dice: &mut Dice) {
    let segments = status(app).await.segments;
    let Some(segment) = segments.get(dice.below(segments.len().max(1) as u64) as usize) else { return };
    let (processors, id) = (app.processors(), segment.segment.id());
    let changed = match dice.below(6) {
        0 => processors.split(STACK, id).await,
        1 => processors.merge(STACK, id).await,
        2 => processors.release(STACK, id).await,
        3 => processors.replay(STACK).await,
        4 => processors.pause(STACK).await,
        _ => processors.resume(STACK).await,
    };
    match changed {
        Ok(()) | Err(ProcessorError::Refused { .. } | ProcessorError::NoSegment { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Ways to build that are clever, and differ from the way in which events come otherwise, build something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_built_is_the_fold_of_all_events_whatever_happens_meanwhile() {
    for lasting in Lasting::each() {
        let seed = Dice::any_seed();
        println!("seed {seed}");
        let mut dice = Dice::seeded(seed);
        let old = lasting.start(tallies().include::<Harvest>()).await;
        let mut expected = BTreeMap::<String, Vec<i64>>::new();
        let mut amount = 0;
        let mut append = async |dice: &mut Dice, times: u64| {
            for _ in 0..times {
                amount += 1;
                let (group, tally) = (format!("g{}", dice.below(5)), format!("t{}", dice.below(7)));
                count_in(&old, &group, &tally, amount).await;
                expected.entry(group).or_default().push(amount);
            }
        };
        append(&mut dice, 60).await;
        let mut new = lasting.start(second_version()).await;
        for _ in 0..25 {
            match dice.below(4) {
                0 => append(&mut dice, 6).await,
                1 => {
                    let before = std::mem::replace(&mut new, lasting.start(second_version()).await);
                    if dice.below(2) == 0 {
                        before.shutdown().await.unwrap();
                    }
                }
                _ => steer(&new, &mut dice).await,
            }
        }
        new.processors().resume(STACK).await.unwrap();
        append(&mut dice, 6).await;
        built(&new).await;
        append(&mut dice, 6).await;
        new.settled(PATIENCE).await.unwrap();
        let stacks = new.view::<Stack>().list(None, 10).await.unwrap();
        let stacks = stacks.into_iter().map(|(group, stack)| (group, stack.amounts.into_iter().rev().collect()));
        assert_eq!(stacks.collect::<BTreeMap<_, Vec<i64>>>(), expected);
        old.shutdown().await.unwrap();
        new.shutdown().await.unwrap();
    }
}

/// Stores an event of a tally that lacks its amount.
async fn store_incomplete(app: &Annals) {
    let event = NewEvent {
        stream: StreamId::new("tally", "bad"),
        id: EventId::new(),
        name: "tally.counted".into(),
        revision: 1,
        payload: br#"{"tally":"bad","group":"g"}"#.to_vec(),
        metadata: Arc::default(),
        tags: Vec::new(),
        recorded_at: app.journal().now(),
    };
    app.journal().append(Append { events: vec![event], ..Append::default() }).await.unwrap();
}

/// Building stands still at an event that nobody can read, without a word, and begins anew when it is mended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stops_a_view_that_is_built_is_named_and_it_goes_on_from_there() {
    for lasting in Lasting::each() {
        let old = lasting.start(tallies().include::<Harvest>().processors(|all| all.attempts = 1)).await;
        for amount in 1..=5 {
            count_in(&old, "g", "t", amount).await;
        }
        store_incomplete(&old).await;
        for amount in 6..=9 {
            count_in(&old, "g", "t", amount).await;
        }
        old.settled(PATIENCE).await.unwrap();
        let strict = |all: &mut annals::processor::ProcessorConfig| all.on_error = ErrorPolicy::always(OnError::Stop);
        let new = lasting.start(second_version().processors(strict)).await;
        let failures = async || {
            let status = status(&new).await;
            let failures: Vec<_> = status.segments.iter().filter_map(|segment| segment.failure.clone()).collect();
            (failures.len() == 4).then_some((status, failures))
        };
        let (stopped, failures) = eventually("all segments stop", failures).await;
        assert!(failures.iter().all(|one| one.position == Position::new(6) && one.event == "tally.counted"));
        assert!(failures.iter().all(|one| one.error.contains("amount")), "{failures:?}");
        assert!(stopped.building && stopped.position == Position::new(5) && stopped.lag > Duration::ZERO);
        let health = new.processors().health(Duration::ZERO).await.unwrap();
        let told = |one: &&Ailment| matches!(one, Ailment::Stopped { position, .. } if position.get() == 6);
        assert_eq!(health.ailments.iter().filter(told).count(), 4, "{:?}", health.ailments);
        // The old version is read meanwhile.
        let read = new.view::<Stack>().get(&"g".to_owned()).await.unwrap().unwrap();
        assert_eq!(read.amounts, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        new.shutdown().await.unwrap();

        // Another program knows what to do with it.
        let lenient = |all: &mut annals::processor::ProcessorConfig| all.on_error = ErrorPolicy::always(OnError::Skip);
        let new = lasting.start(second_version().processors(lenient)).await;
        built(&new).await;
        new.settled(PATIENCE).await.unwrap();
        let read = new.view::<Stack>().get(&"g".to_owned()).await.unwrap().unwrap();
        assert_eq!(read.amounts, [9, 8, 7, 6, 5, 4, 3, 2, 1], "nothing is folded twice");
        let letters = new.processors().dead_letters(STACK).await.unwrap();
        assert!(!letters.is_empty() && letters.iter().all(|letter| letter.position == Position::new(6)));
        old.shutdown().await.unwrap();
        new.shutdown().await.unwrap();
    }
}

/// A view whose documents are found by what is in them.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "ranked", key = String)]
struct Ranked {
    #[index]
    times: u64,
}

#[view_handlers]
impl Ranked {
    #[handle(key = group)]
    fn counted(&mut self, _event: &Counted) {
        self.times += 1;
    }
}

/// A stored document that another program has written, and this one cannot read, stops everything behind it for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_cannot_be_read_stops_its_own_events_alone_and_can_be_built_anew() {
    for lasting in Lasting::each() {
        // A document in memory would be written over the one that cannot be read.
        let builder = tallies().include::<Ranked>().include::<Sums>();
        let app = lasting.start(builder.processors(|all| (all.attempts, all.memory) = (1, 0))).await;
        let (bad, good) = ("bad".to_owned(), "good".to_owned());
        for group in [&bad, &good] {
            count(&app, group, 1).await;
        }
        app.settled(PATIENCE).await.unwrap();
        let mut transaction = app.journal().store().begin().await.unwrap();
        for view in ["ranked", "sums"] {
            let view = ViewId { tenant: String::new(), name: view.into(), version: 1 };
            transaction
                .write_documents(&view, vec![DocumentChange::put("bad", br#"{"no":"document"}"#)])
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        for group in [&bad, &good, &bad, &good] {
            count(&app, group, 1).await;
        }
        app.settled(PATIENCE).await.unwrap();
        let (ranked, sums) = (app.view::<Ranked>(), app.view::<Sums>());
        assert!(matches!(ranked.get(&bad).await, Err(ViewError::Failed { .. })));
        assert_eq!(ranked.get(&good).await.unwrap(), Some(Ranked { times: 3 }));
        for processor in ["view:ranked@1", "view:sums@1"] {
            let letters = app.processors().dead_letters(processor).await.unwrap();
            assert!(letters.len() == 2 && letters.iter().all(|letter| letter.sequence == "bad"), "{letters:?}");
        }

        assert_eq!(ranked.rebuild(&bad).await.unwrap(), Some(Ranked { times: 3 }));
        assert_eq!(sums.rebuild(&bad).await.unwrap(), Some(Sums { total: 3, times: 3 }));
        for processor in ["view:ranked@1", "view:sums@1"] {
            assert!(app.processors().dead_letters(processor).await.unwrap().is_empty());
        }
        count(&app, &bad, 1).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(sums.get(&bad).await.unwrap(), Some(Sums { total: 4, times: 4 }));
        for (times, found) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
            assert_eq!(ranked.filter(Ranked::TIMES.is(times)).count().await.unwrap(), found, "{times} times");
        }
        app.shutdown().await.unwrap();
    }
}
