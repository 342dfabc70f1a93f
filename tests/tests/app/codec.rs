//! Another codec than JSON, from one end to the other.

use annals::message::{Codec, CodecError, JsonCodec};
use annals::prelude::*;
use annals::store::Read;
use annals_tests::orders::*;
use serde_json::json;

use crate::parcels::{Parcel, ParcelPosted, old};
use crate::support::{PATIENCE, Place, eventually, in_each_place};

/// JSON with every bit turned: no text, and nothing that JSON reads.
#[derive(Debug, Clone, Copy)]
struct Inverted;

impl Codec for Inverted {
    fn content_type(&self) -> &'static str {
        "application/x-inverted"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, CodecError> {
        JsonCodec.encode(value).map(|bytes| inverted(&bytes))
    }

    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), CodecError> {
        JsonCodec.decode(&inverted(bytes), read)
    }
}

fn inverted(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

async fn shop(place: &Place) -> Annals {
    place
        .start(|app| {
            app.codec(Inverted).include::<Order>().include::<Stock>().include::<Fulfilment>().include::<OrderSummary>()
        })
        .await
}

#[tokio::test]
async fn aggregates_sagas_and_views_work_with_another_codec() {
    in_each_place(async |place| {
        let app = shop(place).await;
        app.send(AddStock { sku: "tea".into(), quantity: 3 }).await.unwrap();
        for order in ["o-1", "o-2"] {
            app.send(PlaceOrder { order: order.into(), sku: "tea".into(), quantity: 2 }).await.unwrap();
        }
        app.settled(PATIENCE).await.unwrap();
        let first = app.query(FindOrder { order: "o-1".into() }).await.unwrap().unwrap();
        let second = app.query(FindOrder { order: "o-2".into() }).await.unwrap().unwrap();
        assert_eq!((first.status.as_str(), second.status.as_str()), ("approved", "rejected: only 1 left"));

        let events = app.journal().read(Read::all(Position::START)).await.unwrap().events;
        for event in &events {
            assert!(serde_json::from_slice::<Json>(&event.payload).is_err(), "`{}` is JSON", event.recorded.name);
            assert!(serde_json::from_slice::<Json>(&inverted(&event.payload)).is_ok());
        }
        let history = app.aggregate::<Stock>("tea").history().await.unwrap();
        assert_eq!(history[0].payload, json!({ "sku": "tea", "quantity": 3 }), "tools see a tree");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn replies_rejections_and_snapshots_are_kept_in_the_codec() {
    in_each_place(async |place| {
        let app = shop(place).await;
        let (one, two) = (CommandId::new(), CommandId::new());
        app.send(PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity: 1 }).await.unwrap();
        let many = AddLines { order: "o-1".into(), quantities: vec![1; 9] };
        let none = AddLines { order: "o-1".into(), quantities: vec![0] };
        assert_eq!(app.send(many.clone()).id(one).await.unwrap().reply, 10);
        assert_eq!(app.send(none.clone()).id(two).await.unwrap_err().rejection(), Some(OrderError::Empty));
        let (stream, schema) = (StreamId::new("order", "o-1"), Order::snapshots().unwrap().schema);
        let snapshot = eventually(async || app.journal().store().snapshot("", &stream, schema).await.unwrap()).await;
        assert!(serde_json::from_slice::<Order>(&snapshot.state).is_err());
        assert_eq!(serde_json::from_slice::<Order>(&inverted(&snapshot.state)).unwrap().quantity, 10);
        app.shutdown().await.unwrap();

        let app = shop(place).await;
        assert_eq!(app.send(many).id(one).await.unwrap().reply, 10);
        assert_eq!(app.send(none).id(two).await.unwrap_err().rejection(), Some(OrderError::Empty));
        assert_eq!(app.aggregate::<Order>("o-1").load().await.unwrap().unwrap().state.quantity, 10);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn upcasters_see_a_tree_whatever_the_codec() {
    in_each_place(async |place| {
        let app = place.start(|app| app.codec(Inverted).include::<Parcel>().include::<ParcelPosted>()).await;
        let payload = inverted(json!({ "parcel": "p-1", "kilograms": 0.5 }).to_string().as_bytes());
        let sent = old("p-1", "parcel.sent", 1, payload, Timestamp::EPOCH);
        app.journal().store().append(sent).await.unwrap();
        let parcel = app.aggregate::<Parcel>("p-1").load().await.unwrap().unwrap().state;
        assert_eq!((parcel.grams, parcel.posted_at), (500, Timestamp::EPOCH));
        app.shutdown().await.unwrap();
    })
    .await;
}
