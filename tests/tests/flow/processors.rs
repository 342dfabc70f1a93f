//! Processors are steered: where they begin, what is one after the other, who works on what, what becomes of errors.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::Annals;
use annals::app::{Builder, StartError};
use annals::message::Position;
use annals::prelude::*;
use annals::processor::{
    Ailment, Attempt, ErrorPolicy, OnError, ProcessorConfig, ProcessorError, ProcessorStatus, ReplayContext,
    ReplayStatus, ResetTo, SequencingPolicy, StartAt,
};
use annals::store::{LetterState, Segment};
use annals::view::{SeenError, ViewError, ViewVersionState, processor_name};

use crate::given::{Dice, Faults, Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// Notes how events come to it.
#[derive(Clone, Default)]
struct Probe {
    faults: Faults,
    noted: Arc<Mutex<Vec<Noted>>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Noted {
    line: String,
    status: ReplayStatus,
    attempt: u32,
    segment: u32,
    why: Option<String>,
}

impl Probe {
    fn noted(&self) -> Vec<Noted> {
        self.noted.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.noted().into_iter().map(|noted| noted.line).collect()
    }

    fn forget(&self) {
        self.noted.lock().unwrap().clear();
    }
}

#[event_handlers(processor = "probe")]
impl Probe {
    #[handle]
    fn counted(
        &self,
        event: &Counted,
        status: ReplayStatus,
        attempt: Attempt,
        segment: Segment,
        why: ReplayContext<String>,
    ) -> Result<(), HandlerError> {
        let line = format!("{}:{}", event.tally, event.amount);
        if self.faults.strike(&line) {
            return Err(HandlerError::new(format!("told to fail at {line}")));
        }
        let (attempt, segment) = (attempt.number, segment.id());
        self.noted.lock().unwrap().push(Noted { line, status, attempt, segment, why: why.0 });
        Ok(())
    }

    #[reset]
    fn reset(&self, to: ResetTo) {
        let line = format!("reset to {} since {:?}", to.position, to.context::<String>());
        let status = ReplayStatus::Replay;
        self.noted.lock().unwrap().push(Noted { line, status, attempt: 0, segment: 0, why: None });
    }
}

/// Beside the probe; never replayed.
#[derive(Clone, Default)]
struct Mailer(Arc<Mutex<Vec<String>>>);

#[event_handlers(processor = "mailer", skip_replay)]
impl Mailer {
    #[handle]
    fn counted(&self, event: &Counted) {
        self.0.lock().unwrap().push(format!("{}:{}", event.tally, event.amount));
    }
}

fn probed(probe: &Probe, change: impl FnOnce(&mut ProcessorConfig) + Send + 'static) -> Builder {
    tallies().include::<Probe>().resource(probe.clone()).processor("probe", change)
}

async fn status(app: &Annals) -> ProcessorStatus {
    app.processors().status().await.unwrap().remove(0)
}

#[tokio::test]
async fn a_processor_begins_where_it_is_told_to() {
    let starts = [
        (StartAt::Oldest, vec!["t:1", "t:2", "t:3", "t:4", "t:5"]),
        (StartAt::After(Position::new(3)), vec!["t:4", "t:5"]),
        (StartAt::Newest, vec!["t:5"]),
    ];
    for (start, expected) in starts {
        for lasting in Lasting::each() {
            let before = lasting.start(tallies()).await;
            for amount in 1..=4 {
                count(&before, "t", amount).await;
            }
            before.shutdown().await.unwrap();
            let probe = Probe::default();
            let app = lasting.start(probed(&probe, move |config| config.start = start)).await;
            count(&app, "t", 5).await;
            app.settled(PATIENCE).await.unwrap();
            assert_eq!(probe.lines(), expected, "{start:?}");
            let old = probe.noted().into_iter().filter(|noted| noted.status == ReplayStatus::Initial).count();
            assert_eq!(old, expected.len() - 1, "those that were there before are old");
            app.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn settings_for_a_processor_that_is_not_there_are_refused() {
    let refused = tallies().store("memory:").processor("prob", |_| {}).start().await.unwrap_err();
    assert!(matches!(&refused, StartError::NoProcessor { name, .. } if name == "prob"), "{refused}");
}

#[tokio::test]
async fn a_reset_replays_and_handlers_know_why() {
    for lasting in Lasting::each() {
        let (probe, mailer) = (Probe::default(), Mailer::default());
        let app = lasting.start(probed(&probe, |_| {}).include::<Mailer>().resource(mailer.clone())).await;
        for amount in 1..=3 {
            count(&app, "t", amount).await;
        }
        app.settled(PATIENCE).await.unwrap();
        assert!(probe.noted().iter().all(|noted| noted.status == ReplayStatus::New));
        probe.forget();
        let processors = app.processors();
        processors.reset_with("probe", StartAt::After(Position::new(1)), &"a mistake").await.unwrap();
        processors.replay("mailer").await.unwrap();
        count(&app, "t", 4).await;
        app.settled(PATIENCE).await.unwrap();
        let noted = probe.noted();
        assert_eq!(probe.lines(), ["reset to 1 since Some(\"a mistake\")", "t:2", "t:3", "t:4"]);
        assert!(noted[1..3].iter().all(|noted| noted.status == ReplayStatus::Replay));
        assert_eq!(noted[1].why.as_deref(), Some("a mistake"));
        assert_eq!((noted[3].status, noted[3].why.as_deref()), (ReplayStatus::New, None));
        assert_eq!(*mailer.0.lock().unwrap(), ["t:1", "t:2", "t:3", "t:4"], "nothing is sent again");
        let unknown = processors.reset("prob", StartAt::Oldest).await.unwrap_err();
        assert!(
            matches!(&unknown, ProcessorError::Unknown { known, .. } if known == &["mailer", "probe"]),
            "{unknown}"
        );
        app.shutdown().await.unwrap();
    }
}

/// As the mailer, with failures on demand.
#[derive(Clone, Default)]
struct SlowMailer {
    faults: Faults,
    sent: Arc<Mutex<Vec<String>>>,
}

#[event_handlers(processor = "slow-mailer", skip_replay)]
impl SlowMailer {
    #[handle]
    fn counted(&self, event: &Counted) -> Result<(), HandlerError> {
        if self.faults.strike(&event.tally) {
            return Err(HandlerError::new("told to fail"));
        }
        self.sent.lock().unwrap().push(event.tally.clone());
        Ok(())
    }
}

/// A segment that stopped before an event has never handled it: after a reset the event is no replay to it.
#[tokio::test]
async fn what_a_segment_had_not_handled_before_a_reset_is_new_to_it_afterwards() {
    let (lasting, mailer) = (Lasting::file(), SlowMailer::default());
    mailer.faults.fail("stuck", u32::MAX);
    let builder = tallies().include::<SlowMailer>().resource(mailer.clone());
    let app = lasting.start(builder.processors(|all| all.on_error = ErrorPolicy::always(OnError::Stop))).await;
    for tally in ["stuck", "a", "b", "c", "d"] {
        count(&app, tally, 1).await;
    }
    eventually("the others are sent", async || (mailer.sent.lock().unwrap().len() == 4).then_some(())).await;
    app.processors().reset("slow-mailer", StartAt::Oldest).await.unwrap();
    mailer.faults.heal("stuck");
    app.settled(PATIENCE).await.unwrap();
    let mut sent = mailer.sent.lock().unwrap().clone();
    sent.sort();
    assert_eq!(sent, ["a", "b", "c", "d", "stuck"]);
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_processor_stays_so_over_restarts() {
    for lasting in Lasting::each() {
        let probe = Probe::default();
        let app = lasting.start(probed(&probe, |_| {})).await;
        count(&app, "t", 1).await;
        app.settled(PATIENCE).await.unwrap();
        app.processors().pause("probe").await.unwrap();
        assert!(status(&app).await.paused);
        count(&app, "t", 2).await;
        app.shutdown().await.unwrap();
        let app = lasting.start(probed(&probe, |_| {})).await;
        count(&app, "t", 3).await;
        let paused = status(&app).await;
        assert!(paused.paused && !paused.runs_here && paused.behind() >= 2 && !paused.is_caught_up(), "{paused:?}");
        assert_eq!(probe.lines(), ["t:1"]);
        app.processors().resume("probe").await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(probe.lines(), ["t:1", "t:2", "t:3"]);
        assert!(!status(&app).await.paused);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_may_step_back_and_segments_may_be_moved() {
    for lasting in Lasting::each() {
        let probes = [Probe::default(), Probe::default()];
        let one = lasting.start(probed(&probes[0], |_| {}).node(|node| node.name = "one".into())).await;
        let two = lasting.start(probed(&probes[1], |_| {}).node(|node| node.name = "two".into())).await;
        let owned = async |name: &str| {
            let segments = status(&one).await.segments;
            segments.into_iter().filter(|segment| segment.owner_name.as_deref() == Some(name)).collect::<Vec<_>>()
        };
        eventually("they share", async || {
            (owned("one").await.len() == 8 && owned("two").await.len() == 8).then_some(())
        })
        .await;
        one.processors().stop("probe").unwrap();
        eventually("the other takes over", async || (owned("two").await.len() == 16).then_some(())).await;
        one.processors().start("probe").unwrap();
        eventually("they share again", async || (owned("one").await.len() == 8).then_some(())).await;

        let moved = owned("two").await[0].segment.id();
        one.processors().claim("probe", moved).await.unwrap();
        let on_one = async || owned("one").await.iter().any(|segment| segment.segment.id() == moved).then_some(());
        eventually("it is moved here", on_one).await;
        let two_id = owned("two").await[0].owner.clone().unwrap();
        two.processors().move_to("probe", moved, &two_id).await.unwrap();
        let on_two = async || owned("two").await.iter().any(|segment| segment.segment.id() == moved).then_some(());
        eventually("it is moved back", on_two).await;
        let refused = one.processors().move_to("probe", moved, "nobody").await.unwrap_err();
        assert!(matches!(&refused, ProcessorError::Refused { reason, .. } if reason.contains("nobody")), "{refused}");
        two.processors().release("probe", moved).await.unwrap();
        let missing = one.processors().claim("probe", 99).await.unwrap_err();
        assert!(matches!(&missing, ProcessorError::NoSegment { segment: 99, .. }), "{missing}");
        for tally in 0..20 {
            count(&one, &format!("t{tally}"), 1).await;
        }
        one.settled(PATIENCE).await.unwrap();
        let seen: BTreeSet<String> = probes.iter().flat_map(Probe::lines).collect();
        assert_eq!(seen.len(), 20);
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    }
}

/// Guarantee 6: nothing is lost or doubled while segments are divided, merged and moved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_are_divided_and_merged_under_way() {
    for lasting in Lasting::each() {
        let seed = Dice::any_seed();
        println!("seed {seed}");
        let mut dice = Dice::seeded(seed);
        let builder = || tallies().include::<Sums>().processors(|config| config.segments = 3);
        let (one, two) = (lasting.start(builder()).await, lasting.start(builder()).await);
        let name = processor_name::<Sums>();
        let mut expected = std::collections::BTreeMap::new();
        for _ in 0..40 {
            for _ in 0..dice.below(8) {
                let group = format!("g{}", dice.below(12));
                *expected.entry(group.clone()).or_insert(0_i64) += 1;
                count_in(if dice.below(2) == 0 { &one } else { &two }, &group, &format!("t{}", dice.below(5)), 1).await;
            }
            let app = if dice.below(2) == 0 { &one } else { &two };
            let segments = status(app).await.segments;
            let segment = segments[dice.below(segments.len() as u64) as usize].segment.id();
            let changed = match dice.below(5) {
                0 | 1 => app.processors().split(&name, segment).await,
                2 | 3 => app.processors().merge(&name, segment).await,
                _ => app.processors().release(&name, segment).await,
            };
            match changed {
                // A sibling that is divided cannot be merged with.
                Ok(()) | Err(ProcessorError::Refused { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        one.settled(PATIENCE).await.unwrap();
        let sums = one.view::<Sums>().list(None, 100).await.unwrap();
        let sums: std::collections::BTreeMap<_, _> = sums.into_iter().map(|(key, sum)| (key, sum.total)).collect();
        assert_eq!(sums, expected);
        let segments = status(&one).await.segments;
        let covered: u32 = segments.iter().map(|one| Segment::MOST / (one.segment.mask() + 1)).sum();
        assert_eq!(covered, Segment::MOST, "the segments make up the whole");
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_belongs_together_is_as_the_policy_says() {
    for (policy, segments) in [
        (SequencingPolicy::Full, 1..=1),
        (SequencingPolicy::property("group"), 2..=2),
        (SequencingPolicy::by(|event| event.recorded.stream.category().to_owned()), 1..=1),
        (SequencingPolicy::Stream, 5..=20),
        (SequencingPolicy::Concurrent, 5..=40),
    ] {
        let (lasting, probe) = (Lasting::file(), Probe::default());
        let named = format!("{policy:?}");
        let app = lasting
            .start(probed(&probe, move |config| {
                (config.sequence, config.segments) = (policy, 1024);
            }))
            .await;
        for number in 0..40 {
            let group = ["all", "some"][number % 2];
            count_in(&app, group, &format!("t{}", number % 20), i64::try_from(number).unwrap()).await;
        }
        app.settled(PATIENCE).await.unwrap();
        let used: BTreeSet<u32> = probe.noted().iter().map(|noted| noted.segment).collect();
        assert!(segments.contains(&used.len()), "{named}: {used:?}");
        assert_eq!(probe.noted().len(), 40, "{named}");
        app.shutdown().await.unwrap();
    }
    let (lasting, probe) = (Lasting::file(), Probe::default());
    let app = lasting
        .start(probed(&probe, |config| (config.sequence, config.segments) = (SequencingPolicy::Broadcast, 4)))
        .await;
    count(&app, "t", 1).await;
    app.settled(PATIENCE).await.unwrap();
    let used: BTreeSet<u32> = probe.noted().iter().map(|noted| noted.segment).collect();
    assert_eq!((used, probe.noted().len()), (BTreeSet::from([0, 1, 2, 3]), 4));
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_becomes_of_an_error_the_policy_says() {
    for lasting in Lasting::each() {
        let probe = Probe::default();
        let policy = ErrorPolicy::new(|failed| match failed.error.to_string() {
            error if error.contains("skip") => OnError::Skip,
            error if error.contains("park") => OnError::Park,
            error if error.contains("stop") => OnError::Stop,
            _ => OnError::Retry,
        });
        let app = lasting.start(probed(&probe, move |config| config.on_error = policy)).await;
        for tally in ["skip", "park", "stop", "once"] {
            probe.faults.fail(format!("{tally}:1"), if tally == "once" { 2 } else { u32::MAX });
            count(&app, tally, 1).await;
            count(&app, tally, 2).await;
        }
        let letters = async || app.processors().dead_letters("probe").await.unwrap();
        eventually("all but the one that stops is done", async || {
            let lines = probe.lines();
            (["skip:2", "once:1", "once:2"].iter().all(|line| lines.contains(&(*line).to_owned()))).then_some(())
        })
        .await;
        // Skipped for the record, parked at once with what comes behind it, and stopped before the third.
        eventually("two wait", async || (letters().await.len() == 3).then_some(())).await;
        let all = letters().await;
        assert_eq!(
            all.iter().map(|letter| (letter.stream.as_str(), letter.attempts)).collect::<Vec<_>>(),
            [("tally/skip", 1), ("tally/park", 5), ("tally/park", 0)]
        );
        assert_eq!((all[0].state, all[1].state), (LetterState::Skipped, LetterState::Parked));
        let stopped = eventually("it says that it stops", async || {
            status(&app).await.segments.into_iter().find_map(|segment| segment.failure)
        })
        .await;
        assert_eq!((stopped.event.as_str(), stopped.error.as_str()), ("tally.counted", "told to fail at stop:1"));
        let health = app.processors().health(Duration::from_secs(60)).await.unwrap();
        let told = |wanted: fn(&Ailment) -> bool| health.ailments.iter().any(wanted);
        assert!(
            told(|one| matches!(one, Ailment::Stopped { .. })) && told(|one| matches!(one, Ailment::Parked { .. }))
        );

        for line in ["park:1", "stop:1"] {
            probe.faults.heal(line);
        }
        assert_eq!(app.processors().retry_where("probe", |letter| letter.sequence == "tally/park").await.unwrap(), 2);
        assert_eq!(
            app.processors().evict_where("probe", |letter| letter.state == LetterState::Skipped).await.unwrap(),
            1
        );
        app.settled(PATIENCE).await.unwrap();
        assert!(letters().await.is_empty());
        let noted = probe.noted();
        let of = |line: &str| noted.iter().find(|noted| noted.line == line).unwrap().attempt;
        // An attempt of a page that failed as a whole does not count.
        assert!((2..=3).contains(&of("once:1")));
        assert_eq!((of("stop:1"), of("skip:2")), (1, 1));
        assert!(status(&app).await.segments.iter().all(|segment| segment.failure.is_none()));
        assert!(app.processors().health(Duration::from_secs(60)).await.unwrap().is_good());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn too_many_dead_letters_hold_the_processor_up() {
    for lasting in Lasting::each() {
        let probe = Probe::default();
        let builder = probed(&probe, |config| {
            (config.segments, config.attempts) = (1, 1);
            (config.held_sequences, config.letters_in_sequence) = (2, 2);
        });
        let app = lasting.start(builder).await;
        for tally in ["a", "b", "c"] {
            probe.faults.fail(format!("{tally}:1"), u32::MAX);
        }
        for tally in ["a", "a", "a"] {
            count(&app, tally, 1).await;
        }
        let why = async |part: &str| {
            let part = part.to_owned();
            eventually("it is held up", async || {
                let failure = status(&app).await.segments.into_iter().find_map(|segment| segment.failure);
                failure.filter(|failure| failure.error.contains(&part))
            })
            .await
        };
        assert_eq!(why("letters_in_sequence").await.position, Position::new(3));
        let letters = app.processors().dead_letters("probe").await.unwrap();
        assert_eq!(letters.len(), 2);
        app.processors().evict(&letters[0]).await.unwrap();
        count(&app, "b", 1).await;
        count(&app, "c", 1).await;
        assert_eq!(why("held_sequences").await.position, Position::new(5));
        for tally in ["a", "b", "c"] {
            probe.faults.heal(&format!("{tally}:1"));
        }
        app.processors().retry_where("probe", |_| true).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let mut lines = probe.lines();
        lines.sort();
        assert_eq!(lines, ["a:1", "a:1", "b:1", "c:1"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_document_is_built_anew() {
    for lasting in Lasting::each() {
        let app = lasting.start(tallies().include::<Sums>()).await;
        for amount in 1..=4 {
            count(&app, "t", amount).await;
            count(&app, "u", amount).await;
        }
        app.settled(PATIENCE).await.unwrap();
        let id = app.journal().store();
        let mut transaction = id.begin().await.unwrap();
        let view = annals::store::records::ViewId { tenant: String::new(), name: "sums".to_owned(), version: 1 };
        let wrong = annals::store::DocumentChange::put("t", br#"{"total":-1,"times":0}"#);
        transaction.write_documents(&view, vec![wrong]).await.unwrap();
        transaction.commit().await.unwrap();
        let sums = app.view::<Sums>();
        assert_eq!(sums.get(&"t".to_owned()).await.unwrap().unwrap().total, -1);
        let right = Some(Sums { total: 10, times: 4 });
        assert_eq!(sums.rebuild(&"t".to_owned()).await.unwrap(), right);
        assert_eq!(sums.get(&"t".to_owned()).await.unwrap(), right);
        assert_eq!(sums.rebuild(&"nothing".to_owned()).await.unwrap(), None);
        let sent = count(&app, "t", 5).await;
        let sums = sums.after(&sent).await.unwrap();
        assert_eq!(sums.get(&"t".to_owned()).await.unwrap(), Some(Sums { total: 15, times: 5 }));
        let versions = sums.versions().await.unwrap();
        assert_eq!(
            versions.iter().map(|one| (one.version, one.state)).collect::<Vec<_>>(),
            [(1, ViewVersionState::Read)]
        );
        assert!(sums.drop_version(1).await.is_err() && !sums.drop_version(7).await.unwrap());
        assert!(app.view::<LiveSums>().rebuild(&"t".to_owned()).await.is_err());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_answered_when_the_views_that_are_named_show_it() {
    for lasting in Lasting::each() {
        let builder = || tallies().include::<Sums>().include::<LiveSums>();
        // The view is kept on both, whatever node the command is sent from.
        let (one, two) = (lasting.start(builder()).await, lasting.start(builder()).await);
        for number in 1..=20 {
            let app = if number % 2 == 0 { &one } else { &two };
            let command = Count { tally: format!("t{}", number % 3), group: "all".into(), amount: 1 };
            app.send(command).seen_in(&app.view::<Sums>()).seen_in(&app.view::<LiveSums>()).await.unwrap();
            assert_eq!(app.view::<Sums>().get(&"all".to_owned()).await.unwrap().unwrap().total, number);
        }
        two.shutdown().await.unwrap();
        one.processors().pause(&processor_name::<Sums>()).await.unwrap();
        let command = Count { tally: "t".into(), group: "all".into(), amount: 1 };
        let unseen =
            one.send(command).seen_in(&one.view::<Sums>()).patience(Duration::from_millis(50)).await.unwrap_err();
        let SeenError::Unseen { sent, source } = unseen else { panic!("the command was executed") };
        assert_eq!(sent.position, Position::new(21));
        assert!(matches!(source, ViewError::Stale { view: "sums", .. }), "{source}");
        one.shutdown().await.unwrap();
    }
}
