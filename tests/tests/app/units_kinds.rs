//! Units of work over every kind of handler: rows, decisions with models, handlers outside aggregates.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use annals::SendError;
use annals::prelude::*;

use crate::support::{Place, assert_has, in_each_place};

#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum ShopError {
    #[error("the rack is empty")]
    Empty,
    #[error("nobody gets more of these")]
    SoldOut,
}

/// Goods, kept as a row.
#[derive(Aggregate, Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
#[aggregate(name = "rack", state_stored)]
pub struct Rack {
    left: u32,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "rack.fill")]
pub struct Fill {
    #[target]
    rack: String,
    with: u32,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "rack.take", reply = u32, error = ShopError)]
pub struct Take {
    #[target]
    rack: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "rack.taken")]
pub struct Taken {
    left: u32,
}

#[command_handlers]
impl Rack {
    #[handle(create)]
    fn fill(&mut self, command: Fill, _events: &mut Events<Self>) {
        self.left = command.with;
    }

    #[handle]
    fn take(&mut self, _command: Take, events: &mut Events<Self>) -> Result<u32, ShopError> {
        self.left = self.left.checked_sub(1).ok_or(ShopError::Empty)?;
        events.record(Taken { left: self.left });
        Ok(self.left)
    }
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "shop.bought")]
pub struct Bought {
    #[tag]
    member: String,
    #[tag]
    sku: String,
}

#[derive(Decision, Default, Clone, Debug)]
#[decision(boundary(member))]
pub struct Purchases {
    count: u32,
}

#[event_sourcing]
impl Purchases {
    #[apply]
    fn bought(&mut self, _event: &Bought) {
        self.count += 1;
    }
}

#[derive(Decision, Default, Clone, Debug)]
#[decision(boundary(sku))]
pub struct Sales {
    count: u32,
}

#[event_sourcing]
impl Sales {
    #[apply]
    fn bought(&mut self, _event: &Bought) {
        self.count += 1;
    }
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "shop.buy", reply = u32, error = ShopError)]
pub struct Buy {
    #[tag]
    member: String,
    #[tag]
    sku: String,
}

#[command_handlers]
impl Purchases {
    #[handle]
    fn buy(&self, command: Buy, sales: Model<Sales>, events: &mut Events<Self>) -> Result<u32, ShopError> {
        if sales.count >= 3 {
            return Err(ShopError::SoldOut);
        }
        events.record(Bought { member: command.member, sku: command.sku });
        Ok(self.count + 1)
    }
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "shop.check-out", reply = u32, error = ShopError)]
pub struct CheckOut {
    member: String,
    skus: Vec<String>,
}

/// Buys goods for somebody, or flowers where there are none.
#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "shop.give", error = ShopError)]
pub struct Give {
    to: String,
    skus: Vec<String>,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "shop.look", reply = Option<u32>, error = ShopError)]
pub struct LookAt {
    rack: String,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "shop.turn", error = ShopError)]
pub struct Turn {}

/// What happens around the shop.
#[derive(Default, Debug, Clone)]
pub struct Street(Arc<Happenings>);

#[derive(Default, Debug)]
struct Happenings {
    runs: AtomicUsize,
    /// Somebody else comes while a handler runs, once.
    rival_comes: AtomicBool,
    told: Mutex<Vec<String>>,
}

impl Street {
    fn tell(&self, what: String) {
        self.0.told.lock().unwrap().push(what);
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.0.told.lock().unwrap())
    }

    fn runs(&self) -> usize {
        self.0.runs.swap(0, Ordering::SeqCst)
    }

    fn call_rival(&self) {
        self.0.rival_comes.store(true, Ordering::SeqCst);
    }

    fn rival_comes(&self) -> bool {
        self.0.runs.fetch_add(1, Ordering::SeqCst);
        self.0.rival_comes.swap(false, Ordering::SeqCst)
    }
}

impl annals::handler::FromContext for Street {
    fn from_context(context: &annals::handler::Context<'_>) -> Result<Self, annals::handler::ContextError> {
        Ok(context.resources().get::<Self>().cloned().unwrap_or_default())
    }
}

pub struct Shop;

#[command_handlers]
impl Shop {
    #[handle]
    async fn check_out(
        command: CheckOut,
        work: &mut UnitOfWork,
        street: Street,
        gateway: Gateway,
    ) -> Result<u32, SendError<ShopError>> {
        let CheckOut { member, skus } = command;
        let (done, undone) = (street.clone(), street.clone());
        let (leaves, comes_back) = (member.clone(), member.clone());
        work.after_commit(async move { done.tell(format!("{leaves} leaves")) });
        work.on_roll_back(async move { undone.tell(format!("{comes_back} comes back")) });
        let mut count = 0;
        for sku in &skus {
            work.execute(take(sku)).await?;
            count = work.execute(buy(&member, sku)).await?;
        }
        if street.rival_comes() {
            gateway.send(buy("rival", &skus[0])).await?;
        }
        Ok(count)
    }

    #[handle]
    async fn give(command: Give, work: &mut UnitOfWork) -> Result<(), SendError<ShopError>> {
        let Give { to, skus } = command;
        match work.execute(CheckOut { member: to.clone(), skus }).await {
            Ok(_) => Ok(()),
            Err(SendError::Rejected(_)) => {
                work.execute(CheckOut { member: to, skus: vec!["flowers".to_owned()] }).await?;
                Ok(())
            }
            Err(failed) => Err(failed),
        }
    }

    #[handle]
    async fn look(
        command: LookAt,
        work: &mut UnitOfWork,
        street: Street,
        gateway: Gateway,
    ) -> Result<Option<u32>, SendError<ShopError>> {
        let rack = work.aggregate::<Rack>(&command.rack).await?;
        if street.rival_comes() {
            gateway.send(take(&command.rack)).await?;
        }
        Ok(rack.map(|rack| rack.state.left))
    }

    #[handle]
    async fn turn(command: Turn, work: &mut UnitOfWork) -> Result<(), SendError<ShopError>> {
        work.execute(command).await
    }
}

fn fill(rack: &str, with: u32) -> Fill {
    Fill { rack: rack.to_owned(), with }
}

fn take(rack: &str) -> Take {
    Take { rack: rack.to_owned() }
}

fn buy(member: &str, sku: &str) -> Buy {
    Buy { member: member.to_owned(), sku: sku.to_owned() }
}

fn check_out(member: &str, skus: &[&str]) -> CheckOut {
    CheckOut { member: member.to_owned(), skus: skus.iter().map(|sku| (*sku).to_owned()).collect() }
}

fn give(to: &str, skus: &[&str]) -> Give {
    let CheckOut { member: to, skus } = check_out(to, skus);
    Give { to, skus }
}

fn look_at(rack: &str) -> LookAt {
    LookAt { rack: rack.to_owned() }
}

/// A shop with ten pens, ten caps and a flower.
async fn shop(place: &Place, street: &Street) -> Annals {
    let street = street.clone();
    let app = place.start(|app| {
        app.include::<Rack>().include::<Purchases>().include::<Sales>().include::<Shop>().resource(street)
    });
    let app = app.await;
    for (rack, with) in [("pens", 10), ("caps", 10), ("flowers", 1)] {
        app.send(fill(rack, with)).await.unwrap();
    }
    app
}

async fn left(app: &Annals, rack: &str) -> u32 {
    app.aggregate::<Rack>(rack).load().await.unwrap().unwrap().state.left
}

#[tokio::test]
async fn rows_and_decisions_with_models_are_stored_in_one_append() {
    in_each_place(async |place| {
        let app = shop(place, &Street::default()).await;
        let before = app.journal().store().head().await.unwrap().get();
        let sent = app.send(check_out("mia", &["pens", "caps"])).await.unwrap();
        assert_eq!((sent.reply, sent.position.get()), (2, before + 4));
        assert_eq!((left(&app, "pens").await, left(&app, "caps").await), (9, 9));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_model_sees_what_the_unit_has_decided_before() {
    in_each_place(async |place| {
        let app = shop(place, &Street::default()).await;
        let refused = app.send(check_out("mia", &["pens"; 4])).await.unwrap_err();
        assert_eq!(refused.rejection(), Some(ShopError::SoldOut));
        assert_eq!(left(&app, "pens").await, 10);
        assert_eq!(app.send(check_out("mia", &["pens"; 3])).await.unwrap().reply, 3);
        assert_eq!(left(&app, "pens").await, 7);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_happens_meanwhile_inside_a_model_runs_the_unit_again() {
    in_each_place(async |place| {
        let street = Street::default();
        let app = shop(place, &street).await;
        app.send(check_out("mia", &["pens"; 2])).await.unwrap();
        assert_eq!(street.runs(), 1);
        street.call_rival();
        // The rival gets the third one.
        let refused = app.send(check_out("mia", &["pens"])).await.unwrap_err();
        assert_eq!((refused.rejection(), street.runs()), (Some(ShopError::SoldOut), 1));
        assert_eq!(street.told(), ["mia leaves", "mia comes back", "mia comes back"]);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_row_that_was_only_read_must_be_the_same_at_the_commit() {
    in_each_place(async |place| {
        let street = Street::default();
        let app = shop(place, &street).await;
        assert_eq!(app.send(look_at("pens")).await.unwrap().reply, Some(10));
        assert_eq!(street.runs(), 1);
        street.call_rival();
        assert_eq!(app.send(look_at("pens")).await.unwrap().reply, Some(9));
        assert_eq!(street.runs(), 2);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn reading_a_row_does_not_count_as_a_change_of_it() {
    in_each_place(async |place| {
        let app = shop(place, &Street::default()).await;
        for _ in 0..3 {
            app.send(look_at("pens")).await.unwrap();
            assert_eq!(app.send(look_at("cups")).await.unwrap().reply, None);
        }
        assert_eq!(app.send(take("pens")).await.unwrap().version, Version::new(2));
        assert_eq!(app.send(fill("cups", 1)).await.unwrap().version, Version::new(1));
        let cups = app.aggregate::<Rack>("cups").load().await.unwrap().unwrap();
        assert_eq!(Some(cups.version), Version::new(1));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handler_outside_aggregates_works_in_the_unit_that_it_is_executed_in() {
    in_each_place(async |place| {
        let street = Street::default();
        let app = shop(place, &street).await;
        app.send(give("mia", &["pens", "caps"])).await.unwrap();
        assert_eq!((left(&app, "pens").await, left(&app, "caps").await), (9, 9));
        assert_eq!(street.told(), ["mia leaves"]);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn one_that_fails_there_leaves_no_trace() {
    in_each_place(async |place| {
        let street = Street::default();
        let app = shop(place, &street).await;
        app.send(check_out("ben", &["flowers"])).await.unwrap();
        street.told();
        let refused = app.send(give("mia", &["pens", "flowers"])).await.unwrap_err();
        assert_eq!(refused.rejection(), Some(ShopError::Empty));
        assert_eq!(street.told(), ["mia comes back", "mia comes back"]);
        app.send(fill("roses", 0)).await.unwrap();
        app.send(fill("tulips", 1)).await.unwrap();
        assert_eq!(left(&app, "pens").await, 10);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn where_one_fails_there_the_unit_may_go_on_without_it() {
    in_each_place(async |place| {
        let street = Street::default();
        let app = shop(place, &street).await;
        app.send(fill("roses", 0)).await.unwrap();
        app.send(give("mia", &["pens", "flowers", "roses"])).await.unwrap();
        assert_eq!((left(&app, "pens").await, left(&app, "flowers").await), (10, 0));
        assert_eq!(street.told(), ["mia comes back", "mia leaves"]);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn one_that_executes_itself_is_refused() {
    in_each_place(async |place| {
        let app = shop(place, &Street::default()).await;
        let refused = app.send(Turn {}).await.unwrap_err();
        let SendError::Failed(failure) = refused else { panic!("{refused:?}") };
        let failure: &dyn std::error::Error = &failure;
        let innermost = std::iter::successors(Some(failure), |error| error.source()).last().unwrap().to_string();
        assert_has(&innermost, &["`shop.turn` lies in 32 others", "does one of them execute itself?"]);
        app.shutdown().await.unwrap();
    })
    .await;
}
