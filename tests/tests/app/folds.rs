//! Folding: every event of a read is handed over once, in order, with nothing loaded that a state does without.

use annals::message::{Decode, UpcastError};
use annals::prelude::*;
use annals::store::{Append, FoldError, Folded, NewEvent, Read};
use serde_json::json;

use crate::parcels::*;
use crate::support::{Place, in_each_place};

async fn start(place: &Place) -> Annals {
    place.start(|app| app.include::<ParcelPosted>().include::<ParcelDelivered>().include::<Parcel>()).await
}

/// An event of today, as a program writes it.
fn posted(grams: u64) -> NewEvent {
    let payload = json!({ "parcel": "p-1", "grams": grams, "at": Timestamp::default() }).to_string().into_bytes();
    one(old("p-1", "parcel.posted", 3, payload, Timestamp::default()))
}

/// The same from the days when parcels were weighed in kilograms.
fn sent(grams: u64) -> NewEvent {
    let payload = json!({ "parcel": "p-1", "kilograms": grams as f64 / 1000.0 }).to_string().into_bytes();
    one(old("p-1", "parcel.sent", 1, payload, Timestamp::default()))
}

fn one(append: Append) -> NewEvent {
    append.events.into_iter().next().unwrap()
}

async fn store(app: &Annals, events: Vec<NewEvent>) {
    app.journal().append(Append { events, ..Append::default() }).await.unwrap();
}

/// The weights of all parcels, in the order in which they are handed over.
async fn weights(app: &Annals, read: Read) -> (Vec<u64>, Folded) {
    let mut weights = Vec::new();
    let each = |event: Decode<'_>| -> Result<(), UpcastError> {
        weights.push(event.into_event::<ParcelPosted>()?.grams);
        Ok(())
    };
    let folded = app.journal().fold(read, &[], each).await.unwrap();
    (weights, folded)
}

fn stream() -> StreamId {
    StreamId::new("parcel", "p-1")
}

#[tokio::test]
async fn every_event_is_handed_over_once_across_pages() {
    in_each_place(async |place| {
        let app = start(place).await;
        store(&app, (1..=9_000).map(posted).collect()).await;
        let expected: Vec<_> = (1..=9_000).collect();
        for read in [Read::stream(stream(), None), Read::all(Position::START), Read::all(Position::START).limit(7)] {
            let (weights, folded) = weights(&app, read).await;
            assert_eq!(weights, expected);
            assert_eq!((folded.events, folded.place), (9_000, 9_000));
            assert_eq!([folded.newest, folded.scanned, folded.head], [Position::new(9_000); 3]);
        }
        let (weights, folded) = weights(&app, Read::stream(stream(), Version::new(8_998))).await;
        assert_eq!((weights, folded.events), (vec![8_999, 9_000], 2));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_that_is_lifted_may_come_anywhere() {
    in_each_place(async |place| {
        let app = start(place).await;
        for first in [0, 1, 700] {
            let before: Vec<_> = (1..=first).map(posted).collect();
            let after = [sent(first + 1)].into_iter().chain((first + 2..=first + 600).map(posted));
            let start = app.journal().store().head().await.unwrap();
            store(&app, before.into_iter().chain(after).collect()).await;
            let (weights, folded) = weights(&app, Read::all(start)).await;
            assert_eq!(weights, (1..=first + 600).collect::<Vec<_>>(), "{first} events before it");
            assert_eq!((folded.events, folded.newest), (first + 600, Position::new(start.get() + first + 600)));
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_fold_ends_at_the_event_that_is_refused() {
    in_each_place(async |place| {
        let app = start(place).await;
        store(&app, (1..=5).map(posted).collect()).await;
        let mut taken = 0;
        let each = |event: Decode<'_>| {
            taken += 1;
            event.into_event::<ParcelDelivered>().map(drop)
        };
        let refused = app.journal().fold(Read::stream(stream(), Version::new(2)), &[], each).await;
        assert!(matches!(refused, Err(FoldError::Event { place: 3, .. })), "{refused:?}");
        assert_eq!(taken, 1);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_fold_of_nothing_has_seen_the_head() {
    in_each_place(async |place| {
        let app = start(place).await;
        store(&app, vec![posted(1)]).await;
        let (weights, folded) = weights(&app, Read::stream(StreamId::new("parcel", "p-2"), None)).await;
        assert!(weights.is_empty());
        assert_eq!((folded.events, folded.place, folded.newest), (0, 0, Position::START));
        assert_eq!([folded.scanned, folded.head], [Position::new(1); 2]);
        app.shutdown().await.unwrap();
    })
    .await;
}
