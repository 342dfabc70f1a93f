//! What the log is to a processor: without holes, without an order of its own, and the same for everybody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::Annals;
use annals::Clock;
use annals::message::{Position, StreamId};
use annals::prelude::*;
use annals::store::{Append, Expected, LetterState};
use annals::testing::TestClock;

use crate::given::{Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// Keeps each line as often as it is handled, and in that order.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Vec<String>>>);

#[event_handlers(processor = "witness")]
impl Witness {
    #[handle]
    fn counted(&self, event: &Counted) {
        self.0.lock().unwrap().push(format!("{}:{}", event.tally, event.amount));
    }
}

impl Witness {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

async fn witnessed(lasting: &Lasting, witness: &Witness) -> Annals {
    lasting.start(tallies().include::<Witness>().include::<Sums>().resource(witness.clone())).await
}

/// Readers that take what has the highest number for the newest lose events of slower writers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_many_append_at_the_same_time() {
    const WRITERS: i64 = 16;
    const EACH: i64 = 12;
    for lasting in Lasting::each() {
        let builder = || tallies().include::<Sums>().processors(|all| all.batch = 8);
        let (one, two) = (lasting.start(builder()).await, lasting.start(builder()).await);
        let writers = (0..WRITERS).map(|writer| {
            let app = if writer % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move {
                for amount in 1..=EACH {
                    // Large and small appends, which take more and less time.
                    let mut work = app.unit_of_work().unwrap();
                    for part in 0..=(writer % 4) {
                        let (tally, group) = (format!("w{writer}-{part}"), format!("g{}", amount % 3));
                        work.execute(Count { tally, group, amount: 1 }).await.unwrap();
                    }
                    work.commit().await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        one.settled(PATIENCE).await.unwrap();
        let sums = one.view::<Sums>().list(None, 10).await.unwrap();
        let all = (0..WRITERS).map(|writer| (writer % 4 + 1) * EACH).sum::<i64>();
        assert_eq!(sums.len(), 3);
        assert!(sums.iter().all(|(_, sum)| sum.total == all / 3 && i64::from(sum.times) == all / 3), "{sums:?}");
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    }
}

/// A writer that gives up leaves a hole that a reader waits for, and handlers have seen what was never stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_stored_is_neither_waited_for_nor_handled() {
    for lasting in Lasting::each() {
        let witness = Witness::default();
        let app = witnessed(&lasting, &witness).await;
        for amount in 1..=3 {
            count(&app, "t", amount).await;
            // Given up, refused, and dropped under way.
            let mut work = app.unit_of_work().unwrap();
            let never = |tally: &str| Count { tally: tally.into(), group: "never".into(), amount };
            work.execute(never("given-up")).await.unwrap();
            drop(work);
            let expected = vec![(StreamId::new("tally", "t"), Expected::NoStream)];
            let events = app.journal().read(annals::store::Read::all(Position::START).limit(1)).await.unwrap().events;
            let event = annals::store::NewEvent {
                stream: StreamId::new("tally", "t"),
                id: annals::message::EventId::new(),
                name: events[0].recorded.name.clone(),
                revision: 1,
                payload: br#"{"tally":"refused","group":"never","amount":1}"#.to_vec(),
                metadata: Arc::default(),
                tags: Vec::new(),
                recorded_at: app.journal().now(),
            };
            let append = Append { events: vec![event], expected, ..Append::default() };
            app.journal().append(append).await.unwrap_err();
            let mut transaction = app.journal().store().begin().await.unwrap();
            let view = annals::store::records::ViewId { tenant: String::new(), name: "never".into(), version: 1 };
            let change = annals::store::DocumentChange::put("never", b"{}");
            transaction.write_documents(&view, vec![change]).await.unwrap();
            drop(transaction);
        }
        let last = count(&app, "t", 4).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!((witness.lines(), last.position), (lines(1..=4), Position::new(4)), "no hole is left");
        app.shutdown().await.unwrap();
    }
}

/// What was removed from the log leaves places at which nothing is; a reader that waits for them waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_from_which_events_were_removed_hold_nothing_up() {
    for lasting in Lasting::each() {
        let witness = Witness::default();
        let app = witnessed(&lasting, &witness).await;
        app.settled(PATIENCE).await.unwrap();
        for processor in ["witness", "view:sums@1"] {
            app.processors().pause(processor).await.unwrap();
        }
        count(&app, "t", 1).await;
        for amount in 1..=3 {
            count(&app, "gone", amount).await;
        }
        count(&app, "t", 2).await;
        count(&app, "gone", 4).await;
        app.stream(StreamId::new("tally", "gone")).tombstone().await.unwrap();
        assert_eq!(app.scavenge().await.unwrap().events, 3, "the newest event keeps its place, and is hidden");
        for processor in ["witness", "view:sums@1"] {
            app.processors().resume(processor).await.unwrap();
        }
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(witness.lines(), lines(1..=2));
        let status = app.processors().status().await.unwrap();
        assert!(status.iter().all(|one| one.is_caught_up() && one.lag == Duration::ZERO), "{status:?}");
        assert!(app.view::<Sums>().get(&"gone".to_owned()).await.unwrap().is_none());
        count(&app, "t", 3).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(witness.lines(), lines(1..=3));
        app.shutdown().await.unwrap();
    }
}

/// A place in the log that is an instant is passed over, or met again, when a clock is put back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_put_back_lose_and_repeat_nothing() {
    for lasting in Lasting::each() {
        let (clock, witness) = (TestClock::default(), Witness::default());
        let start = clock.now();
        for (round, hours) in (0..).zip([0, 26, -26, -50, 3]) {
            clock.set(match u64::try_from(hours) {
                Ok(hours) => start.plus(Duration::from_secs(hours * 3600)),
                Err(_) => start.minus(Duration::from_secs(u64::from(i32::unsigned_abs(hours)) * 3600)),
            });
            let builder = tallies().include::<Witness>().include::<Sums>().resource(witness.clone());
            let app = lasting.start(builder.clock(clock.clone())).await;
            for amount in 1..=3 {
                count(&app, "t", 5 * round + amount).await;
                clock.set(clock.now().minus(Duration::from_secs(60)));
            }
            app.settled(PATIENCE).await.unwrap();
            // The next round begins with these.
            app.processors().pause("witness").await.unwrap();
            for amount in 4..=5 {
                count(&app, "t", 5 * round + amount).await;
            }
            app.processors().resume("witness").await.unwrap();
            app.shutdown().await.unwrap();
        }
        let app = witnessed(&lasting, &witness).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(witness.lines(), lines(1..=25));
        let sums = app.view::<Sums>().get(&"t".to_owned()).await.unwrap();
        assert_eq!(sums, Some(Sums { total: (1..=25).sum(), times: 25 }));
        app.shutdown().await.unwrap();
    }
}

/// Where few events concern a processor, it looks through all others again at each start, or seems to stand still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_concerns_nobody_is_passed_over_once() {
    const OTHERS: u64 = 3_000;
    for lasting in Lasting::each() {
        let witness = Witness::default();
        let app = witnessed(&lasting, &witness).await;
        count(&app, "t", 1).await;
        app.settled(PATIENCE).await.unwrap();
        let mut work = app.unit_of_work().unwrap();
        for _ in 0..OTHERS {
            work.publish(StreamId::new("rustle", "r"), &Rustled {}).unwrap();
        }
        work.commit().await.unwrap();
        let head = OTHERS + 1;
        let passed = async || {
            let status = app.processors().status().await.unwrap();
            status.iter().all(|one| one.position.get() == head && one.lag == Duration::ZERO).then_some(())
        };
        eventually("they are passed over", passed).await;
        app.shutdown().await.unwrap();

        // The tokens are stored at the head: the next program reads nothing again.
        let app = lasting.start(tallies()).await;
        for processor in ["witness", "view:sums@1"] {
            let rows = app.journal().store().segments_of("", processor).await.unwrap();
            assert!(!rows.is_empty() && rows.iter().all(|row| row.position.get() == head), "{rows:?}");
        }
        assert_eq!(witness.lines(), lines(1..=1));
        app.shutdown().await.unwrap();
    }
}

/// Concerns no processor.
#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "rustle.rustled")]
struct Rustled {}

/// Where the data of several tenants lie side by side, what is done for one of them reaches the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_to_the_processors_of_one_tenant_concerns_no_other() {
    for lasting in Lasting::each() {
        let witnesses: BTreeMap<&str, Witness> = ["acme", "bert"].map(|tenant| (tenant, Witness::default())).into();
        let start = async |tenant: &'static str| {
            let builder = tallies().include::<Fickle>().include::<Sums>().resource(Fickle(witnesses[tenant].clone()));
            // One event at a time: none comes again because another one of its page has failed.
            lasting.start(builder.tenant(tenant).processors(|all| (all.attempts, all.batch) = (1, 1))).await
        };
        let (acme, bert) = (start("acme").await, start("bert").await);
        for app in [&acme, &bert] {
            for amount in 1..=3 {
                count(app, "t", amount).await;
            }
            count(app, "bad", -1).await;
            app.settled(PATIENCE).await.unwrap();
        }
        let letters = async |app: &Annals| app.processors().dead_letters("fickle").await.unwrap();
        let before = (bert.processors().status().await.unwrap(), letters(&bert).await);
        acme.processors().pause("fickle").await.unwrap();
        acme.processors().replay("fickle").await.unwrap();
        acme.processors().replay("view:sums@1").await.unwrap();
        acme.processors().resume("fickle").await.unwrap();
        acme.settled(PATIENCE).await.unwrap();
        assert_eq!(letters(&acme).await.len(), 1);
        acme.processors().evict_where("fickle", |_| true).await.unwrap();
        assert!(acme.view::<Sums>().drop_version(1).await.is_err());

        let after = (bert.processors().status().await.unwrap(), letters(&bert).await);
        let told = |status: &[annals::processor::ProcessorStatus]| {
            let told = |one: &annals::processor::ProcessorStatus| (one.position, one.paused, one.letters);
            status.iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!((told(&before.0), &before.1), (told(&after.0), &after.1));
        assert_eq!((after.1.len(), after.1[0].state), (1, LetterState::Parked));
        assert_eq!(witnesses["bert"].lines(), lines(1..=3));
        assert_eq!(witnesses["acme"].lines(), [lines(1..=3), lines(1..=3)].concat());
        let sums = bert.view::<Sums>().get(&"t".to_owned()).await.unwrap();
        assert_eq!(sums, Some(Sums { total: 6, times: 3 }));
        acme.shutdown().await.unwrap();
        bert.shutdown().await.unwrap();
    }
}

/// A witness that takes no negative amounts, and may be replayed.
#[derive(Clone, Default)]
struct Fickle(Witness);

#[event_handlers(processor = "fickle")]
impl Fickle {
    #[handle]
    fn counted(&self, event: &Counted) -> Result<(), HandlerError> {
        if event.amount < 0 {
            return Err(HandlerError::new("no negative amounts"));
        }
        self.0.0.lock().unwrap().push(format!("{}:{}", event.tally, event.amount));
        Ok(())
    }

    #[reset]
    fn reset(&self) {}
}

/// The lines of the tally `t`.
fn lines(amounts: std::ops::RangeInclusive<i64>) -> Vec<String> {
    amounts.map(|amount| format!("t:{amount}")).collect()
}
