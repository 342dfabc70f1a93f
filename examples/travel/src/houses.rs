//! The participants: houses that have places (hotels, car hires, airlines), and payers.

use annals::prelude::*;

/// Offers places.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "house.offer")]
pub struct Offer {
    /// The house, such as `hotel Sol`.
    #[target]
    pub house: String,
    /// How many places more.
    pub places: u32,
}

/// Takes a place for a trip. Answers with the number of the booking.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "house.book", reply = u32, error = NoRoom)]
pub struct Book {
    /// The house.
    #[target]
    pub house: String,
    /// The trip.
    pub trip: String,
}

/// Gives the place of a trip back, if it has one.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "house.cancel")]
pub struct CancelBooking {
    /// The house.
    #[target]
    pub house: String,
    /// The trip.
    pub trip: String,
}

/// Every place is taken.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("there is no place left")]
pub struct NoRoom;

/// Places were offered.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "house.offered")]
pub(crate) struct Offered {
    places: u32,
}

/// A place was taken.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "house.booked")]
pub(crate) struct Booked {
    trip: String,
    number: u32,
}

/// A place was given back.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "house.cancelled")]
pub(crate) struct Cancelled {
    trip: String,
}

/// Who has places. Invariant: never more trips than places.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "house")]
pub struct House {
    places: u32,
    numbers: u32,
    /// The trips that have a place.
    pub trips: Vec<String>,
}

#[command_handlers]
impl House {
    #[handle(create_if_missing)]
    fn offer(&self, command: Offer) -> Offered {
        Offered { places: command.places }
    }

    #[handle(create_if_missing)]
    fn book(&mut self, command: Book, events: &mut Events<Self>) -> Result<u32, NoRoom> {
        if self.trips.len() >= self.places as usize {
            return Err(NoRoom);
        }
        let number = self.numbers + 1;
        events.apply(self, Booked { trip: command.trip, number });
        Ok(number)
    }

    #[handle(create_if_missing)]
    fn cancel(&self, command: CancelBooking) -> Option<Cancelled> {
        self.trips.contains(&command.trip).then_some(Cancelled { trip: command.trip })
    }
}

#[event_sourcing]
impl House {
    #[apply]
    fn offered(&mut self, event: &Offered) {
        self.places += event.places;
    }

    #[apply]
    fn booked(&mut self, event: &Booked) {
        self.numbers = event.number;
        self.trips.push(event.trip.clone());
    }

    #[apply]
    fn cancelled(&mut self, event: &Cancelled) {
        self.trips.retain(|trip| *trip != event.trip);
    }
}

/// Puts money into an account.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "payer.top-up")]
pub struct TopUp {
    /// Who pays.
    #[target]
    pub payer: String,
    /// How much, in euros.
    pub euros: u32,
}

/// Takes money out of an account.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "payer.charge", error = TooPoor)]
pub struct Charge {
    /// Who pays.
    #[target]
    pub payer: String,
    /// For which trip.
    pub trip: String,
    /// How much, in euros.
    pub euros: u32,
}

/// Gives back what was charged for a trip, if anything was.
#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "payer.refund")]
pub struct Refund {
    /// Who has paid.
    #[target]
    pub payer: String,
    /// For which trip.
    pub trip: String,
}

/// The account has less.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("only {left} euros are left")]
pub struct TooPoor {
    /// What there is, in euros.
    pub left: u32,
}

/// Money came in, or was given back.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "payer.credited")]
pub(crate) struct Credited {
    trip: Option<String>,
    euros: u32,
}

/// Money went out for a trip.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "payer.charged")]
pub(crate) struct Charged {
    trip: String,
    euros: u32,
}

/// Who pays. Invariant: `left` is never below zero.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "payer")]
pub struct Payer {
    /// What there is, in euros.
    pub left: u32,
    charged: Vec<(String, u32)>,
}

#[command_handlers]
impl Payer {
    #[handle(create_if_missing)]
    fn top_up(&self, command: TopUp) -> Credited {
        Credited { trip: None, euros: command.euros }
    }

    #[handle(create_if_missing)]
    fn charge(&self, command: Charge) -> Result<Charged, TooPoor> {
        let Charge { trip, euros, .. } = command;
        if self.left < euros { Err(TooPoor { left: self.left }) } else { Ok(Charged { trip, euros }) }
    }

    #[handle(create_if_missing)]
    fn refund(&self, command: Refund) -> Option<Credited> {
        let (trip, euros) = self.charged.iter().find(|(trip, _)| *trip == command.trip)?.clone();
        Some(Credited { trip: Some(trip), euros })
    }
}

#[event_sourcing]
impl Payer {
    #[apply]
    fn credited(&mut self, event: &Credited) {
        self.left += event.euros;
        self.charged.retain(|(trip, _)| Some(trip) != event.trip.as_ref());
    }

    #[apply]
    fn charged(&mut self, event: &Charged) {
        self.left -= event.euros;
        self.charged.push((event.trip.clone(), event.euros));
    }
}
