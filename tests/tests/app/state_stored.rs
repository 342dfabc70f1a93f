//! Aggregates whose state is a row.

use annals::aggregate::AsOf;
use annals::prelude::*;
use annals::testing::given;
use annals::{CommandFailure, LoadError, SendError};

use crate::support::in_each_place;

#[derive(Aggregate, Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
#[aggregate(name = "cart", state_stored)]
pub struct Cart {
    skus: Vec<String>,
    looks: u32,
    #[unique]
    table: Option<u32>,
}

#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum CartError {
    #[error("the cart is full")]
    Full,
}

macro_rules! commands {
    ($($name:ident($stored:literal) -> $reply:ty { $($field:ident: $ty:ty),* })*) => {$(
        #[derive(Command, Serialize, Deserialize, Clone, Debug)]
        #[command(name = $stored, reply = $reply, error = CartError)]
        pub struct $name { #[target] pub cart: String, $(pub $field: $ty),* }
    )*};
}
commands! {
    Take("cart.take") -> () { table: u32 }
    Put("cart.put") -> usize { sku: String }
    LookInto("cart.look") -> u32 {}
    Peek("cart.peek") -> () {}
    CheckOut("cart.check-out") -> () {}
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "cart.filled")]
pub struct Filled {
    #[tag]
    sku: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "cart.checked-out")]
pub struct CheckedOut {}

#[command_handlers]
impl Cart {
    #[handle(create)]
    fn take(&mut self, command: Take, _events: &mut Events<Self>) {
        self.table = Some(command.table);
    }

    #[handle]
    fn put(&mut self, command: Put, events: &mut Events<Self>) -> Result<usize, CartError> {
        if self.skus.len() == 3 {
            return Err(CartError::Full);
        }
        self.skus.push(command.sku.clone());
        events.record(Filled { sku: command.sku });
        Ok(self.skus.len())
    }

    /// Changes the row, and publishes nothing.
    #[handle]
    fn look(&mut self, _command: LookInto, _events: &mut Events<Self>) -> u32 {
        self.looks += 1;
        self.looks
    }

    /// Changes nothing at all.
    #[handle]
    fn peek(&self, _command: Peek) {}

    #[handle]
    fn check_out(&mut self, _command: CheckOut, events: &mut Events<Self>) {
        events.record(CheckedOut {});
        events.end();
    }
}

pub fn take(cart: &str, table: u32) -> Take {
    Take { cart: cart.to_owned(), table }
}

fn put(sku: &str) -> Put {
    Put { cart: "c-1".to_owned(), sku: sku.to_owned() }
}

fn look() -> LookInto {
    LookInto { cart: "c-1".to_owned() }
}

fn peek() -> Peek {
    Peek { cart: "c-1".to_owned() }
}

fn check_out() -> CheckOut {
    CheckOut { cart: "c-1".to_owned() }
}

#[tokio::test]
async fn the_row_is_the_state_and_events_are_published_with_it() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Cart>()).await;
        let taken = app.send(take("c-1", 1)).await.unwrap();
        assert_eq!((taken.version, taken.position), (Version::new(1), Position::START));
        let sent = app.send(put("pen")).await.unwrap();
        assert_eq!((sent.reply, sent.version, sent.position), (1, Version::new(2), Position::new(1)));
        assert_eq!(app.send(look()).await.unwrap().version, Version::new(3));
        assert_eq!(app.send(peek()).await.unwrap().version, Version::new(3), "nothing has changed");

        let other = place.start(|app| app.include::<Cart>()).await;
        assert_eq!(other.send(put("ink")).await.unwrap().reply, 2);
        assert_eq!(app.send(look()).await.unwrap().reply, 2);
        let cart = app.aggregate::<Cart>("c-1");
        let loaded = cart.load().await.unwrap().unwrap();
        assert_eq!(loaded.state, Cart { skus: vec!["pen".into(), "ink".into()], looks: 2, table: Some(1) });
        assert_eq!((loaded.version, loaded.position), (Version::new(5).unwrap(), Position::new(2)));
        let history = cart.history().await.unwrap();
        assert_eq!(history.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["cart.filled"; 2]);
        let past = cart.as_of(AsOf::Version(Version::FIRST)).await;
        assert!(matches!(past, Err(LoadError::NoPast { aggregate: "cart" })), "{past:?}");
        other.shutdown().await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn its_commands_follow_the_rules_of_all_aggregates() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Cart>()).await;
        let missing = app.send(look()).await.unwrap_err();
        assert!(matches!(missing, SendError::Failed(CommandFailure::NotFound { .. })), "{missing:?}");
        app.send(take("c-1", 1)).await.unwrap();
        let again = app.send(take("c-1", 1)).await.unwrap_err();
        assert!(matches!(again, SendError::Failed(CommandFailure::AlreadyExists { .. })), "{again:?}");
        let other_table = app.send(take("c-2", 1)).await.unwrap_err();
        assert!(
            matches!(other_table, SendError::Failed(CommandFailure::Taken { key: "table", .. })),
            "{other_table:?}"
        );

        let tried = app.send(take("c-2", 1)).dry_run().await;
        assert!(matches!(tried, Err(SendError::Failed(CommandFailure::Taken { key: "table", .. }))), "{tried:?}");
        app.send(take("c-2", 2)).dry_run().await.unwrap();
        assert!(app.aggregate_by::<Cart>("table", "2").await.unwrap().is_none(), "a dry run takes none");

        let id = CommandId::new();
        let first = app.send(put("pen")).id(id).await.unwrap();
        let repeated = app.send(put("pen")).id(id).await.unwrap();
        assert!(repeated.repeated && repeated.reply == first.reply);
        let conflict = app.send(put("ink")).expect(Version::FIRST).await.unwrap_err();
        assert!(matches!(conflict, SendError::Failed(CommandFailure::Conflict { .. })), "{conflict:?}");
        app.send(put("ink")).expect(first.version.unwrap()).await.unwrap();
        app.send(put("cap")).await.unwrap();
        assert_eq!(app.send(put("bag")).await.unwrap_err().rejection(), Some(CartError::Full));

        let trial = app.send(check_out()).dry_run().await.unwrap();
        assert_eq!(trial.events.iter().map(|event| &*event.name).collect::<Vec<_>>(), ["cart.checked-out"]);
        app.send(check_out()).await.unwrap();
        let ended = app.send(look()).await.unwrap_err();
        assert!(matches!(ended, SendError::Failed(CommandFailure::Ended { .. })), "{ended:?}");
        app.send(take("c-2", 1)).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn no_change_is_lost_when_nodes_race() {
    in_each_place(async |place| {
        let nodes = [place.start(|app| app.include::<Cart>()).await, place.start(|app| app.include::<Cart>()).await];
        nodes[0].send(take("c-1", 1)).await.unwrap();
        let looks = (0..40_usize).map(|number| {
            let app = &nodes[number % 2];
            async move {
                loop {
                    match app.send(look()).await {
                        Ok(_) => return,
                        Err(SendError::Failed(CommandFailure::Conflict { .. })) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
        });
        futures_util::future::join_all(looks).await;
        assert_eq!(nodes[0].aggregate::<Cart>("c-1").load().await.unwrap().unwrap().state.looks, 40);
        for node in nodes {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

#[test]
fn the_kit_takes_it_as_it_is_created() {
    given::<Cart>(()).when(take("c-1", 1)).then_nothing();
    given::<Cart>(()).when(look()).then_not_found();
}
