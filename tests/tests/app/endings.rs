//! An aggregate that has ended takes no commands any more.

use annals::prelude::*;
use annals::testing::given;
use annals::{CommandFailure, SendError};

use crate::support::in_each_place;

/// A ticket for a number of rides; the last one ends it.
#[derive(Aggregate, Serialize, Deserialize, Default, Clone, Debug)]
#[aggregate(name = "ticket", snapshot(every = 1))]
pub struct Ticket {
    rides: u32,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "ticket.buy")]
pub struct Buy {
    #[target]
    ticket: String,
    rides: u32,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "ticket.ride")]
pub struct Ride {
    #[target]
    ticket: String,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "ticket.tear")]
pub struct Tear {
    #[target]
    ticket: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "ticket.bought")]
pub struct Bought {
    rides: u32,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "ticket.ridden")]
pub struct Ridden {}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "ticket.torn")]
pub struct Torn {}

#[command_handlers]
impl Ticket {
    #[handle(create)]
    fn buy(command: Buy) -> Bought {
        Bought { rides: command.rides }
    }

    #[handle]
    fn ride(&self, _command: Ride) -> Ridden {
        Ridden {}
    }

    #[handle(create_if_missing)]
    fn tear(&self, _command: Tear) -> Torn {
        Torn {}
    }
}

#[event_sourcing]
impl Ticket {
    #[apply]
    fn bought(&mut self, event: &Bought) {
        self.rides = event.rides;
    }

    #[apply]
    fn ridden(&mut self, _event: &Ridden) -> Lifecycle {
        self.rides -= 1;
        if self.rides == 0 { Lifecycle::End } else { Lifecycle::Keep }
    }

    #[apply(end)]
    fn torn(&mut self, _event: &Torn) {}
}

fn buy() -> Buy {
    Buy { ticket: "t-1".to_owned(), rides: 2 }
}

fn ride() -> Ride {
    Ride { ticket: "t-1".to_owned() }
}

fn tear() -> Tear {
    Tear { ticket: "t-1".to_owned() }
}

#[test]
fn what_has_ended_takes_no_commands() {
    given::<Ticket>((Bought { rides: 2 }, Ridden {})).when(ride()).then_events(Ridden {});
    given::<Ticket>((Bought { rides: 1 }, Ridden {})).when(ride()).then_ended();
    given::<Ticket>((Bought { rides: 9 }, Torn {})).when(ride()).then_ended();
}

#[test]
fn what_has_ended_is_not_created_again() {
    given::<Ticket>((Bought { rides: 1 }, Ridden {})).when(buy()).then_ended();
    given::<Ticket>((Bought { rides: 1 }, Ridden {})).when(tear()).then_ended();
}

#[tokio::test]
async fn missing_existing_and_ended_are_told_apart() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Ticket>()).await;
        assert!(matches!(app.send(ride()).await, Err(SendError::Failed(CommandFailure::NotFound { .. }))));
        app.send(buy()).await.unwrap();
        assert!(matches!(app.send(buy()).await, Err(SendError::Failed(CommandFailure::AlreadyExists { .. }))));
        app.send(ride()).await.unwrap();
        let last = app.send(ride()).await.unwrap();

        let fresh = place.start(|app| app.include::<Ticket>()).await;
        for node in [&app, &fresh] {
            for failure in [
                node.send(ride()).await.unwrap_err(),
                node.send(buy()).await.unwrap_err(),
                node.send(tear()).await.unwrap_err(),
            ] {
                let SendError::Failed(failure @ CommandFailure::Ended { .. }) = failure else {
                    panic!("expected `Ended`, got {failure:?}");
                };
                assert_eq!(failure.to_string(), "`ticket/t-1` has ended, and takes no commands any more");
            }
            let ticket = node.aggregate::<Ticket>("t-1").load().await.unwrap().unwrap();
            assert_eq!((ticket.lifecycle, ticket.version), (Lifecycle::End, last.version.unwrap()));
            assert_eq!(node.aggregate::<Ticket>("t-1").snapshot().await.unwrap(), None);
        }
        assert_eq!(app.journal().store().head().await.unwrap(), last.position);
        fresh.shutdown().await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_command_that_ended_its_target_may_be_repeated() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Ticket>()).await;
        let id = CommandId::new();
        let first = app.send(tear()).id(id).await.unwrap();
        let again = app.send(tear()).id(id).await.unwrap();
        assert!(again.repeated);
        assert_eq!((again.position, again.version), (first.position, first.version));
        app.shutdown().await.unwrap();
    })
    .await;
}
