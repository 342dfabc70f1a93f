//! The life of instances: how they are begun and found, alone and by several segments and nodes, and what they may want.

use std::collections::BTreeSet;
use std::time::Duration;

use annals::app::Builder;
use annals::prelude::*;
use annals::saga::{ChildEnd, HistoryInput, SagaFilter, SagaInstance, SagaStatus};
use annals::store::Read;
use annals::testing::given_saga;
use annals::{Annals, Clock};

use crate::given::{Lasting, PATIENCE, app, eventually};

/// Somebody reports something about cases.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "case.reported")]
struct Reported {
    case: String,
}

/// Also reported, and a new case each time.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "case.noise")]
struct Noise {
    street: String,
}

/// Something concerns several cases, or none.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "case.clue")]
struct Clue {
    cases: Vec<String>,
    text: String,
}

/// Concerns the case of a witness, whom only the metadata name.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "case.testified")]
struct Testified {
    words: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "case.closed")]
struct CaseClosed {
    case: String,
}

/// What a case itself says.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "case.solved")]
struct Solved {
    #[tag]
    case: String,
    clues: Vec<String>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "case.publish")]
struct Say {
    #[target]
    desk: String,
    report: Report,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
enum Report {
    Case(String),
    Noise(String),
    Clue(Vec<String>, String),
    Testimony(String),
    Close(String),
}

#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "case-desk")]
struct Desk;

#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "case.ask", reply = String, error = Refusal)]
struct Ask {
    #[target]
    desk: String,
    question: String,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("there is {0}")]
struct Refusal(String);

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "case.asked")]
struct Asked {
    question: String,
}

#[command_handlers]
impl Desk {
    #[handle(create_if_missing)]
    fn say(&mut self, command: Say, events: &mut Events<Self>) {
        match command.report {
            Report::Case(case) => events.apply(self, Reported { case }),
            Report::Noise(street) => events.apply(self, Noise { street }),
            Report::Clue(cases, text) => events.apply(self, Clue { cases, text }),
            Report::Testimony(words) => events.apply(self, Testified { words }),
            Report::Close(case) => events.apply(self, CaseClosed { case }),
        }
    }

    #[handle(create_if_missing)]
    fn ask(&mut self, command: Ask, events: &mut Events<Self>) -> Result<String, Refusal> {
        if command.question == "why?" {
            return Err(Refusal("no answer".into()));
        }
        let reply = format!("{} Yes.", command.question);
        events.apply(self, Asked { question: command.question });
        Ok(reply)
    }
}

#[event_sourcing]
impl Desk {
    #[apply]
    fn reported(&mut self, _: &Reported) {}
    #[apply]
    fn noise(&mut self, _: &Noise) {}
    #[apply]
    fn clue(&mut self, _: &Clue) {}
    #[apply]
    fn testified(&mut self, _: &Testified) {}
    #[apply]
    fn closed(&mut self, _: &CaseClosed) {}
    #[apply]
    fn asked(&mut self, _: &Asked) {}
}

#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[saga(name = "case")]
struct Case {
    case: String,
    clues: Vec<String>,
    undone: bool,
}

impl Case {
    fn all_of(event: &Clue) -> Vec<String> {
        event.cases.clone()
    }
}

#[saga_handlers]
impl Case {
    #[start(by = case)]
    fn reported(&mut self, event: &Reported, effects: &mut Effects) {
        self.case = event.case.clone();
        self.clues.push("reported".into());
        effects.associate("witness", format!("of {}", event.case));
        effects.stage("open");
    }

    #[start(by = street, always)]
    fn noise(&mut self, event: &Noise) {
        self.clues.push(format!("noise in {}", event.street));
    }

    #[handle(by_any = Self::all_of, key = "case")]
    fn clue(&mut self, event: &Clue, effects: &mut Effects) {
        match event.text.as_str() {
            "panic" => panic!("told to panic"),
            "ask" => effects.together(|effects| {
                for question in ["who?", "where?"] {
                    effects.send(Ask { desk: "answers".into(), question: question.into() });
                }
            }),
            "why" => effects.send(Ask { desk: "answers".into(), question: "why?".into() }),
            "search" => effects.begin(Search { place: self.case.clone() }),
            _ => {}
        }
        self.clues.push(event.text.clone());
    }

    #[handle(by_metadata = "witness")]
    fn testified(&mut self, event: &Testified, effects: &mut Effects) {
        self.clues.push(event.words.clone());
        effects.stage("heard");
    }

    #[accepted]
    fn answered(&mut self, _command: &Ask, reply: &str) {
        self.clues.push(reply.to_owned());
    }

    #[ended]
    fn searched(&mut self, search: &ChildEnd<Search>) {
        self.clues.push(format!("{}: {:?}", search.state.place, search.status));
    }

    #[compensate]
    fn undo(&mut self, effects: &mut Effects) {
        self.undone = true;
        effects.end_compensated();
    }

    #[end(by = case)]
    fn closed(&mut self, _event: &CaseClosed, effects: &mut Effects) {
        let stream = StreamId::new("case-file", self.case.clone());
        effects.publish(stream, Solved { case: self.case.clone(), clues: self.clues.clone() });
    }
}

#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[saga(name = "case-search")]
struct Search {
    place: String,
}

#[saga_handlers]
impl Search {
    #[begin]
    fn begin(&mut self, effects: &mut Effects) {
        effects.deadline("found", Duration::from_secs(1));
        self.place.push_str(" was searched");
    }

    #[deadline("found")]
    fn found(&mut self, effects: &mut Effects) {
        effects.end();
    }
}

/// What cases have come to, written with their last event.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "solved-cases", version = 1, key = String, inline)]
struct SolvedCase {
    clues: usize,
}

#[view_handlers]
impl SolvedCase {
    #[handle(key = case)]
    fn solved(&mut self, event: &Solved) {
        self.clues = event.clues.len();
    }
}

fn cases() -> Builder {
    app().include::<Desk>().include::<Case>().include::<Search>().include::<SolvedCase>()
}

async fn say(app: &Annals, report: Report) {
    app.send(Say { desk: "desk".into(), report }).await.unwrap();
}

async fn clue(app: &Annals, cases: &[&str], text: &str) {
    let cases = cases.iter().map(|case| (*case).to_owned()).collect();
    say(app, Report::Clue(cases, text.into())).await;
}

async fn all(app: &Annals) -> Vec<SagaInstance> {
    app.sagas().of::<Case>().list(&SagaFilter::default()).await.unwrap()
}

fn clues(instance: &SagaInstance) -> Vec<String> {
    serde_json::from_value(instance.state["clues"].clone()).unwrap()
}

/// The only running instance of the case.
async fn one(app: &Annals, case: &str) -> SagaInstance {
    let mut found = app.sagas().of::<Case>().find("case", case).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn clues_of(app: &Annals, case: &str) -> Vec<String> {
    clues(&one(app, case).await)
}

#[tokio::test]
async fn an_event_finds_its_instances_by_field_function_or_metadata() {
    for lasting in Lasting::each() {
        let app = lasting.start(cases()).await;
        say(&app, Report::Case("a".into())).await;
        say(&app, Report::Case("b".into())).await;
        clue(&app, &["a", "b", "nobody"], "shoe").await;
        clue(&app, &[], "dust").await;
        let words = Say { desk: "desk".into(), report: Report::Testimony("it was dark".into()) };
        app.send(words.clone()).metadata("witness", "of b").await.unwrap();
        app.send(words).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(clues_of(&app, "a").await, ["reported", "shoe"]);
        assert_eq!(clues_of(&app, "b").await, ["reported", "shoe", "it was dark"]);
        assert_eq!(one(&app, "b").await.step.as_deref(), Some("heard"));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_event_may_begin_an_instance_each_time() {
    for lasting in Lasting::each() {
        let app = lasting.start(cases()).await;
        for _ in 0..3 {
            say(&app, Report::Noise("elm street".into())).await;
        }
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(app.sagas().of::<Case>().find("street", "elm street").await.unwrap().len(), 3);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn replies_events_groups_and_child_sagas_come_back_to_their_instance() {
    for lasting in Lasting::each() {
        let app = lasting.start(cases()).await;
        say(&app, Report::Case("a".into())).await;
        clue(&app, &["a"], "ask").await;
        clue(&app, &["a"], "search").await;
        app.settled(PATIENCE).await.unwrap();
        let answered = async || (clues_of(&app, "a").await.len() == 6).then_some(());
        eventually("everything has come back", answered).await;
        let told: BTreeSet<String> = clues_of(&app, "a").await.into_iter().collect();
        for expected in ["who? Yes.", "where? Yes.", "a was searched: Completed"] {
            assert!(told.contains(expected), "{told:?}");
        }
        say(&app, Report::Close("a".into())).await;
        app.settled(PATIENCE).await.unwrap();
        let tagged = annals::store::Criterion::tag(Tag::new("case", "a"));
        let page = app.journal().read(Read::matching(tagged, Position::START)).await.unwrap();
        assert_eq!(page.events.len(), 1);
        assert_eq!(page.events[0].recorded.stream, StreamId::new("case-file", "a"));
        let solved = app.view::<SolvedCase>().get(&"a".to_owned()).await.unwrap();
        assert_eq!(solved, Some(SolvedCase { clues: 6 }), "an inline view knows it");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_saga_is_begun_by_a_call_once_for_each_key() {
    for lasting in Lasting::each() {
        let app = lasting.start(cases()).await;
        let searches = app.sagas().of::<Search>();
        let first = searches.begin("cellar", &Search { place: "cellar".into() }).await.unwrap();
        let again = searches.begin("cellar", &Search { place: "attic".into() }).await.unwrap();
        assert_eq!(first, again);
        let ended = async || searches.get(first).await.unwrap().filter(|search| search.status == SagaStatus::Completed);
        let ended = eventually("it ends", ended).await;
        assert_eq!(ended.state["place"], "cellar was searched");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn the_history_of_an_instance_tells_everything_in_order() {
    for lasting in Lasting::each() {
        let app = lasting.start(cases()).await;
        say(&app, Report::Case("a".into())).await;
        clue(&app, &["a"], "why").await;
        let stuck = async || app.sagas().attention().await.unwrap().pop();
        let stuck = eventually("its rejection is not handled", stuck).await;
        let sagas = app.sagas().of::<Case>();
        assert!(sagas.skip(stuck.id).await.unwrap());
        say(&app, Report::Close("a".into())).await;
        app.settled(PATIENCE).await.unwrap();
        let history = sagas.history(stuck.id).await.unwrap();
        let told: Vec<&str> = history
            .iter()
            .map(|entry| match &entry.input {
                HistoryInput::Event { name, .. } | HistoryInput::Accepted { name, .. } => name.as_str(),
                HistoryInput::Attention { reason } => {
                    assert!(reason.contains("no answer"), "{reason}");
                    "attention"
                }
                HistoryInput::Intervention { .. } => "intervention",
                other => panic!("{other:?}"),
            })
            .collect();
        let first = [Reported::NAME, Clue::NAME, "attention", "intervention", CaseClosed::NAME];
        assert_eq!(told[..5], first, "{told:?}");
        assert!(told.ends_with(&[Solved::NAME]), "{told:?}");
        assert_eq!(history[0].effects.len(), 1, "the association: {:?}", history[0]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_that_cannot_take_an_event_keeps_later_ones_in_order() {
    for lasting in Lasting::each() {
        let app = lasting.start(cases()).await;
        for case in ["bad", "good"] {
            say(&app, Report::Case(case.into())).await;
        }
        clue(&app, &["bad"], "panic").await;
        clue(&app, &["bad", "good"], "second").await;
        clue(&app, &["bad", "good"], "third").await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(clues_of(&app, "good").await, ["reported", "second", "third"]);
        let bad = one(&app, "bad").await;
        assert_eq!(clues(&bad), ["reported"]);
        assert!(bad.attention.as_deref().is_some_and(|reason| reason.contains("told to panic")), "{bad:?}");
        // A restart changes nothing; leaving the event out has the others taken.
        app.shutdown().await.unwrap();
        let app = lasting.start(cases()).await;
        let sagas = app.sagas().of::<Case>();
        assert!(sagas.retry(bad.id).await.unwrap());
        assert_eq!(clues_of(&app, "bad").await, ["reported"], "it panics again");
        assert!(sagas.skip(bad.id).await.unwrap());
        assert_eq!(clues_of(&app, "bad").await, ["reported", "second", "third"]);
        assert_eq!(one(&app, "bad").await.attention, None);
        clue(&app, &["bad"], "fourth").await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(clues_of(&app, "bad").await.last().map(String::as_str), Some("fourth"));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_can_be_compensated_aborted_or_given_another_command() {
    for lasting in Lasting::each() {
        let app = lasting.start(cases()).await;
        for case in ["a", "b", "c"] {
            say(&app, Report::Case(case.into())).await;
            clue(&app, &[case], "why").await;
        }
        app.settled(PATIENCE).await.unwrap();
        let sagas = app.sagas().of::<Case>();
        let (a, b, c) = (one(&app, "a").await, one(&app, "b").await, one(&app, "c").await);
        assert!(sagas.compensate(a.id).await.unwrap());
        assert!(sagas.abort(b.id).await.unwrap());
        let who = Ask { desk: "answers".into(), question: "who else?".into() };
        assert!(sagas.replace(c.id, &who).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(clues_of(&app, "c").await.last().map(String::as_str), Some("who else? Yes."));
        let status = async |id| sagas.get(id).await.unwrap().unwrap();
        let (a, b) = (status(a.id).await, status(b.id).await);
        assert_eq!((a.status, a.state["undone"].as_bool()), (SagaStatus::Compensated, Some(true)));
        assert_eq!((b.status, b.state["undone"].as_bool()), (SagaStatus::Aborted, Some(false)));
        assert!(app.sagas().attention().await.unwrap().is_empty());
        for id in [a.id, b.id] {
            assert!(sagas.open(id).await.unwrap().is_empty());
            assert!(!sagas.retry(id).await.unwrap(), "one that has ended stays so");
        }
        let counted = sagas.count().await.unwrap();
        assert_eq!(counted.iter().map(|count| count.instances).sum::<u64>(), 3);
        app.shutdown().await.unwrap();
    }
}

/// The end of another saga is an input like any other: it waits with all that it brings, whatever becomes of the one that ended.
#[tokio::test]
async fn an_end_that_waits_outlasts_the_instance_that_has_ended() {
    for lasting in Lasting::each() {
        let clock = annals::testing::TestClock::default();
        let app = lasting.start(cases().clock(clock.clone())).await;
        say(&app, Report::Case("a".into())).await;
        clue(&app, &["a"], "search").await;
        clue(&app, &["a"], "panic").await;
        let stuck = async || app.sagas().attention().await.unwrap().pop();
        let stuck = eventually("it cannot take a clue", stuck).await;
        clock.advance(Duration::from_secs(2));
        let searches = app.sagas().of::<Search>();
        clock.advance(Duration::from_secs(2));
        let removed = async || (searches.forget(clock.now()).await.unwrap() == 1).then_some(());
        eventually("the search has ended, told it and is removed", async || {
            clock.advance(Duration::from_secs(1));
            removed().await
        })
        .await;
        assert!(app.sagas().of::<Case>().skip(stuck.id).await.unwrap());
        assert_eq!(clues_of(&app, "a").await, ["reported", "search", "a was searched: Completed"]);
        app.shutdown().await.unwrap();
    }
}

/// Guarantee 8, over segments and nodes: the same is begun once, however many segments look at it and whoever has them, and no
/// event is lost or taken twice while segments are divided, merged and moved.
#[tokio::test]
async fn an_instance_is_begun_once_over_segments_and_nodes() {
    const CASES: usize = 12;
    const ROUNDS: usize = 8;
    for lasting in Lasting::each() {
        let divided = || cases().processor("saga:case", |config| config.segments = 4);
        let one_node = lasting.start(divided().node(|node| node.name = "one".into())).await;
        let other_node = lasting.start(divided().node(|node| node.name = "other".into())).await;
        let apps = [&one_node, &other_node];
        let publish = async {
            for round in 0..ROUNDS {
                for case in 0..CASES {
                    let app = apps[(round + case) % 2];
                    say(app, Report::Case(format!("case {case}"))).await;
                }
                let every: Vec<String> = (0..CASES).map(|case| format!("case {case}")).collect();
                let every: Vec<&str> = every.iter().map(String::as_str).collect();
                clue(apps[round % 2], &every, &format!("clue {round}")).await;
            }
        };
        let divide = async {
            for segment in [0, 1, 2] {
                one_node.processors().split("saga:case", segment).await.unwrap();
            }
            for segment in [4, 5] {
                let _ = one_node.processors().merge("saga:case", segment).await;
            }
        };
        tokio::join!(publish, divide);
        one_node.settled(PATIENCE).await.unwrap();
        other_node.settled(PATIENCE).await.unwrap();
        let found = all(&one_node).await;
        assert_eq!(found.len(), CASES, "{found:?}");
        for case in 0..CASES {
            let told = clues_of(&one_node, &format!("case {case}")).await;
            let expected: Vec<String> =
                (0..ROUNDS).flat_map(|round| ["reported".to_owned(), format!("clue {round}")]).collect();
            assert_eq!(told, expected, "case {case}");
        }
        one_node.shutdown().await.unwrap();
        other_node.shutdown().await.unwrap();
    }
}

/// Sagas that know each other do not keep an application alive.
#[tokio::test]
async fn an_application_with_sagas_lets_go_of_its_store() {
    let store: annals::store::SharedStore = std::sync::Arc::new(annals::store::MemoryStore::new());
    let app = cases().opened_store(std::sync::Arc::clone(&store)).start().await.unwrap();
    say(&app, Report::Case("a".into())).await;
    app.settled(PATIENCE).await.unwrap();
    app.shutdown().await.unwrap();
    eventually("nobody holds it", async || (std::sync::Arc::strong_count(&store) == 1).then_some(())).await;
}

#[test]
fn the_kit_tells_what_is_begun_and_published_and_lets_children_end() {
    let case = || Reported { case: "c".into() };
    let told = |text: &str| Clue { cases: vec!["c".into()], text: text.into() };
    let end = |status| format!("the attic: {status:?}");
    for status in [SagaStatus::Completed, SagaStatus::Aborted] {
        given_saga::<Case>(case())
            .when(told("search"))
            .then_sends_no::<Ask>()
            .then_begins(Search { place: "c".into() })
            .when_saga_ends(Search { place: "the attic".into() }, status)
            .then_sends_nothing()
            .then_running(1)
            .when(CaseClosed { case: "c".into() })
            .then_publishes(
                &StreamId::new("case-file", "c"),
                Solved { case: "c".into(), clues: vec!["reported".into(), "search".into(), end(status)] },
            )
            .then_ended();
    }
}

#[test]
#[should_panic(expected = "the saga has begun no `case-search` that runs")]
fn the_kit_lets_a_child_end_once() {
    let search = || Search { place: "c".into() };
    let _ = given_saga::<Case>(Reported { case: "c".into() })
        .when(Clue { cases: vec!["c".into()], text: "search".into() })
        .when_saga_ends(search(), SagaStatus::Completed)
        .then_running(1)
        .when_saga_ends(search(), SagaStatus::Completed);
}

#[test]
#[should_panic(expected = "no instance of `case-search` was begun with")]
fn the_kit_compares_the_state_of_a_child() {
    let _ = given_saga::<Case>(Reported { case: "c".into() })
        .when(Clue { cases: vec!["c".into()], text: "search".into() })
        .then_begins(Search { place: "elsewhere".into() });
}

#[test]
#[should_panic(expected = "no `case.solved` was published to `case-file/other`")]
fn the_kit_compares_where_an_event_goes() {
    let _ = given_saga::<Case>(Reported { case: "c".into() }).when(CaseClosed { case: "c".into() }).then_publishes(
        &StreamId::new("case-file", "other"),
        Solved { case: "c".into(), clues: vec!["reported".into()] },
    );
}
