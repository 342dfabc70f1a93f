//! The domain as a specification, without a database.

use std::time::Duration;

use annals::testing::{given, given_saga, given_view};
use order_stock::domain::*;

fn order() -> OrderId {
    "o-1".into()
}

fn tea() -> Sku {
    "tea".into()
}

fn placed() -> OrderPlaced {
    OrderPlaced { order: order(), sku: tea(), quantity: 4 }
}

fn approved() -> OrderApproved {
    OrderApproved { order: order() }
}

fn rejected(reason: StockError) -> OrderRejected {
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
    PlaceOrder { order: order(), sku: tea(), quantity }
}

fn approve() -> ApproveOrder {
    ApproveOrder { order: order() }
}

fn reject(reason: StockError) -> RejectOrder {
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

mod an_order {
    use super::*;

    #[test]
    fn is_placed_once() {
        given::<Order>(()).when(place(4)).then_events(placed());
        given::<Order>(placed()).when(place(4)).then_exists_already();
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
        given::<Order>(placed()).when(reject(StockError::Overdue)).then_events(rejected(StockError::Overdue));
        given::<Order>((placed(), approved())).when(approve()).then_nothing();
        given::<Order>((placed(), approved())).when(reject(StockError::Overdue)).then_nothing();
        given::<Order>((placed(), rejected(StockError::Overdue))).when(approve()).then_nothing();
        given::<Order>((placed(), cancelled())).when(approve()).then_nothing();
        given::<Order>((placed(), cancelled())).when(reject(StockError::Overdue)).then_nothing();
    }

    #[test]
    fn may_be_cancelled_before_and_after_its_approval_and_once() {
        given::<Order>(placed()).when(cancel()).then_events(cancelled());
        given::<Order>((placed(), approved())).when(cancel()).then_events(cancelled());
        given::<Order>((placed(), approved(), cancelled())).when(cancel()).then_nothing();
    }

    #[test]
    fn that_was_rejected_or_never_placed_cannot_be_cancelled() {
        let reason = StockError::TooLittle { left: 3 };
        let refused = OrderError::Rejected(reason.clone());
        given::<Order>((placed(), rejected(reason))).when(cancel()).then_error(refused);
        given::<Order>(()).when(cancel()).then_error(OrderError::NoSuchOrder);
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

    #[test]
    fn reserves_and_then_approves() {
        given_saga::<Fulfilment>(placed())
            .then_sends(reserve(4))
            .then_deadline("reservation", MINUTE)
            .when(reserved(4))
            .then_sends(approve())
            .then_no_deadline();
    }

    #[test]
    fn rejects_with_the_reason_when_there_is_too_little() {
        let reason = StockError::TooLittle { left: 3 };
        given_saga::<Fulfilment>(placed())
            .when_rejected(reserve(4), reason.clone())
            .then_sends(reject(reason.clone()))
            .then_no_deadline()
            .when(rejected(reason))
            .then_sends_nothing()
            .then_ended();
    }

    #[test]
    fn rejects_what_is_overdue_and_gives_back_what_came_late() {
        given_saga::<Fulfilment>(placed())
            .when_time_passes(MINUTE - Duration::from_millis(1))
            .then_sends_nothing()
            .when_time_passes(Duration::from_millis(1))
            .then_sends(reject(StockError::Overdue))
            .when(rejected(StockError::Overdue))
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
}

mod views {
    use super::*;

    #[test]
    fn an_order_summary_tells_how_far_it_has_come_and_what_it_holds() {
        let summary = |held, status| OrderSummary { order: order(), sku: tea(), quantity: 4, held, status };
        given_view::<OrderSummary>(placed()).then(&order(), summary(0, Status::Pending));
        given_view::<OrderSummary>((placed(), reserved(4), approved())).then(&order(), summary(4, Status::Approved));
        given_view::<OrderSummary>((placed(), rejected(StockError::UnknownArticle)))
            .then(&order(), summary(0, Status::Rejected(StockError::UnknownArticle)));
        given_view::<OrderSummary>((placed(), reserved(4), approved(), cancelled(), released(4)))
            .then(&order(), summary(0, Status::Cancelled));
    }

    #[test]
    fn a_stock_level_adds_up() {
        let level = |left, held| StockLevel { name: "Tea".into(), left, held };
        given_view::<StockLevel>((added(9), reserved(4))).then(&tea(), level(5, 4));
        given_view::<StockLevel>((added(9), reserved(4), released(4))).then(&tea(), level(9, 0));
        given_view::<StockLevel>((added(u32::MAX), reserved(u32::MAX))).then(&tea(), level(0, u32::MAX));
    }
}
