//! What is scheduled under names and in scopes, and events that are appended later.

use std::time::Duration;

use annals::app::Builder;
use annals::command::ScheduledKind;
use annals::message::{SagaId, Tag};
use annals::prelude::*;
use annals::store::{AppendError, Criterion, Effect, EffectKind, Read};
use annals::testing::TestClock;
use annals::{Clock, CommandFailure, CommandId, Metadata, Timestamp};

use crate::given::{Lasting, PATIENCE, app, eventually};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "offer.make")]
struct Make {
    #[target]
    offer: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "offer.remind")]
struct Remind {
    #[target]
    offer: String,
    text: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "offer.made")]
struct Made {
    #[tag]
    offer: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "offer.reminded")]
struct Reminded {
    #[tag]
    offer: String,
    text: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "offer.expired", revision = 2)]
struct Expired {
    #[tag]
    offer: String,
    reason: String,
}

#[upcasters]
impl Expired {
    #[upcast(from = 1)]
    fn add_reason(mut payload: annals::message::Json) -> annals::message::Json {
        payload["reason"] = "time".into();
        payload
    }
}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "offer")]
struct Offer {
    texts: Vec<String>,
}

#[command_handlers]
impl Offer {
    #[handle(create)]
    fn make(command: Make) -> Made {
        Made { offer: command.offer }
    }

    #[handle]
    fn remind(&self, command: Remind) -> Reminded {
        Reminded { offer: command.offer, text: command.text }
    }
}

#[event_sourcing]
impl Offer {
    #[apply]
    fn made(&mut self, _event: &Made) {}

    #[apply]
    fn reminded(&mut self, event: &Reminded) {
        self.texts.push(event.text.clone());
    }

    #[apply]
    fn expired(&mut self, event: &Expired) {
        self.texts.push(format!("expired: {}", event.reason));
    }
}

#[derive(View, Serialize, Deserialize, Debug, Clone, Default)]
#[view(name = "expired-offers", version = 1, key = String, inline)]
struct ExpiredOffers {
    reasons: Vec<String>,
}

#[view_handlers]
impl ExpiredOffers {
    #[handle(key = offer)]
    fn expired(&mut self, event: &Expired) {
        self.reasons.push(event.reason.clone());
    }
}

/// An error with its causes.
fn shown(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(|error| format!("{error}; ")).collect()
}

fn remind(text: &str) -> Remind {
    Remind { offer: "o".to_owned(), text: text.to_owned() }
}

fn expired(reason: &str) -> Expired {
    Expired { offer: "o".to_owned(), reason: reason.to_owned() }
}

fn stream() -> StreamId {
    StreamId::new("offer", "o")
}

fn offers() -> Builder {
    app().include::<Offer>().include::<ExpiredOffers>().include::<Expired>()
}

async fn started(lasting: &Lasting, clock: &TestClock) -> Annals {
    let app = lasting.start(offers().clock(clock.clone())).await;
    let _ = app.send(Make { offer: "o".into() }).await;
    app
}

/// What the offer says when everything that is due has been done.
async fn said(app: &Annals) -> Vec<String> {
    app.settled(PATIENCE).await.unwrap();
    app.aggregate::<Offer>("o").load().await.unwrap().unwrap().state.texts
}

#[tokio::test]
async fn a_name_in_a_scope_is_moved_replaced_and_taken_back() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        let scheduler = app.scheduler();
        let at = |name: &str, text: &str, after| {
            app.schedule(remind(text)).scope("customer:c").name(name).after(seconds(after))
        };
        at("call", "first call", 10).await.unwrap();
        let second = at("call", "second call", 30).await.unwrap();
        at("letter", "letter", 20).await.unwrap();
        app.schedule(remind("elsewhere")).scope("customer:d").name("call").after(seconds(10)).await.unwrap();
        app.schedule(remind("nowhere")).name("call").after(seconds(10)).await.unwrap();
        let found = scheduler.find("customer:c", "call").await.unwrap().unwrap();
        assert_eq!(
            (found.id, found.scope.as_deref(), found.name.as_deref()),
            (second, Some("customer:c"), Some("call"))
        );
        let listed = scheduler.list_scope("customer:c").await.unwrap();
        assert_eq!(listed.iter().map(|one| one.name.as_deref().unwrap()).collect::<Vec<_>>(), ["letter", "call"]);
        clock.advance(seconds(10));
        let mut texts = said(&app).await;
        texts.sort();
        assert_eq!(texts, ["elsewhere", "nowhere"], "a name is one in its scope alone");
        assert!(scheduler.cancel_named("customer:c", "letter").await.unwrap());
        assert!(!scheduler.cancel_named("customer:c", "letter").await.unwrap());
        assert!(!scheduler.cancel_named("customer:d", "call").await.unwrap(), "it was sent");
        assert!(scheduler.reschedule(second, clock.now().plus(seconds(1))).await.unwrap());
        clock.advance(seconds(60));
        assert_eq!(said(&app).await[2..], ["second call"]);
        at("call", "again", 10).await.unwrap();
        at("letter", "again", 10).await.unwrap();
        app.schedule(remind("again")).scope("customer:c").after(seconds(10)).await.unwrap();
        assert_eq!(scheduler.cancel_scope("customer:c").await.unwrap(), 3);
        assert_eq!(scheduler.cancel_scope("customer:c").await.unwrap(), 0);
        clock.advance(seconds(60));
        assert_eq!(said(&app).await.len(), 3);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn two_nodes_that_schedule_under_a_name_leave_one() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let (one, two) = (started(&lasting, &clock).await, started(&lasting, &clock).await);
        for round in 0..8 {
            let schedule =
                |app: &Annals| app.schedule(remind("?")).scope("race").name(format!("{round}")).after(seconds(9));
            let (first, second) = tokio::join!(schedule(&one).into_future(), schedule(&two).into_future());
            let scheduled = [first.unwrap(), second.unwrap()];
            let left = one.scheduler().list_scope("race").await.unwrap();
            assert_eq!(left.len(), round + 1, "{left:?}");
            let name = round.to_string();
            assert!(left.iter().any(|one| one.name.as_ref() == Some(&name) && scheduled.contains(&one.id)));
        }
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn the_list_is_whole_and_comes_in_pages() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        let mut transaction = app.journal().store().begin().await.unwrap();
        for number in 0..2_005_u64 {
            let call = app.schedule(remind("?")).after(seconds(60 + number / 2));
            call.within(&mut *transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
        let all = app.scheduler().list().await.unwrap();
        assert_eq!(all.len(), 2_005);
        assert!(all.is_sorted_by_key(|scheduled| scheduled.due));
        let (mut paged, mut last) = (Vec::new(), None);
        loop {
            let page = app.scheduler().page(last.as_ref(), 500).await.unwrap();
            let Some(end) = page.last().cloned() else { break };
            last = Some(end);
            paged.extend(page);
        }
        assert_eq!(paged, all);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_is_too_long_is_refused_with_its_limit() {
    let lasting = Lasting::file();
    let app = started(&lasting, &TestClock::default()).await;
    let refused = app.schedule(remind("?")).scope("x".repeat(1_026)).await.unwrap_err();
    let text = shown(&refused);
    assert!(text.contains("the scope of a deadline has 1026 bytes, the limit is 1025"), "{text}");
    let refused = app.schedule(remind("?")).name("x".repeat(513)).await.unwrap_err();
    let text = shown(&refused);
    assert!(text.contains("the name of a deadline has 513 bytes, the limit is 512"), "{text}");
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_event_is_appended_once_when_it_is_due() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        let scheduler = app.scheduler();
        let schedule = |reason: &str| scheduler.schedule_event(stream(), expired(reason));
        let id = schedule("late").after(seconds(60)).metadata("user", "ada").await.unwrap();
        let moved = schedule("moved").scope("offer:o").name("end").after(seconds(10)).await.unwrap();
        schedule("taken back").scope("offer:o").name("other").after(seconds(30)).await.unwrap();
        let waiting = scheduler.find("offer:o", "end").await.unwrap().unwrap();
        assert_eq!((waiting.kind, waiting.message.as_str()), (ScheduledKind::Event(stream()), "offer.expired"));
        assert!(scheduler.reschedule(moved, clock.now().plus(seconds(90))).await.unwrap());
        assert!(scheduler.cancel_named("offer:o", "other").await.unwrap());
        clock.advance(seconds(59));
        assert!(said(&app).await.is_empty(), "never early");
        clock.advance(seconds(1));
        assert_eq!(said(&app).await, ["expired: late"]);
        app.shutdown().await.unwrap();

        let app = started(&lasting, &clock).await;
        clock.advance(seconds(30));
        assert_eq!(said(&app).await, ["expired: late", "expired: moved"]);
        let view = app.view::<ExpiredOffers>().get(&"o".to_owned()).await.unwrap().unwrap();
        assert_eq!(view.reasons, ["late", "moved"], "what runs inline runs with it");
        let events = app.journal().read(Read::all(Position::START)).await.unwrap().events;
        let late = &events.iter().find(|event| event.recorded.id.uuid() == id.uuid()).unwrap().recorded;
        assert_eq!((late.metadata().get("user"), late.revision), (Some("ada"), 2));
        assert_eq!(late.metadata().correlation_id(), Some(id.to_string().as_str()));
        assert!(late.metadata().iter().all(|(key, _)| !key.starts_with("annals.")), "{:?}", late.metadata());
        assert_eq!(late.recorded_at, clock.now().minus(seconds(30)));
        let tagged = Criterion::tag(Tag::new("offer", "o"));
        let found = app.journal().read(Read::matching(tagged, Position::START)).await.unwrap().events;
        assert_eq!(found.len(), 3);

        // The same event once more, as after a crash between the append and its settlement.
        app.scheduler().schedule_event(stream(), expired("late")).id(id).await.unwrap();
        assert_eq!(said(&app).await.len(), 2, "a repeat has no effect");
        assert_eq!(app.scheduler().list().await.unwrap(), []);
        app.shutdown().await.unwrap();
    }
}

/// An event that an older program has scheduled.
fn old(revision: u32, due: Timestamp) -> Effect {
    let id = CommandId::new();
    let place = Metadata::new().with("annals.category", "offer").with("annals.stream", "o");
    Effect {
        tenant: String::new(),
        command: id,
        saga: Effect::SCHEDULED.to_owned(),
        saga_id: SagaId::from(id.uuid()),
        slice: 0,
        number: 1,
        group: 0,
        kind: EffectKind::Event,
        name: "offer.expired".to_owned(),
        payload: br#"{"offer":"o"}"#.to_vec(),
        metadata: if revision == 1 { place } else { place.with("annals.revision", revision.to_string()) },
        step: None,
        scope: None,
        label: None,
        attempts: 0,
        not_before: due,
        parked: None,
    }
}

#[tokio::test]
async fn a_scheduled_event_of_an_old_revision_is_lifted_before_it_is_appended() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        let unknown = old(7, clock.now());
        let mut transaction = app.journal().store().begin().await.unwrap();
        transaction.add_effects(vec![old(1, clock.now()), unknown.clone()]).await.unwrap();
        transaction.commit().await.unwrap();
        let lifted = async || {
            let texts = said(&app).await;
            (texts == ["expired: time"]).then_some(())
        };
        eventually("it is lifted", lifted).await;
        let events = app.journal().read(Read::stream(stream(), None)).await.unwrap().events;
        let last = &events.last().unwrap().recorded;
        assert_eq!(last.revision, 2, "stored as it is written today");
        let parked = async || app.scheduler().parked().await.unwrap().pop();
        let parked = eventually("the other one is given up", parked).await;
        assert_eq!(parked.id, unknown.command);
        let reason = parked.parked.unwrap();
        assert!(reason.contains("offer.expired") && reason.contains('7'), "{reason}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_event_that_no_stream_takes_is_refused_or_waits_for_people() {
    let (lasting, clock) = (Lasting::file(), TestClock::default());
    let app = started(&lasting, &clock).await;
    let scheduler = app.scheduler();
    let reserved = scheduler.schedule_event(StreamId::new("$own", "o"), expired("?")).await;
    assert!(matches!(reserved, Err(CommandFailure::Append(AppendError::Reserved { .. }))), "{reserved:?}");
    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "offer.never-declared")]
    struct Stranger {}
    let unknown = scheduler.schedule_event(stream(), Stranger {}).await;
    assert!(matches!(unknown, Err(CommandFailure::UnknownEvent { .. })), "{unknown:?}");

    let ended = StreamId::new("offer", "ended");
    app.send(Make { offer: "ended".into() }).await.unwrap();
    app.stream(ended.clone()).tombstone().await.unwrap();
    scheduler.schedule_event(ended, expired("?")).await.unwrap();
    let parked = eventually("it is given up", async || scheduler.parked().await.unwrap().pop()).await;
    assert!(parked.parked.unwrap().contains("offer/ended"));
    assert!(said(&app).await.is_empty());
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_due_comes_in_the_order_of_the_instants() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        let mut transaction = app.journal().store().begin().await.unwrap();
        let shuffled = (0..60_u64).map(|number| number * 37 % 60);
        for number in shuffled {
            let call = app.schedule(remind(&format!("{number:02}"))).after(seconds(10 + number));
            call.within(&mut *transaction).await.unwrap();
            let event = app.scheduler().schedule_event(StreamId::new("offer", "e"), expired(&format!("{number:02}")));
            event.after(seconds(10 + number)).within(&mut *transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
        clock.advance(seconds(30));
        let first: Vec<String> = (0..=20).map(|number| format!("{number:02}")).collect();
        assert_eq!(said(&app).await, first);
        clock.advance(seconds(60));
        let all: Vec<String> = (0..60).map(|number| format!("{number:02}")).collect();
        assert_eq!(said(&app).await, all);
        let events = app.aggregate::<Offer>("e").load().await.unwrap().unwrap().state.texts;
        assert_eq!(events, all.iter().map(|text| format!("expired: {text}")).collect::<Vec<_>>());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn tens_of_thousands_that_wait_slow_nobody() {
    const WAITING: usize = 30_000;
    for lasting in Lasting::each() {
        let app = lasting.start(offers()).await;
        app.send(Make { offer: "o".into() }).await.unwrap();
        let far = app.journal().now().plus(seconds(100_000));
        for chunk in 0..WAITING / 3_000 {
            let mut transaction = app.journal().store().begin().await.unwrap();
            let scope = Some(format!("later:{chunk}"));
            let some = (0..3_000).map(|_| Effect { scope: scope.clone(), ..old(1, far) }).collect();
            transaction.add_effects(some).await.unwrap();
            transaction.commit().await.unwrap();
        }
        let (begun, rounds) = (std::time::Instant::now(), 20);
        for round in 1..=rounds {
            app.schedule(remind(&round.to_string()))
                .scope("now")
                .name("next")
                .after(Duration::from_millis(5))
                .await
                .unwrap();
            let sent = async || {
                let texts = app.aggregate::<Offer>("o").load().await.unwrap().unwrap().state.texts;
                (texts.len() == round).then_some(())
            };
            eventually("it is sent", sent).await;
        }
        let each = begun.elapsed() / u32::try_from(rounds).unwrap();
        assert!(each < Duration::from_secs(1), "{} takes {each:?}", lasting.url());
        println!("{}: {each:?} from scheduling to the effect", lasting.url());
        let begun = std::time::Instant::now();
        assert_eq!(app.scheduler().cancel_scope("later:3").await.unwrap(), 3_000);
        assert!(begun.elapsed() < Duration::from_secs(2), "{} takes back in {:?}", lasting.url(), begun.elapsed());
        assert_eq!(app.scheduler().page(None, 10).await.unwrap().len(), 10);
        app.shutdown().await.unwrap();
    }
}
