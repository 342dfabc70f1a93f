//! What a test of the kit may say beside exact events, and how it tells what differs.

use annals::message::StreamId;
use annals::prelude::*;
use annals::testing::{TestClock, given, given_saga, given_state, given_view, matching, recorded, sending};
use annals_tests::orders::*;

use crate::parcels::{DeliverParcel, Parcel, ParcelDelivered, WeighParcel};
use crate::state_stored::{Cart, CheckOut, LookInto, Put, Take};
use crate::support::{assert_has, panic_of};
use crate::wallet::*;

const OPENED: WalletOpened = WalletOpened { balance: 10 };

fn many(amounts: &[u64]) -> DepositMany {
    DepositMany { wallet: "w-1".into(), amounts: amounts.to_vec() }
}

fn placed() -> OrderPlaced {
    OrderPlaced { order: "o-1".into(), sku: "tea".into(), quantity: 3, at: Timestamp::EPOCH }
}

#[test]
fn events_that_differ_are_told_field_by_field() {
    let other = || drop(given::<Wallet>(OPENED).when(deposit("w-1", 1)).then_events(Deposited { amount: 2 }));
    assert_has(&panic_of(other), &["difference:\n  wallet.deposited (number 1)\n    amount: expected 2, was 1"]);
    let missing = [Deposited { amount: 1 }, Deposited { amount: 2 }, Deposited { amount: 3 }];
    let missing = || drop(given::<Wallet>(OPENED).when(many(&[1, 3])).then_events(missing));
    assert_has(&panic_of(missing), &["difference:\n  wallet.deposited (number 2 of those expected) is missing"]);
    let another = || drop(given::<Wallet>(OPENED).when(deposit("w-1", 1)).then_events(Withdrawn { amount: 1 }));
    assert_has(
        &panic_of(another),
        &["wallet.withdrawn (number 1 of those expected) is missing", "wallet.deposited (number 1) was not expected"],
    );
}

#[test]
fn replies_errors_documents_and_effects_that_differ_are_told_field_by_field() {
    let reply = || drop(given::<Wallet>(OPENED).when(many(&[1, 2])).then_reply(vec![11, 12]));
    assert_has(&panic_of(reply), &["difference:\n  [1]: expected 12, was 13"]);
    let wanted = WalletError::InsufficientFunds { balance: 9, requested: 11 };
    let error = || given::<Wallet>(OPENED).when(withdraw("w-1", 11)).then_error(wanted);
    assert_has(&panic_of(error), &["difference:\n  balance: expected 9, was 10"]);
    let placed = || OrderPlaced { order: "o-1".into(), sku: "tea".into(), quantity: 3, at: Timestamp::EPOCH };
    let wanted = OrderSummary { sku: "tea".into(), quantity: 4, status: "placed".into() };
    let document = || drop(given_view::<OrderSummary>(placed()).then(&"o-1".to_owned(), wanted));
    assert_has(&panic_of(document), &["quantity: expected 4, was 3"]);
    let wanted = ReserveStock { sku: "tea".into(), order: "o-1".into(), quantity: 4 };
    let effect = || drop(given_saga::<Fulfilment>(()).when(placed()).then_sends(wanted.clone()));
    assert_has(&panic_of(effect), &["stock.reserve (number 1)\n    quantity: expected 4, was 3"]);
    given_saga::<Fulfilment>(()).when(placed()).ignoring("quantity").then_sends_in_any_order(wanted);
}

#[test]
fn one_event_is_told_by_what_is_true_of_it() {
    let decided = || given::<Wallet>(OPENED).when(many(&[1, 2]));
    decided()
        .then_event(matching::<Deposited>(|event| event.amount > 1))
        .then_event(Deposited { amount: 1 })
        .then_no_event::<Withdrawn>();
    let matches = || drop(decided().then_event(matching::<Deposited>(|event| event.amount > 2)));
    assert_has(&panic_of(matches), &["an event `wallet.deposited` was expected", "what was to match does not hold"]);
    let equal = || drop(decided().then_event(Deposited { amount: 3 }));
    assert_has(&panic_of(equal), &["wallet.deposited (number 2)\n    amount: expected 3, was 2"]);
    let absent = || drop(decided().then_event(matching::<Withdrawn>(|_| true)));
    assert_has(&panic_of(absent), &["wallet.withdrawn is missing"]);
    let present = || drop(decided().then_no_event::<Deposited>());
    assert_has(&panic_of(present), &["no event `wallet.deposited` was expected", r#"{"amount":1}"#]);
    let rejected = || drop(given::<Wallet>(OPENED).when(withdraw("w-1", 11)).then_no_event::<Withdrawn>());
    assert_has(&panic_of(rejected), &["the command was rejected"]);
}

#[test]
fn one_command_of_a_saga_is_told_by_what_is_true_of_it() {
    let started = || given_saga::<Fulfilment>(()).when(placed());
    let wanted = ReserveStock { sku: "tea".into(), order: "o-1".into(), quantity: 3 };
    started()
        .then_sends_one(sending::<ReserveStock>(|command| command.quantity == 3))
        .then_sends_one(wanted.clone())
        .then_sends_no::<ApproveOrder>();
    let matches = || drop(started().then_sends_one(sending::<ReserveStock>(|command| command.quantity > 3)));
    assert_has(
        &panic_of(matches),
        &["a command `stock.reserve` was expected\nsent:\n  stock.reserve {", "what was to match does not hold"],
    );
    let other = || drop(started().then_sends_one(ReserveStock { quantity: 4, ..wanted.clone() }));
    assert_has(&panic_of(other), &["stock.reserve (number 1)\n    quantity: expected 4, was 3"]);
    started().ignoring("quantity").then_sends_one(ReserveStock { quantity: 4, ..wanted });
    let absent = || drop(started().then_sends_one(sending::<ApproveOrder>(|_| true)));
    assert_has(&panic_of(absent), &["order.approve is missing"]);
    let present = || drop(started().then_sends_no::<ReserveStock>());
    assert_has(&panic_of(present), &["no command `stock.reserve` was expected", r#""quantity":3"#]);
}

#[test]
fn a_deadline_is_told_by_its_instant_or_by_what_is_true_of_the_wait() {
    let now = annals::message::Clock::now(&TestClock::default());
    let half = PATIENCE / 2;
    let waits = || given_saga::<Fulfilment>(placed()).when_time_passes(half);
    waits()
        .then_deadline_at("reservation", now.plus(PATIENCE))
        .then_deadline("reservation", half)
        .then_deadline_matching("reservation", |after| after == half);
    let instant = || drop(waits().then_deadline_at("reservation", now));
    assert_has(&panic_of(instant), &["the deadline `reservation` waits for another instant"]);
    let matches = || drop(waits().then_deadline_matching("reservation", |after| after > half));
    assert_has(&panic_of(matches), &["the deadline `reservation` waits 30s from now", "does not hold"]);
    for absent in [
        panic_of(|| drop(waits().then_deadline_at("payment", now))),
        panic_of(|| drop(waits().then_deadline_matching("payment", |_| true))),
    ] {
        assert_has(&absent, &["no deadline `payment` waits", "reservation"]);
    }
}

#[test]
fn events_are_compared_in_any_order_but_each_once() {
    let decided = || given::<Wallet>(OPENED).when(many(&[1, 2, 2]));
    let events = |amounts: [u64; 3]| amounts.map(|amount| Deposited { amount });
    decided().then_events_in_any_order(events([2, 1, 2]));
    let twice = || drop(decided().then_events_in_any_order(events([2, 1, 1])));
    assert_has(&panic_of(twice), &["difference:\n  wallet.deposited (number 1)\n    amount: expected 1, was 2"]);
    let fewer = || drop(decided().then_events_in_any_order([Deposited { amount: 2 }, Deposited { amount: 1 }]));
    assert_has(&panic_of(fewer), &["wallet.deposited (number 1) was not expected"]);
}

#[test]
fn fields_that_are_ignored_are_not_compared() {
    let place = PlaceOrder { order: "o-1".into(), sku: "tea".into(), quantity: 1 };
    let placed = |quantity| OrderPlaced { order: "o-1".into(), sku: "tea".into(), quantity, at: Timestamp::EPOCH };
    let decided = || given::<Order>(()).when(place.clone());
    decided().ignoring("at").then_events(placed(1)).then_event(placed(1)).then_events_in_any_order(placed(1));
    assert_has(
        &panic_of(|| drop(decided().then_events(placed(1)))),
        &[r#"at: expected "1970-01-01T00:00:00Z", was "2026"#],
    );
    let other = panic_of(|| drop(decided().ignoring("at").then_events(placed(2))));
    assert_has(&other, &["quantity: expected 2, was 1"]);
    assert!(!other.contains("at: expected"), "{other}");
}

#[test]
fn the_state_is_looked_at_after_the_command() {
    given::<Wallet>(OPENED).when(withdraw("w-1", 4)).then_state(|wallet| assert_eq!(wallet.balance, 6));
    let wrong = || {
        let look = |wallet: &Wallet| assert_eq!(wallet.balance, 7, "the balance");
        drop(given::<Wallet>(OPENED).when(withdraw("w-1", 4)).then_state(look));
    };
    assert_has(&panic_of(wrong), &["the balance"]);
}

#[test]
fn given_may_be_a_state() {
    let wallet = Wallet { balance: 7, locked: true };
    given_state(wallet.clone()).when(lock("w-1", true)).then_nothing();
    given_state(wallet.clone()).when(open("w-1", 1)).then_exists_already();
    given_state(wallet).when(deposit("w-1", 1)).then_state(|wallet| assert_eq!(wallet.balance, 8));
}

#[test]
fn given_may_be_commands() {
    given::<Wallet>(())
        .after(open("w-1", 10))
        .after(many(&[1, 2]))
        .when(withdraw("w-1", 14))
        .then_error(WalletError::InsufficientFunds { balance: 13, requested: 14 });
    let refused = || drop(given::<Wallet>(OPENED).after(withdraw("w-1", 11)));
    assert_has(&panic_of(refused), &["the command was rejected: 10 is there, 11 was requested"]);
}

#[test]
fn the_state_of_an_aggregate_that_is_a_row_is_handed_on_from_command_to_command() {
    let cart = || "c-1".to_owned();
    let put = |sku: &str| Put { cart: cart(), sku: sku.into() };
    let taken = || given::<Cart>(()).after(Take { cart: cart(), table: 1 });
    taken().after(put("tea")).when(put("milk")).then_reply(2);
    taken().after(LookInto { cart: cart() }).when(LookInto { cart: cart() }).then_reply(2);
    taken().after(CheckOut { cart: cart() }).when(put("tea")).then_ended();
}

#[test]
fn given_may_be_a_recorded_stream_which_the_upcasters_of_the_program_lift() {
    let parcel = || recorded("data/parcels.jsonl").stream(StreamId::new("parcel", "p-1"));
    let deliver = || DeliverParcel { parcel: "p-1".into() };
    let noon = TestClock::default();
    given::<Parcel>(parcel()).when(deliver()).then_nothing().then_reply(1500).then_state(|parcel| {
        assert_eq!(parcel.posted_at, annals::message::Clock::now(&noon), "the time that the file tells");
    });
    given::<Parcel>(parcel().first(1)).when(deliver()).then_events(ParcelDelivered { parcel: "p-1".into() });
    // A decision finds the events by their tags.
    let scales = given::<crate::parcels::Scales>(recorded("data/parcels.jsonl"));
    scales.when(WeighParcel { parcel: "p-2".into() }).then_reply(7);
}

#[test]
fn a_file_that_is_no_recorded_stream_is_named() {
    assert_has(&panic_of(|| drop(recorded("data/none.jsonl"))), &["`data/none.jsonl` cannot be read"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.jsonl");
    std::fs::write(&path, "\n{\"position\":1}\n").unwrap();
    assert_has(&panic_of(|| drop(recorded(&path))), &["line 2 of", "is no line of an export"]);
    let line = std::fs::read_to_string("data/parcels.jsonl").unwrap().replace("kilograms", "pounds");
    std::fs::write(&path, line).unwrap();
    let unreadable = panic_of(|| drop(given::<Parcel>(recorded(&path))));
    assert_has(&unreadable, &["the event at position 1 of", "cannot be lifted", "there are no kilograms"]);
}
