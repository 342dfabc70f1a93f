//! Three trips: one that goes well, one without a car, and one that nobody can pay.

use std::time::Duration;

use annals::prelude::*;
use annals::saga::{HistoryInput, SagaFilter};
use travel::{Offer, PlanTrip, TopUp, Trip};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let app = Annals::open(&address).await?;
    for (house, places) in [("hotel", 3), ("flight", 3), ("car", 1)] {
        app.send(Offer { house: house.to_owned(), places }).await?;
    }
    app.send(TopUp { payer: "ada".to_owned(), euros: 2_000 }).await?;
    for (trip, euros) in [("to Rome", 900), ("to Oslo", 800), ("round the world", 20_000)] {
        let (trip, payer) = (trip.to_owned(), "ada".to_owned());
        app.send(PlanTrip { trip, payer, euros, by_car: true }).await?;
        app.settled(Duration::from_secs(10)).await?;
    }
    let trips = app.sagas().of::<Trip>();
    for trip in trips.list(&SagaFilter::all()).await? {
        println!("{}: {:?}", trip.state["trip"], trip.status);
        for entry in trips.history(trip.id).await? {
            match entry.input {
                HistoryInput::Accepted { name, .. } => println!("  {name} was accepted"),
                HistoryInput::Rejected { name, error, .. } => println!("  {name} was rejected: {error}"),
                _ => {}
            }
        }
    }
    app.shutdown().await?;
    Ok(())
}
