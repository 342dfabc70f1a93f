//! External handlers: outside of transactions, at least once, with a key by which the other system knows a call again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::Annals;
use annals::app::Builder;
use annals::command::Gateway;
use annals::prelude::*;
use annals::processor::{
    Attempt, ErrorPolicy, IdempotencyKey, OnError, ProcessorConfig, ReplayStatus, ResetTo, SideEffects,
};
use tokio::sync::watch;

use crate::given::{Dice, Faults, Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// Another system, that notes each call.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) faults: Faults,
    calls: Arc<Mutex<Vec<Call>>>,
    /// Lines of calls that went well.
    done: Arc<Mutex<Vec<String>>>,
    /// Calls that are under way.
    inside: Arc<watch::Sender<usize>>,
    gate: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Call {
    line: String,
    key: String,
    attempt: u32,
    status: ReplayStatus,
}

impl Default for Post {
    fn default() -> Self {
        let (inside, gate) = (Arc::new(watch::Sender::new(0)), Arc::new(watch::Sender::new(true)));
        Self { faults: Faults::default(), calls: Arc::default(), done: Arc::default(), inside, gate }
    }
}

impl Post {
    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.line).collect()
    }

    /// Has calls for amounts below 50 wait, or go on.
    pub(crate) fn open(&self, open: bool) {
        self.gate.send_replace(open);
    }

    pub(crate) async fn under_way(&self, count: usize) {
        let mut inside = self.inside.subscribe();
        tokio::time::timeout(PATIENCE, inside.wait_for(|inside| *inside >= count)).await.unwrap().unwrap();
    }
}

#[event_handlers(processor = "post", external)]
impl Post {
    #[handle]
    async fn counted(
        &self,
        event: &Counted,
        key: IdempotencyKey,
        attempt: Attempt,
        status: ReplayStatus,
        effects: SideEffects,
    ) -> Result<(), HandlerError> {
        let line = format!("{}:{}", event.tally, event.amount);
        let call = Call { line: line.clone(), key: key.to_string(), attempt: attempt.number, status };
        self.calls.lock().unwrap().push(call);
        self.inside.send_modify(|inside| *inside += 1);
        if event.amount < 50 {
            let _ = self.gate.subscribe().wait_for(|open| *open).await;
        }
        self.inside.send_modify(|inside| *inside -= 1);
        if event.amount == 77 {
            effects.send(Clear { tally: "cleared".into(), group: event.group.clone() });
        }
        assert!(!self.faults.strike(&format!("panic {line}")), "told to panic");
        if self.faults.strike(&line) {
            return Err(HandlerError::new(format!("told to fail at {line}")));
        }
        self.done.lock().unwrap().push(line);
        Ok(())
    }

    #[reset]
    async fn reset(&self, to: ResetTo) -> Result<(), HandlerError> {
        let line = format!("reset to {}", to.position);
        let (key, status) = (String::new(), ReplayStatus::Replay);
        self.calls.lock().unwrap().push(Call { line, key, attempt: 0, status });
        Ok(())
    }
}

pub(crate) fn posted(post: &Post, change: impl FnOnce(&mut ProcessorConfig) + Send + 'static) -> Builder {
    tallies().include::<Post>().resource(post.clone()).processor("post", change)
}

pub(crate) fn unchanged(_: &mut ProcessorConfig) {}

#[tokio::test]
async fn sequences_are_handled_side_by_side_and_hold_up_nobody() {
    for lasting in Lasting::each() {
        let post = Post::default();
        let app = lasting.start(posted(&post, |config| config.concurrency = 8).include::<LiveSums>()).await;
        post.open(false);
        for amount in 1..=2 {
            for tally in 0..12 {
                count(&app, &format!("t{tally}"), amount).await;
            }
        }
        // Commands went on although nothing was answered: no transaction was open.
        post.under_way(8).await;
        count(&app, "t0", 3).await;
        assert_eq!(*post.inside.borrow(), 8, "as many as are allowed");
        post.open(true);
        app.settled(PATIENCE).await.unwrap();
        let lines = post.lines();
        assert_eq!(lines.len(), 25, "each of them once: {lines:?}");
        for tally in 0..12 {
            let of_tally: Vec<&String> = lines.iter().filter(|line| line.starts_with(&format!("t{tally}:"))).collect();
            assert!(of_tally.is_sorted(), "a sequence keeps its order: {of_tally:?}");
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_fails_is_made_again_under_the_same_key_and_holds_up_its_sequence_alone() {
    for lasting in Lasting::each() {
        for fault in ["a:1", "panic a:1"] {
            let post = Post::default();
            post.faults.fail(fault, 2);
            let app = lasting.start(posted(&post, unchanged)).await;
            let from = post.calls().len();
            for (tally, amount) in [("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2)] {
                count(&app, tally, amount).await;
            }
            app.settled(PATIENCE).await.unwrap();
            let calls: Vec<Call> = post.calls().split_off(from);
            let of = |tally: &str| -> Vec<(String, u32)> {
                let own = calls.iter().filter(|call| call.line.starts_with(tally) && call.status == ReplayStatus::New);
                own.map(|call| (call.line.clone(), call.attempt)).collect()
            };
            let expected = [("a:1", 1), ("a:1", 2), ("a:1", 3), ("a:2", 1), ("a:3", 1)];
            let expected: Vec<_> = expected.iter().map(|(line, attempt)| ((*line).to_owned(), *attempt)).collect();
            let lines = |calls: &[(String, u32)]| calls.iter().map(|(line, _)| line.clone()).collect::<Vec<_>>();
            assert_eq!(lines(&of("a")), lines(&expected), "{fault}");
            assert_eq!(of("a")[..3], expected[..3]);
            assert_eq!(lines(&of("b")), ["b:1", "b:2"]);
            let keys: BTreeMap<&str, BTreeSet<&str>> = calls.iter().fold(BTreeMap::new(), |mut keys, call| {
                keys.entry(call.line.as_str()).or_insert_with(BTreeSet::new).insert(call.key.as_str());
                keys
            });
            assert!(keys.values().all(|keys| keys.len() == 1), "one key for each event: {keys:?}");
            let all: BTreeSet<&str> = keys.values().flatten().copied().collect();
            assert_eq!(all.len(), keys.len(), "and for no other: {keys:?}");
            app.shutdown().await.unwrap();
        }
    }
}

/// Otherwise whatever is fine behind the failing event would be called again with each attempt.
#[tokio::test]
async fn a_segment_that_stops_does_not_make_later_calls_over_and_over() {
    for lasting in Lasting::each() {
        let post = Post::default();
        post.faults.fail("a:1", u32::MAX);
        let app = lasting.start(tallies()).await;
        for (tally, amount) in [("b", 1), ("a", 1), ("c", 1), ("d", 1), ("e", 1)] {
            count(&app, tally, amount).await;
        }
        app.shutdown().await.unwrap();
        let stops = posted(&post, |config| {
            config.on_error = ErrorPolicy::new(|_| OnError::Stop);
            (config.segments, config.concurrency) = (1, 2);
        });
        let app = lasting.start(stops).await;
        let tried = async || (post.lines().iter().filter(|line| *line == "a:1").count() >= 5).then_some(());
        eventually("the event was tried again", tried).await;
        let failure = app.processors().status().await.unwrap().remove(0).segments[0].failure.clone().unwrap();
        assert!(failure.error.contains("told to fail at a:1"), "{failure:?}");
        for line in ["b:1", "c:1", "d:1", "e:1"] {
            let times = post.lines().iter().filter(|called| *called == line).count();
            assert!(times <= 2, "{line} was called {times} times");
        }
        post.faults.heal("a:1");
        app.settled(PATIENCE).await.unwrap();
        let all: BTreeSet<String> = post.lines().into_iter().collect();
        assert_eq!(all.len(), 5, "{all:?}");
        app.shutdown().await.unwrap();
    }
}

/// While a call is under way, somebody else takes the segment over: both call, under one key, and one of them writes down.
#[tokio::test]
async fn what_was_called_before_it_could_be_written_down_is_called_again_under_the_same_key() {
    for lasting in Lasting::each() {
        let (slow, quick) = (Post::default(), Post::default());
        slow.open(false);
        let one = lasting.start(posted(&slow, |config| config.segments = 1)).await;
        let running = async || one.processors().status().await.unwrap()[0].segments[0].owner.is_some().then_some(());
        eventually("it runs", running).await;
        let other = lasting.start(posted(&quick, unchanged)).await;
        count(&one, "a", 1).await;
        slow.under_way(1).await;
        other.processors().claim("post", 0).await.unwrap();
        let called = async || (quick.lines() == ["a:1"]).then_some(());
        eventually("the other node has called too", called).await;
        slow.open(true);
        count(&other, "a", 2).await;
        other.settled(PATIENCE).await.unwrap();
        assert_eq!(quick.lines(), ["a:1", "a:2"]);
        let (first, again) = (&slow.calls()[0], &quick.calls()[0]);
        assert_eq!((&first.line, &first.key), (&again.line, &again.key));
        assert_eq!(other.processors().dead_letters("post").await.unwrap().len(), 0);
        other.shutdown().await.unwrap();
        one.shutdown().await.unwrap();
    }
}

/// Each deployment would call twice otherwise.
#[tokio::test]
async fn who_joins_takes_over_nothing_that_is_under_way() {
    for lasting in Lasting::each() {
        let post = Post::default();
        let one = lasting.start(posted(&post, |config| (config.segments, config.concurrency) = (2, 8))).await;
        post.open(false);
        for tally in 0..8 {
            count(&one, &format!("t{tally}"), 1).await;
        }
        post.under_way(8).await;
        let other = lasting.start(posted(&post, unchanged)).await;
        post.open(true);
        let shared = async || {
            let segments = one.processors().status().await.unwrap().remove(0).segments;
            let owners: BTreeSet<String> = segments.iter().filter_map(|segment| segment.owner.clone()).collect();
            (owners.len() == 2).then_some(())
        };
        eventually("each has one segment", shared).await;
        one.settled(PATIENCE).await.unwrap();
        assert_eq!(post.lines().len(), 8, "each was called once: {:?}", post.lines());
        one.shutdown().await.unwrap();
        other.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_had_not_begun_at_a_shut_down_is_called_by_the_next_program() {
    for lasting in Lasting::each() {
        let post = Post::default();
        let app = lasting.start(posted(&post, |config| config.concurrency = 1)).await;
        post.open(false);
        for tally in 0..5 {
            count(&app, &format!("t{tally}"), 1).await;
        }
        post.under_way(1).await;
        // The first is polled first: the call ends while the processor is being stopped.
        let (ended, ()) = tokio::join!(app.shutdown(), async { post.open(true) });
        ended.unwrap();
        let app = lasting.start(posted(&post, unchanged)).await;
        app.settled(PATIENCE).await.unwrap();
        let called: BTreeSet<String> = post.lines().into_iter().collect();
        assert!((0..5).all(|tally| called.contains(&format!("t{tally}:1"))), "{called:?}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn commands_of_an_external_handler_are_sent_when_the_call_went_well() {
    for lasting in Lasting::each() {
        let post = Post::default();
        post.faults.fail("a:77", 1);
        let app = lasting.start(posted(&post, unchanged).include::<LiveSums>()).await;
        count(&app, "a", 77).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(post.lines(), ["a:77", "a:77"]);
        let left = app.view::<LiveSums>().get(&"a".to_owned()).await.unwrap();
        assert_eq!(left, None, "one command was sent, and has cleared the group");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_replay_calls_again_and_tells_so() {
    for lasting in Lasting::each() {
        let post = Post::default();
        let app = lasting.start(posted(&post, unchanged)).await;
        count(&app, "a", 1).await;
        count(&app, "a", 2).await;
        app.settled(PATIENCE).await.unwrap();
        app.processors().replay("post").await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(post.lines(), ["a:1", "a:2", "reset to 0", "a:1", "a:2"]);
        let (calls, replayed) = (post.calls(), ReplayStatus::Replay);
        assert_eq!((calls[3].status, calls[4].status), (replayed, replayed));
        assert_eq!((&calls[0].key, &calls[1].key), (&calls[3].key, &calls[4].key));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_fails_and_a_shut_down_waits_a_little() {
    let lasting = Lasting::file();
    let post = Post::default();
    post.open(false);
    let app = lasting.start(posted(&post, |config| config.handler_time = Duration::from_millis(50))).await;
    count(&app, "a", 1).await;
    let failed = async || app.processors().dead_letters("post").await.unwrap().pop();
    let letter = eventually("it fails", failed).await;
    assert!(letter.error.contains("took too long"), "{letter:?}");
    post.open(true);
    app.settled(PATIENCE).await.unwrap();
    post.open(false);
    let before = *post.inside.borrow();
    count(&app, "b", 2).await;
    post.under_way(before + 1).await;
    app.shutdown().await.unwrap();
}

/// A handler of another system may wait for whatever it likes, commands among them.
#[tokio::test]
async fn an_external_handler_may_send_commands_and_wait_for_them() {
    struct Booking;
    #[event_handlers(processor = "external-booking", external)]
    impl Booking {
        #[handle]
        async fn counted(&self, event: &Counted, gateway: Gateway) -> Result<(), HandlerError> {
            if event.amount == 1 {
                gateway.send(Count { tally: "echo".into(), group: "echo".into(), amount: 2 }).await?;
            }
            Ok(())
        }
    }
    for lasting in Lasting::each() {
        let app = lasting.start(tallies().include::<Booking>().resource(Booking).include::<LiveSums>()).await;
        count(&app, "a", 1).await;
        app.settled(PATIENCE).await.unwrap();
        let echo = app.view::<LiveSums>().get(&"echo".to_owned()).await.unwrap().unwrap();
        assert_eq!((echo.total, echo.times), (2, 1));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn failures_at_random_leave_no_event_without_a_call_and_no_sequence_out_of_order() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    for lasting in Lasting::each() {
        let mut dice = Dice::seeded(seed);
        let post = Post::default();
        let start = async |post: &Post| {
            let program = posted(post, |config| (config.segments, config.batch) = (4, 16));
            lasting.start(program).await
        };
        let (one, other): (Annals, Annals) = (start(&post).await, start(&post).await);
        let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for amount in 0..150 {
            let tally = format!("t{}", dice.below(8));
            let line = format!("{tally}:{amount}");
            match dice.below(8) {
                0 => post.faults.fail(line.clone(), 1 + u32::try_from(dice.below(3)).unwrap()),
                1 => post.faults.fail(format!("panic {line}"), 1),
                _ => {}
            }
            let app = if dice.below(2) == 0 { &one } else { &other };
            count(app, &tally, amount).await;
            sent.entry(tally).or_default().push(line);
            if dice.below(40) == 0 {
                let _ = other.processors().claim("post", u32::try_from(dice.below(4)).unwrap()).await;
            }
        }
        one.settled(PATIENCE).await.unwrap();
        let calls = post.calls();
        for (tally, lines) in sent {
            let mut last = BTreeMap::new();
            let own = calls.iter().filter(|call| call.line.starts_with(&format!("{tally}:")));
            for (number, call) in own.enumerate() {
                last.insert(&call.line, number);
            }
            let mut places: Vec<(usize, &String)> = last.into_iter().map(|(line, at)| (at, line)).collect();
            places.sort_unstable();
            assert_eq!(places.iter().map(|(_, line)| *line).collect::<Vec<_>>(), lines.iter().collect::<Vec<_>>());
        }
        let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
        for call in &calls {
            assert_eq!(*keys.entry(&call.line).or_insert(&call.key), call.key, "{}", call.line);
        }
        one.shutdown().await.unwrap();
        other.shutdown().await.unwrap();
    }
}
