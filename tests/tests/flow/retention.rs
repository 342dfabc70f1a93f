//! How long ended instances stay: by themselves for as long as is said, and by hand.

use std::time::Duration;

use annals::app::StartError;
use annals::prelude::*;
use annals::saga::{Saga, SagaFilter, SagaInstance, SagaRetention, SagaStatus};
use annals::testing::TestClock;
use annals::{Annals, Clock};

use crate::book::*;
use crate::errand::*;
use crate::given::{Lasting, PATIENCE, app, eventually};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// Two hours, whatever the saga itself says.
fn for_two_hours(builder: annals::app::Builder) -> annals::app::Builder {
    builder.saga("errand", |errand| errand.retention = SagaRetention::For(2 * HOUR))
}

async fn all(app: &Annals) -> Vec<SagaInstance> {
    app.sagas().of::<Errand>().list(&SagaFilter::all()).await.unwrap()
}

/// The instance of an errand, whether it runs or not.
async fn instance(app: &Annals, errand: &str) -> Option<SagaInstance> {
    all(app).await.into_iter().find(|instance| instance.state["errand"] == errand)
}

async fn until_gone(app: &Annals, errand: &str) {
    eventually("it is removed", async || instance(app, errand).await.is_none().then_some(())).await;
}

/// Guarantee 8: what ended is removed after its retention, with all that belongs to it, and nothing else is.
#[tokio::test]
async fn ended_instances_go_after_their_retention_and_no_others_do() {
    for lasting in Lasting::each() {
        let (clock, trouble) = (TestClock::default(), Troublemaker::default());
        trouble.faults.fail("panic loudly", u32::MAX);
        trouble.faults.fail("before later", u32::MAX);
        let errands = || for_two_hours(errands()).handler_interceptor(trouble.clone()).clock(clock.clone());
        let app = lasting.start(errands()).await;
        begin(&app, "over", &[associate("p"), deadline("late", 9 * 3600), note("book", "over")]).await;
        close(&app, "over").await;
        begin(&app, "runs", &[associate("p"), deadline("late", 9 * 3600)]).await;
        begin(&app, "stuck", &[whisper("book", "no word")]).await;
        begin(&app, "parked", &[note("book", "loudly"), Do::End]).await;
        begin(&app, "sends", &[note("book", "later"), Do::End]).await;
        let sagas = app.sagas().of::<Errand>();
        let open = async |errand| match instance(&app, errand).await {
            Some(found) => sagas.open(found.id).await.unwrap(),
            None => Vec::new(),
        };
        let parked = async || open("parked").await.pop().filter(|effect| effect.parked.is_some()).map(|_| ());
        eventually("a command is given up", parked).await;
        let tried = async || open("sends").await.pop().filter(|effect| effect.attempts > 0).map(|_| ());
        eventually("a command waits for its retry", tried).await;
        eventually("one needs attention", async || app.sagas().attention().await.unwrap().pop()).await;
        let delivered = async || (lines(&app, "book").await == ["over"]).then_some(());
        eventually("the command of the one that is over is delivered", delivered).await;
        let over = instance(&app, "over").await.unwrap();
        let settled = async || sagas.open(over.id).await.unwrap().is_empty().then_some(());
        eventually("nothing of it is open", settled).await;
        assert_eq!(over.status, SagaStatus::Completed);
        assert!(!sagas.history(over.id).await.unwrap().is_empty());

        clock.advance(HOUR);
        begin(&app, "fresh", &[Do::End]).await;
        eventually("a later one ends", async || instance(&app, "fresh").await).await;
        clock.advance(HOUR + SECOND);
        until_gone(&app, "over").await;
        assert!(sagas.history(over.id).await.unwrap().is_empty());
        assert!(sagas.deadlines(over.id).await.unwrap().is_empty());
        assert_eq!(sagas.get(over.id).await.unwrap(), None);
        let found: Vec<_> = sagas.find("parcel", "p").await.unwrap().iter().map(|found| found.id).collect();
        assert_eq!(found, [instance(&app, "runs").await.unwrap().id]);
        for stays in ["runs", "stuck", "parked", "sends", "fresh"] {
            let stays = instance(&app, stays).await.unwrap_or_else(|| panic!("{stays} was removed"));
            assert!(!sagas.history(stays.id).await.unwrap().is_empty(), "{stays:?}");
        }
        let sends = instance(&app, "sends").await.unwrap();
        app.shutdown().await.unwrap();

        // While nobody runs time goes on; the next program goes on removing.
        trouble.faults.heal("before later");
        clock.advance(3 * HOUR);
        let app = lasting.start(errands()).await;
        until_gone(&app, "fresh").await;
        for stays in ["runs", "stuck", "parked"] {
            assert!(instance(&app, stays).await.is_some(), "{stays} was removed");
        }
        // Its command was delivered after the start: now nothing is left to wait for.
        let delivered = async || (lines(&app, "book").await == ["over", "later"]).then_some(());
        eventually("the late command is delivered", delivered).await;
        let answered = async || app.sagas().of::<Errand>().open(sends.id).await.unwrap().is_empty().then_some(());
        eventually("its answer has come back", answered).await;
        clock.advance(2 * HOUR);
        until_gone(&app, "sends").await;
        app.shutdown().await.unwrap();
    }
}

/// Several nodes have one program: whichever is left removes what has stayed long enough.
#[tokio::test]
async fn a_node_takes_over_from_one_that_has_ended() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let node = |name: &str| {
            let name = name.to_owned();
            for_two_hours(errands()).clock(clock.clone()).node(|node| node.name = name)
        };
        let first = lasting.start(node("first")).await;
        let second = lasting.start(node("second")).await;
        begin(&first, "e", &[Do::End]).await;
        eventually("it ends", async || instance(&first, "e").await).await;
        clock.advance(2 * HOUR + SECOND);
        until_gone(&second, "e").await;
        begin(&first, "f", &[Do::End]).await;
        eventually("it ends", async || instance(&first, "f").await).await;
        first.shutdown().await.unwrap();
        clock.advance(2 * HOUR + SECOND);
        until_gone(&second, "f").await;
        second.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn ended_instances_are_removed_by_hand_however_many_there_are() {
    // More than go in one transaction.
    const ENDED: usize = 300;
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = lasting.start(errands().clock(clock.clone())).await;
        let sagas = app.sagas().of::<Errand>();
        for errand in 0..ENDED {
            begin(&app, &format!("old-{errand}"), &[Do::End]).await;
        }
        begin(&app, "runs", &[]).await;
        app.settled(PATIENCE).await.unwrap();
        let before = clock.now().plus(SECOND);
        clock.advance(HOUR);
        begin(&app, "new", &[Do::End]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(all(&app).await.len(), ENDED + 2, "without a retention they stay");
        assert_eq!(sagas.forget(before).await.unwrap(), ENDED as u64);
        let mut left: Vec<_> = all(&app).await.iter().map(|left| left.state["errand"].clone()).collect();
        left.sort_by_key(ToString::to_string);
        assert_eq!(left, ["new", "runs"]);
        assert_eq!(sagas.forget(before).await.unwrap(), 0);
        app.shutdown().await.unwrap();
    }
}

/// Begun by a call, writes into a book, and ends.
macro_rules! entry {
    ($name:ident, $($attribute:tt)*) => {
        #[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
        #[saga($($attribute)*)]
        struct $name {
            text: String,
        }

        #[saga_handlers]
        impl $name {
            #[begin]
            fn begin(&mut self, effects: &mut Effects) {
                effects.send(Note { book: "entries".into(), text: self.text.clone() });
                let noted = Noted { book: "entries".into(), text: self.text.clone() };
                effects.publish(StreamId::new("entry", Self::NAME), noted);
                effects.end();
            }
        }
    };
}

entry!(Brief, name = "brief-entry", retention = "1h");
entry!(Plain, name = "plain-entry");
entry!(Kept, name = "kept-entry", retention = "forever");

/// The same as a workflow.
#[derive(Workflow, Serialize, Deserialize, Debug, Clone)]
#[workflow(name = "entry-flow", retention = "2h")]
struct EntryFlow {
    text: String,
}

#[workflow_handlers]
impl EntryFlow {
    #[run]
    async fn run(self, flow: Flow<Self>) -> Result<String, BookError> {
        flow.send(Note { book: "entries".into(), text: self.text.clone() }).await?;
        Ok(self.text)
    }
}

fn entries(clock: &TestClock) -> annals::app::Builder {
    let app = app().include::<Book>().include::<Brief>().include::<Plain>().include::<Kept>().include::<EntryFlow>();
    app.clock(clock.clone())
}

/// Begins one of each.
async fn begin_all(app: &Annals, key: &str) {
    let sagas = app.sagas();
    sagas.of::<Brief>().begin(key, &Brief { text: "brief".into() }).await.unwrap();
    sagas.of::<Plain>().begin(key, &Plain { text: "plain".into() }).await.unwrap();
    sagas.of::<Kept>().begin(key, &Kept { text: "kept".into() }).await.unwrap();
    app.workflows().begin(key, EntryFlow { text: "flow".into() }).await.unwrap();
    app.settled(PATIENCE).await.unwrap();
}

/// How many instances there are of the saga or workflow.
async fn number_of(app: &Annals, name: &str) -> usize {
    app.sagas().named(name).unwrap().list(&SagaFilter::all()).await.unwrap().len()
}

async fn until_none(app: &Annals, name: &str) {
    eventually(name, async || (number_of(app, name).await == 0).then_some(())).await;
}

#[tokio::test]
async fn a_retention_is_said_for_all_for_one_type_and_for_one_application() {
    assert_eq!(Brief::RETENTION, Some(SagaRetention::For(HOUR)));
    assert_eq!((Plain::RETENTION, Kept::RETENTION), (None, Some(SagaRetention::Forever)));
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = lasting.start(entries(&clock)).await;
        begin_all(&app, "k").await;
        clock.advance(HOUR + SECOND);
        until_none(&app, "brief-entry").await;
        assert_eq!(number_of(&app, "entry-flow").await, 1);
        clock.advance(HOUR + SECOND);
        until_none(&app, "entry-flow").await;
        assert_eq!(number_of(&app, "plain-entry").await, 1, "nothing says that it goes");
        app.shutdown().await.unwrap();

        let app = lasting.start(entries(&clock).sagas(|all| all.retention = SagaRetention::For(HOUR))).await;
        until_none(&app, "plain-entry").await;
        assert_eq!(number_of(&app, "kept-entry").await, 1, "its type says that it stays");
        app.shutdown().await.unwrap();

        let hour = |kept: &mut annals::saga::SagaConfig| kept.retention = SagaRetention::For(HOUR);
        let app = lasting.start(entries(&clock).saga("kept-entry", hour)).await;
        until_none(&app, "kept-entry").await;
        app.shutdown().await.unwrap();
    }
}

/// A key is begun once while its instance is kept; then it begins a new one, whose commands and events are no repeats.
#[tokio::test]
async fn the_key_of_a_removed_instance_begins_a_new_one() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = lasting.start(entries(&clock)).await;
        begin_all(&app, "k").await;
        begin_all(&app, "k").await;
        let published = async || {
            let stream = StreamId::new("entry", Kept::NAME);
            app.journal().read(annals::store::Read::stream(stream, None)).await.unwrap().events.len()
        };
        let written = async |text: &str| lines(&app, "entries").await.iter().filter(|line| *line == text).count();
        assert_eq!((written("kept").await, written("flow").await, published().await), (1, 1, 1));
        clock.advance(SECOND);
        for name in ["kept-entry", "entry-flow"] {
            assert_eq!(app.sagas().named(name).unwrap().forget(clock.now()).await.unwrap(), 1);
        }
        begin_all(&app, "k").await;
        assert_eq!((written("kept").await, written("flow").await, published().await), (2, 2, 2));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_retention_that_means_nothing_is_refused_at_start() {
    let lasting = Lasting::file();
    let briefly = |errand: &mut annals::saga::SagaConfig| errand.retention = SagaRetention::For(Duration::ZERO);
    let refused = lasting.try_start(errands().saga("errand", briefly)).await.unwrap_err();
    assert_eq!(refused.to_string(), "`retention` of the saga `errand` is 0ns, and has to be at least 1s");
    let refused = lasting.try_start(errands().sagas(|all| all.counting = Duration::ZERO)).await.unwrap_err();
    assert_eq!(refused.to_string(), "`counting` of all sagas is 0ns, and has to be at least 1s");
    match lasting.try_start(errands().saga("erand", |_| {})).await.unwrap_err() {
        StartError::NoSaga { name, known } => assert_eq!((name.as_str(), &known[..]), ("erand", &["errand"][..])),
        other => panic!("{other:?}"),
    }
}
