//! What travels with messages: from command to event to saga to command to event.

use std::str::FromStr;

use annals::message::RecordedEvent;
use annals::prelude::*;
use annals::store::Read;
use annals_tests::orders::*;
use uuid::Uuid;

use crate::support::{PATIENCE, in_each_place};

async fn events(app: &Annals) -> Vec<RecordedEvent> {
    app.journal().read(Read::all(Position::START)).await.unwrap().events
}

#[track_caller]
fn find<'a>(events: &'a [RecordedEvent], name: &str) -> &'a annals::message::Recorded {
    let event = events.iter().find(|event| event.recorded.name == name);
    &event.unwrap_or_else(|| panic!("no event `{name}`")).recorded
}

#[tokio::test]
async fn a_conversation_is_carried_through_a_saga() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Order>().include::<Stock>().include::<Fulfilment>()).await;
        app.send(AddStock { sku: "tea".into(), quantity: 5 }).await.unwrap();
        let place_order = PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity: 3 };
        let placed = app.send(place_order).metadata("user", "ada").await.unwrap();
        app.settled(PATIENCE).await.unwrap();

        let events = events(&app).await;
        let ids = |name| {
            let metadata = find(&events, name).metadata();
            (metadata.correlation_id().unwrap(), metadata.causation_id().unwrap(), metadata.get("user"))
        };
        let conversation = placed.command.to_string();
        assert_eq!(ids("order.placed"), (conversation.as_str(), conversation.as_str(), Some("ada")));
        let (mut before, mut causes) = (find(&events, "order.placed").id.to_string(), vec![conversation.clone()]);
        for name in ["stock.reserved", "order.approved"] {
            let (correlation, cause, user) = ids(name);
            assert_eq!(
                (correlation, user),
                (conversation.as_str(), Some("ada")),
                "`{name}` belongs to the conversation"
            );
            assert_ne!(cause, before, "the saga's command stands between the two events");
            assert!(!causes.contains(&cause.to_owned()), "each event has a command of its own");
            causes.push(cause.to_owned());
            before = find(&events, name).id.to_string();
        }
        // The other conversation is kept apart.
        assert_ne!(ids("stock.added").0, conversation);
        assert_eq!(ids("stock.added").2, None);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_correlation_id_of_the_callers_is_kept() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Stock>()).await;
        let sent = app
            .send(AddStock { sku: "tea".into(), quantity: 5 })
            .metadata(Metadata::CORRELATION_ID, "request-7")
            .await
            .unwrap();
        let events = events(&app).await;
        let metadata = events[0].recorded.metadata();
        assert_eq!(metadata.correlation_id(), Some("request-7"));
        assert_eq!(metadata.causation_id(), Some(sent.command.to_string().as_str()));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn ids_are_drawn_in_the_order_of_time() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Stock>()).await;
        let mut commands = Vec::new();
        for quantity in 1..=5 {
            commands.push(app.send(AddStock { sku: "tea".into(), quantity }).await.unwrap().command);
        }
        let events: Vec<EventId> = events(&app).await.iter().map(|event| event.recorded.id).collect();
        assert!(commands.is_sorted() && events.is_sorted());
        for id in commands.iter().map(|id| id.uuid()).chain(events.iter().map(|id| id.uuid())) {
            assert_eq!(id.get_version_num(), 7);
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[test]
fn ids_are_texts_and_derived_ids_are_the_same_each_time() {
    let id = CommandId::new();
    assert_eq!(CommandId::from_str(&id.to_string()).unwrap(), id);
    assert!(CommandId::from_str("w-1").is_err());
    let derived = |name| CommandId::derived(Uuid::NAMESPACE_OID, name);
    assert_eq!(derived("charge"), derived("charge"));
    assert_ne!(derived("charge"), derived("refund"));
}
