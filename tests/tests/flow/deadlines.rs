//! Deadlines never fire early, and fire whatever happened in between.

use std::time::Duration;

use annals::Annals;
use annals::testing::{TestClock, given_saga};

use crate::book::*;
use crate::errand::*;
use crate::given::{Lasting, PATIENCE};

const MILLISECOND: Duration = Duration::from_millis(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn started(lasting: &Lasting, clock: &TestClock) -> Annals {
    lasting.start(errands().clock(clock.clone())).await
}

/// What the saga wrote when everything that is due has been done.
async fn fired(app: &Annals, errand: &str) -> Vec<String> {
    app.settled(PATIENCE).await.unwrap();
    lines(app, errand).await
}

#[tokio::test]
async fn a_deadline_never_fires_early_and_fires_when_it_is_due() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        begin(&app, "e", &[deadline("soon", 60)]).await;
        assert_eq!(fired(&app, "e").await, [""; 0]);
        clock.advance(seconds(60) - MILLISECOND);
        // Any input has the saga's deadlines looked at.
        tell(&app, "e", &[note("e", "woken")]).await;
        assert_eq!(fired(&app, "e").await, ["woken"]);
        clock.advance(MILLISECOND);
        assert_eq!(fired(&app, "e").await, ["woken", "soon is over"]);
        clock.advance(seconds(600));
        assert_eq!(fired(&app, "e").await, ["woken", "soon is over"], "once");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn setting_it_again_moves_it() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        begin(&app, "later", &[deadline("soon", 60)]).await;
        begin(&app, "earlier", &[deadline("soon", 60)]).await;
        tell(&app, "later", &[deadline("soon", 90)]).await;
        tell(&app, "earlier", &[deadline("soon", 30)]).await;
        app.settled(PATIENCE).await.unwrap();
        for (passed, earlier, later) in [(29, 0, 0), (30, 1, 0), (60, 1, 0), (89, 1, 0), (90, 1, 1), (999, 1, 1)] {
            clock.set(annals::Clock::now(&TestClock::default()).plus(seconds(passed)));
            assert_eq!(fired(&app, "earlier").await.len(), earlier, "after {passed} s");
            assert_eq!(fired(&app, "later").await.len(), later, "after {passed} s");
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_cancelled_one_does_not_fire_and_can_be_set_again() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        begin(&app, "e", &[deadline("soon", 60), deadline("late", 60)]).await;
        tell(&app, "e", &[cancel("soon")]).await;
        // In one breath: what comes last counts.
        begin(&app, "f", &[deadline("soon", 60), cancel("soon"), cancel("late"), deadline("late", 60)]).await;
        app.settled(PATIENCE).await.unwrap();
        clock.advance(seconds(60));
        assert_eq!(fired(&app, "e").await, ["late is over"]);
        assert_eq!(fired(&app, "f").await, ["late is over"]);
        tell(&app, "e", &[deadline("soon", 60)]).await;
        app.settled(PATIENCE).await.unwrap();
        clock.advance(seconds(60));
        assert_eq!(fired(&app, "e").await, ["late is over", "soon is over"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn several_fire_in_the_order_of_their_instants() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        begin(&app, "e", &[deadline("late", 70), deadline("soon", 60)]).await;
        begin(&app, "f", &[deadline("late", 10), deadline("soon", 20)]).await;
        app.settled(PATIENCE).await.unwrap();
        clock.advance(seconds(100));
        assert_eq!(fired(&app, "e").await, ["soon is over", "late is over"]);
        assert_eq!(fired(&app, "f").await, ["late is over", "soon is over"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn the_end_makes_it_void() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        begin(&app, "closed", &[deadline("soon", 60)]).await;
        begin(&app, "ends", &[deadline("soon", 60), Do::End]).await;
        close(&app, "closed").await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(
            app.journal().store().sagas().next_timer("", "errand", annals::store::Segment::WHOLE).await.unwrap(),
            None,
            "none is left behind"
        );
        clock.advance(seconds(60));
        assert_eq!(fired(&app, "closed").await, [""; 0]);
        assert_eq!(fired(&app, "ends").await, [""; 0]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn it_survives_a_restart_and_is_made_up_for_when_it_was_due_meanwhile() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        begin(&app, "e", &[deadline("soon", 60), deadline("late", 120)]).await;
        app.settled(PATIENCE).await.unwrap();
        app.shutdown().await.unwrap();

        clock.advance(seconds(60));
        let app = started(&lasting, &clock).await;
        assert_eq!(fired(&app, "e").await, ["soon is over"], "due while nobody ran");
        drop(app);

        let app = started(&lasting, &clock).await;
        clock.advance(seconds(60) - MILLISECOND);
        assert_eq!(fired(&app, "e").await, ["soon is over"]);
        clock.advance(MILLISECOND);
        assert_eq!(fired(&app, "e").await, ["soon is over", "late is over"]);
        app.shutdown().await.unwrap();
    }
}

/// A deadline without a handler is a fault of the saga: it is met when the deadline is set, and not when it is due.
#[tokio::test]
async fn one_that_nobody_handles_cannot_be_set_and_holds_up_no_other() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = started(&lasting, &clock).await;
        begin(&app, "typo", &[deadline("sooon", 10)]).await;
        begin(&app, "e", &[deadline("soon", 20)]).await;
        let stuck = async || app.sagas().attention().await.unwrap().pop();
        let stuck = crate::given::eventually("it needs attention", stuck).await;
        let reason = stuck.attention.unwrap_or_default();
        assert!(reason.contains("has no `#[deadline(\"sooon\")]` handler"), "{reason}");
        let set = async || {
            app.journal().store().sagas().next_timer("", "errand", annals::store::Segment::WHOLE).await.unwrap()
        };
        crate::given::eventually("the other one is set", set).await;
        clock.advance(seconds(20));
        let fired = async || (lines(&app, "e").await == ["soon is over"]).then_some(());
        crate::given::eventually("the other one fires", fired).await;
        app.shutdown().await.unwrap();
    }
}

/// The real clock, so that the wait itself is tested: it wakes up without being told.
#[tokio::test]
async fn it_fires_by_itself() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        begin(&app, "e", &[deadline("soon", 1)]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "e").await, [""; 0]);
        let fired = async || (lines(&app, "e").await == ["soon is over"]).then_some(());
        crate::given::eventually("it fires", fired).await;
        app.shutdown().await.unwrap();
    }
}

#[test]
fn the_kit_moves_time_on_without_a_store() {
    let begun = Begun { errand: "e".into(), todo: vec![deadline("soon", 60), deadline("late", 90)] };
    given_saga::<Errand>(begun)
        .then_deadline("soon", seconds(60))
        .when_time_passes(seconds(59))
        .then_sends_nothing()
        .then_deadline("soon", seconds(1))
        .when_time_passes(seconds(1))
        .then_sends(Note { book: "e".into(), text: "soon is over".into() })
        .when(Closed { errand: "e".into() })
        .then_ended()
        .when_time_passes(seconds(100))
        .then_sends_nothing();
}
