//! A domain whose event has a past: `parcel.sent` in kilograms became `parcel.posted` in grams, which later got a time.

use std::sync::Arc;

use annals::message::Tag;
use annals::prelude::*;
use annals::store::{Append, NewEvent};
use serde_json::json;

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "parcel.posted", revision = 3)]
pub struct ParcelPosted {
    #[tag]
    pub parcel: String,
    pub grams: u64,
    pub at: Timestamp,
}

#[upcasters]
impl ParcelPosted {
    #[upcast(name = "parcel.sent", from = 1, to = 2)]
    fn in_grams(mut payload: Json) -> Result<Json, String> {
        let kilograms = payload["kilograms"].as_f64().ok_or("there are no kilograms")?;
        payload["grams"] = json!((kilograms * 1000.0) as u64);
        Ok(payload)
    }

    #[upcast(from = 2)]
    fn add_time(mut payload: Json, recorded: &Recorded) -> Json {
        payload["at"] = json!(recorded.recorded_at);
        payload
    }
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "parcel.delivered")]
pub struct ParcelDelivered {
    #[tag]
    pub parcel: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "parcel.post")]
pub struct PostParcel {
    #[target]
    pub parcel: String,
    pub grams: u64,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "parcel.deliver", reply = u64)]
pub struct DeliverParcel {
    #[target]
    pub parcel: String,
}

#[derive(Aggregate, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "parcel")]
pub struct Parcel {
    pub grams: u64,
    pub posted_at: Timestamp,
    pub delivered: bool,
}

#[command_handlers]
impl Parcel {
    #[handle(create)]
    fn post(command: PostParcel, now: Now) -> ParcelPosted {
        ParcelPosted { parcel: command.parcel, grams: command.grams, at: now.into() }
    }

    #[handle]
    fn deliver(&self, command: DeliverParcel, events: &mut Events<Self>) -> u64 {
        events.record((!self.delivered).then_some(ParcelDelivered { parcel: command.parcel }));
        self.grams
    }
}

#[event_sourcing]
impl Parcel {
    #[apply]
    fn posted(&mut self, event: &ParcelPosted) {
        (self.grams, self.posted_at) = (event.grams, event.at);
    }

    #[apply]
    fn delivered(&mut self, _event: &ParcelDelivered) {
        self.delivered = true;
    }
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "parcel.weigh", reply = u64)]
pub struct WeighParcel {
    #[tag]
    pub parcel: String,
}

/// All that was ever posted under an id.
#[derive(Decision, Default, Debug, Clone)]
#[decision(name = "parcel-scales", boundary(parcel))]
pub struct Scales {
    grams: u64,
}

#[command_handlers]
impl Scales {
    #[handle]
    fn weigh(&self, _command: WeighParcel, _events: &mut Events<Self>) -> u64 {
        self.grams
    }
}

#[event_sourcing]
impl Scales {
    #[apply]
    fn posted(&mut self, event: &ParcelPosted) {
        self.grams += event.grams;
    }
}

#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "parcel-list", key = String)]
pub struct ParcelList {
    pub grams: u64,
}

#[view_handlers]
impl ParcelList {
    #[handle(key = parcel)]
    fn posted(&mut self, event: &ParcelPosted) {
        self.grams = event.grams;
    }
}

#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "parcel-card", key = String, live)]
pub struct ParcelCard {
    pub grams: u64,
}

#[view_handlers]
impl ParcelCard {
    #[handle(key = parcel)]
    fn posted(&mut self, event: &ParcelPosted) {
        self.grams = event.grams;
    }
}

/// Delivers what is light.
#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "parcel-delivery")]
pub struct Delivery {}

#[saga_handlers]
impl Delivery {
    #[start(by = parcel)]
    fn posted(&mut self, event: &ParcelPosted, effects: &mut Effects) {
        if event.grams <= 2000 {
            effects.send(DeliverParcel { parcel: event.parcel.clone() });
        }
    }

    #[end(by = parcel)]
    fn delivered(&mut self, _event: &ParcelDelivered) {}
}

/// An event that a program of old days has stored.
pub fn old(parcel: &str, name: &str, revision: u32, payload: Vec<u8>, recorded_at: Timestamp) -> Append {
    let event = NewEvent {
        stream: StreamId::new("parcel", parcel),
        id: EventId::new(),
        name: name.to_owned().into(),
        revision,
        payload,
        metadata: Arc::default(),
        tags: vec![Tag::new("parcel", parcel)],
        recorded_at,
    };
    Append { events: vec![event], ..Append::default() }
}
