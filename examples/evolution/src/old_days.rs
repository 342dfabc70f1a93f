//! What programs of old days have left in the store.

use std::sync::Arc;

use annals::message::Tag;
use annals::prelude::*;
use annals::store::{Append, AppendError, EventStore, NewEvent};
use serde_json::json;

/// Stores the events of a parcel as three programs have written them, one after the other.
///
/// # Errors
/// When the store does not take them.
pub async fn leave(store: &(impl EventStore + ?Sized), at: Timestamp) -> Result<(), AppendError> {
    let stored = [
        ("p-1", "parcel.sent", 1, json!({ "parcel": "p-1", "kilograms": 1.5 })),
        ("p-2", "parcel.sent", 2, json!({ "parcel": "p-2", "grams": 900 })),
        ("p-3", "parcel.sent", 3, json!({ "parcel": "p-3", "grams": 250, "at": at })),
        ("p-1", "parcel.returned-and-refunded", 1, json!({ "parcel": "p-1", "cents": 490 })),
    ];
    for (parcel, name, revision, payload) in stored {
        let event = NewEvent {
            stream: StreamId::new("parcel", parcel),
            id: EventId::new(),
            name: name.into(),
            revision,
            payload: payload.to_string().into_bytes(),
            metadata: Arc::default(),
            tags: vec![Tag::new("parcel", parcel)],
            recorded_at: at,
        };
        store.append(Append { events: vec![event], ..Append::default() }).await?;
    }
    Ok(())
}
