//! The trip, and the saga that books it.

use std::time::Duration;

use annals::prelude::*;
use annals::saga::Otherwise;

use crate::{Book, CancelBooking, Charge, Refund};

/// Plans a trip.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "trip.plan")]
pub struct PlanTrip {
    /// Names the trip.
    #[target]
    pub trip: String,
    /// Who pays.
    pub payer: String,
    /// What it costs, in euros.
    pub euros: u32,
    /// Whether a car is wanted besides.
    pub by_car: bool,
}

/// A trip was planned.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "trip.planned")]
pub struct TripPlanned {
    /// Names the trip.
    pub trip: String,
    /// Who pays.
    pub payer: String,
    /// What it costs, in euros.
    pub euros: u32,
    /// Whether a car is wanted besides.
    pub by_car: bool,
}

/// Who plans trips.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "traveller")]
pub struct Traveller;

#[command_handlers]
impl Traveller {
    #[handle(create)]
    fn plan(command: PlanTrip) -> TripPlanned {
        let PlanTrip { trip, payer, euros, by_car } = command;
        TripPlanned { trip, payer, euros, by_car }
    }
}

#[event_sourcing]
impl Traveller {
    #[apply]
    fn planned(&mut self, _: &TripPlanned) {}
}

/// Books hotel, flight and maybe a car side by side, then takes the money.
///
/// Without a car the trip goes on; without a hotel, a flight or the money everything is given back, newest first.
#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[saga(name = "trip")]
pub struct Trip {
    trip: String,
    payer: String,
    euros: u32,
    by_car: bool,
    room: Option<u32>,
}

impl Trip {
    fn book(&self, house: &str) -> Book {
        Book { house: house.to_owned(), trip: self.trip.clone() }
    }

    fn cancel(&self, house: &str) -> CancelBooking {
        CancelBooking { house: house.to_owned(), trip: self.trip.clone() }
    }
}

#[saga_handlers]
impl Trip {
    #[start(by = trip)]
    fn planned(&mut self, event: &TripPlanned) {
        let TripPlanned { trip, payer, euros, by_car } = event.clone();
        *self = Self { trip, payer, euros, by_car, room: None };
    }

    #[steps]
    fn steps() -> Steps<Self> {
        steps()
            .together(|steps| {
                steps
                    .step("hotel")
                    .invoke(|trip: &Self| trip.book("hotel"))
                    .on_reply(|trip: &mut Self, room| trip.room = Some(*room))
                    .compensate(|trip: &Self| trip.cancel("hotel"))
                    .step("flight")
                    .invoke(|trip: &Self| trip.book("flight"))
                    .compensate(|trip: &Self| trip.cancel("flight"))
                    .step("car")
                    .when(|trip: &Self| trip.by_car)
                    .invoke(|trip: &Self| trip.book("car"))
                    .on_rejection(|trip: &mut Self, _| {
                        trip.by_car = false;
                        Otherwise::Continue
                    })
                    .compensate(|trip: &Self| trip.cancel("car"))
            })
            .step("money")
            .invoke(|trip: &Self| Charge { payer: trip.payer.clone(), trip: trip.trip.clone(), euros: trip.euros })
            .within(Duration::from_secs(60))
            .compensate(|trip: &Self| Refund { payer: trip.payer.clone(), trip: trip.trip.clone() })
            .into()
    }
}
