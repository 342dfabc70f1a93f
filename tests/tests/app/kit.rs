//! The test kit passes when it should, and fails when it should.

use std::time::Duration;

use annals::aggregate::{EventSourced, Events, HandledBy, Refusal};
use annals::command::{CommandTarget, StreamConsistency};
use annals::handler::Context;
use annals::message::{Clock, Decode, Never};
use annals::prelude::*;
use annals::testing::{TestClock, given, given_saga, given_view, upcast};
use annals_tests::orders::*;
use serde_json::json;

use crate::courses::{CourseAnnounced, Enrol, EnrolError, Enrolled, Enrolment};
use crate::parcels::ParcelPosted;
use crate::support::{assert_has, panic_of};
use crate::wallet::*;

const OPENED: WalletOpened = WalletOpened { balance: 10 };

#[test]
fn an_aggregate_is_told_by_events_and_asked_by_commands() {
    given::<Wallet>(()).when(open("w-1", 10)).then_events(OPENED);
    given::<Wallet>(OPENED).when(withdraw("w-1", 4)).then_events(Withdrawn { amount: 4 });
    given::<Wallet>((OPENED, Withdrawn { amount: 4 }))
        .when(withdraw("w-1", 7))
        .then_error(WalletError::InsufficientFunds { balance: 6, requested: 7 });
    given::<Wallet>(OPENED).when(lock("w-1", false)).then_nothing();
    given::<Wallet>(OPENED)
        .when(DepositMany { wallet: "w-1".into(), amounts: vec![1, 2] })
        .then_events([Deposited { amount: 1 }, Deposited { amount: 2 }])
        .then_reply(vec![11, 13]);
    given::<Wallet>(OPENED).when(open("w-1", 1)).then_exists_already();
    given::<Wallet>(()).when(deposit("w-1", 1)).then_not_found();
    given::<Wallet>(vec![OPENED]).when(deposit("w-1", 1)).then_events(vec![Deposited { amount: 1 }]);
}

#[test]
fn other_events_than_expected_are_shown() {
    let other = || drop(given::<Wallet>(OPENED).when(deposit("w-1", 1)).then_events(Deposited { amount: 2 }));
    assert_has(
        &panic_of(other),
        &["other events were expected", r#"wallet.deposited {"amount":2}"#, r#"{"amount":1}"#],
    );
    let nothing = || drop(given::<Wallet>(OPENED).when(deposit("w-1", 1)).then_nothing());
    assert_has(&panic_of(nothing), &["expected:\n  (none)\nemitted:\n  wallet.deposited"]);
    let more = || drop(given::<Wallet>(OPENED).when(lock("w-1", false)).then_events(Locked { locked: false }));
    assert_has(&panic_of(more), &["emitted:\n  (none)"]);
}

#[test]
fn another_outcome_than_expected_is_shown() {
    let accepted = || given::<Wallet>(OPENED).when(withdraw("w-1", 1)).then_error(WalletError::TooMuch);
    assert_has(&panic_of(accepted), &["the error `nobody has so much` was expected, the command was accepted with"]);
    let another = || given::<Wallet>(OPENED).when(withdraw("w-1", 11)).then_error(WalletError::TooMuch);
    assert_has(&panic_of(another), &["another error was expected", "InsufficientFunds", "TooMuch"]);
    let rejected = || drop(given::<Wallet>(OPENED).when(withdraw("w-1", 11)).then_events(Withdrawn { amount: 11 }));
    assert_has(&panic_of(rejected), &["the command was rejected: 10 is there, 11 was requested"]);
    let rejected = || drop(given::<Wallet>(OPENED).when(withdraw("w-1", 11)).then_nothing());
    assert_has(&panic_of(rejected), &["the command was rejected"]);
    let missing = || drop(given::<Wallet>(()).when(withdraw("w-1", 11)).then_nothing());
    assert_has(&panic_of(missing), &["the command failed: the target does not exist"]);
    let exists = || given::<Wallet>(OPENED).when(withdraw("w-1", 1)).then_not_found();
    assert_has(&panic_of(exists), &["`the target does not exist` was expected, the command was accepted"]);
    let exists = || given::<Wallet>(OPENED).when(open("w-1", 1)).then_not_found();
    assert_has(&panic_of(exists), &["the command failed for another reason"]);
    let many = DepositMany { wallet: "w-1".into(), amounts: vec![1] };
    let reply = || drop(given::<Wallet>(OPENED).when(many).then_reply(vec![12]));
    assert_has(&panic_of(reply), &["another reply was expected", "[11]", "[12]"]);
}

#[test]
fn given_events_are_those_that_the_state_applies() {
    let foreign = || drop(given::<Wallet>(StockAdded { sku: "tea".into(), quantity: 1 }).when(deposit("w-1", 1)));
    assert_has(&panic_of(foreign), &["the event `stock.added` cannot be applied", "has no `#[apply]`"]);
}

#[test]
fn a_handler_gets_the_time_the_metadata_and_the_resources_that_are_given() {
    let noon = TestClock::default().now();
    let place = PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity: 1 };
    let placed = |at| OrderPlaced { order: "o-1".into(), sku: "tea".into(), quantity: 1, at };
    given::<Order>(()).when(place.clone()).then_events(placed(noon));
    given::<Order>(()).at(Timestamp::EPOCH).when(place).then_events(placed(Timestamp::EPOCH));
    let runs = Runs::default();
    given::<Wallet>(OPENED)
        .resource(runs.clone())
        .metadata("user", "ada")
        .when(deposit("w-1", 1))
        .then_events(Deposited { amount: 1 });
    assert_eq!(runs.get(), 1);
}

/// A counter whose handler counts by itself.
#[derive(Debug, Default, Clone)]
struct Cheat {
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct Count {
    honestly: bool,
}

#[derive(Serialize, Deserialize)]
struct Counted;

impl Event for Counted {
    const NAME: &'static str = "cheat.counted";
}

impl Command for Count {
    type Reply = ();
    type Error = Never;
    const NAME: &'static str = "cheat.count";
}

impl EventSourced for Cheat {
    const EVENTS: &'static [&'static str] = &[Counted::NAME];

    fn evolve(&mut self, _: Decode<'_>) -> Result<Lifecycle, annals::aggregate::EvolveError> {
        self.count += 1;
        Ok(Lifecycle::Keep)
    }
}

impl annals::aggregate::AppliedTo<Cheat> for Counted {
    fn apply_to(&self, state: &mut Cheat) -> annals::aggregate::Applied {
        state.count += 1;
        Ok(Lifecycle::Keep)
    }
}

impl Aggregate for Cheat {
    const NAME: &'static str = "cheat";
}

impl CommandTarget for Cheat {
    type Consistency = StreamConsistency;
}

impl HandledBy<Cheat> for Count {
    const CREATION: annals::aggregate::Creation = annals::aggregate::Creation::MayExist;

    fn decide(&self, state: &Cheat, _: &Context<'_>, events: &mut Events<Cheat>) -> Result<(), Refusal<Never>> {
        let mut next = state.clone();
        if self.honestly {
            events.apply(&mut next, Counted);
        } else {
            next.count += 1;
        }
        events.leave(next);
        Ok(())
    }
}

#[test]
fn a_handler_changes_the_state_through_events_alone() {
    given::<Cheat>(Counted).when(Count { honestly: true }).then_events(Counted);
    let cheated = || drop(given::<Cheat>(Counted).when(Count { honestly: false }));
    let parts = [
        "the handler of `cheat.count` changed the state other than through events",
        "count: 2",
        "from its events",
        "count: expected 1, was 2",
    ];
    assert_has(&panic_of(cheated), &parts);
}

fn placed() -> OrderPlaced {
    OrderPlaced { order: "o-1".into(), sku: "tea".into(), quantity: 3, at: Timestamp::EPOCH }
}

fn reserve() -> ReserveStock {
    ReserveStock { sku: "tea".into(), order: "o-1".into(), quantity: 3 }
}

fn reserved() -> StockReserved {
    StockReserved { sku: "tea".into(), order: "o-1".into(), quantity: 3 }
}

fn approve() -> ApproveOrder {
    ApproveOrder { order: "o-1".into() }
}

#[test]
fn a_saga_is_told_by_its_effects() {
    given_saga::<Fulfilment>(())
        .when(placed())
        .then_sends(reserve())
        .then_deadline("reservation", PATIENCE)
        .then_associated("order", "o-1")
        .then_running(1);
    given_saga::<Fulfilment>(placed()).when(reserved()).then_sends(approve()).then_no_deadline();
    given_saga::<Fulfilment>(placed())
        .when_rejected(reserve(), StockError::SoldOut { left: 1 })
        .then_sends(RejectOrder { order: "o-1".into(), reason: "only 1 left".into() });
    given_saga::<Fulfilment>((placed(), reserved()))
        .when(OrderApproved { order: "o-1".into() })
        .then_sends_nothing()
        .then_not_associated("order", "o-1")
        .then_ended();
    let almost = PATIENCE - Duration::from_micros(1);
    given_saga::<Fulfilment>(placed())
        .when_time_passes(almost)
        .then_sends_nothing()
        .when_time_passes(Duration::from_micros(1))
        .then_sends(RejectOrder { order: "o-1".into(), reason: "no answer".into() });
}

#[test]
fn other_effects_than_expected_are_shown() {
    let started = || given_saga::<Fulfilment>(placed());
    let sends = panic_of(|| drop(started().when(reserved()).then_sends_nothing()));
    assert_has(
        &sends,
        &["other commands were expected\nexpected:\n  (none)\nsent:\n  order.approve {\"order\":\"o-1\"}"],
    );
    let sends = panic_of(|| drop(started().when(()).then_sends(approve())));
    assert_has(&sends, &["sent:\n  (none)"]);
    let deadline = panic_of(|| drop(started().then_deadline("reservation", PATIENCE / 2)));
    assert_has(&deadline, &["the deadline `reservation` waits for another instant"]);
    let deadline = panic_of(|| drop(started().then_deadline("payment", PATIENCE)));
    assert_has(&deadline, &["no deadline `payment` waits", "reservation"]);
    assert_has(&panic_of(|| drop(started().then_no_deadline())), &["deadlines wait", "reservation"]);
    assert_has(&panic_of(|| drop(started().then_ended())), &["1 instances still run"]);
    assert_has(&panic_of(|| drop(given_saga::<Fulfilment>(()).then_ended())), &["no instance was begun"]);
    assert_has(&panic_of(|| drop(started().then_running(2))), &["another number of instances runs"]);
    let associated = panic_of(|| drop(started().then_associated("order", "o-2")));
    assert_has(&associated, &["no instance is associated with order:o-2"]);
    let associated = panic_of(|| drop(started().then_not_associated("order", "o-1")));
    assert_has(&associated, &["an instance is associated with order:o-1"]);
    let rejected = || drop(given_saga::<Fulfilment>(()).when_rejected(reserve(), StockError::SoldOut { left: 1 }));
    assert_has(&panic_of(rejected), &["`stock.reserve` was not sent by the newest input"]);
}

#[test]
fn a_view_is_told_by_its_documents() {
    let summary = OrderSummary { sku: "tea".into(), quantity: 3, status: "approved".into() };
    let (one, two) = ("o-1".to_owned(), "o-2".to_owned());
    let view = || given_view::<OrderSummary>((placed(), OrderApproved { order: "o-1".into() }));
    view().then(&one, summary.clone()).then_none(&two);
    assert_eq!(view().document(&one), Some(&summary));
    assert_has(
        &panic_of(|| drop(view().then(&two, summary.clone()))),
        &["there is no document with the key `o-2`", "o-1"],
    );
    let other = OrderSummary::default();
    assert_has(&panic_of(|| drop(view().then(&one, other))), &["another document was expected for the key `o-1`"]);
    assert_has(&panic_of(|| drop(view().then_none(&one))), &["there is a document with the key `o-1`"]);
}

#[test]
fn an_upcaster_is_told_by_what_it_lifts_to() {
    let noon = TestClock::default().now();
    let lifted = || upcast::<ParcelPosted>(2, json!({ "parcel": "p-1", "grams": 7 }));
    lifted().then(ParcelPosted { parcel: "p-1".into(), grams: 7, at: noon });
    let other = ParcelPosted { parcel: "p-1".into(), grams: 8, at: noon };
    assert_has(&panic_of(|| lifted().then(other.clone())), &["another event was expected", "grams: 7", "grams: 8"]);
    assert_has(&panic_of(|| drop(lifted().then_fails())), &["the payload was lifted"]);
    let broken = || upcast::<ParcelPosted>(2, json!({ "grams": 7 })).then(other.clone());
    assert_has(&panic_of(broken), &["the payload cannot be lifted", "missing field `parcel`"]);
}

#[tokio::test]
async fn a_test_clock_moves_when_it_is_told_to() {
    let clock = TestClock::default();
    let noon = clock.now();
    assert_eq!(noon.to_string(), "2026-01-01T12:00:00Z");
    let minute = Duration::from_secs(60);
    let shared = clock.clone();
    let mut sleeper = Box::pin(async move { shared.sleep(minute).await });
    crate::support::begin(&mut sleeper).await;
    clock.advance(minute - Duration::from_micros(1));
    crate::support::begin(&mut sleeper).await;
    clock.advance(Duration::from_micros(1));
    sleeper.await;
    assert_eq!(clock.now(), noon.plus(minute));
    clock.set(noon);
    assert_eq!(clock.now().since(noon), Duration::ZERO);
    clock.sleep_until(noon).await;
}

/// As in an application: what was decided about another course is not seen.
#[test]
fn a_decision_sees_the_events_inside_its_boundary_and_no_others() {
    let announced = |course: &str| CourseAnnounced { course: course.into(), seats: 1 };
    let enrol = Enrol { course: "c-1".into(), student: "s-1".into() };
    given::<Enrolment>(announced("c-2")).when(enrol.clone()).then_error(EnrolError::NoCourse);
    let full = (announced("c-1"), Enrolled { course: "c-1".into(), student: "s-2".into() });
    given::<Enrolment>(full).when(enrol).then_error(EnrolError::Full);
}
