//! Another codec than JSON, from one end to the other.

use annals::message::{Codec, CodecError, Compression, JsonCodec, MessagePackCodec};
use annals::prelude::*;
use annals::store::Read;
use annals_tests::orders::*;
use serde_json::json;

use crate::parcels::{Parcel, ParcelPosted, old};
use crate::support::{PATIENCE, Place, in_each_place};

/// JSON with every bit turned: no text, and nothing that JSON reads.
#[derive(Debug, Clone, Copy)]
struct Inverted;

impl Codec for Inverted {
    fn content_type(&self) -> &'static str {
        "application/x-inverted"
    }

    fn mark(&self) -> Option<char> {
        Some('i')
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

/// The payload of a stored event, without its mark.
fn unmarked(payload: &[u8]) -> &[u8] {
    payload.strip_prefix(b"\0i").unwrap()
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
            assert!(serde_json::from_slice::<Json>(&inverted(unmarked(&event.payload))).is_ok());
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
        let snapshot = app.journal().store().snapshot("", &stream, schema).await.unwrap().unwrap();
        assert!(serde_json::from_slice::<Order>(&snapshot.state).is_err());
        assert_eq!(serde_json::from_slice::<Order>(&inverted(unmarked(&snapshot.state))).unwrap().quantity, 10);
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
        let payload = [b"\0i".to_vec(), payload].concat();
        let sent = old("p-1", "parcel.sent", 1, payload, Timestamp::EPOCH);
        app.journal().store().append(sent).await.unwrap();
        let parcel = app.aggregate::<Parcel>("p-1").load().await.unwrap().unwrap().state;
        assert_eq!((parcel.grams, parcel.posted_at), (500, Timestamp::EPOCH));
        app.shutdown().await.unwrap();
    })
    .await;
}

/// A program that writes with another codec, or compresses.
async fn shop_with(place: &Place, change: impl FnOnce(annals::app::Builder) -> annals::app::Builder) -> Annals {
    place
        .start(|app| {
            change(app).include::<Order>().include::<Stock>().include::<Fulfilment>().include::<OrderSummary>()
        })
        .await
}

#[tokio::test]
async fn payloads_of_several_codecs_lie_side_by_side() {
    in_each_place(async |place| {
        let one = CommandId::new();
        let app = shop_with(place, |app| app).await;
        app.send(AddStock { sku: "tea".into(), quantity: 3 }).await.unwrap();
        app.send(PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity: 2 }).id(one).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        app.shutdown().await.unwrap();

        let app = shop_with(place, |app| app.codec(MessagePackCodec).compression(Compression::above(64))).await;
        app.send(AddStock { sku: "tea".into(), quantity: 2 }).await.unwrap();
        let long = "long ".repeat(100);
        app.send(AddStock { sku: long.clone(), quantity: 9 }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(app.aggregate::<Stock>("tea").history().await.unwrap()[0].payload["quantity"], 3);
        app.shutdown().await.unwrap();

        // A program that writes JSON reads all of it.
        let app = shop_with(place, |app| app.reads(Inverted)).await;
        let again = PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity: 2 };
        app.send(again).id(one).await.unwrap();
        app.send(PlaceOrder { order: "o-2".into(), sku: "tea".into(), quantity: 3 }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let second = app.query(FindOrder { order: "o-2".into() }).await.unwrap().unwrap();
        assert_eq!(second.status, "approved", "of three and two there were two left and one more came");
        let events = app.journal().read(Read::all(Position::START)).await.unwrap().events;
        let begins: std::collections::BTreeSet<_> = events.iter().map(|event| event.payload[..2].to_vec()).collect();
        assert_eq!(begins, [b"\0M".to_vec(), b"\0Z".to_vec(), b"{\"".to_vec()].into());
        let stock = app.aggregate::<Stock>(&long).history().await.unwrap();
        assert_eq!(stock[0].payload, json!({ "sku": long, "quantity": 9 }));

        // As JSON lines, everything is JSON; as a copy, everything is as it is stored.
        let mut lines = Vec::new();
        app.export().write_to(&mut lines).await.unwrap();
        assert!(!String::from_utf8(lines).unwrap().contains("payload_hex"));
        let mut lines = Vec::new();
        annals::store::Export::of(place.node().await).write_to(&mut lines).await.unwrap();
        let copy: annals::store::SharedStore = std::sync::Arc::new(annals::store::MemoryStore::new());
        annals::store::Importer::into(copy.clone()).read(&mut lines.as_slice()).await.unwrap();
        let copied = copy.read(&Read::all(Position::START)).await.unwrap().events;
        assert!(copied.iter().zip(&events).all(|(copied, event)| copied.payload == event.payload));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn documents_of_views_stay_json_whatever_the_codec() {
    in_each_place(async |place| {
        let app = shop_with(place, |app| app.codec(MessagePackCodec).compression(Compression::above(1))).await;
        app.send(PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity: 2 }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let view =
            annals::store::records::ViewId { tenant: String::new(), name: OrderSummary::NAME.into(), version: 1 };
        let documents = app.journal().store().documents(&view, &["o-1".to_owned()]).await.unwrap();
        assert!(serde_json::from_slice::<OrderSummary>(&documents[0].body).is_ok());
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn upcasters_lift_what_every_codec_has_written() {
    in_each_place(async |place| {
        let app = place
            .start(|app| {
                let app = app.codec(MessagePackCodec).compression(Compression::above(10));
                app.include::<Parcel>().include::<ParcelPosted>()
            })
            .await;
        let payload = app.journal().payloads().encode(&json!({ "parcel": "p-1", "kilograms": 0.5 })).unwrap();
        let sent = old("p-1", "parcel.sent", 1, payload, Timestamp::EPOCH);
        app.journal().store().append(sent).await.unwrap();
        let parcel = app.aggregate::<Parcel>("p-1").load().await.unwrap().unwrap().state;
        assert_eq!((parcel.grams, parcel.posted_at), (500, Timestamp::EPOCH));
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Codecs whose marks mean something else.
struct Marked(char, &'static str);

impl Codec for Marked {
    fn content_type(&self) -> &'static str {
        self.1
    }

    fn mark(&self) -> Option<char> {
        Some(self.0)
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, CodecError> {
        JsonCodec.encode(value)
    }

    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), CodecError> {
        JsonCodec.decode(bytes, read)
    }
}

#[tokio::test]
async fn codecs_that_cannot_be_told_apart_are_found_at_start() {
    let app = Annals::builder().without_discovery().store("memory:");
    let app = app.codec(Inverted).reads(Marked('i', "text/other")).reads(Marked('Z', "text/packed"));
    let Err(annals::StartError::Problems(problems)) = app.start().await else { panic!("it has started") };
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        "the codecs of `application/x-inverted` and `text/other` have the same mark `i`",
        "the codec of `text/packed` has the mark `Z`: expected a lower-case letter",
    ];
    assert_eq!(told, expected);
}
