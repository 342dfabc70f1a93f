//! What becomes of trips: as a specification without a store, and once in an application.

use std::time::Duration;

use annals::prelude::*;
use annals::saga::{SagaFilter, SagaStatus};
use annals::testing::given_saga;
use travel::{
    Book, CancelBooking, Charge, House, NoRoom, Offer, Payer, PlanTrip, Refund, TooPoor, TopUp, Trip, TripPlanned,
};

fn planned() -> TripPlanned {
    TripPlanned { trip: "t".into(), payer: "ada".into(), euros: 500, by_car: true }
}

fn book(house: &str) -> Book {
    Book { house: house.into(), trip: "t".into() }
}

fn cancel(house: &str) -> CancelBooking {
    CancelBooking { house: house.into(), trip: "t".into() }
}

fn charge() -> Charge {
    Charge { payer: "ada".into(), trip: "t".into(), euros: 500 }
}

#[test]
fn everything_is_booked_side_by_side_and_then_paid() {
    given_saga::<Trip>(planned())
        .then_sends([book("hotel"), book("flight"), book("car")])
        .when_replied(book("hotel"), 12)
        .when_replied(book("flight"), 1)
        .then_sends_nothing()
        .when_replied(book("car"), 1)
        .then_sends(charge())
        .when_accepted(charge())
        .then_ended();
}

#[test]
fn a_trip_goes_on_without_a_car() {
    given_saga::<Trip>(planned())
        .when_replied(book("hotel"), 12)
        .when_replied(book("flight"), 1)
        .when_rejected(book("car"), NoRoom)
        .then_sends(charge());
}

#[test]
fn what_cannot_be_paid_is_given_back_newest_first() {
    given_saga::<Trip>(planned())
        .when_replied(book("hotel"), 12)
        .when_replied(book("flight"), 1)
        .when_rejected(book("car"), NoRoom)
        .when_rejected(charge(), TooPoor { left: 3 })
        .then_sends(cancel("flight"))
        .when_accepted(cancel("flight"))
        .then_sends(cancel("hotel"))
        .when_accepted(cancel("hotel"))
        .then_ended();
}

#[test]
fn a_payer_who_does_not_answer_in_time_gets_back_what_may_have_been_taken() {
    given_saga::<Trip>(planned())
        .when_replied(book("hotel"), 12)
        .when_replied(book("flight"), 1)
        .when_rejected(book("car"), NoRoom)
        .then_sends(charge())
        .when_time_passes(Duration::from_secs(60))
        .then_sends(Refund { payer: "ada".into(), trip: "t".into() });
}

#[tokio::test]
async fn no_place_and_no_euro_is_lost() {
    let app = Annals::open("memory:").await.unwrap();
    for (house, places) in [("hotel", 5), ("flight", 4), ("car", 2)] {
        app.send(Offer { house: house.into(), places }).await.unwrap();
    }
    app.send(TopUp { payer: "ada".into(), euros: 1_000 }).await.unwrap();
    for number in 0..6 {
        let (trip, payer) = (format!("trip {number}"), "ada".to_owned());
        app.send(PlanTrip { trip, payer, euros: 300, by_car: true }).await.unwrap();
    }
    app.settled(Duration::from_secs(20)).await.unwrap();
    let trips = app.sagas().of::<Trip>();
    let completed = trips.list(&SagaFilter::all().with(SagaStatus::Completed)).await.unwrap().len();
    let compensated = trips.list(&SagaFilter::all().with(SagaStatus::Compensated)).await.unwrap().len();
    assert_eq!((completed, compensated), (3, 3), "the money is enough for three");
    for house in ["hotel", "flight"] {
        let house = app.aggregate::<House>(house).load().await.unwrap().unwrap().state;
        assert_eq!(house.trips.len(), 3);
    }
    assert_eq!(app.aggregate::<Payer>("ada").load().await.unwrap().unwrap().state.left, 100);
    app.shutdown().await.unwrap();
}
