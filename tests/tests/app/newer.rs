//! What processors do with events that a newer program has written.

use std::time::Duration;

use annals::prelude::*;
use annals::processor::NewerRevision;
use annals::store::{Append, DeadLetter, LetterState, NewEvent};

use crate::meanwhile::foreign;
use crate::support::{Place, eventually, in_each_place};

/// Something that is counted by place.
#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "bird.seen")]
pub struct BirdSeen {
    place: String,
}

#[derive(View, Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
#[view(name = "birds", key = String)]
pub struct Birds {
    seen: u32,
}

#[view_handlers]
impl Birds {
    #[handle(key = place)]
    fn seen(&mut self, _event: &BirdSeen) {
        self.seen += 1;
    }
}

fn seen(place: &str, revision: u32) -> NewEvent {
    let event = BirdSeen { place: place.to_owned() };
    NewEvent { revision, ..foreign(StreamId::new("birds", place.to_owned()), &event) }
}

/// An application that watches birds. At the lake the second bird was seen by a newer program.
async fn watched(place: &Place, newer: NewerRevision) -> Annals {
    // It is there before they are, so that the view is read from the first one on.
    let app = watching(place, newer).await;
    let events = vec![seen("lake", 1), seen("lake", 2), seen("lake", 1), seen("wood", 1)];
    place.node().await.append(Append { events, ..Append::default() }).await.unwrap();
    app
}

async fn watching(place: &Place, newer: NewerRevision) -> Annals {
    let config = |config: &mut annals::processor::ProcessorConfig| {
        (config.newer, config.attempts, config.poll) = (newer, 1, Duration::from_millis(5));
    };
    place.start(|app| app.include::<Birds>().processors(config)).await
}

async fn birds(app: &Annals, place: &str) -> u32 {
    app.view::<Birds>().get(&place.to_owned()).await.unwrap().map_or(0, |birds| birds.seen)
}

/// The position and the dead letters of the only processor, once it has come to `position`.
async fn letters_at(app: &Annals, position: u64) -> Vec<DeadLetter> {
    let processors = app.processors();
    let name = eventually(async || {
        let status = processors.status().await.unwrap().remove(0);
        (status.position == Position::new(position)).then_some(status.name)
    });
    processors.dead_letters(&name.await).await.unwrap()
}

#[tokio::test]
async fn an_event_of_a_newer_revision_is_parked_by_default() {
    assert_eq!(annals::processor::ProcessorConfig::default().newer, NewerRevision::Park);
    in_each_place(async |place| {
        let app = watched(place, NewerRevision::Park).await;
        let letters = letters_at(&app, 4).await;
        let [newer, behind] = &letters[..] else { panic!("two dead letters, not {letters:?}") };
        assert!(
            newer.error.contains("`bird.seen` is stored at revision 2, this program reads revision 1"),
            "{newer:?}"
        );
        assert!(behind.error.contains("waits behind"), "{behind:?}");
        assert_eq!((birds(&app, "lake").await, birds(&app, "wood").await), (1, 1));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_of_a_newer_revision_may_be_skipped() {
    in_each_place(async |place| {
        let app = watched(place, NewerRevision::Skip).await;
        let letters = letters_at(&app, 4).await;
        assert_eq!(letters.iter().map(|letter| letter.state).collect::<Vec<_>>(), [LetterState::Skipped]);
        assert_eq!((birds(&app, "lake").await, birds(&app, "wood").await), (2, 1));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_processor_may_stop_before_an_event_of_a_newer_revision_and_go_on_later() {
    in_each_place(async |place| {
        let app = watched(place, NewerRevision::Stop).await;
        assert_eq!(letters_at(&app, 1).await, []);
        // What comes later does not move it: nobody knows which documents the event concerns.
        let later = Append { events: vec![seen("wood", 1), seen("lake", 1)], ..Append::default() };
        app.journal().append(later).await.unwrap();
        assert_eq!(letters_at(&app, 1).await, []);
        assert_eq!((birds(&app, "lake").await, birds(&app, "wood").await), (1, 0));
        app.shutdown().await.unwrap();

        let app = watching(place, NewerRevision::Skip).await;
        let letters = letters_at(&app, 6).await;
        assert_eq!(letters.iter().map(|letter| letter.state).collect::<Vec<_>>(), [LetterState::Skipped]);
        assert_eq!((birds(&app, "lake").await, birds(&app, "wood").await), (3, 2));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_of_a_newer_revision_is_skipped_where_that_is_wanted() {
    in_each_place(async |place| {
        let app = watched(place, NewerRevision::Park).await;
        let parked = letters_at(&app, 4).await.remove(0);
        app.shutdown().await.unwrap();

        let app = watching(place, NewerRevision::Skip).await;
        app.processors().retry(&parked).await.unwrap();
        eventually(async || (birds(&app, "lake").await == 2).then_some(())).await;
        let letters = letters_at(&app, 4).await;
        assert_eq!(letters.iter().map(|letter| letter.state).collect::<Vec<_>>(), [LetterState::Skipped]);
        app.shutdown().await.unwrap();
    })
    .await;
}
