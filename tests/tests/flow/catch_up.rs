//! Catch-up subscriptions: the log as a stream, from any place, without a gap or a double.

use std::time::Duration;

use annals::Annals;
use annals::prelude::*;
use annals::store::NewEvent;
use annals::subscription::{CatchUpError, EventError, Filter, Following, Item};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::timeout;

use crate::given::{Dice, Lasting, PATIENCE, app};
use crate::persistent::{Moved, append, journeys, moved, other};

/// What a stream tells, for a test to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Event(u64),
    Checkpoint(u64),
    CaughtUp(u64),
}

use Told::{CaughtUp, Checkpoint, Event as Given};

fn told(item: Item) -> Told {
    match item {
        Item::Event(event) => Given(event.position().get()),
        Item::Checkpoint(position) => Checkpoint(position.get()),
        Item::CaughtUp(position) => CaughtUp(position.get()),
        _ => unreachable!(),
    }
}

#[track_caller]
fn next(items: &mut Following) -> impl Future<Output = Told> {
    let caller = std::panic::Location::caller();
    async move {
        match timeout(PATIENCE, items.next()).await {
            Ok(Some(Ok(item))) => told(item),
            other => panic!("{caller}: expected an item, got {other:?}"),
        }
    }
}

async fn all(items: Following) -> Vec<Told> {
    items.map_ok(told).try_collect().await.unwrap()
}

#[tokio::test]
async fn history_is_followed_by_what_is_new() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        journeys(&app, &["a", "b"], 5).await;
        let mut items = app.events().page(2).follow();
        for position in 1..=5 {
            assert_eq!(next(&mut items).await, Given(position));
        }
        assert_eq!(next(&mut items).await, CaughtUp(5));
        journeys(&app, &["a"], 2).await;
        assert_eq!((next(&mut items).await, next(&mut items).await), (Given(6), Given(7)));
        app.shutdown().await.unwrap();
        assert!(timeout(PATIENCE, items.next()).await.unwrap().is_none(), "it ends with the application");
    }
}

#[tokio::test]
async fn an_empty_log_and_a_missing_stream_are_waited_for() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut items = app.events().stream(StreamId::new("parcel", "b")).page(2).follow();
        assert_eq!(next(&mut items).await, CaughtUp(0));
        append(&app, [moved("a", "ups", 1), moved("b", "ups", 2), other("b")]).await;
        assert_eq!(next(&mut items).await, Given(2));
        journeys(&app, &["b"], 5).await;
        for position in 4..=8 {
            assert_eq!(next(&mut items).await, Given(position));
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_can_end_at_the_head() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        assert_eq!(all(app.events().to_head()).await, [CaughtUp(0)]);
        append(&app, [moved("a", "ups", 1), moved("b", "dhl", 2), other("b"), moved("a", "dhl", 3)]).await;
        let events = || app.events();
        assert_eq!(all(events().page(1).to_head()).await, [Given(1), Given(2), Given(3), Given(4), CaughtUp(4)]);
        assert_eq!(all(events().category("parcel").to_head()).await, [Given(1), Given(2), Given(4), CaughtUp(4)]);
        assert_eq!(all(events().names(["other.happened"]).to_head()).await, [Given(3), CaughtUp(4)]);
        let dhl = Tag::new("carrier", "dhl");
        assert_eq!(all(events().tagged(dhl.clone()).to_head()).await, [Given(2), Given(4), CaughtUp(4)]);
        assert_eq!(
            all(events().filter(Filter::tagged(dhl.clone())).after(Position::new(2)).to_head()).await,
            [Given(4), CaughtUp(4)]
        );
        assert_eq!(
            all(events().matching(Criterion::tag(dhl)).names(["other.happened"]).to_head()).await,
            [CaughtUp(4)]
        );
        let since = Timestamp::from_micros(2_000);
        assert_eq!(
            all(events().category("parcel").from_time(since).to_head()).await,
            [Given(2), Given(4), CaughtUp(4)]
        );
        let stream = StreamId::new("parcel", "a");
        assert_eq!(all(events().stream(stream.clone()).to_head()).await, [Given(1), Given(4), CaughtUp(4)]);
        assert_eq!(
            all(events().stream(stream).after(Position::new(1)).page(1).to_head()).await,
            [Given(4), CaughtUp(4)]
        );
        assert_eq!(all(events().after(Position::new(9)).to_head()).await, [CaughtUp(9)]);
        app.shutdown().await.unwrap();
    }
}

/// What is appended while a stream that ends is read is not in it.
#[tokio::test]
async fn a_stream_to_the_head_ends_where_it_began() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        journeys(&app, &["a"], 3).await;
        for mut items in
            [app.events().page(1).to_head(), app.events().stream(StreamId::new("parcel", "a")).page(1).to_head()]
        {
            let head = app.journal().store().head().await.unwrap().get();
            assert_eq!(next(&mut items).await, Given(1));
            journeys(&app, &["a"], 2).await;
            let rest = all(items).await;
            let expected: Vec<Told> = (2..=head).map(Given).chain([CaughtUp(head)]).collect();
            assert_eq!(rest, expected);
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_place_moves_on_although_nothing_matches() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let items = app.events().names(["nothing.like.this"]).notices(Duration::from_millis(1));
        let mut items = items.poll(Duration::from_millis(10)).follow();
        assert_eq!(next(&mut items).await, CaughtUp(0));
        journeys(&app, &["a"], 3).await;
        assert_eq!(next(&mut items).await, Checkpoint(3));
        journeys(&app, &["a"], 1).await;
        assert_eq!(next(&mut items).await, Checkpoint(4));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn events_of_another_application_are_found() {
    for lasting in Lasting::each() {
        let (here, there) = (lasting.start(app()).await, lasting.start(app()).await);
        let mut items = here.events().poll(Duration::from_millis(20)).follow();
        assert_eq!(next(&mut items).await, CaughtUp(0));
        journeys(&there, &["a"], 2).await;
        assert_eq!((next(&mut items).await, next(&mut items).await), (Given(1), Given(2)));
        here.shutdown().await.unwrap();
        there.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn events_come_as_their_type() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let broken = NewEvent { payload: b"{}".to_vec(), ..moved("b", "ups", 2) };
        append(&app, [moved("a", "ups", 1), other("x"), broken, moved("a", "dhl", 3)]).await;
        let items: Vec<_> = app.events().of::<Moved>().to_head().collect().await;
        let [
            Ok((recorded, first)),
            Err(CatchUpError::Event { position, source: EventError::Payload(_), .. }),
            Ok((_, last)),
        ] = &items[..]
        else {
            panic!("{items:?}")
        };
        assert_eq!((recorded.position.get(), first.step, position.get(), last.step), (1, 1, 3, 3));
        app.shutdown().await.unwrap();
    }
}

/// Guarantee 13: readers that stop and go on anywhere, while two applications append, see the log and nothing else.
#[tokio::test]
async fn no_event_is_missed_or_doubled_whenever_a_reader_stops() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    for lasting in Lasting::each() {
        let (one, two) = (lasting.start(app()).await, lasting.start(app()).await);
        let append_all = |app: Annals| async move {
            for step in 0..40 {
                append(&app, [moved("a", "ups", step), other("b")]).await;
            }
        };
        let read = async {
            let mut dice = Dice::seeded(seed);
            let (mut place, mut seen) = (Position::START, Vec::new());
            while seen.len() < 80 {
                let page = 1 + usize::try_from(dice.below(5)).unwrap();
                let items = one.events().category("parcel").after(place).page(page).notices(Duration::ZERO);
                let mut items = items.poll(Duration::from_millis(10)).follow();
                for _ in 0..dice.below(9) {
                    match timeout(PATIENCE, items.next()).await.unwrap().unwrap().unwrap() {
                        Item::Event(event) => {
                            seen.push(event.position());
                            place = event.position();
                        }
                        Item::Checkpoint(position) | Item::CaughtUp(position) => {
                            assert!(position >= place);
                            place = position;
                        }
                        _ => unreachable!(),
                    }
                    if seen.len() == 80 {
                        break;
                    }
                }
            }
            seen
        };
        let (seen, (), ()) = tokio::join!(read, append_all(one.clone()), append_all(two.clone()));
        let log = one.journal().read(annals::store::Read::category("parcel", Position::START)).await.unwrap();
        let log: Vec<Position> = log.events.iter().map(|event| event.recorded.position).collect();
        assert_eq!(seen, log, "seed {seed}");
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    }
}
