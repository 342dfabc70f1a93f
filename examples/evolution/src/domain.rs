//! Parcels: their events as they are today, and how those of old days become them.

use annals::prelude::*;

/// A parcel is on its way.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "parcel.sent", revision = 3)]
pub struct Sent {
    /// Which one.
    #[tag]
    pub parcel: String,
    /// What it weighs.
    pub grams: u64,
    /// When it was handed over.
    pub at: Timestamp,
}

/// Revision 1 of [`Sent`].
#[derive(Deserialize)]
struct SentV1 {
    parcel: String,
    kilograms: f64,
}

/// Revision 2 of [`Sent`].
#[derive(Serialize, Deserialize)]
struct SentV2 {
    parcel: String,
    grams: u64,
}

#[upcasters]
impl Sent {
    #[upcast(from = 1)]
    fn in_grams(old: SentV1) -> Result<SentV2, String> {
        if old.kilograms.is_nan() || old.kilograms < 0.0 {
            return Err(format!("a parcel of {} kg", old.kilograms));
        }
        Ok(SentV2 { parcel: old.parcel, grams: (old.kilograms * 1000.0).round() as u64 })
    }

    #[upcast(from = 2)]
    fn add_time(old: SentV2, recorded: &Recorded) -> Sent {
        Sent { parcel: old.parcel, grams: old.grams, at: recorded.recorded_at }
    }
}

/// A parcel came back.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "parcel.returned")]
pub struct Returned {
    /// Which one.
    #[tag]
    pub parcel: String,
}

/// The money for a parcel went back.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "parcel.refunded")]
pub struct Refunded {
    /// For which one.
    #[tag]
    pub parcel: String,
    /// How much.
    pub cents: u64,
}

#[upcasters]
impl Returned {
    /// There was one event for both, until a parcel came back whose money did not.
    #[upcast(name = "parcel.returned-and-refunded", from = 1)]
    fn in_two(old: Refunded) -> (Returned, Refunded) {
        (Returned { parcel: old.parcel.clone() }, old)
    }
}

/// What is known of a parcel.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "parcel")]
pub struct Parcel {
    /// What it weighs.
    pub grams: u64,
    /// When it was handed over.
    pub sent_at: Option<Timestamp>,
    /// Whether it came back.
    pub returned: bool,
    /// The money that went back.
    pub refunded_cents: u64,
}

#[event_sourcing]
impl Parcel {
    #[apply]
    fn sent(&mut self, event: &Sent) {
        (self.grams, self.sent_at) = (event.grams, Some(event.at));
    }

    #[apply]
    fn returned(&mut self, _event: &Returned) {
        self.returned = true;
    }

    #[apply]
    fn refunded(&mut self, event: &Refunded) {
        self.refunded_cents += event.cents;
    }
}
