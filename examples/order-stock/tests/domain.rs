//! The domain as a specification, without a database.

use std::time::Duration;

use annals::testing::{given, given_saga, given_view, upcast};
use order_stock::domain::*;
use order_stock::views::{AccountBalance, OrderSummary, StockLevel};
use serde_json::json;

fn order() -> OrderId {
    "o-1".into()
}

fn tea() -> Sku {
    "tea".into()
}

fn ada() -> CustomerId {
    "Ada".into()
}

/// Ada pays this many cents.
fn bill(cents: u64) -> Bill {
    Bill { customer: ada(), amount: Money::cents(cents) }
}

/// An order that costs nothing.
fn placed() -> OrderPlaced {
    OrderPlaced { order: order(), sku: tea(), quantity: 4, bill: None }
}

/// An order that costs 30.00.
fn placed_with_bill() -> OrderPlaced {
    OrderPlaced { bill: Some(bill(3000)), ..placed() }
}

fn approved() -> OrderApproved {
    OrderApproved { order: order() }
}

fn rejected(reason: Reason) -> OrderRejected {
    OrderRejected { order: order(), reason }
}

fn cancelled() -> OrderCancelled {
    OrderCancelled { order: order() }
}

fn added(quantity: u32) -> ArticleAdded {
    ArticleAdded { sku: tea(), name: "Tea".into(), quantity }
}

fn reserved(quantity: u32) -> StockReserved {
    StockReserved { sku: tea(), order: order(), quantity }
}

fn released(quantity: u32) -> StockReleased {
    StockReleased { sku: tea(), order: order(), quantity }
}

fn place(quantity: u32) -> PlaceOrder {
    PlaceOrder { order: order(), sku: tea(), quantity, bill: None }
}

fn approve() -> ApproveOrder {
    ApproveOrder { order: order() }
}

fn reject(reason: Reason) -> RejectOrder {
    RejectOrder { order: order(), reason }
}

fn cancel() -> CancelOrder {
    CancelOrder { order: order() }
}

fn reserve(quantity: u32) -> ReserveStock {
    ReserveStock { sku: tea(), order: order(), quantity }
}

fn release() -> ReleaseStock {
    ReleaseStock { sku: tea(), order: order() }
}

fn opened(cents: u64) -> AccountOpened {
    AccountOpened { customer: ada(), balance: Money::cents(cents) }
}

fn taken(cents: u64) -> PaymentTaken {
    PaymentTaken { customer: ada(), order: order(), amount: Money::cents(cents) }
}

fn refunded(cents: u64) -> PaymentRefunded {
    PaymentRefunded { customer: ada(), order: order(), amount: Money::cents(cents) }
}

fn take(cents: u64) -> TakePayment {
    TakePayment { customer: ada(), order: order(), amount: Money::cents(cents) }
}

fn refund() -> RefundPayment {
    RefundPayment { customer: ada(), order: order() }
}

fn too_little(left: u32) -> StockError {
    StockError::TooLittle { left }
}

/// It was not reserved in time.
fn overdue() -> Reason {
    Reason::Stock(StockError::Overdue)
}

/// It was not paid in time.
fn unpaid() -> Reason {
    Reason::Payment(PaymentError::Unpaid)
}

/// Only so many cents are in the account.
fn too_poor(cents: u64) -> PaymentError {
    PaymentError::Declined { left: Money::cents(cents) }
}

mod an_order {
    use super::*;

    #[test]
    fn is_placed_once() {
        given::<Order>(()).when(place(4)).then_events(placed());
        given::<Order>(placed()).when(place(4)).then_exists_already();
        given::<Order>(()).when(PlaceOrder { bill: Some(bill(3000)), ..place(4) }).then_events(placed_with_bill());
    }

    #[test]
    fn of_nothing_is_refused() {
        given::<Order>(()).when(place(0)).then_error(OrderError::NothingOrdered);
    }

    #[test]
    fn may_be_huge() {
        given::<Order>(()).when(place(u32::MAX)).then_events(OrderPlaced { quantity: u32::MAX, ..placed() });
    }

    #[test]
    fn is_decided_once() {
        given::<Order>(placed()).when(approve()).then_events(approved());
        given::<Order>(placed()).when(reject(unpaid())).then_events(rejected(unpaid()));
        given::<Order>((placed(), approved())).when(approve()).then_nothing();
        given::<Order>((placed(), approved())).when(reject(unpaid())).then_nothing();
        given::<Order>((placed(), rejected(unpaid()))).when(approve()).then_nothing();
        given::<Order>((placed(), rejected(unpaid()))).when(reject(overdue())).then_nothing();
        given::<Order>((placed(), cancelled())).when(approve()).then_nothing();
        given::<Order>((placed(), cancelled())).when(reject(unpaid())).then_nothing();
    }

    #[test]
    fn may_be_cancelled_before_and_after_its_approval_and_once() {
        given::<Order>(placed()).when(cancel()).then_events(cancelled());
        given::<Order>((placed(), approved())).when(cancel()).then_events(cancelled());
        given::<Order>((placed(), approved(), cancelled())).when(cancel()).then_nothing();
    }

    #[test]
    fn that_was_rejected_or_never_placed_cannot_be_cancelled() {
        for reason in [Reason::Stock(too_little(3)), Reason::Payment(too_poor(50)), unpaid()] {
            let refused = OrderError::Rejected(reason.clone());
            given::<Order>((placed(), rejected(reason))).when(cancel()).then_error(refused);
        }
        given::<Order>(()).when(cancel()).then_error(OrderError::NoSuchOrder);
    }

    #[test]
    fn of_the_days_before_there_were_payments_is_read_as_it_was_meant() {
        let placed_then = json!({ "order": "o-1", "sku": "tea", "quantity": 4 });
        upcast::<OrderPlaced>(1, placed_then).then(placed());
        for (stored, reason) in [
            (json!("Overdue"), overdue()),
            (json!("UnknownArticle"), Reason::Stock(StockError::UnknownArticle)),
            (json!({ "TooLittle": { "left": 3 } }), Reason::Stock(too_little(3))),
        ] {
            let rejected_then = json!({ "order": "o-1", "reason": stored });
            upcast::<OrderRejected>(1, rejected_then).then(rejected(reason));
        }
    }

    #[test]
    fn is_stored_with_the_reason_for_which_it_was_rejected() {
        let stock = [StockError::UnknownArticle, too_little(3), StockError::Overdue].map(Reason::Stock);
        let payment = [PaymentError::UnknownCustomer, too_poor(50), PaymentError::Unpaid].map(Reason::Payment);
        for reason in stock.into_iter().chain(payment) {
            let stored = serde_json::to_value(rejected(reason.clone())).unwrap();
            upcast::<OrderRejected>(1, stored).then(rejected(reason));
        }
    }
}

mod an_account {
    use super::*;

    #[test]
    fn is_opened_once() {
        let open = || OpenAccount { customer: ada(), balance: Money::cents(5000) };
        given::<Account>(()).when(open()).then_events(opened(5000));
        given::<Account>(opened(5000)).when(open()).then_exists_already();
    }

    #[test]
    fn pays_down_to_nothing_and_not_below() {
        given::<Account>(opened(3000)).when(take(3000)).then_events(taken(3000));
        given::<Account>(opened(3000)).when(take(3001)).then_error(too_poor(3000));
        given::<Account>(opened(u64::MAX)).when(take(u64::MAX)).then_events(taken(u64::MAX));
    }

    #[test]
    fn of_an_unknown_customer_pays_nothing() {
        given::<Account>(()).when(take(1)).then_error(PaymentError::UnknownCustomer);
        given::<Account>(()).when(refund()).then_nothing();
    }

    #[test]
    fn pays_once_for_an_order() {
        given::<Account>((opened(9000), taken(3000))).when(take(3000)).then_nothing();
        given::<Account>((opened(9000), taken(3000), refunded(3000))).when(take(3000)).then_nothing();
    }

    #[test]
    fn is_paid_back_once_and_then_has_its_money_again() {
        given::<Account>((opened(9000), taken(3000))).when(refund()).then_events(refunded(3000));
        given::<Account>((opened(9000), taken(3000), refunded(3000))).when(refund()).then_nothing();
        let other = TakePayment { order: "o-2".into(), ..take(9000) };
        let taken_for_other = PaymentTaken { order: "o-2".into(), ..taken(9000) };
        given::<Account>((opened(9000), taken(3000), refunded(3000))).when(other).then_events(taken_for_other);
    }
}

mod stock {
    use super::*;

    #[test]
    fn is_added_once() {
        given::<Stock>(()).when(AddArticle { sku: tea(), name: "Tea".into(), quantity: 9 }).then_events(added(9));
        given::<Stock>(added(9)).when(AddArticle { sku: tea(), name: "Tea".into(), quantity: 9 }).then_exists_already();
    }

    #[test]
    fn is_reserved_down_to_nothing_and_not_below() {
        given::<Stock>(added(4)).when(reserve(4)).then_events(reserved(4));
        given::<Stock>(added(4)).when(reserve(5)).then_error(StockError::TooLittle { left: 4 });
        given::<Stock>(added(4)).when(reserve(u32::MAX)).then_error(StockError::TooLittle { left: 4 });
        given::<Stock>(added(u32::MAX)).when(reserve(u32::MAX)).then_events(reserved(u32::MAX));
    }

    #[test]
    fn of_an_unknown_article_is_refused() {
        given::<Stock>(()).when(reserve(1)).then_error(StockError::UnknownArticle);
        given::<Stock>(()).when(release()).then_nothing();
    }

    #[test]
    fn is_reserved_once_for_an_order() {
        given::<Stock>((added(9), reserved(4))).when(reserve(4)).then_nothing();
        given::<Stock>((added(9), reserved(4), released(4))).when(reserve(4)).then_nothing();
    }

    #[test]
    fn is_released_once_and_then_there_again() {
        given::<Stock>((added(9), reserved(4))).when(release()).then_events(released(4));
        given::<Stock>((added(9), reserved(4), released(4))).when(release()).then_nothing();
        let other = ReserveStock { sku: tea(), order: "o-2".into(), quantity: 9 };
        let reserved_by_other = StockReserved { sku: tea(), order: "o-2".into(), quantity: 9 };
        given::<Stock>((added(9), reserved(4), released(4))).when(other).then_events(reserved_by_other);
    }
}

mod fulfilment {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn reserves_and_then_approves_what_costs_nothing() {
        given_saga::<Fulfilment>(placed())
            .then_sends(reserve(4))
            .then_deadline("reservation", MINUTE)
            .when(reserved(4))
            .then_sends(approve())
            .then_no_deadline();
    }

    #[test]
    fn rejects_with_the_reason_when_there_is_too_little() {
        let reason = Reason::Stock(too_little(3));
        given_saga::<Fulfilment>(placed_with_bill())
            .when_rejected(reserve(4), too_little(3))
            .then_sends(reject(reason.clone()))
            .then_no_deadline()
            .when(rejected(reason))
            .then_sends_nothing()
            .then_ended();
    }

    #[test]
    fn takes_the_payment_when_the_stock_is_reserved_and_then_approves() {
        given_saga::<Fulfilment>(placed_with_bill())
            .then_sends(reserve(4))
            .when(reserved(4))
            .then_sends(take(3000))
            .then_deadline("payment", MINUTE)
            .when(taken(3000))
            .then_sends(approve())
            .then_no_deadline();
    }

    #[test]
    fn gives_the_stock_back_when_the_payment_is_declined() {
        for why in [too_poor(50), PaymentError::UnknownCustomer] {
            let reason = Reason::Payment(why.clone());
            given_saga::<Fulfilment>((placed_with_bill(), reserved(4)))
                .when_rejected(take(3000), why)
                .then_sends(reject(reason.clone()))
                .then_no_deadline()
                .when(rejected(reason))
                .then_sends(release())
                .then_ended();
        }
    }

    #[test]
    fn rejects_what_is_not_paid_in_time_and_pays_back_what_came_late() {
        let late = given_saga::<Fulfilment>((placed_with_bill(), reserved(4)))
            .when_time_passes(MINUTE - MOMENT)
            .then_sends_nothing()
            .when_time_passes(MOMENT)
            .then_sends(reject(unpaid()));
        late.when(rejected(unpaid())).then_sends((refund(), release())).then_ended();
    }

    #[test]
    fn a_payment_that_was_taken_after_the_time_out_changes_nothing() {
        given_saga::<Fulfilment>((placed_with_bill(), reserved(4)))
            .when_time_passes(MINUTE)
            .when(taken(3000))
            .then_sends(approve()) // behind the rejection, so without effect
            .when(rejected(unpaid()))
            .then_sends((refund(), release()))
            .then_ended();
    }

    #[test]
    fn a_payment_that_was_declined_after_the_time_out_leaves_nothing_to_pay_back() {
        given_saga::<Fulfilment>((placed_with_bill(), reserved(4)))
            .when_time_passes(MINUTE)
            .when_rejected(take(3000), too_poor(50))
            .then_sends(reject(Reason::Payment(too_poor(50)))) // behind the first rejection, so without effect
            .when(rejected(unpaid()))
            .then_sends(release())
            .then_ended();
    }

    #[test]
    fn a_reservation_after_the_time_out_leads_to_no_payment() {
        given_saga::<Fulfilment>(placed_with_bill())
            .when_time_passes(MINUTE)
            .when(reserved(4))
            .then_sends_nothing()
            .when(rejected(overdue()))
            .then_sends(release())
            .then_ended();
    }

    #[test]
    fn what_comes_after_the_end_has_no_effect() {
        given_saga::<Fulfilment>((placed_with_bill(), reserved(4), cancelled()))
            .then_ended()
            .when(taken(3000))
            .then_sends_nothing()
            .when_time_passes(MINUTE)
            .then_sends_nothing();
    }

    #[test]
    fn rejects_what_is_overdue_and_gives_back_what_came_late() {
        given_saga::<Fulfilment>(placed())
            .when_time_passes(MINUTE - MOMENT)
            .then_sends_nothing()
            .when_time_passes(MOMENT)
            .then_sends(reject(overdue()))
            .when(rejected(overdue()))
            .then_sends(release())
            .then_ended();
    }

    #[test]
    fn gives_the_stock_of_a_cancelled_order_back() {
        given_saga::<Fulfilment>((placed(), reserved(4), approved()))
            .then_running(1)
            .when(cancelled())
            .then_sends(release())
            .then_ended();
        given_saga::<Fulfilment>(placed()).when(cancelled()).then_sends(release()).then_no_deadline().then_ended();
    }

    #[test]
    fn pays_a_cancelled_order_back_and_gives_back_its_stock() {
        given_saga::<Fulfilment>((placed_with_bill(), reserved(4), taken(3000), approved()))
            .then_running(1)
            .when(cancelled())
            .then_sends((refund(), release()))
            .then_ended();
        given_saga::<Fulfilment>((placed_with_bill(), reserved(4)))
            .when(cancelled())
            .then_sends((refund(), release())) // behind the payment, which may still be taken
            .then_no_deadline()
            .then_ended();
        given_saga::<Fulfilment>(placed_with_bill()).when(cancelled()).then_sends(release()).then_ended();
    }
}

mod views {
    use super::*;

    #[test]
    fn an_order_summary_tells_how_far_it_has_come_and_what_it_holds() {
        let summary = |held, status| {
            let (bill, paid) = (None, Money::default());
            OrderSummary { order: order(), sku: tea(), quantity: 4, held, bill, paid, status }
        };
        given_view::<OrderSummary>(placed()).then(&order(), summary(0, Status::Pending));
        given_view::<OrderSummary>((placed(), reserved(4), approved())).then(&order(), summary(4, Status::Approved));
        let reason = Reason::Stock(StockError::UnknownArticle);
        given_view::<OrderSummary>((placed(), rejected(reason.clone())))
            .then(&order(), summary(0, Status::Rejected(reason)));
        given_view::<OrderSummary>((placed(), reserved(4), approved(), cancelled(), released(4)))
            .then(&order(), summary(0, Status::Cancelled));
    }

    #[test]
    fn an_order_summary_tells_who_pays_and_what_was_paid() {
        let summary = |held, cents, status| {
            let (bill, paid) = (Some(bill(3000)), Money::cents(cents));
            OrderSummary { order: order(), sku: tea(), quantity: 4, held, bill, paid, status }
        };
        let paid = (placed_with_bill(), reserved(4), taken(3000));
        given_view::<OrderSummary>(paid.clone()).then(&order(), summary(4, 3000, Status::Pending));
        given_view::<OrderSummary>((paid.clone(), approved())).then(&order(), summary(4, 3000, Status::Approved));
        given_view::<OrderSummary>((paid, approved(), cancelled(), refunded(3000), released(4)))
            .then(&order(), summary(0, 0, Status::Cancelled));
    }

    #[test]
    fn an_account_balance_adds_up() {
        let balance = |left, paid| AccountBalance { left: Money::cents(left), paid: Money::cents(paid) };
        given_view::<AccountBalance>((opened(5000), taken(3000))).then(&ada(), balance(2000, 3000));
        given_view::<AccountBalance>((opened(5000), taken(3000), refunded(3000))).then(&ada(), balance(5000, 0));
        given_view::<AccountBalance>((opened(u64::MAX), taken(u64::MAX))).then(&ada(), balance(0, u64::MAX));
    }

    #[test]
    fn a_stock_level_adds_up() {
        let level = |left, held| StockLevel { name: "Tea".into(), left, held };
        given_view::<StockLevel>((added(9), reserved(4))).then(&tea(), level(5, 4));
        given_view::<StockLevel>((added(9), reserved(4), released(4))).then(&tea(), level(9, 0));
        given_view::<StockLevel>((added(u32::MAX), reserved(u32::MAX))).then(&tea(), level(0, u32::MAX));
    }
}
