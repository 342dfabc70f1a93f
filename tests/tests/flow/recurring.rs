//! Commands that are sent again and again: at their times, once, whoever runs and whatever was missed.

use std::time::Duration;

use annals::app::{Builder, StartError};
use annals::command::{Missed, Recurring, RecurringError, RecurringSchedule};
use annals::prelude::*;
use annals::testing::TestClock;
use annals::{Clock, CommandFailure};

use crate::given::{Lasting, PATIENCE, app, eventually};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "meter.read")]
struct ReadMeter {
    #[target]
    meter: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "meter.unhandled")]
struct Unhandled {}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "meter.was-read")]
struct WasRead {
    time: Option<annals::Timestamp>,
}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "meter")]
struct Meter {
    times: Vec<Option<annals::Timestamp>>,
}

#[command_handlers]
impl Meter {
    #[handle(create_if_missing)]
    fn read(&self, _command: ReadMeter, metadata: Metadata) -> WasRead {
        WasRead { time: metadata.get(Recurring::TIME).and_then(|time| time.parse().ok()) }
    }
}

#[event_sourcing]
impl Meter {
    #[apply]
    fn was_read(&mut self, event: &WasRead) {
        self.times.push(event.time);
    }
}

fn hourly() -> Recurring {
    Recurring::new("hourly", "0 * * * *", ReadMeter { meter: "m".into() })
}

fn meters() -> Builder {
    app().include::<Meter>()
}

/// 2026-03-28, the day before clocks go forward in Berlin, at half past noon there.
fn clock() -> TestClock {
    TestClock::at("2026-03-28T12:30:00+01:00".parse().unwrap())
}

async fn started(lasting: &Lasting, clock: &TestClock, recurring: Vec<Recurring>) -> Annals {
    let builder = recurring.into_iter().fold(meters().clock(clock.clone()), Builder::recurring);
    lasting.start(builder).await
}

/// The times for which the meter was read, without the date, once there are so many and nothing is left to do.
async fn read(app: &Annals, times: usize) -> Vec<String> {
    let enough = async || {
        let state = app.aggregate::<Meter>("m").load().await.unwrap()?.state;
        (state.times.len() >= times).then_some(())
    };
    if times > 0 {
        eventually("the meter is read", enough).await;
    }
    app.settled(PATIENCE).await.unwrap();
    let state = app.aggregate::<Meter>("m").load().await.unwrap().map(|meter| meter.state).unwrap_or_default();
    let shown =
        |time: &Option<annals::Timestamp>| time.map_or("at once".into(), |time| time.to_string()[8..16].to_owned());
    state.times.iter().map(shown).collect()
}

async fn only(app: &Annals) -> RecurringSchedule {
    let mut all = app.scheduler().recurring().list().await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[tokio::test]
async fn it_is_sent_at_its_times_once_each() {
    for lasting in Lasting::each() {
        let clock = clock();
        let app = started(&lasting, &clock, vec![hourly().metadata("user", "ada")]).await;
        clock.advance(HOUR / 2 - Duration::from_millis(1));
        app.schedule(ReadMeter { meter: "other".into() }).await.unwrap();
        assert_eq!(read(&app, 0).await, [""; 0], "never early");
        clock.advance(Duration::from_millis(1));
        assert_eq!(read(&app, 1).await, ["28T12:00"]);
        clock.advance(HOUR);
        assert_eq!(read(&app, 2).await, ["28T12:00", "28T13:00"]);
        let now = only(&app).await;
        assert_eq!((now.due, now.last), (Some(clock.now().plus(HOUR)), Some(clock.now())));
        assert_eq!((now.command.as_str(), now.metadata.get("user")), ("meter.read", Some("ada")));
        let events = app.journal().read(annals::store::Read::all(Position::START)).await.unwrap().events;
        let metadata = events.last().unwrap().recorded.metadata();
        assert_eq!((metadata.get(Recurring::SCHEDULE), metadata.get("user")), (Some("hourly"), Some("ada")));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn of_the_missed_times_the_last_one_is_made_up_for_or_none() {
    for (missed, expected) in [(Missed::One, vec!["28T15:00"]), (Missed::None, vec![])] {
        for lasting in Lasting::each() {
            let clock = clock();
            let schedule = || vec![hourly().missed(missed)];
            started(&lasting, &clock, schedule()).await.shutdown().await.unwrap();
            clock.advance(4 * HOUR - HOUR / 4);
            let app = started(&lasting, &clock, schedule()).await;
            let decided = async || (only(&app).await.due > Some(clock.now())).then_some(());
            eventually("the missed times are decided on", decided).await;
            assert_eq!(read(&app, expected.len()).await, expected, "{missed:?}");
            clock.advance(HOUR * 3 / 4);
            let times = read(&app, expected.len() + 1).await;
            assert_eq!(times.last().map(String::as_str), Some("28T16:00"), "{missed:?}");
            app.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn each_missed_time_is_made_up_for_in_order() {
    for lasting in Lasting::each() {
        let clock = clock();
        let all = || vec![hourly().missed(Missed::All)];
        started(&lasting, &clock, all()).await.shutdown().await.unwrap();
        clock.advance(4 * HOUR);
        let app = started(&lasting, &clock, all()).await;
        assert_eq!(read(&app, 4).await, ["28T12:00", "28T13:00", "28T14:00", "28T15:00"]);
        assert_eq!(only(&app).await.due, Some("2026-03-28T16:00:00Z".parse().unwrap()));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_night_in_which_clocks_change_is_as_people_expect() {
    for lasting in Lasting::each() {
        let clock = clock();
        let nightly = || Recurring::new("nightly", "30 2 * * *", ReadMeter { meter: "m".into() }).zone("Europe/Berlin");
        let app = started(&lasting, &clock, vec![nightly()]).await;
        clock.advance(16 * HOUR);
        assert_eq!(read(&app, 1).await, ["29T01:00"], "3:00 in Berlin, since there is no 2:30");
        clock.advance(24 * HOUR);
        assert_eq!(read(&app, 2).await, ["29T01:00", "30T00:30"]);
        clock.set("2026-10-25T02:29:00+02:00".parse().unwrap());
        assert_eq!(read(&app, 3).await.len(), 3, "the one of the day before");
        clock.set("2026-10-25T04:00:00+01:00".parse().unwrap());
        assert_eq!(read(&app, 4).await[2..], ["24T00:30", "25T00:30"], "and not again an hour later");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn two_nodes_send_it_once_and_one_takes_over() {
    for lasting in Lasting::each() {
        let clock = clock();
        let first = started(&lasting, &clock, vec![hourly()]).await;
        let second = started(&lasting, &clock, vec![hourly()]).await;
        clock.advance(HOUR);
        assert_eq!(read(&second, 1).await, ["28T12:00"]);
        first.shutdown().await.unwrap();
        clock.advance(HOUR);
        assert_eq!(read(&second, 2).await, ["28T12:00", "28T13:00"]);
        second.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_time_that_is_met_twice_is_sent_once() {
    for lasting in Lasting::each() {
        let clock = clock();
        let app = started(&lasting, &clock, vec![hourly()]).await;
        clock.advance(HOUR);
        assert_eq!(read(&app, 1).await, ["28T12:00"]);
        // As after a restore of the schedules, or where two nodes have met the same time.
        let recurring = app.scheduler().recurring();
        recurring.remove("hourly").await.unwrap();
        clock.set("2026-03-28T11:59:00Z".parse().unwrap());
        recurring.add(hourly()).await.unwrap();
        clock.set("2026-03-28T13:00:00Z".parse().unwrap());
        assert_eq!(read(&app, 2).await, ["28T12:00", "28T13:00"]);
        recurring.add(hourly().missed(Missed::All)).await.unwrap();
        assert_eq!(only(&app).await.missed, Missed::All);
        app.shutdown().await.unwrap();

        let app = started(&lasting, &clock, vec![]).await;
        let recurring = app.scheduler().recurring();
        recurring.remove("hourly").await.unwrap();
        clock.set("2026-03-28T11:59:00Z".parse().unwrap());
        recurring.add(hourly().missed(Missed::All)).await.unwrap();
        clock.set("2026-03-28T14:00:00Z".parse().unwrap());
        assert_eq!(read(&app, 3).await, ["28T12:00", "28T13:00", "28T14:00"], "12:00 and 13:00 were sent before");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn it_is_paused_resumed_sent_by_hand_and_removed() {
    for lasting in Lasting::each() {
        let clock = clock();
        let app = started(&lasting, &clock, vec![]).await;
        let recurring = app.scheduler().recurring();
        recurring.add(hourly()).await.unwrap();
        recurring.pause("hourly").await.unwrap();
        assert_eq!((only(&app).await.paused, only(&app).await.due), (true, None));
        clock.advance(2 * HOUR);
        recurring.run_now("hourly").await.unwrap();
        assert_eq!(read(&app, 1).await, ["28T13:30"], "by hand, and nothing else");
        recurring.resume("hourly").await.unwrap();
        assert_eq!(
            only(&app).await.due,
            Some("2026-03-28T14:00:00Z".parse().unwrap()),
            "what came meanwhile is left out"
        );
        clock.advance(HOUR);
        assert_eq!(read(&app, 2).await, ["28T13:30", "28T14:00"]);
        recurring.remove("hourly").await.unwrap();
        clock.advance(HOUR);
        assert_eq!(read(&app, 2).await.len(), 2);
        for missing in [
            recurring.pause("hourly").await,
            recurring.resume("hourly").await,
            recurring.remove("hourly").await,
            recurring.run_now("hourly").await.map(drop),
        ] {
            assert!(matches!(&missing, Err(RecurringError::NotFound { name }) if name == "hourly"), "{missing:?}");
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_the_code_says_changes_what_is_stored() {
    for lasting in Lasting::each() {
        let clock = clock();
        let app = started(&lasting, &clock, vec![hourly()]).await;
        let before = only(&app).await;
        app.scheduler().recurring().pause("hourly").await.unwrap();
        app.shutdown().await.unwrap();

        clock.advance(HOUR / 4);
        let app = started(&lasting, &clock, vec![hourly()]).await;
        assert!(only(&app).await.paused, "it stays paused");
        app.scheduler().recurring().resume("hourly").await.unwrap();
        assert_eq!(only(&app).await, before);
        app.shutdown().await.unwrap();

        let daily = Recurring::new("hourly", "0 3 * * *", ReadMeter { meter: "m".into() }).zone("Europe/Berlin");
        let app = started(&lasting, &clock, vec![daily]).await;
        let now = only(&app).await;
        assert_eq!((now.cron.as_str(), now.zone.as_str()), ("0 3 * * *", "Europe/Berlin"));
        assert_eq!(now.due, Some("2026-03-29T03:00:00+02:00".parse().unwrap()));
        app.shutdown().await.unwrap();

        let app = started(&lasting, &clock, vec![]).await;
        assert_eq!(only(&app).await, now, "one that is declared no longer goes on");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_reported_at_start_together() {
    let read = || ReadMeter { meter: "m".into() };
    let builder = meters()
        .recurring(Recurring::new("cron", "0 25 * * *", read()))
        .recurring(Recurring::new("zone", "0 3 * * *", read()).zone("Europe/Atlantis"))
        .recurring(Recurring::new("never", "0 0 30 2 *", read()))
        .recurring(Recurring::new("unhandled", "0 3 * * *", Unhandled {}))
        .recurring(hourly())
        .recurring(hourly());
    let Err(StartError::Problems(problems)) = Lasting::file().try_start(builder).await else {
        panic!("it has started")
    };
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let text = text.join("\n");
    for expected in [
        "`cron` has the cron expression `0 25 * * *`, which cannot be read",
        "`zone` has the time zone `Europe/Atlantis`, which is not known",
        "`never` has the cron expression `0 0 30 2 *`, and no such time ever comes",
        "`unhandled` sends the command `meter.unhandled`, which nobody handles",
        "`hourly`",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert!(text.contains("recurring.rs:"), "{text}");
    assert_eq!(problems.len(), 5, "{text}");

    let lasting = Lasting::file();
    let app = started(&lasting, &clock(), vec![]).await;
    let recurring = app.scheduler().recurring();
    let refused = recurring.add(Recurring::new("cron", "often", read())).await;
    assert!(matches!(refused, Err(RecurringError::Cron { .. })), "{refused:?}");
    let refused = recurring.add(Recurring::new("x", "0 3 * * *", Unhandled {})).await;
    assert!(matches!(refused, Err(RecurringError::Command(CommandFailure::NoHandler { .. }))), "{refused:?}");
    let refused = recurring.add(Recurring::new("x".repeat(600), "0 3 * * *", read())).await;
    assert!(matches!(refused, Err(RecurringError::Store(_))), "{refused:?}");
    assert_eq!(recurring.list().await.unwrap(), []);
    app.shutdown().await.unwrap();
}
