//! Upcasters lie under every read path (guarantee 10).

use annals::message::{Tag, UpcastError};
use annals::prelude::*;
use annals::store::{Append, AppendError, Condition, Conflict, Criteria, Criterion};
use annals::testing::{upcast, upcast_named};
use annals::{CommandFailure, SendError};
use serde_json::json;

use crate::parcels::*;
use crate::support::{PATIENCE, Place, in_each_place};

const LONG_AGO: &str = "2019-05-01T08:00:00Z";

fn long_ago() -> Timestamp {
    LONG_AGO.parse().unwrap()
}

/// A store in which a program of old days has sent `p-1` (1.5 kg), and a later one has posted `p-2` (900 g).
async fn post_office(place: &Place) -> Annals {
    let store = place.node().await;
    let sent = json!({ "parcel": "p-1", "kilograms": 1.5 }).to_string().into_bytes();
    store.append(old("p-1", "parcel.sent", 1, sent, long_ago())).await.unwrap();
    let posted = json!({ "parcel": "p-2", "grams": 900 }).to_string().into_bytes();
    store.append(old("p-2", "parcel.posted", 2, posted, long_ago())).await.unwrap();
    store.close().await;
    place
        .start(|app| {
            app.include::<ParcelPosted>()
                .include::<Parcel>()
                .include::<Scales>()
                .include::<ParcelList>()
                .include::<ParcelCard>()
                .include::<Delivery>()
        })
        .await
}

#[tokio::test]
async fn aggregates_read_lifted_events() {
    in_each_place(async |place| {
        let app = post_office(place).await;
        app.settled(PATIENCE).await.unwrap();
        for (parcel, grams) in [("p-1", 1500), ("p-2", 900)] {
            let loaded = app.aggregate::<Parcel>(parcel).load().await.unwrap().unwrap();
            assert_eq!((loaded.state.grams, loaded.state.posted_at), (grams, long_ago()));
            assert_eq!(app.send(DeliverParcel { parcel: parcel.into() }).await.unwrap().reply, grams);
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn decisions_find_events_under_their_old_names() {
    in_each_place(async |place| {
        let app = post_office(place).await;
        assert_eq!(app.send(WeighParcel { parcel: "p-1".into() }).await.unwrap().reply, 1500);
        assert_eq!(app.send(WeighParcel { parcel: "p-2".into() }).await.unwrap().reply, 900);
        // The same holds for the condition of the append.
        let criteria = Criteria::from(Criterion::names(["parcel.posted"]).and_tag(Tag::new("parcel", "p-1")));
        let condition = Some(Condition { criteria, after: Position::START });
        let refused = app.journal().append(Append { condition, ..Append::default() }).await;
        assert!(matches!(refused, Err(AppendError::Conflict(Conflict::Condition { .. }))), "{refused:?}");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn views_and_sagas_find_events_under_their_old_names() {
    in_each_place(async |place| {
        let app = post_office(place).await;
        app.settled(PATIENCE).await.unwrap();
        for (parcel, grams) in [("p-1", 1500), ("p-2", 900)] {
            let key = parcel.to_owned();
            assert_eq!(app.view::<ParcelList>().get(&key).await.unwrap(), Some(ParcelList { grams }));
            assert_eq!(app.view::<ParcelCard>().get(&key).await.unwrap(), Some(ParcelCard { grams }));
            let loaded = app.aggregate::<Parcel>(parcel).load().await.unwrap().unwrap();
            assert!(loaded.state.delivered, "the saga has sent its command");
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_history_tells_events_as_they_are_known_today_and_where_they_came_from() {
    in_each_place(async |place| {
        let app = post_office(place).await;
        let history = app.aggregate::<Parcel>("p-1").history().await.unwrap();
        assert_eq!(history[0].name, "parcel.posted");
        let lifted = json!({ "parcel": "p-1", "kilograms": 1.5, "grams": 1500, "at": LONG_AGO });
        assert_eq!(history[0].payload, lifted);
        assert_eq!((history[0].recorded.name.as_str(), history[0].recorded.revision), ("parcel.sent", 1));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_that_cannot_be_lifted_fails_the_commands_of_its_stream() {
    in_each_place(async |place| {
        let app = post_office(place).await;
        let store = app.journal().store();
        store.append(old("p-3", "parcel.sent", 1, br#"{"parcel":"p-3"}"#.to_vec(), long_ago())).await.unwrap();
        store.append(old("p-4", "parcel.posted", 9, b"{}".to_vec(), long_ago())).await.unwrap();
        store.append(old("p-5", "parcel.lost", 1, b"{}".to_vec(), long_ago())).await.unwrap();
        let reasons = [
            ("p-3", "the upcaster of `parcel.sent` from revision 1 failed: there are no kilograms"),
            ("p-4", "`parcel.posted` is stored at revision 9, this program reads revision 3"),
            ("p-5", "`app::parcels::Parcel` has no `#[apply]` for the stored event `parcel.lost`"),
        ];
        for (parcel, reason) in reasons {
            match app.send(DeliverParcel { parcel: parcel.into() }).await {
                Err(SendError::Failed(failure @ CommandFailure::Evolve { .. })) => {
                    assert_eq!(failure.to_string(), format!("the state of `parcel/{parcel}` cannot be built"));
                    let CommandFailure::Evolve { source, .. } = failure else { unreachable!() };
                    assert!(source.to_string().starts_with(reason), "{source}");
                }
                other => panic!("expected `Evolve`, got {other:?}"),
            }
        }
        app.send(PostParcel { parcel: "p-6".into(), grams: 1 }).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[test]
fn an_old_payload_becomes_the_event_of_today() {
    let noon = annals::Clock::now(&annals::testing::TestClock::default());
    let posted = ParcelPosted { parcel: "p-1".into(), grams: 1500, at: noon };
    upcast_named("parcel.sent", 1, json!({ "parcel": "p-1", "kilograms": 1.5 })).then(posted.clone());
    upcast(2, json!({ "parcel": "p-1", "grams": 1500 })).then(posted.clone());
    upcast(3, json!({ "parcel": "p-1", "grams": 1500, "at": noon })).then(posted);
    let error = upcast_named::<ParcelPosted>("parcel.sent", 1, json!({})).then_fails();
    assert!(matches!(error, UpcastError::Step { revision: 1, .. }), "{error}");
    let error = upcast::<ParcelPosted>(3, json!({})).then_fails();
    assert!(matches!(error, UpcastError::Payload { revision: 3, .. }), "{error}");
}

#[tokio::test]
async fn subscriptions_give_lifted_events_under_their_current_name() {
    use annals::subscription::{ConsumerConfig, Filter, Item, SubscriptionConfig};
    use futures_util::StreamExt;

    in_each_place(async |place| {
        let app = post_office(place).await;
        let posted: Vec<_> =
            app.events().of::<ParcelPosted>().to_head().map(|posted| posted.unwrap().1.grams).collect().await;
        assert_eq!(posted, [1500, 900]);
        let mut items = app.events().names(["parcel.posted"]).follow();
        let Some(Ok(Item::Event(first))) = items.next().await else { panic!("there is an event") };
        assert_eq!((first.name(), first.json().await.unwrap()["grams"].as_u64()), ("parcel.sent", Some(1500)));
        assert_eq!(first.parts().await.unwrap()[0].name, "parcel.posted");

        let subscriptions = app.subscriptions();
        subscriptions.create("s", SubscriptionConfig::of(Filter::of::<ParcelPosted>())).await.unwrap();
        let mut consumer = subscriptions.consume("s", ConsumerConfig::default()).await.unwrap();
        for grams in [1500, 900] {
            let delivery = consumer.next().await.unwrap().unwrap();
            assert_eq!(delivery.decode::<ParcelPosted>().await.unwrap().grams, grams);
            delivery.ack().await.unwrap();
        }
        app.shutdown().await.unwrap();
    })
    .await;
}
