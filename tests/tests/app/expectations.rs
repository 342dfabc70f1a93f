//! A caller's expected version, dry runs, and replies with the new state.

use annals::aggregate::AsOf;
use annals::prelude::*;
use annals::store::{Append, Conflict};
use annals::testing::given;
use annals::{CommandFailure, SendError};
use serde_json::json;

use crate::meanwhile::foreign;
use crate::support::in_each_place;

/// A page of a notebook that several people edit.
#[derive(Aggregate, Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
#[aggregate(name = "leaf")]
pub struct Leaf {
    title: String,
    words: usize,
}

#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum LeafError {
    #[error("renamed to {title} meanwhile")]
    Renamed { title: String },
    #[error("too long")]
    TooLong,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "leaf.rename", error = LeafError)]
pub struct Rename {
    #[target]
    pub leaf: String,
    pub title: String,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "leaf.write", error = LeafError, reply = Leaf)]
pub struct Write {
    #[target]
    pub leaf: String,
    pub words: usize,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "leaf.renamed")]
pub struct Renamed {
    title: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "leaf.written")]
pub struct Written {
    #[tag]
    kind: String,
    words: usize,
}

impl Written {
    fn text(words: usize) -> Self {
        Self { kind: "text".to_owned(), words }
    }
}

#[command_handlers]
impl Leaf {
    /// Only another name is a conflict.
    #[handle(create_if_missing)]
    fn rename(&self, command: Rename, unseen: Unseen) -> Result<Renamed, LeafError> {
        match unseen.of::<Renamed>().last() {
            Some(Renamed { title }) => Err(LeafError::Renamed { title }),
            None => Ok(Renamed { title: command.title }),
        }
    }

    /// Replies with the state as it is then.
    #[handle(create_if_missing)]
    fn write(&mut self, command: Write, events: &mut Events<Self>) -> Result<Self, LeafError> {
        if command.words > 100 {
            return Err(LeafError::TooLong);
        }
        events.apply(self, Written::text(command.words));
        Ok(self.clone())
    }
}

#[event_sourcing]
impl Leaf {
    #[apply]
    fn renamed(&mut self, event: &Renamed) {
        self.title = event.title.clone();
    }

    #[apply]
    fn written(&mut self, event: &Written) {
        self.words += event.words;
    }
}

fn rename(title: &str) -> Rename {
    Rename { leaf: "l-1".to_owned(), title: title.to_owned() }
}

fn write(words: usize) -> Write {
    Write { leaf: "l-1".to_owned(), words }
}

#[test]
fn a_handler_judges_what_its_caller_has_not_seen() {
    let written = Written::text(3);
    let given = || given::<Leaf>((Renamed { title: "One".into() }, written.clone()));
    given().unseen(written.clone()).when(rename("Two")).then_events(Renamed { title: "Two".into() });
    let error = LeafError::Renamed { title: "One".into() };
    given().unseen(Renamed { title: "One".into() }).when(rename("Two")).then_error(error);
}

#[tokio::test]
async fn what_a_caller_has_not_seen_is_a_conflict_only_if_the_handler_says_so() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Leaf>()).await;
        let other = place.start(|app| app.include::<Leaf>()).await;
        let seen = app.send(rename("One")).await.unwrap().version.unwrap();
        other.send(write(3)).await.unwrap();

        // The node's own state is old as well.
        let renamed = app.send(rename("Two")).expect(seen).await.unwrap();
        assert_eq!(renamed.version, Version::new(3));
        let refused = other.send(rename("Three")).expect(seen).await.unwrap_err();
        assert_eq!(refused.rejection(), Some(LeafError::Renamed { title: "Two".into() }));

        // A handler that does not ask for it takes nothing that its caller has not seen.
        let refused = app.send(write(1)).expect(seen).await.unwrap_err();
        let SendError::Failed(CommandFailure::Conflict { source: Conflict::Stream { actual, .. }, .. }) = refused
        else {
            panic!("expected a conflict, got {refused:?}");
        };
        assert_eq!(actual, Version::new(3));
        // A version that is not there yet is no older one.
        let refused = app.send(rename("Four")).expect(Version::new(9).unwrap()).await;
        assert!(matches!(refused, Err(SendError::Failed(CommandFailure::Conflict { .. }))), "{refused:?}");
        other.shutdown().await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn only_events_after_the_expected_version_are_unseen() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Leaf>()).await;
        app.send(rename("One")).await.unwrap();
        let seen = app.send(rename("Two")).await.unwrap().version.unwrap();
        app.send(write(3)).await.unwrap();
        app.send(rename("Three")).expect(seen).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_caller_who_has_missed_more_than_a_thousand_events_is_told_of_a_conflict() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Leaf>()).await;
        let seen = app.send(rename("One")).await.unwrap().version.unwrap();
        let missed = |count: usize| Append {
            events: (0..count).map(|_| foreign(StreamId::new("leaf", "l-1"), &Written::text(1))).collect(),
            ..Append::default()
        };
        app.journal().append(missed(1_000)).await.unwrap();
        assert_eq!(app.send(rename("Two")).expect(seen).dry_run().await.unwrap().events.len(), 1);
        app.journal().append(missed(1)).await.unwrap();
        let refused = app.send(rename("Two")).expect(seen).await;
        assert!(matches!(refused, Err(SendError::Failed(CommandFailure::Conflict { .. }))), "{refused:?}");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn unseen_events_include_those_that_are_being_committed() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Leaf>()).await;
        let seen = app.send(rename("One")).await.unwrap().version.unwrap();
        for round in 0..20 {
            let title = format!("Title {round}");
            let (first, second) = tokio::join!(app.send(rename(&title)), app.send(rename("Last")).expect(seen));
            first.unwrap();
            assert_eq!(second.unwrap_err().rejection(), Some(LeafError::Renamed { title }));
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_reply_may_be_the_new_state() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Leaf>()).await;
        app.send(rename("One")).await.unwrap();
        let sent = app.send(write(4)).await.unwrap();
        assert_eq!(sent.reply, Leaf { title: "One".into(), words: 4 });
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_stored_and_stores_nothing() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Leaf>()).await;
        let renamed = app.send(rename("One")).await.unwrap();
        for _ in 0..2 {
            let trial = app.send(write(4)).id(CommandId::new()).dry_run().await.unwrap();
            assert_eq!(trial.reply, Leaf { title: "One".into(), words: 4 });
            assert_eq!(trial.version, renamed.version);
            let [event] = &trial.events[..] else { panic!("one event, not {:?}", trial.events) };
            assert_eq!((&*event.name, &event.stream), ("leaf.written", &StreamId::new("leaf", "l-1")));
            assert_eq!(serde_json::from_slice::<Json>(&event.payload).unwrap(), json!({"kind": "text", "words": 4}));
            assert_eq!(event.tags, [Tag::new("kind", "text")]);
        }
        assert_eq!(app.send(write(101)).dry_run().await.unwrap_err().rejection(), Some(LeafError::TooLong));
        assert_eq!(app.journal().store().head().await.unwrap(), renamed.position);
        let state = app.aggregate::<Leaf>("l-1").load().await.unwrap().unwrap().state;
        assert_eq!(state.words, 0);
        assert_eq!(app.send(write(1)).await.unwrap().reply.words, 1, "the state in memory is as it was");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_state_is_loaded_as_of_a_position() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Leaf>()).await;
        let first = app.send(write(1)).await.unwrap();
        app.send(Write { leaf: "l-2".to_owned(), words: 9 }).await.unwrap();
        app.send(write(2)).await.unwrap();
        let leaf = app.aggregate::<Leaf>("l-1");
        for (position, words) in [(1, 1), (2, 1), (3, 3), (9, 3)] {
            let then = leaf.as_of(AsOf::Position(Position::new(position))).await.unwrap().unwrap();
            assert_eq!(then.state.words, words, "as of {position}");
        }
        assert_eq!(first.position, Position::new(1));
        app.shutdown().await.unwrap();
    })
    .await;
}
