//! A trip is booked by steps, and undone in reverse order where one of them is refused.

mod houses;
mod trip;

pub use houses::{Book, CancelBooking, Charge, House, NoRoom, Offer, Payer, Refund, TooPoor, TopUp};
pub use trip::{PlanTrip, Traveller, Trip, TripPlanned};
