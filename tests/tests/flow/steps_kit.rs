//! The same list of steps in the test kit: no store, no waiting.

use annals::testing::given_saga;

use crate::steps::{Book, Journey, Planned, SoldOut, Undo};

fn begun() -> Planned {
    Planned { trip: "t".into(), flies: true, refused: Vec::new() }
}

fn book(what: &str) -> Book {
    Book { trip: "t".into(), what: what.into() }
}

fn undo(what: &str) -> Undo {
    Undo { trip: "t".into(), what: what.into() }
}

#[test]
fn the_kit_goes_forwards_without_a_store() {
    given_saga::<Journey>(begun())
        .then_sends(book("hotel"))
        .when_accepted(book("hotel"))
        .then_sends(book("flight"))
        .when_accepted(book("flight"))
        .then_sends(book("guide"))
        .when_accepted(book("guide"))
        .then_sends(book("car"))
        .then_running(1)
        .when_accepted(book("car"))
        .then_sends_nothing()
        .then_ended();
}

#[test]
fn the_kit_goes_backwards_without_a_store() {
    given_saga::<Journey>(begun())
        .when_accepted(book("hotel"))
        .when_accepted(book("flight"))
        .when_rejected(book("guide"), SoldOut("guide".into()))
        .then_sends(undo("flight"))
        .when_accepted(undo("flight"))
        .then_sends(undo("suitcase"))
        .when_accepted(undo("suitcase"))
        .then_sends(undo("hotel"))
        .when_accepted(undo("hotel"))
        .then_ended();
}
