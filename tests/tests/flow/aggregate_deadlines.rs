//! Deadlines of aggregates: they commit with the events, and go with the stream.

use std::time::Duration;

use annals::app::Builder;
use annals::command::ScheduledKind;
use annals::prelude::*;
use annals::testing::{TestClock, given};
use annals::{Clock, CommandFailure};

use crate::given::{Lasting, PATIENCE, app};

const HOLD: Duration = Duration::from_secs(900);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "booking.book")]
struct Book {
    #[target]
    booking: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "booking.extend")]
struct Extend {
    #[target]
    booking: String,
    until: annals::Timestamp,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "booking.pay")]
struct PayBooking {
    #[target]
    booking: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "booking.release")]
struct Release {
    #[target]
    booking: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "booking.wait-for-nothing")]
struct WaitForNothing {
    #[target]
    booking: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "booking.nobody-handles")]
struct NobodyHandles {}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "booking.ask-nobody")]
struct AskNobody {
    #[target]
    booking: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "booking.book-two")]
struct BookTwo {
    first: String,
    second: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "booking.booked")]
struct Booked {
    #[tag]
    booking: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "booking.extended")]
struct Extended {}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "booking.paid")]
struct Paid {}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "booking.released")]
struct Released {}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "booking")]
struct Booking {
    told: Vec<String>,
}

#[command_handlers]
impl Booking {
    #[handle(create)]
    fn book(command: Book, deadlines: &mut Deadlines) -> Booked {
        let release = Release { booking: command.booking.clone() };
        deadlines.after("payment", HOLD, release);
        Booked { booking: command.booking }
    }

    #[handle]
    fn extend(&mut self, command: Extend, events: &mut Events<Self>, deadlines: &mut Deadlines) {
        events.apply(self, Extended {});
        deadlines.at("payment", command.until, Release { booking: command.booking });
    }

    #[handle]
    fn pay(&self, _command: PayBooking, deadlines: &mut Deadlines) -> Paid {
        deadlines.cancel("payment");
        Paid {}
    }

    #[handle]
    fn release(&self, _command: Release) -> Released {
        Released {}
    }

    #[handle]
    fn wait(&self, command: WaitForNothing, deadlines: &mut Deadlines) -> Option<Paid> {
        deadlines.after("nothing", HOLD, Release { booking: command.booking });
        None
    }

    #[handle]
    fn ask(&self, _command: AskNobody, deadlines: &mut Deadlines) -> Paid {
        deadlines.after("nobody", HOLD, NobodyHandles {});
        Paid {}
    }
}

#[event_sourcing]
impl Booking {
    #[apply]
    fn booked(&mut self, _event: &Booked) {
        self.told.push("booked".into());
    }

    #[apply]
    fn extended(&mut self, _event: &Extended) {
        self.told.push("extended".into());
    }

    #[apply]
    fn paid(&mut self, _event: &Paid) {
        self.told.push("paid".into());
    }

    #[apply]
    fn released(&mut self, _event: &Released) {
        self.told.push("released".into());
    }
}

#[derive(Default)]
struct Desk;

#[command_handlers]
impl Desk {
    #[handle]
    async fn book_two(&self, command: BookTwo, work: &mut UnitOfWork) -> Result<(), HandlerError> {
        work.execute(Book { booking: command.first }).await.map_err(HandlerError::from)?;
        work.execute(Book { booking: command.second.clone() }).await.map_err(HandlerError::from)?;
        work.execute(PayBooking { booking: command.second }).await.map_err(HandlerError::from)?;
        Ok(())
    }
}

fn bookings() -> Builder {
    app().include::<Booking>().include::<Desk>()
}

async fn started(lasting: &Lasting, clock: &TestClock) -> Annals {
    lasting.start(bookings().clock(clock.clone())).await
}

fn of(booking: &str) -> String {
    booking.to_owned()
}

async fn told(app: &Annals, booking: &str) -> Vec<String> {
    app.settled(PATIENCE).await.unwrap();
    app.aggregate::<Booking>(booking).load().await.unwrap().unwrap().state.told
}

#[tokio::test]
async fn a_deadline_commits_with_the_events_and_fires_once() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        let booked = app.send(Book { booking: of("a") }).metadata("user", "ada").await.unwrap();
        let waiting = app.scheduler().find("booking:a", "payment").await.unwrap().unwrap();
        assert_eq!(waiting.due, clock.now().plus(HOLD));
        assert_eq!((waiting.kind, waiting.message.as_str()), (ScheduledKind::Command, "booking.release"));
        assert_eq!(waiting.metadata.get("user"), Some("ada"));
        assert_eq!(waiting.metadata.causation_id(), Some(booked.command.to_string().as_str()));
        clock.advance(HOLD - Duration::from_millis(1));
        app.schedule(Release { booking: of("elsewhere") }).await.unwrap();
        assert_eq!(told(&app, "a").await, ["booked"], "never early");
        clock.advance(Duration::from_millis(1));
        assert_eq!(told(&app, "a").await, ["booked", "released"]);
        clock.advance(HOLD);
        assert_eq!(told(&app, "a").await.len(), 2, "once");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn it_is_moved_and_taken_back_by_later_commands() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        for booking in ["a", "b"] {
            app.send(Book { booking: of(booking) }).await.unwrap();
        }
        let until = clock.now().plus(2 * HOLD);
        app.send(Extend { booking: of("a"), until }).await.unwrap();
        assert_eq!(app.scheduler().list_scope("booking:a").await.unwrap()[0].due, until);
        app.send(PayBooking { booking: of("b") }).await.unwrap();
        assert_eq!(app.scheduler().list_scope("booking:b").await.unwrap(), []);
        clock.advance(HOLD);
        assert_eq!(told(&app, "a").await, ["booked", "extended"]);
        clock.advance(HOLD);
        assert_eq!(told(&app, "a").await, ["booked", "extended", "released"]);
        assert_eq!(told(&app, "b").await, ["booked", "paid"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn it_goes_when_the_stream_is_deleted() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        for booking in ["a", "b", "c"] {
            app.send(Book { booking: of(booking) }).await.unwrap();
        }
        app.stream(StreamId::new("booking", "a")).delete().await.unwrap();
        app.stream(StreamId::new("booking", "b")).tombstone().await.unwrap();
        let left = app.scheduler().list().await.unwrap();
        assert_eq!(left.iter().map(|left| left.scope.as_deref()).collect::<Vec<_>>(), [Some("booking:c")]);
        clock.advance(HOLD);
        assert_eq!(told(&app, "c").await, ["booked", "released"]);
        assert_eq!(app.scheduler().list().await.unwrap(), [], "nothing was given up");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn it_survives_a_restart_and_another_node_takes_over() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let first = started(&lasting, &clock).await;
        first.send(Book { booking: of("a") }).await.unwrap();
        first.shutdown().await.unwrap();
        clock.advance(seconds(600));
        let first = started(&lasting, &clock).await;
        let second = started(&lasting, &clock).await;
        second.send(Book { booking: of("b") }).await.unwrap();
        clock.advance(seconds(300));
        assert_eq!(told(&second, "a").await, ["booked", "released"]);
        first.shutdown().await.unwrap();
        clock.advance(seconds(600));
        assert_eq!(told(&second, "b").await, ["booked", "released"], "once, though there were two nodes");
        second.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_unit_of_work_keeps_the_deadlines_of_its_decisions() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        app.send(BookTwo { first: of("a"), second: of("b") }).await.unwrap();
        clock.advance(HOLD);
        assert_eq!(told(&app, "a").await, ["booked", "released"]);
        assert_eq!(told(&app, "b").await, ["booked", "paid"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_command_that_is_refused_or_repeated_sets_nothing() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        let id = annals::CommandId::new();
        app.send(Book { booking: of("a") }).id(id).await.unwrap();
        let set = app.scheduler().list().await.unwrap();
        assert!(app.send(Book { booking: of("a") }).id(id).await.unwrap().repeated);
        app.send(Book { booking: of("a") }).await.unwrap_err();
        assert_eq!(app.scheduler().list().await.unwrap(), set);

        let refused = app.send(WaitForNothing { booking: of("a") }).await.unwrap_err();
        let failure = refused.into_failure();
        assert!(matches!(&failure, CommandFailure::DeadlineWithoutEvent { deadline, .. } if deadline == "nothing"));
        let expected =
            "the decision on `booking/a` concerns the deadline `nothing`, and emits no event to store it with";
        assert_eq!(failure.to_string(), expected);
        let refused = app.send(AskNobody { booking: of("a") }).await.unwrap_err();
        let failure = refused.into_failure();
        assert!(matches!(&failure, CommandFailure::NoHandler { command } if command == "booking.nobody-handles"));
        assert_eq!(app.scheduler().list().await.unwrap(), set);
        assert_eq!(told(&app, "a").await, ["booked"]);
        app.shutdown().await.unwrap();
    }
}

#[test]
fn the_kit_tells_what_a_decision_waits_for() {
    let at = annals::Timestamp::EPOCH;
    given::<Booking>(()).when(Book { booking: of("a") }).then_events(Booked { booking: of("a") }).then_deadline(
        "payment",
        HOLD,
        Release { booking: of("a") },
    );
    let booked = || given::<Booking>(Booked { booking: of("a") });
    let extended = booked().when(Extend { booking: of("a"), until: at });
    extended.then_deadline("payment", at, Release { booking: of("a") });
    booked().when(PayBooking { booking: of("a") }).then_deadline_cancelled("payment").then_no_deadline();
    booked().when(Release { booking: of("a") }).then_no_deadline();
}

fn message_of(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(test).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn the_kit_says_what_was_set_instead() {
    let booked = || given::<Booking>(()).when(Book { booking: of("a") });
    let release = || Release { booking: of("a") };
    let missing = message_of(|| drop(booked().then_deadline("stock", HOLD, release())));
    assert_eq!(missing, "the deadline `stock` was expected, there is `payment`");
    let later = message_of(|| drop(booked().then_deadline("payment", 2 * HOLD, release())));
    assert!(later.contains("the deadline `payment` was expected to be another one"), "{later}");
    let unexpected = message_of(|| drop(booked().then_no_deadline()));
    assert!(unexpected.starts_with("no deadline was expected, `payment` was set to"), "{unexpected}");
    let kept = message_of(|| drop(booked().then_deadline_cancelled("payment")));
    assert!(kept.contains("was expected to be taken back, it was set to"), "{kept}");
    let waiting = || given::<Booking>(Booked { booking: of("a") }).when(WaitForNothing { booking: of("a") });
    let eventless = message_of(|| drop(waiting().then_nothing()));
    assert!(eventless.contains("concerns the deadline `nothing`, and emits no event"), "{eventless}");
}
