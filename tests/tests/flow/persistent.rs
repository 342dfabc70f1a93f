//! Persistent subscriptions: who gets which event, what becomes of it, and what survives.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::Annals;
use annals::message::{EventId, Recorded};
use annals::prelude::*;
use annals::store::{Append, NewEvent, StreamChange};
use annals::subscription::{
    AnswerError, ConsumeError, Consumer, ConsumerConfig, Delivery, Filter, Nack, Parked, Start, Strategy,
    SubscriptionConfig, SubscriptionError, ack_all,
};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::given::{Dice, Lasting, PATIENCE, eventually};

/// Something that happened to a parcel.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "parcel.moved")]
pub(crate) struct Moved {
    #[tag]
    pub(crate) carrier: String,
    pub(crate) step: u64,
}

pub(crate) fn moved(parcel: &str, carrier: &str, step: u64) -> NewEvent {
    let event = Moved { carrier: carrier.to_owned(), step };
    NewEvent {
        stream: StreamId::new("parcel", parcel),
        id: EventId::new(),
        name: Moved::NAME.into(),
        revision: 1,
        payload: serde_json::to_vec(&event).unwrap(),
        metadata: Arc::new(Metadata::new().with(Metadata::CORRELATION_ID, carrier)),
        tags: event.tags(),
        recorded_at: Timestamp::from_micros(i64::try_from(step).unwrap() * 1_000),
    }
}

pub(crate) fn other(stream: &str) -> NewEvent {
    NewEvent { stream: StreamId::new("other", stream), name: "other.happened".into(), ..moved("-", "-", 0) }
}

pub(crate) async fn append(app: &Annals, events: impl IntoIterator<Item = NewEvent>) -> Position {
    let append = Append { events: events.into_iter().collect(), ..Append::default() };
    app.journal().append(append).await.unwrap().position
}

/// `count` events, in turn of each of `parcels`.
pub(crate) async fn journeys(app: &Annals, parcels: &[&str], count: u64) {
    let events = (0..count).map(|step| moved(parcels[usize::try_from(step).unwrap() % parcels.len()], "ups", step));
    append(app, events).await;
}

fn app() -> annals::app::Builder {
    crate::given::app()
}

/// Settings that do not keep a test waiting.
fn settings() -> SubscriptionConfig {
    let mut config = SubscriptionConfig::default();
    config.pause = Duration::from_millis(1);
    config.longest_pause = Duration::from_millis(4);
    config
}

fn config(buffer: usize) -> ConsumerConfig {
    let mut config = ConsumerConfig::default();
    config.buffer = buffer;
    config.poll = Duration::from_millis(25);
    config
}

async fn consumer(app: &Annals, buffer: usize) -> Consumer {
    app.subscriptions().consume("s", config(buffer)).await.unwrap()
}

async fn created(app: &Annals, config: SubscriptionConfig) {
    app.subscriptions().create("s", config).await.unwrap();
}

#[track_caller]
fn next(consumer: &mut Consumer) -> impl Future<Output = Delivery> {
    let caller = std::panic::Location::caller();
    async move {
        match timeout(PATIENCE, consumer.next()).await {
            Ok(Some(Ok(delivery))) => delivery,
            other => panic!("{caller}: expected a delivery, got {other:?}"),
        }
    }
}

async fn next_many(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(next(consumer).await);
    }
    all
}

/// How the consumer ends.
async fn end(consumer: &mut Consumer) -> Option<ConsumeError> {
    let item = timeout(PATIENCE, consumer.next()).await.unwrap();
    item.map(|item| item.map(|delivery| delivery.position()).unwrap_err())
}

/// Nothing comes although there was every opportunity.
async fn assert_idle(app: &Annals, consumer: &mut Consumer) {
    // Longer than several polls.
    let item = timeout(Duration::from_millis(150), consumer.next()).await;
    assert!(item.is_err(), "{item:?}: {:?}", app.subscriptions().status("s").await);
}

fn positions(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.position().get()).collect()
}

/// Waits until nothing is under way, and everything was looked at.
async fn settled(app: &Annals) {
    let done = async || {
        let status = app.subscriptions().status("s").await.unwrap();
        (status.checkpoint == status.head && status.out + status.waiting + status.replaying == 0).then_some(())
    };
    eventually("the subscription is settled", done).await;
}

#[tokio::test]
async fn competing_consumers_get_each_event_once() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        let mut consumers = Vec::new();
        for _ in 0..3 {
            consumers.push(consumer(&app, 4).await);
        }
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = consumers
            .into_iter()
            .map(|mut consumer| {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    while let Some(delivery) = consumer.next().await.transpose().unwrap() {
                        assert_eq!(delivery.attempt(), 1);
                        seen.lock().unwrap().push(delivery.position().get());
                        delivery.ack().await.unwrap();
                    }
                })
            })
            .collect();
        journeys(&app, &["a", "b"], 40).await;
        settled(&app).await;
        let mut seen: Vec<u64> = std::mem::take(&mut seen.lock().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, (1..=40).collect::<Vec<_>>());
        app.shutdown().await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_event_comes_with_everything() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        append(&app, [moved("a", "ups", 7)]).await;
        let mut consumer = consumer(&app, 1).await;
        let delivery = next(&mut consumer).await;
        let Recorded { stream, recorded_at, .. } = delivery.event().recorded();
        assert_eq!((stream.id(), recorded_at.as_micros()), ("a", 7_000));
        assert_eq!(delivery.event().metadata().correlation_id(), Some("ups"));
        assert_eq!(delivery.decode::<Moved>().await.unwrap(), Moved { carrier: "ups".into(), step: 7 });
        assert_eq!(delivery.json().await.unwrap()["step"], 7);
        assert!(!delivery.was_parked() && delivery.last_failure().is_none());
        delivery.ack().await.unwrap();
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_consumer_has_goes_to_others_when_it_ends() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        journeys(&app, &["a"], 4).await;
        let mut first = consumer(&app, 4).await;
        let seen = next_many(&mut first, 2).await;
        first.close().await;
        let refused = seen.into_iter().next().unwrap().ack().await;
        assert_eq!(refused, Err(AnswerError::Ended { position: Position::new(1) }));
        let mut second = consumer(&app, 4).await;
        let again = next_many(&mut second, 4).await;
        let attempts: Vec<_> = again.iter().map(|delivery| (delivery.position().get(), delivery.attempt())).collect();
        assert_eq!(attempts, [(1, 2), (2, 2), (3, 1), (4, 1)], "what it has not seen counts as no attempt");
        assert_eq!(again[0].last_failure(), Some("its consumer has ended"));
        ack_all(again).await.unwrap();
        settled(&app).await;
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_answered_in_time_goes_to_others() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut short = settings();
        short.message_time = Duration::from_millis(100);
        short.retries = 1_000;
        created(&app, short).await;
        append(&app, [moved("a", "ups", 1)]).await;
        let mut slow = consumer(&app, 1).await;
        let late = next(&mut slow).await;
        let mut other = consumer(&app, 1).await;
        // Whoever has room gets it: until then the slow one has none.
        let again = next(&mut other).await;
        assert!(again.position() == late.position() && again.attempt() >= 2, "{again:?}");
        assert!(again.last_failure().unwrap().contains("no answer within 100ms"), "{:?}", again.last_failure());
        assert_eq!(late.ack().await, Err(AnswerError::Lost { position: Position::new(1) }));
        // On a slow machine its time may be over as well; then it comes again.
        let mut answered = again.ack().await;
        while answered.is_err() {
            let again = tokio::select! {
                again = next(&mut other) => again,
                again = next(&mut slow) => again,
            };
            answered = again.ack().await;
        }
        settled(&app).await;
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn each_nack_has_its_effect() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        journeys(&app, &["a"], 3).await;
        let mut consumer = consumer(&app, 1).await;
        next(&mut consumer).await.nack(Nack::Retry).await.unwrap();
        let mut skipped = false;
        let mut parked = false;
        for _ in 0..3 {
            let delivery = next(&mut consumer).await;
            match delivery.position().get() {
                1 => {
                    assert_eq!(delivery.attempt(), 2);
                    delivery.ack().await.unwrap();
                }
                2 => {
                    skipped = true;
                    delivery.nack(Nack::Skip).await.unwrap();
                }
                _ => {
                    parked = true;
                    delivery.nack(Nack::Park("it is\0 broken".to_owned())).await.unwrap();
                }
            }
        }
        assert!(skipped && parked);
        settled(&app).await;
        let found = app.subscriptions().parked("s", Position::START, 9).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].position.get(), &*found[0].reason), (3, "it is\u{fffd} broken"));
        let event = found[0].event.as_ref().unwrap();
        assert_eq!(event.decode::<Moved>().await.unwrap().step, 2);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_retry_waits_for_its_pause() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        append(&app, [moved("a", "ups", 1)]).await;
        let mut consumer = consumer(&app, 2).await;
        let pause = Duration::from_millis(300);
        let begun = tokio::time::Instant::now();
        next(&mut consumer).await.nack(Nack::RetryAfter(pause)).await.unwrap();
        let again = next(&mut consumer).await;
        // SQLite tells the time to the millisecond.
        assert!(begun.elapsed() >= pause - Duration::from_millis(2), "{:?}", begun.elapsed());
        again.ack().await.unwrap();
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_consumer_can_stop_itself() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        journeys(&app, &["a"], 2).await;
        let mut first = consumer(&app, 1).await;
        next(&mut first).await.nack(Nack::Stop).await.unwrap();
        assert_eq!(end(&mut first).await, None);
        let mut second = consumer(&app, 2).await;
        let both = next_many(&mut second, 2).await;
        assert_eq!((positions(&both), both[0].attempt()), (vec![1, 2], 2));
        ack_all(both).await.unwrap();
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_fails_too_often_is_parked_with_its_reason() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut config = settings();
        config.retries = 2;
        created(&app, config).await;
        journeys(&app, &["a"], 1).await;
        let mut consumer = consumer(&app, 1).await;
        for attempt in 1..=3 {
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.attempt(), attempt);
            delivery.nack(Nack::Retry).await.unwrap();
        }
        settled(&app).await;
        let parked = app.subscriptions().parked("s", Position::START, 9).await.unwrap();
        assert_eq!(parked[0].attempts, 3);
        assert_eq!(parked[0].reason, "given out 3 times, the last time: the consumer asked for another attempt");
        app.shutdown().await.unwrap();
    }
}

/// The fault of a consumer that dies with its event is counted, however it dies.
#[tokio::test]
async fn an_event_that_ends_its_consumers_is_parked() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut config = settings();
        config.retries = 1;
        created(&app, config).await;
        journeys(&app, &["a"], 1).await;
        for _ in 0..2 {
            let mut consumer = consumer(&app, 1).await;
            drop(next(&mut consumer).await);
            consumer.close().await;
        }
        let parked = app.subscriptions().parked("s", Position::START, 9).await.unwrap();
        assert_eq!(parked[0].reason, "given out 2 times, the last time: its consumer has ended");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn parked_events_are_given_out_again_ahead_of_new_ones() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        journeys(&app, &["a"], 5).await;
        let mut consumer = consumer(&app, 1).await;
        for _ in 0..4 {
            next(&mut consumer).await.nack(Nack::Park("later".to_owned())).await.unwrap();
        }
        let fifth = next(&mut consumer).await;
        let subscriptions = app.subscriptions();
        assert_eq!(subscriptions.discard_parked("s", Parked::At(Position::new(2))).await.unwrap(), 1);
        assert_eq!(subscriptions.replay_parked("s", Parked::At(Position::new(4))).await.unwrap(), 1);
        assert_eq!(subscriptions.replay_parked("s", Parked::First(1)).await.unwrap(), 1);
        journeys(&app, &["a"], 1).await;
        let status = subscriptions.status("s").await.unwrap();
        assert_eq!((status.parked, status.replaying, status.out), (1, 2, 1));
        assert_eq!(status.checkpoint, Position::new(4), "a replay does not move it back");
        fifth.ack().await.unwrap();
        for expected in [(1, true), (4, true), (6, false)] {
            let delivery = next(&mut consumer).await;
            assert_eq!(
                (delivery.position().get(), delivery.was_parked(), delivery.attempt()),
                (expected.0, expected.1, 1)
            );
            assert_eq!(delivery.last_failure(), expected.1.then_some("later"));
            delivery.ack().await.unwrap();
        }
        settled(&app).await;
        // An empty park can be replayed, and what comes later is parked as before.
        assert_eq!(subscriptions.replay_parked("s", Parked::All).await.unwrap(), 1);
        assert_eq!(subscriptions.replay_parked("s", Parked::All).await.unwrap(), 0);
        next(&mut consumer).await.nack(Nack::Park("again".to_owned())).await.unwrap();
        let parked = subscriptions.parked("s", Position::START, 9).await.unwrap();
        assert_eq!((parked.len(), parked[0].position.get(), parked[0].was_parked), (1, 3, true));
        app.shutdown().await.unwrap();
    }
}

/// Guarantee 13: no two events of one sequence are out at the same time, and they come in order, whatever fails meanwhile.
async fn keeps_sequences(strategy: Strategy, sequence: fn(&Delivery) -> String) {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut config = settings();
        config.strategy = strategy.clone();
        created(&app, config).await;
        let carriers = ["ups", "dhl", "dpd"];
        append(
            &app,
            (0..60).map(|step| {
                let of = usize::try_from(step).unwrap();
                moved(["a", "b", "c", "d"][of % 4], carriers[(of / 2) % 3], step)
            }),
        )
        .await;
        let out: Arc<Mutex<HashMap<String, u64>>> = Arc::default();
        let done: Arc<Mutex<HashMap<String, Vec<u64>>>> = Arc::default();
        let mut tasks = Vec::new();
        for number in 0..3 {
            let mut consumer = consumer(&app, 5).await;
            let (out, done) = (Arc::clone(&out), Arc::clone(&done));
            tasks.push(tokio::spawn(async move {
                let mut dice = Dice::seeded(number + 7);
                while let Some(delivery) = consumer.next().await.transpose().unwrap() {
                    let (of, position) = (sequence(&delivery), delivery.position().get());
                    let before = out.lock().unwrap().insert(of.clone(), position);
                    assert_eq!(before, None, "{of}: {position} comes while another one is out");
                    tokio::task::yield_now().await;
                    out.lock().unwrap().remove(&of);
                    if dice.below(4) == 0 {
                        delivery.nack(Nack::Retry).await.unwrap();
                    } else {
                        done.lock().unwrap().entry(of).or_default().push(position);
                        delivery.ack().await.unwrap();
                    }
                }
            }));
        }
        settled(&app).await;
        let done = done.lock().unwrap().clone();
        assert_eq!(done.values().map(Vec::len).sum::<usize>(), 60);
        assert!(done.values().all(|positions| positions.is_sorted()), "{done:?}");
        app.shutdown().await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn streams_are_kept_in_order() {
    keeps_sequences(Strategy::PinnedByStream, |delivery| delivery.event().stream().to_string()).await;
}

#[tokio::test]
async fn what_has_one_tag_is_kept_in_order() {
    let carrier = |delivery: &Delivery| delivery.event().metadata().correlation_id().unwrap().to_owned();
    keeps_sequences(Strategy::PinnedByTag("carrier".to_owned()), carrier).await;
}

#[tokio::test]
async fn what_belongs_together_is_kept_in_order() {
    let carrier = |delivery: &Delivery| delivery.event().metadata().correlation_id().unwrap().to_owned();
    keeps_sequences(Strategy::PinnedByCorrelation, carrier).await;
}

#[tokio::test]
async fn a_retry_holds_back_its_stream_alone() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut config = settings();
        config.strategy = Strategy::PinnedByStream;
        created(&app, config).await;
        append(&app, [moved("a", "ups", 1), moved("a", "ups", 2), moved("b", "ups", 3)]).await;
        let mut consumer = consumer(&app, 5).await;
        let first = next(&mut consumer).await;
        let third = next(&mut consumer).await;
        assert_eq!((first.position().get(), third.position().get()), (1, 3));
        first.nack(Nack::RetryAfter(Duration::from_secs(3600))).await.unwrap();
        third.ack().await.unwrap();
        assert_idle(&app, &mut consumer).await;
        append(&app, [moved("b", "ups", 4)]).await;
        next(&mut consumer).await.ack().await.unwrap();
        let status = app.subscriptions().status("s").await.unwrap();
        assert_eq!((status.waiting, status.checkpoint), (2, Position::START));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn of_several_a_single_consumer_gets_everything() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut config = settings();
        config.strategy = Strategy::Single;
        created(&app, config).await;
        let mut first = consumer(&app, 2).await;
        let mut second = consumer(&app, 2).await;
        journeys(&app, &["a"], 3).await;
        let both = next_many(&mut first, 2).await;
        assert_idle(&app, &mut second).await;
        ack_all(both).await.unwrap();
        let third = next(&mut first).await;
        first.close().await;
        drop(third);
        let again = next(&mut second).await;
        assert_eq!((again.position().get(), again.attempt()), (3, 2));
        again.ack().await.unwrap();
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_filter_chooses_and_the_checkpoint_passes_over_the_rest() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let filter = Filter::category("parcel").and_names([Moved::NAME]).and_tagged(Tag::new("carrier", "dhl"));
        let mut config = settings();
        config.filter = filter;
        created(&app, config).await;
        let foreign = NewEvent { stream: StreamId::new("letter", "x"), ..moved("-", "dhl", 3) };
        append(&app, [other("x"), moved("a", "ups", 1), moved("a", "dhl", 2), foreign, other("y")]).await;
        let mut consumer = consumer(&app, 3).await;
        let only = next(&mut consumer).await;
        assert_eq!(only.position().get(), 3);
        only.ack().await.unwrap();
        settled(&app).await;
        // Nothing matches any more, and the place moves on all the same.
        append(&app, (0..5).map(|_| other("z"))).await;
        settled(&app).await;
        assert_eq!(app.subscriptions().status("s").await.unwrap().checkpoint, Position::new(10));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_subscription_begins_where_it_is_told() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        journeys(&app, &["a"], 4).await;
        let starts = [
            ("oldest", Start::Oldest, 1),
            ("newest", Start::Newest, 5),
            ("after", Start::After(Position::new(2)), 3),
            ("time", Start::Since(Timestamp::from_micros(1_500)), 3),
            ("future", Start::Since(Timestamp::from_micros(9_000)), 5),
        ];
        for (name, start, _) in starts {
            let mut config = settings();
            config.start = start;
            app.subscriptions().create(name, config).await.unwrap();
        }
        append(&app, [moved("a", "ups", 4)]).await;
        for (name, start, first) in starts {
            let mut consumer = app.subscriptions().consume(name, config(1)).await.unwrap();
            assert_eq!(next(&mut consumer).await.position().get(), first, "{start:?}");
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_subscription_survives_a_restart() {
    for lasting in Lasting::each() {
        let app = lasting.start(self::app()).await;
        created(&app, settings()).await;
        journeys(&app, &["a"], 4).await;
        let mut before = consumer(&app, 3).await;
        let mut deliveries = next_many(&mut before, 3).await.into_iter();
        deliveries.next().unwrap().ack().await.unwrap();
        deliveries.next().unwrap().nack(Nack::Park("not now".to_owned())).await.unwrap();
        drop(deliveries);
        app.shutdown().await.unwrap();
        assert_eq!(end(&mut before).await, None);

        let app = lasting.start(self::app()).await;
        created(&app, settings()).await;
        let status = app.subscriptions().status("s").await.unwrap();
        assert_eq!((status.parked, status.out, status.consumers.len()), (1, 0, 0), "{status:?}");
        let mut after = consumer(&app, 3).await;
        let rest = next_many(&mut after, 2).await;
        assert_eq!((positions(&rest), rest[0].attempt()), (vec![3, 4], 2));
        ack_all(rest).await.unwrap();
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn applications_on_one_database_share_a_subscription() {
    for lasting in Lasting::each() {
        let (one, two) = (lasting.start(app()).await, lasting.start(app()).await);
        created(&one, settings()).await;
        let mut here = consumer(&one, 2).await;
        let mut there = consumer(&two, 2).await;
        let labels = one.subscriptions().status("s").await.unwrap().consumers;
        assert_eq!(labels.iter().map(|consumer| &*consumer.id).collect::<Vec<_>>(), [here.id(), there.id()]);
        journeys(&two, &["a"], 4).await;
        let (a, b) = tokio::join!(next_many(&mut here, 2), next_many(&mut there, 2));
        let all: BTreeSet<u64> = positions(&a).into_iter().chain(positions(&b)).collect();
        assert_eq!(all, (1..=4).collect());
        ack_all(a.into_iter().chain(b)).await.unwrap();
        settled(&two).await;
        // What one leaves the other one finds.
        journeys(&one, &["a"], 4).await;
        drop(next(&mut there).await);
        there.close().await;
        let mut rest = BTreeSet::new();
        while rest.len() < 4 {
            let delivery = next(&mut here).await;
            rest.insert(delivery.position().get());
            delivery.ack().await.unwrap();
        }
        settled(&one).await;
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_operator_can_end_a_consumer() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        journeys(&app, &["a"], 1).await;
        let mut stuck = consumer(&app, 1).await;
        let held = next(&mut stuck).await;
        let subscriptions = app.subscriptions();
        subscriptions.drop_consumer("s", stuck.id()).await.unwrap();
        let mut other = consumer(&app, 1).await;
        next(&mut other).await.ack().await.unwrap();
        assert_eq!(end(&mut stuck).await, Some(ConsumeError::Dropped { name: "s".to_owned() }));
        assert!(held.ack().await.is_err());
        let again = subscriptions.drop_consumer("s", stuck.id()).await;
        assert!(matches!(again, Err(SubscriptionError::NoConsumer { .. })), "{again:?}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_removed_subscription_ends_its_consumers() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        journeys(&app, &["a"], 3).await;
        let mut first = consumer(&app, 2).await;
        let mut held = next_many(&mut first, 2).await;
        held.pop().unwrap().nack(Nack::Park("x".to_owned())).await.unwrap();
        assert!(app.subscriptions().delete("s").await.unwrap());
        assert!(!app.subscriptions().delete("s").await.unwrap());
        // One of the same name is another one: answers for the first do not count.
        created(&app, settings()).await;
        let answer = held.pop().unwrap().ack().await;
        assert!(answer.is_err(), "{answer:?}");
        drop(held);
        let removed = ConsumeError::Removed { name: "s".to_owned() };
        loop {
            // Another event may have been on its way.
            match timeout(PATIENCE, first.next()).await.unwrap() {
                Some(Ok(_)) => {}
                last => break assert_eq!(last.map(Result::unwrap_err), Some(removed)),
            }
        }
        let mut second = consumer(&app, 3).await;
        let all = next_many(&mut second, 3).await;
        assert_eq!(positions(&all), [1, 2, 3], "it begins anew");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn settings_change_under_running_consumers() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut config = settings();
        config.filter = Filter::names(["nothing.like.this"]);
        created(&app, config.clone()).await;
        let mut consumer = consumer(&app, 2).await;
        append(&app, [moved("a", "ups", 1)]).await;
        settled(&app).await;
        let other_settings = app.subscriptions().create("s", settings()).await;
        assert!(matches!(other_settings, Err(SubscriptionError::Exists { .. })), "{other_settings:?}");
        config.filter = Filter::of::<Moved>();
        app.subscriptions().update("s", config).await.unwrap();
        append(&app, [other("x"), moved("a", "ups", 2)]).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.position().get(), 3, "what was passed over stays so");
        delivery.ack().await.unwrap();
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn no_more_are_under_way_than_the_settings_allow() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut config = settings();
        config.in_flight = 3;
        config.consumers = 2;
        created(&app, config).await;
        journeys(&app, &["a"], 5).await;
        let mut first = consumer(&app, 9).await;
        let mut held = next_many(&mut first, 3).await;
        let mut second = consumer(&app, 9).await;
        let full = app.subscriptions().consume("s", self::config(1)).await.map(|_| ());
        assert!(matches!(full, Err(SubscriptionError::Full { limit: 2, .. })), "{full:?}");
        assert_idle(&app, &mut second).await;
        held.pop().unwrap().ack().await.unwrap();
        let fourth = tokio::select! {
            delivery = next(&mut first) => delivery,
            delivery = next(&mut second) => delivery,
        };
        assert_eq!(fourth.position().get(), 4);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_does_not_exist_or_fit_is_said() {
    let lasting = Lasting::file();
    let app = lasting.start(app()).await;
    let subscriptions = app.subscriptions();
    assert!(matches!(subscriptions.status("s").await, Err(SubscriptionError::NotFound { .. })));
    assert!(matches!(subscriptions.update("s", settings()).await, Err(SubscriptionError::NotFound { .. })));
    assert!(matches!(subscriptions.consume("s", config(1)).await, Err(SubscriptionError::NotFound { .. })));
    assert!(matches!(subscriptions.replay_parked("s", Parked::All).await, Err(SubscriptionError::NotFound { .. })));
    let mut wrong = settings();
    wrong.message_time = Duration::ZERO;
    assert!(matches!(subscriptions.create("s", wrong).await, Err(SubscriptionError::Setting(_))));
    let mut wide = settings();
    wide.filter = Filter::names((0..2_000).map(|number| format!("n{number}")));
    assert!(matches!(subscriptions.create("s", wide).await, Err(SubscriptionError::Read(_))));
    let long = subscriptions.create(&"n".repeat(600), settings()).await;
    assert!(matches!(long, Err(SubscriptionError::Store(_))), "{long:?}");
    created(&app, settings()).await;
    assert!(matches!(subscriptions.consume("s", config(0)).await, Err(SubscriptionError::Setting(_))));
    app.clone().shutdown().await.unwrap();
    let late = subscriptions.consume("s", config(1)).await.map(|_| ());
    assert!(matches!(late, Err(SubscriptionError::ShutDown)), "{late:?}");
}

#[tokio::test]
async fn a_removed_event_holds_nothing_up() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        created(&app, settings()).await;
        append(&app, [moved("a", "ups", 1), moved("b", "ups", 2)]).await;
        let mut consumer = consumer(&app, 2).await;
        let both = next_many(&mut consumer, 2).await;
        let expected = annals::store::Expected::Any;
        let gone = StreamId::new("parcel", "a");
        app.journal().store().change_stream("", &gone, expected, StreamChange::Tombstone).await.unwrap();
        for delivery in both {
            delivery.nack(Nack::RetryAfter(Duration::ZERO)).await.unwrap();
        }
        let again = next(&mut consumer).await;
        assert_eq!(again.position().get(), 2);
        again.ack().await.unwrap();
        settled(&app).await;
        app.shutdown().await.unwrap();
    }
}

/// Guarantee 13: whatever consumers do, and however they end, what was acknowledged is exactly what the log holds.
#[tokio::test]
async fn no_event_is_lost_among_answers_and_deaths() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    for lasting in Lasting::each() {
        let (one, two) = (lasting.start(app()).await, lasting.start(app()).await);
        let mut config = settings();
        config.retries = 2;
        config.filter = Filter::of::<Moved>();
        created(&one, config).await;
        let done: Arc<Mutex<BTreeMap<u64, u32>>> = Arc::default();
        let mut tasks = Vec::new();
        for number in 0..4_u64 {
            let app = if number % 2 == 0 { one.clone() } else { two.clone() };
            let done = Arc::clone(&done);
            tasks.push(tokio::spawn(async move {
                let mut dice = Dice::seeded(seed.wrapping_add(number * 7_919));
                'lives: loop {
                    let begun =
                        app.subscriptions().consume("s", self::config(1 + usize::try_from(number).unwrap())).await;
                    let Ok(mut consumer) = begun else { break };
                    loop {
                        let Some(delivery) = consumer.next().await.transpose().unwrap() else { break 'lives };
                        let position = delivery.position().get();
                        match dice.below(10) {
                            0 => drop(delivery.nack(Nack::Retry).await),
                            1 => drop(delivery.nack(Nack::RetryAfter(Duration::ZERO)).await),
                            2 => drop(delivery.nack(Nack::Park("chance".to_owned())).await),
                            3 => {
                                drop(delivery);
                                consumer.close().await;
                                continue 'lives;
                            }
                            _ => {
                                if delivery.ack().await.is_ok() {
                                    *done.lock().unwrap().entry(position).or_default() += 1;
                                }
                            }
                        }
                    }
                }
            }));
        }
        for step in 0..60 {
            let app = if step % 3 == 0 { &one } else { &two };
            append(app, [other("x"), moved("a", "ups", step)]).await;
        }
        let settled = async || {
            let status = one.subscriptions().status("s").await.unwrap();
            one.subscriptions().replay_parked("s", Parked::All).await.unwrap();
            let left = status.out + status.waiting + status.replaying + status.parked;
            (left == 0 && status.position == status.head).then_some(())
        };
        eventually("everything is acknowledged", settled).await;
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        let expected: BTreeMap<u64, u32> = (1..=60).map(|step| (step * 2, 1)).collect();
        assert_eq!(*done.lock().unwrap(), expected, "seed {seed}");
    }
}
