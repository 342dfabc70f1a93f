//! Commands that are sent later: never early, once, and whatever happens in between.

use std::time::Duration;

use annals::app::Builder;
use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;
use annals::store::{Read, ReadError};
use annals::testing::TestClock;
use annals::{Clock, CommandFailure};

use crate::given::{Faults, Lasting, PATIENCE, app, eventually};

const MILLISECOND: Duration = Duration::from_millis(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "alarm.set-up")]
struct SetUp {
    #[target]
    alarm: String,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("the alarm is too old")]
struct TooOld {}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "alarm.ring", error = TooOld)]
struct Ring {
    #[target]
    alarm: String,
    text: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "alarm.was-set-up")]
struct WasSetUp {
    #[tag]
    alarm: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "alarm.rang")]
struct Rang {
    #[tag]
    alarm: String,
    text: String,
}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "alarm")]
struct Alarm {
    texts: Vec<String>,
}

#[command_handlers]
impl Alarm {
    #[handle(create)]
    fn set_up(command: SetUp) -> WasSetUp {
        WasSetUp { alarm: command.alarm }
    }

    #[handle]
    fn ring(&self, command: Ring) -> Result<Rang, TooOld> {
        if command.text == "too old" {
            return Err(TooOld {});
        }
        Ok(Rang { alarm: command.alarm, text: command.text })
    }
}

#[event_sourcing]
impl Alarm {
    #[apply]
    fn was_set_up(&mut self, _event: &WasSetUp) {}

    #[apply]
    fn rang(&mut self, event: &Rang) {
        self.texts.push(event.text.clone());
    }
}

fn ring(alarm: &str, text: &str) -> Ring {
    Ring { alarm: alarm.to_owned(), text: text.to_owned() }
}

fn alarms() -> Builder {
    app().include::<Alarm>()
}

async fn started(lasting: &Lasting, clock: &TestClock) -> Annals {
    let app = lasting.start(alarms().clock(clock.clone())).await;
    let _ = app.send(SetUp { alarm: "a".into() }).await;
    app
}

/// What rang when everything that is due has been done.
async fn rang(app: &Annals) -> Vec<String> {
    app.settled(PATIENCE).await.unwrap();
    app.aggregate::<Alarm>("a").load().await.unwrap().unwrap().state.texts
}

#[tokio::test]
async fn it_is_never_sent_early_and_once_when_it_is_due() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        let id = app.schedule(ring("a", "late")).after(seconds(90)).metadata("user", "ada").await.unwrap();
        app.schedule(ring("a", "soon")).at(clock.now().plus(seconds(60))).await.unwrap();
        app.schedule(ring("a", "now")).await.unwrap();
        assert_eq!(rang(&app).await, ["now"]);
        clock.advance(seconds(60) - MILLISECOND);
        // Anything that is scheduled has what waits looked at.
        app.schedule(ring("a", "woken")).await.unwrap();
        assert_eq!(rang(&app).await, ["now", "woken"]);
        clock.advance(MILLISECOND);
        assert_eq!(rang(&app).await, ["now", "woken", "soon"]);
        clock.advance(seconds(3600));
        assert_eq!(rang(&app).await, ["now", "woken", "soon", "late"]);
        clock.advance(seconds(3600));
        assert_eq!(rang(&app).await.len(), 4, "once");
        assert_eq!(app.scheduler().list().await.unwrap(), []);

        let events = app.journal().read(Read::all(Position::START)).await.unwrap().events;
        let metadata = events.last().unwrap().recorded.metadata();
        assert_eq!(metadata.get("user"), Some("ada"));
        assert_eq!(metadata.causation_id(), Some(id.to_string().as_str()), "sent under its id");
        assert!(app.send(ring("a", "late")).id(id).await.unwrap().repeated, "its outcome is recorded");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn it_survives_a_restart_and_is_made_up_for_when_it_was_due_meanwhile() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        app.schedule(ring("a", "soon")).after(seconds(60)).await.unwrap();
        app.schedule(ring("a", "late")).after(seconds(120)).await.unwrap();
        app.shutdown().await.unwrap();

        clock.advance(seconds(60));
        let app = started(&lasting, &clock).await;
        assert_eq!(rang(&app).await, ["soon"], "due while nobody ran");
        drop(app);

        let app = started(&lasting, &clock).await;
        clock.advance(seconds(60));
        assert_eq!(rang(&app).await, ["soon", "late"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn of_two_nodes_one_sends_and_the_other_one_takes_over() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let first = started(&lasting, &clock).await;
        first.schedule(ring("a", "first")).after(seconds(10)).await.unwrap();
        let second = started(&lasting, &clock).await;
        second.schedule(ring("a", "second")).after(seconds(10)).await.unwrap();
        second.schedule(ring("a", "third")).after(seconds(20)).await.unwrap();
        clock.advance(seconds(10));
        let mut texts = rang(&second).await;
        texts.sort();
        assert_eq!(texts, ["first", "second"], "each once");
        first.shutdown().await.unwrap();
        clock.advance(seconds(10));
        assert_eq!(rang(&second).await.len(), 3);
        second.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn it_can_be_listed_moved_replaced_and_taken_back() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        let (noon, scheduler) = (clock.now(), app.scheduler());
        let moved = app.schedule(ring("a", "moved")).after(seconds(90)).await.unwrap();
        let taken = app.schedule(ring("a", "taken back")).after(seconds(60)).await.unwrap();
        let replaced = app.schedule(ring("a", "old")).after(seconds(70)).await.unwrap();
        app.schedule(ring("a", "new")).id(replaced).after(seconds(80)).await.unwrap();
        let list = scheduler.list().await.unwrap();
        let listed: Vec<_> = list.iter().map(|waiting| (waiting.id, waiting.due, waiting.message.as_str())).collect();
        let due = |after| noon.plus(seconds(after));
        assert_eq!(
            listed,
            [(taken, due(60), "alarm.ring"), (replaced, due(80), "alarm.ring"), (moved, due(90), "alarm.ring")]
        );
        assert!(scheduler.reschedule(moved, due(50)).await.unwrap());
        assert!(scheduler.cancel(taken).await.unwrap());
        assert!(!scheduler.cancel(taken).await.unwrap(), "it is gone");
        assert!(!scheduler.reschedule(taken, due(1)).await.unwrap());
        clock.advance(seconds(50));
        assert_eq!(rang(&app).await, ["moved"]);
        clock.advance(seconds(50));
        assert_eq!(rang(&app).await, ["moved", "new"]);
        assert!(!scheduler.cancel(moved).await.unwrap(), "it was sent");
        app.shutdown().await.unwrap();
    }
}

/// Fails on demand.
struct Trouble(Faults);

#[async_trait::async_trait]
impl CommandInterceptor for Trouble {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        if self.0.strike(command.name) {
            return Err(CommandFailure::from(ReadError::Unavailable { source: "down".into() }).into());
        }
        next.run(command).await
    }
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_a_rejection_is_an_answer_and_a_permanent_one_waits_for_people() {
    for lasting in Lasting::each() {
        let faults = Faults::default();
        let app = lasting.start(alarms().dispatch_interceptor_of::<Ring>(Trouble(faults.clone()))).await;
        app.send(SetUp { alarm: "a".into() }).await.unwrap();
        faults.fail("alarm.ring", 3);
        app.schedule(ring("a", "at last")).await.unwrap();
        assert_eq!(rang(&app).await, ["at last"]);
        app.schedule(ring("a", "too old")).await.unwrap();
        assert_eq!(rang(&app).await, ["at last"]);
        assert_eq!(app.scheduler().list().await.unwrap(), [], "the domain has answered");

        let id = app.schedule(ring("b", "nobody is there")).await.unwrap();
        let parked = async || app.scheduler().list().await.unwrap().pop()?.parked;
        let reason = eventually("it is given up", parked).await;
        assert!(reason.contains("`alarm/b` does not exist"), "{reason}");
        app.settled(PATIENCE).await.unwrap();
        app.send(SetUp { alarm: "b".into() }).await.unwrap();
        assert!(app.scheduler().reschedule(id, app.journal().now()).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(app.aggregate::<Alarm>("b").load().await.unwrap().unwrap().state.texts, ["nobody is there"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_command_that_nobody_handles_is_refused_when_it_is_scheduled() {
    let app = Lasting::file().start(app()).await;
    let refused = app.schedule(ring("a", "?")).await;
    assert!(matches!(refused, Err(CommandFailure::NoHandler { .. })), "{refused:?}");
    app.shutdown().await.unwrap();
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "clock.wind")]
struct Wind {
    alarm: String,
}

#[derive(Default)]
struct Clocks;

#[command_handlers]
impl Clocks {
    #[handle]
    async fn wind(&self, command: Wind, scheduler: Scheduler) -> Result<(), HandlerError> {
        scheduler.schedule(ring(&command.alarm, "wound")).after(seconds(60)).await?;
        Ok(())
    }
}

/// Has each alarm that was set up ring, in the transaction of its events.
struct Ringer(Faults);

#[event_handlers(processor = "ringer")]
impl Ringer {
    #[handle]
    async fn was_set_up(
        &self,
        event: &WasSetUp,
        scheduler: Scheduler,
        transaction: &mut SqliteTransaction,
    ) -> Result<(), HandlerError> {
        scheduler.schedule(ring(&event.alarm, "by event")).after(seconds(30)).within(transaction).await?;
        let refused = scheduler.schedule(ring(&event.alarm, "?")).await;
        assert!(matches!(refused, Err(CommandFailure::Refused { .. })), "it would wait for its own transaction");
        if self.0.strike("ringer") { Err(HandlerError::new("not now")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_handler_outside_schedules_and_an_event_handler_does_in_its_transaction() {
    let (lasting, clock, faults) = (Lasting::file(), TestClock::default(), Faults::default());
    faults.fail("ringer", 2);
    let builder = alarms().include::<Clocks>().include::<Ringer>().resource(Ringer(faults));
    let app = lasting.start(builder.clock(clock.clone())).await;
    app.send(SetUp { alarm: "a".into() }).metadata("user", "ada").await.unwrap();
    let wound = app.send(Wind { alarm: "a".into() }).await.unwrap();
    let list = async || {
        // The event that failed is tried again after a while.
        clock.advance(10 * MILLISECOND);
        let list = app.scheduler().list().await.unwrap();
        (list.len() == 2).then_some(list)
    };
    let list = eventually("both are scheduled", list).await;
    assert_eq!(list.iter().find_map(|waiting| waiting.metadata.get("user")), Some("ada"), "carried on");
    let by_command = wound.command.to_string();
    assert!(list.iter().any(|waiting| waiting.metadata.causation_id() == Some(&by_command)));
    clock.advance(seconds(100));
    assert_eq!(rang(&app).await, ["by event", "wound"], "what was rolled back is not sent");
    app.shutdown().await.unwrap();
}
