//! What was stored once is read by today's program.

use annals::prelude::*;
use annals::testing::{given_stored, golden, upcast};
use evolution::domain::{Parcel, Refunded, Returned, Sent};
use evolution::old_days;
use serde_json::json;

fn noon() -> Timestamp {
    annals::Clock::now(&annals::testing::TestClock::default())
}

#[test]
fn every_revision_becomes_the_event_of_today() {
    let sent = Sent { parcel: "p-1".into(), grams: 1500, at: noon() };
    upcast(1, json!({ "parcel": "p-1", "kilograms": 1.5 })).then(sent.clone());
    upcast(2, json!({ "parcel": "p-1", "grams": 1500 })).then(sent.clone());
    upcast(3, json!({ "parcel": "p-1", "grams": 1500, "at": noon() })).then(sent);
    let error = upcast::<Sent>(1, json!({ "parcel": "p-1", "kilograms": -1.0 })).then_fails();
    assert_eq!(error.to_string(), "the upcaster of `parcel.sent` from revision 1 failed: a parcel of -1 kg");
}

#[test]
fn a_return_with_a_refund_was_two_things() {
    given_stored([("parcel.returned-and-refunded", 1, json!({ "parcel": "p-1", "cents": 490 }))])
        .then((Returned { parcel: "p-1".into() }, Refunded { parcel: "p-1".into(), cents: 490 }));
}

#[tokio::test]
async fn one_stream_holds_events_of_three_programs() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["memory:".to_owned(), format!("sqlite://{}", folder.path().join("parcels.db").display())] {
        let app = Annals::open(&url).await.unwrap();
        old_days::leave(app.journal().store(), noon()).await.unwrap();
        let mut parcels = Vec::new();
        for parcel in ["p-1", "p-2", "p-3"] {
            parcels.push(app.aggregate::<Parcel>(parcel).load().await.unwrap().unwrap());
        }
        let grams: Vec<u64> = parcels.iter().map(|parcel| parcel.state.grams).collect();
        assert_eq!(grams, [1500, 900, 250]);
        let Parcel { returned, refunded_cents, sent_at, .. } = parcels[0].state;
        assert_eq!((returned, refunded_cents, sent_at), (true, 490, Some(noon())));
        assert_eq!(parcels[0].version.get(), 2, "what was split keeps its one version");
        assert!(app.unknown_names().await.unwrap().is_empty());
        app.shutdown().await.unwrap();
    }
}

#[test]
fn what_is_stored_stays_readable() {
    golden::catalogue("tests/golden/catalogue.json");
    golden::payloads("tests/golden")
        .example(Sent { parcel: "p-1".into(), grams: 1500, at: noon() })
        .example(Returned { parcel: "p-1".into() })
        .example(Refunded { parcel: "p-1".into(), cents: 490 })
        .check();
}
