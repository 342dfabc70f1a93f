//! Unique keys: values that one aggregate of a type has at a time.

use annals::prelude::*;
use annals::{CommandFailure, SendError};

use crate::support::in_each_place;

/// An account with an address of its own and any number of nicknames.
#[derive(Aggregate, Serialize, Deserialize, Default, Clone, Debug)]
#[aggregate(name = "login", snapshot(every = 2))]
pub struct Login {
    #[unique]
    email: Option<String>,
    #[unique]
    nicknames: Vec<String>,
}

macro_rules! commands {
    ($($name:ident($stored:literal) { $($field:ident: $ty:ty),* })*) => {$(
        #[derive(Command, Serialize, Deserialize, Clone, Debug)]
        #[command(name = $stored)]
        pub struct $name { #[target] pub login: String, $(pub $field: $ty),* }
    )*};
}
commands! {
    SignUp("login.sign-up") { email: String }
    AddNickname("login.add-nickname") { nickname: String }
    Leave("login.leave") {}
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "login.hand-over")]
pub struct HandOver {
    from: String,
    to: String,
    email: String,
}

macro_rules! events {
    ($($name:ident($stored:literal) { $($field:ident: $ty:ty),* })*) => {$(
        #[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
        #[event(name = $stored)]
        pub struct $name { $(pub $field: $ty),* }
    )*};
}
events! {
    SignedUp("login.signed-up") { email: String }
    NicknameAdded("login.nickname-added") { nickname: String }
    Left("login.left") {}
}

#[command_handlers]
impl Login {
    #[handle(create_if_missing)]
    fn sign_up(&self, command: SignUp) -> SignedUp {
        SignedUp { email: command.email }
    }

    #[handle]
    fn add_nickname(&self, command: AddNickname) -> NicknameAdded {
        NicknameAdded { nickname: command.nickname }
    }

    #[handle]
    fn leave(&self, _command: Leave) -> Left {
        Left {}
    }
}

#[event_sourcing]
impl Login {
    #[apply]
    fn signed_up(&mut self, event: &SignedUp) {
        self.email = Some(event.email.clone());
    }

    #[apply]
    fn nickname_added(&mut self, event: &NicknameAdded) {
        self.nicknames.push(event.nickname.clone());
    }

    #[apply(end)]
    fn left(&mut self, _event: &Left) {}
}

pub struct Desk;

#[command_handlers]
impl Desk {
    /// Both in one append.
    #[handle]
    async fn hand_over(command: HandOver, work: &mut UnitOfWork) -> Result<(), SendError<Never>> {
        work.execute(Leave { login: command.from }).await?;
        work.execute(sign_up(&command.to, &command.email)).await?;
        Ok(())
    }
}

fn sign_up(login: &str, email: &str) -> SignUp {
    SignUp { login: login.to_owned(), email: email.to_owned() }
}

fn nickname(login: &str, nickname: &str) -> AddNickname {
    AddNickname { login: login.to_owned(), nickname: nickname.to_owned() }
}

fn taken_by<R: std::fmt::Debug>(answer: Result<R, SendError<Never>>) -> String {
    match answer {
        Err(SendError::Failed(CommandFailure::Taken { owner, .. })) => owner.id().to_owned(),
        other => panic!("expected `Taken`, got {other:?}"),
    }
}

#[tokio::test]
async fn a_value_belongs_to_one_aggregate() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Login>()).await;
        let other = place.start(|app| app.include::<Login>()).await;
        app.send(sign_up("l-1", "ada@x.org")).await.unwrap();
        let head = app.send(sign_up("l-2", "bob@x.org")).await.unwrap().position;
        for node in [&app, &other] {
            let refused = node.send(sign_up("l-2", "ada@x.org")).await;
            let Err(SendError::Failed(failure)) = &refused else { panic!("{refused:?}") };
            assert_eq!(failure.to_string(), "the email `ada@x.org` belongs to `login/l-1`");
            assert_eq!(taken_by(refused), "l-1");
        }
        assert_eq!(app.journal().store().head().await.unwrap(), head, "nothing was stored");
        // Its own value is no other's.
        other.send(sign_up("l-1", "ada@x.org")).await.unwrap();
        let found = app.aggregate_by::<Login>("email", "bob@x.org").await.unwrap().unwrap();
        assert_eq!(found.load().await.unwrap().unwrap().state.email.as_deref(), Some("bob@x.org"));
        assert!(app.aggregate_by::<Login>("email", "eve@x.org").await.unwrap().is_none());
        other.shutdown().await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_is_given_up_is_free_again() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Login>()).await;
        app.send(sign_up("l-1", "ada@x.org")).await.unwrap();
        // By another value, and by the end of the aggregate.
        app.send(sign_up("l-1", "countess@x.org")).await.unwrap();
        app.send(sign_up("l-2", "ada@x.org")).await.unwrap();
        app.send(Leave { login: "l-2".to_owned() }).await.unwrap();
        app.send(sign_up("l-3", "ada@x.org")).await.unwrap();
        assert_eq!(taken_by(app.send(sign_up("l-4", "ada@x.org")).await), "l-3");
        assert_eq!(taken_by(app.send(sign_up("l-4", "countess@x.org")).await), "l-1");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn each_key_and_each_of_several_values_counts() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Login>()).await;
        app.send(sign_up("l-1", "ada")).await.unwrap();
        app.send(sign_up("l-2", "bob")).await.unwrap();
        // Another key may have the same value.
        app.send(nickname("l-2", "ada")).await.unwrap();
        app.send(nickname("l-2", "countess")).await.unwrap();
        assert_eq!(taken_by(app.send(nickname("l-1", "countess")).await), "l-2");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_gets_it() {
    in_each_place(async |place| {
        let nodes = [place.start(|app| app.include::<Login>()).await, place.start(|app| app.include::<Login>()).await];
        for round in 0..5 {
            let email = format!("{round}@x.org");
            let asked = (0..8).map(|number| {
                let (app, email) = (&nodes[number % 2], &email);
                async move { app.send(sign_up(&format!("l-{round}-{number}"), email)).await }
            });
            let answers = futures_util::future::join_all(asked).await;
            let granted: Vec<_> = answers.iter().flatten().filter_map(|sent| sent.stream.clone()).collect();
            let [owner] = &granted[..] else { panic!("one of them, not {granted:?}: {answers:?}") };
            for answer in answers.into_iter().filter(Result::is_err) {
                assert_eq!(taken_by(answer), owner.id());
            }
        }
        for node in nodes {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn in_a_unit_of_work_a_value_may_change_hands() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Login>().include::<Desk>()).await;
        app.send(sign_up("l-1", "ada@x.org")).await.unwrap();
        let hand_over = |to: &str, email: &str| HandOver { from: "l-1".into(), to: to.into(), email: email.into() };
        app.send(hand_over("l-2", "ada@x.org")).await.unwrap();
        assert_eq!(taken_by(app.send(sign_up("l-3", "ada@x.org")).await), "l-2");
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Has somebody signed up at a time when nothing was unique.
async fn signed_up_before(app: &Annals, login: &str, email: &str) {
    let event = annals::store::NewEvent {
        stream: StreamId::new("login", login),
        id: EventId::new(),
        name: "login.signed-up".into(),
        revision: 1,
        payload: serde_json::to_vec(&SignedUp { email: email.to_owned() }).unwrap(),
        metadata: std::sync::Arc::default(),
        tags: Vec::new(),
        recorded_at: Timestamp::EPOCH,
    };
    let append = annals::store::Append { events: vec![event], ..annals::store::Append::default() };
    app.journal().append(append).await.unwrap();
}

#[tokio::test]
async fn keys_of_aggregates_that_were_stored_before_can_be_taken() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Login>()).await;
        for (login, email) in [("l-1", "ada@example.org"), ("l-2", "ben@example.org"), ("l-3", "ada@example.org")] {
            signed_up_before(&app, login, email).await;
        }
        assert!(app.aggregate_by::<Login>("email", "ben@example.org").await.unwrap().is_none());
        let index = app.index_unique_keys::<Login>().await.unwrap();
        assert_eq!((index.aggregates, index.taken), (3, 2));
        let double = &index.doubles[..];
        assert!(double.len() == 1 && double[0].holder.id() == "l-1" && double[0].other.id() == "l-3", "{double:?}");
        let again = app.index_unique_keys::<Login>().await.unwrap();
        assert_eq!((again.taken, again.doubles), (0, index.doubles));
        assert_eq!(taken_by(app.send(sign_up("l-4", "ben@example.org")).await), "l-2");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_reports_a_taken_value_and_takes_and_gives_up_none() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Login>()).await;
        app.send(sign_up("l-1", "ada@x.org")).await.unwrap();
        let head = app.send(sign_up("l-2", "bob@x.org")).await.unwrap().position;
        assert_eq!(taken_by(app.send(sign_up("l-2", "ada@x.org")).dry_run().await), "l-1");
        assert_eq!(taken_by(app.send(sign_up("l-9", "ada@x.org")).dry_run().await), "l-1");

        // It would take one address and give up another: both are as they were.
        let trial = app.send(sign_up("l-1", "countess@x.org")).dry_run().await.unwrap();
        assert_eq!(trial.events.len(), 1);
        app.send(Leave { login: "l-2".to_owned() }).dry_run().await.unwrap();
        assert_eq!(app.journal().store().head().await.unwrap(), head);
        assert!(app.aggregate_by::<Login>("email", "countess@x.org").await.unwrap().is_none());
        assert_eq!(taken_by(app.send(sign_up("l-3", "ada@x.org")).await), "l-1");
        assert_eq!(taken_by(app.send(sign_up("l-3", "bob@x.org")).await), "l-2");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_leaves_the_state_in_memory_as_it_was() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Login>()).await;
        let other = place.start(|app| app.include::<Login>()).await;
        app.send(sign_up("l-1", "ada@x.org")).await.unwrap();
        app.send(sign_up("l-1", "countess@x.org")).dry_run().await.unwrap();
        // Now the aggregate is at the version that the dry run would have led to.
        other.send(nickname("l-1", "ada")).await.unwrap();
        app.send(sign_up("l-1", "countess@x.org")).await.unwrap();
        let found = app.aggregate_by::<Login>("email", "countess@x.org").await.unwrap();
        assert!(found.is_some(), "the change of the key was seen");
        other.shutdown().await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}
