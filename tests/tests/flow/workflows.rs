//! Workflows: one function whose steps are recorded and found again after a restart, on every backend.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::Annals;
use annals::app::Builder;
use annals::prelude::*;
use annals::saga::{SagaFilter, SagaStatus};
use annals::testing::{TestClock, given_workflow, given_workflow_of};
use annals::workflow::{Call, First, WorkflowResult};

use crate::given::{Faults, Lasting, PATIENCE, app};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "kiosk.take", error = KioskError, reply = u32)]
struct Take {
    #[target]
    kiosk: String,
    count: u32,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "kiosk.put-back", error = KioskError, reply = u32)]
struct PutBack {
    #[target]
    kiosk: String,
    count: u32,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "kiosk.order")]
struct PlaceOrder {
    #[target]
    kiosk: String,
    order: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "kiosk.pay")]
struct Pay {
    #[target]
    kiosk: String,
    order: String,
    amount: u32,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
enum KioskError {
    #[error("only {0} are left")]
    Left(u32),
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "kiosk.changed")]
struct Changed {
    left: u32,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "kiosk.ordered")]
struct Ordered {
    kiosk: String,
    order: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "kiosk.paid")]
struct Paid {
    order: String,
    amount: u32,
}

/// It has ten of what it sells.
#[derive(Aggregate, Debug, Clone, PartialEq)]
#[aggregate(name = "kiosk")]
struct Kiosk {
    left: u32,
}

impl Default for Kiosk {
    fn default() -> Self {
        Self { left: 10 }
    }
}

#[command_handlers]
impl Kiosk {
    #[handle(create_if_missing)]
    fn take(&mut self, command: Take, events: &mut Events<Self>) -> Result<u32, KioskError> {
        let left = self.left.checked_sub(command.count).ok_or(KioskError::Left(self.left))?;
        events.apply(self, Changed { left });
        Ok(left)
    }

    #[handle(create_if_missing)]
    fn put_back(&mut self, command: PutBack, events: &mut Events<Self>) -> Result<u32, KioskError> {
        let left = self.left + command.count;
        events.apply(self, Changed { left });
        Ok(left)
    }

    #[handle(create_if_missing)]
    fn order(&self, command: PlaceOrder) -> Ordered {
        Ordered { kiosk: command.kiosk, order: command.order }
    }

    #[handle(create_if_missing)]
    fn pay(&self, command: Pay) -> Paid {
        Paid { order: command.order, amount: command.amount }
    }
}

#[event_sourcing]
impl Kiosk {
    #[apply]
    fn changed(&mut self, event: &Changed) {
        self.left = event.left;
    }
    #[apply]
    fn ordered(&mut self, _event: &Ordered) {}
    #[apply]
    fn paid(&mut self, _event: &Paid) {}
}

/// Another system, which notes who asks it.
#[derive(Clone, Default)]
struct Bank {
    faults: Faults,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Bank {
    fn quote(&self, call: &Call) -> Result<u32, HandlerError> {
        self.keys.lock().unwrap().push(call.key().to_string());
        match self.faults.strike("quote") {
            true => Err(HandlerError::new("the bank does not answer")),
            false => Ok(7),
        }
    }

    fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
enum Failure {
    NothingLeft(u32),
    NotPaid,
}

impl From<KioskError> for Failure {
    fn from(KioskError::Left(left): KioskError) -> Self {
        Self::NothingLeft(left)
    }
}

#[derive(Workflow, Serialize, Deserialize, Clone, Debug)]
#[workflow(name = "purchase")]
struct Purchase {
    kiosk: String,
    order: String,
}

#[workflow_handlers]
impl Purchase {
    #[start(by = order)]
    fn ordered(event: &Ordered) -> Self {
        Self { kiosk: event.kiosk.clone(), order: event.order.clone() }
    }

    #[run]
    #[awaits(Paid, by = order)]
    async fn run(self, flow: Flow<Self>) -> Result<u32, Failure> {
        let left = flow.send(self.take(1)).await?;
        flow.undo(&self.put_back(1));
        let quote: u32 = flow.call("quote", |call| async move { call.resource::<Bank>()?.quote(&call) }).await;
        let Some(paid) = flow.event::<Paid>().within(15 * MINUTE).await else { return Err(Failure::NotPaid) };
        flow.sleep(MINUTE).await;
        let more = async {
            flow.send(self.take(1)).await?;
            flow.undo(&self.put_back(1));
            flow.send(self.take(paid.amount)).await
        };
        let (one, more) = flow.join((flow.send(self.take(1)), more)).await;
        one?;
        more?;
        Ok(left + quote)
    }

    fn take(&self, count: u32) -> Take {
        Take { kiosk: self.kiosk.clone(), count }
    }

    fn put_back(&self, count: u32) -> PutBack {
        PutBack { kiosk: self.kiosk.clone(), count }
    }
}

fn purchases(bank: &Bank, clock: &TestClock) -> Builder {
    app().include::<Kiosk>().include::<Purchase>().resource(bank.clone()).clock(clock.clone())
}

async fn order(app: &Annals, order: &str) {
    app.send(PlaceOrder { kiosk: order.into(), order: order.into() }).await.unwrap();
    app.settled(PATIENCE).await.unwrap();
}

async fn pay(app: &Annals, order: &str, amount: u32) {
    app.send(Pay { kiosk: order.into(), order: order.into(), amount }).await.unwrap();
    app.settled(PATIENCE).await.unwrap();
}

async fn left(app: &Annals, kiosk: &str) -> u32 {
    app.aggregate::<Kiosk>(kiosk).load().await.unwrap().unwrap().state.left
}

/// The only instance.
async fn only(app: &Annals, workflow: &str) -> annals::saga::SagaInstance {
    let all = app.sagas().named(workflow).unwrap().list(&SagaFilter::default()).await.unwrap();
    let [instance] = all.try_into().unwrap();
    instance
}

/// Stops the application and starts it again.
async fn again(lasting: &Lasting, app: Annals, builder: Builder) -> Annals {
    app.shutdown().await.unwrap();
    let app = lasting.start(builder).await;
    app.settled(PATIENCE).await.unwrap();
    app
}

#[tokio::test]
async fn each_step_is_found_again_after_a_restart() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        let start = || purchases(&bank, &clock);
        let app = lasting.start(start()).await;
        order(&app, "o-1").await;
        let instance = only(&app, "purchase").await;
        assert_eq!(instance.step.as_deref(), Some("event kiosk.paid"));
        let app = again(&lasting, app, start()).await;
        pay(&app, "o-2", 1).await;
        pay(&app, "o-1", 2).await;
        assert_eq!(only(&app, "purchase").await.step.as_deref(), Some("sleep"));
        assert_eq!(left(&app, "o-1").await, 9);
        let app = again(&lasting, app, start()).await;
        clock.advance(MINUTE);
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(left(&app, "o-1").await, 5);
        let result = app.workflows().result::<Purchase>(instance.id).await.unwrap();
        assert_eq!(result, Some(WorkflowResult::Completed(16)));
        assert_eq!(only(&app, "purchase").await.status, SagaStatus::Completed);
        assert_eq!(bank.keys().len(), 1, "what was recorded is not done again");
        clock.advance(60 * MINUTE);
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(left(&app, "o-1").await, 5, "and no timer is left");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_function_that_fails_undoes_what_it_has_done() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        let app = lasting.start(purchases(&bank, &clock)).await;
        order(&app, "o-1").await;
        assert_eq!(left(&app, "o-1").await, 9);
        clock.advance(15 * MINUTE);
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(left(&app, "o-1").await, 10);
        let instance = only(&app, "purchase").await;
        assert_eq!(instance.status, SagaStatus::Compensated);
        let result = app.workflows().result::<Purchase>(instance.id).await.unwrap();
        assert_eq!(result, Some(WorkflowResult::Failed(Failure::NotPaid)));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_call_is_tried_again_under_its_key() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        bank.faults.fail("quote", 2);
        let app = lasting.start(purchases(&bank, &clock)).await;
        app.send(PlaceOrder { kiosk: "o-1".into(), order: "o-1".into() }).await.unwrap();
        crate::given::eventually("the call is answered", async || {
            clock.advance(MINUTE / 60);
            (bank.keys().len() == 3).then_some(())
        })
        .await;
        let keys = bank.keys();
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn under_one_key_one_instance_is_begun() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        let app = lasting.start(purchases(&bank, &clock)).await;
        let input = Purchase { kiosk: "k".into(), order: "o-1".into() };
        let first = app.workflows().begin("first", input.clone()).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let app = again(&lasting, app, purchases(&bank, &clock)).await;
        assert_eq!(app.workflows().begin("first", input).await.unwrap(), first);
        pay(&app, "o-1", 1).await;
        assert_eq!(only(&app, "purchase").await.id, first);
        assert_eq!(left(&app, "k").await, 9);
        assert_eq!(app.workflows().result::<Purchase>(first).await.unwrap(), Some(WorkflowResult::Running));
        assert_eq!(app.workflows().result::<Purchase>(annals::message::SagaId::new()).await.unwrap(), None);
        clock.advance(MINUTE);
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(app.workflows().result::<Purchase>(first).await.unwrap(), Some(WorkflowResult::Completed(16)));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_done_is_undone_by_hand() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        let app = lasting.start(purchases(&bank, &clock)).await;
        order(&app, "o-1").await;
        let id = only(&app, "purchase").await.id;
        assert!(app.workflows().of::<Purchase>().unwrap().compensate(id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(left(&app, "o-1").await, 10);
        assert_eq!(app.workflows().result::<Purchase>(id).await.unwrap(), Some(WorkflowResult::Undone));
        clock.advance(60 * MINUTE);
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(left(&app, "o-1").await, 10);
        app.shutdown().await.unwrap();
    }
}

/// The program with a bug: it panics when it has been paid.
mod fragile {
    use super::*;

    #[derive(Workflow, Serialize, Deserialize, Clone, Debug)]
    #[workflow(name = "purchase")]
    pub(super) struct Purchase {
        kiosk: String,
        order: String,
    }

    #[workflow_handlers]
    impl Purchase {
        #[start(by = order)]
        fn ordered(event: &Ordered) -> Self {
            Self { kiosk: event.kiosk.clone(), order: event.order.clone() }
        }

        #[run]
        #[awaits(Paid, by = order)]
        async fn run(self, flow: Flow<Self>) -> Result<u32, Failure> {
            let left = flow.send(Take { kiosk: self.kiosk.clone(), count: 1 }).await?;
            flow.undo(&PutBack { kiosk: self.kiosk.clone(), count: 1 });
            let quote: u32 = flow.call("quote", |call| async move { call.resource::<Bank>()?.quote(&call) }).await;
            let paid = flow.event::<Paid>().within(15 * MINUTE).await;
            let paid = paid.map(|paid| paid.amount.checked_sub(100).expect("nobody pays so little"));
            Ok(left + quote + paid.unwrap_or_default())
        }
    }
}

#[tokio::test]
async fn a_panic_of_the_function_is_said_and_the_instance_goes_on_when_it_is_mended() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        let app = app().include::<Kiosk>().include::<fragile::Purchase>();
        let app = lasting.start(app.resource(bank.clone()).clock(clock.clone())).await;
        order(&app, "o-1").await;
        pay(&app, "o-1", 2).await;
        let stuck = only(&app, "purchase").await;
        let reason = stuck.attention.as_deref().unwrap_or_default();
        assert!(reason.contains("nobody pays so little"), "{reason}");
        assert_eq!((stuck.status, left(&app, "o-1").await), (SagaStatus::Running, 9));
        order(&app, "o-2").await;
        pay(&app, "o-2", 100).await;
        assert_eq!(left(&app, "o-2").await, 9, "others go on");

        let app = again(&lasting, app, purchases(&bank, &clock)).await;
        assert!(app.workflows().of::<Purchase>().unwrap().retry(stuck.id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        clock.advance(MINUTE);
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(
            app.workflows().result::<Purchase>(stuck.id).await.unwrap(),
            Some(WorkflowResult::Completed(16)),
            "it takes the payment that had to wait"
        );
        app.shutdown().await.unwrap();
    }
}

/// The program after a change of the function that does not fit instances which run.
mod careless {
    use super::*;

    #[derive(Workflow, Serialize, Deserialize, Clone, Debug)]
    #[workflow(name = "purchase", version = 2)]
    pub(super) struct Purchase {
        kiosk: String,
        order: String,
    }

    #[workflow_handlers]
    impl Purchase {
        #[start(by = order)]
        fn ordered(event: &Ordered) -> Self {
            Self { kiosk: event.kiosk.clone(), order: event.order.clone() }
        }

        #[run]
        #[awaits(Paid, by = order)]
        async fn run(self, flow: Flow<Self>) -> Result<u32, Failure> {
            flow.sleep(MINUTE).await;
            Ok(flow.send(Take { kiosk: self.kiosk, count: 1 }).await?)
        }
    }
}

/// The program after a change of the function under a name.
mod careful {
    use super::*;

    #[derive(Workflow, Serialize, Deserialize, Clone, Debug)]
    #[workflow(name = "purchase", version = 2)]
    pub(super) struct Purchase {
        kiosk: String,
        order: String,
    }

    #[workflow_handlers]
    impl Purchase {
        #[start(by = order)]
        fn ordered(event: &Ordered) -> Self {
            Self { kiosk: event.kiosk.clone(), order: event.order.clone() }
        }

        #[run]
        #[awaits(Paid, by = order)]
        async fn run(self, flow: Flow<Self>) -> Result<u32, Failure> {
            let count = if flow.changed("by the dozen") { 2 } else { 1 };
            let left = flow.send(Take { kiosk: self.kiosk, count }).await?;
            let quote: u32 = flow.call("quote", |call| async move { call.resource::<Bank>()?.quote(&call) }).await;
            flow.event::<Paid>().within(30 * MINUTE).await;
            Ok(left + quote + 100 * flow.begun_under())
        }
    }
}

#[tokio::test]
async fn a_function_that_was_changed_under_an_instance_is_refused_by_name() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        let app = lasting.start(purchases(&bank, &clock)).await;
        order(&app, "o-1").await;
        let changed = || {
            let app = app_with::<careless::Purchase>(&bank, &clock);
            app.include::<Kiosk>()
        };
        let app = again(&lasting, app, changed()).await;
        pay(&app, "o-1", 1).await;
        let instance = only(&app, "purchase").await;
        let attention = instance.attention.unwrap();
        for part in ["`purchase` (version 2)", "version 1", "place 1", "the command `kiosk.take`", "a sleep"] {
            assert!(attention.contains(part), "{part} is missing in {attention}");
        }
        let app = again(&lasting, app, purchases(&bank, &clock)).await;
        assert!(app.workflows().of::<Purchase>().unwrap().retry(instance.id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        let instance = only(&app, "purchase").await;
        assert_eq!((instance.attention, instance.step.as_deref()), (None, Some("sleep")), "the payment was kept");
        app.shutdown().await.unwrap();
    }
}

fn app_with<W: 'static>(bank: &Bank, clock: &TestClock) -> Builder {
    app().include::<W>().resource(bank.clone()).clock(clock.clone())
}

#[tokio::test]
async fn a_change_with_a_name_leaves_instances_that_run_as_they_are() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        let app = lasting.start(purchases(&bank, &clock)).await;
        order(&app, "o-1").await;
        let old = only(&app, "purchase").await.id;
        let app = again(&lasting, app, app_with::<careful::Purchase>(&bank, &clock).include::<Kiosk>()).await;
        let input = serde_json::from_value(serde_json::json!({ "kiosk": "o-2", "order": "o-2" })).unwrap();
        let new = app.workflows().begin::<careful::Purchase>("new", input).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        pay(&app, "o-1", 1).await;
        pay(&app, "o-2", 1).await;
        let result = async |id| app.workflows().result::<careful::Purchase>(id).await.unwrap().unwrap();
        assert_eq!(result(old).await, WorkflowResult::Completed(9 + 7 + 100));
        assert_eq!(result(new).await, WorkflowResult::Completed(8 + 7 + 200));
        app.shutdown().await.unwrap();
    }
}

/// The program after a payment has got a currency.
mod newer {
    use super::*;

    #[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
    #[event(name = "kiosk.paid", revision = 2)]
    pub(super) struct Paid {
        order: String,
        amount: u32,
        currency: String,
    }

    #[upcasters]
    impl Paid {
        #[upcast(from = 1)]
        fn add_currency(mut payload: Json) -> Json {
            payload["currency"] = "EUR".into();
            payload
        }
    }

    #[derive(Workflow, Serialize, Deserialize, Clone, Debug)]
    #[workflow(name = "purchase")]
    pub(super) struct Purchase {
        kiosk: String,
        order: String,
    }

    #[workflow_handlers]
    impl Purchase {
        #[run]
        #[awaits(Paid, by = order)]
        async fn run(self, flow: Flow<Self>) -> Result<String, Failure> {
            let _ = flow.send(Take { kiosk: self.kiosk, count: 1 }).await?;
            let _: u32 = flow.call("quote", |_| async move { Ok(0) }).await;
            let paid = flow.event::<Paid>().await;
            flow.sleep(MINUTE).await;
            Ok(paid.currency)
        }
    }
}

#[tokio::test]
async fn upcasters_lift_events_that_were_recorded() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        let app = lasting.start(purchases(&bank, &clock)).await;
        order(&app, "o-1").await;
        app.send(Pay { kiosk: "till".into(), order: "o-1".into(), amount: 1 }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let id = only(&app, "purchase").await.id;
        let start = app_with::<newer::Purchase>(&bank, &clock).include::<newer::Paid>().include::<Take>();
        let app = again(&lasting, app, start).await;
        clock.advance(MINUTE);
        app.settled(PATIENCE).await.unwrap();
        let result = app.workflows().result::<newer::Purchase>(id).await.unwrap();
        assert_eq!(result, Some(WorkflowResult::Completed("EUR".to_owned())));
        app.shutdown().await.unwrap();
    }
}

#[derive(Workflow, Serialize, Deserialize, Clone, Debug)]
#[workflow(name = "party")]
struct Party {
    orders: Vec<String>,
}

#[workflow_handlers]
impl Party {
    #[run]
    #[awaits(Paid, by = order, given)]
    async fn run(self, flow: Flow<Self>) -> Result<Vec<String>, Failure> {
        flow.follow::<Paid>("tip");
        let each = self.orders.iter().map(|order| Purchase { kiosk: order.clone(), order: order.clone() });
        let results = flow.join_all(each.map(|purchase| flow.child(purchase))).await;
        let tip = flow.race(flow.event_of::<Paid>("tip"), flow.sleep(MINUTE)).await;
        let tip = match tip {
            First::This(paid) => paid.amount,
            First::That(()) => 0,
        };
        flow.notify(&Take { kiosk: "party".to_owned(), count: tip });
        let mut results: Vec<String> = results.iter().map(|result| format!("{result:?}")).collect();
        results.push(format!("tip {tip}"));
        Ok(results)
    }
}

#[tokio::test]
async fn children_events_that_come_early_and_notices() {
    for lasting in Lasting::each() {
        let (bank, clock) = (Bank::default(), TestClock::default());
        let start = || purchases(&bank, &clock).include::<Party>();
        let app = lasting.start(start()).await;
        let orders = vec!["a".to_owned(), "b".to_owned()];
        let party = app.workflows().begin("party", Party { orders }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        pay(&app, "tip", 3).await;
        pay(&app, "a", 1).await;
        let app = again(&lasting, app, start()).await;
        clock.advance(15 * MINUTE);
        app.settled(PATIENCE).await.unwrap();
        let result = app.workflows().result::<Party>(party).await.unwrap();
        let expected = ["Ok(16)", "Err(Failed(NotPaid))", "tip 3"].map(str::to_owned).to_vec();
        assert_eq!(result, Some(WorkflowResult::Completed(expected)));
        assert_eq!((left(&app, "a").await, left(&app, "b").await), (6 + 1 - 1, 10));
        assert_eq!(left(&app, "party").await, 7);
        app.shutdown().await.unwrap();
    }
}

fn ordered() -> Ordered {
    Ordered { kiosk: "k".into(), order: "o-1".into() }
}

fn take(count: u32) -> Take {
    Take { kiosk: "k".into(), count }
}

fn put_back(count: u32) -> PutBack {
    PutBack { kiosk: "k".into(), count }
}

#[test]
fn a_test_says_what_comes_and_what_should_come_of_it() {
    given_workflow::<Purchase>(ordered())
        .then_sends(take(1))
        .when_accepted(take(1), 9)
        .then_calls("quote")
        .then_sends_nothing()
        .when_called("quote", 7)
        .then_waits(15 * MINUTE)
        .when_time_passes(MINUTE)
        .when(Paid { order: "o-1".into(), amount: 8 })
        .then_waits(MINUTE)
        .when_time_passes(MINUTE)
        .then_sends((take(1), take(1)))
        .when_accepted(take(1), 8)
        .when_accepted(take(1), 7)
        .then_sends(take(8))
        .when_rejected(take(8), KioskError::Left(7))
        .then_sends(put_back(1))
        .when_accepted(put_back(1), 8)
        .then_sends_one(put_back(1))
        .when_accepted(put_back(1), 9)
        .then_failed(Failure::NothingLeft(7))
        .then_waits_for_no_time();
}

#[tokio::test]
async fn a_test_runs_the_code_of_a_call() {
    let bank = Bank::default();
    let workflow = given_workflow_of(Purchase { kiosk: "k".into(), order: "o-1".into() }).resource(bank.clone());
    let workflow = workflow.when_accepted(take(1), 9).when_call_runs("quote").await;
    assert_eq!(bank.keys().len(), 1);
    workflow.then_runs().when_undone().then_sends(put_back(1)).when_accepted(put_back(1), 10).then_undone();
}

#[test]
#[should_panic(expected = "no such `kiosk.take` waits for its answer")]
fn a_test_that_answers_what_was_not_sent_fails() {
    let _ = given_workflow::<Purchase>(ordered()).when_accepted(take(2), 8);
}
