//! Start-up reports everything that is wrong at once, and takes what it is told to take.

use annals::app::StartError;
use annals::prelude::*;
use annals::registry::{Component, Registrar};
use annals_tests::orders::Order;

use crate::faults::{problems, step};
use crate::faulty::*;
use crate::wallet::Wallet;

#[tokio::test]
async fn everything_is_reported_at_once_and_in_one_order() {
    fn one(registrar: &mut Registrar) {
        registrar.event::<Twin<1>>(line(2));
        registrar.service_handler::<Harbour<8>, Go>(Component::None, line(5));
        registrar.saga::<Twin<1>>(line(2));
        registrar.query_handler::<Harbour<2>, Go>(Component::Resource, line(7));
        registrar.upcaster(step(3, 7, 8));
        registrar.upcaster(step(2, 1, 2));
        registrar.event_handlers::<Harbour<0>>(Component::None, line(1));
    }
    fn two(registrar: &mut Registrar) {
        registrar.upcaster(step(4, 8, 7));
        registrar.view::<Twin<7>>(line(1));
        registrar.view_handlers::<Twin<7>>(line(2));
        registrar.event::<Twin<2>>(line(1));
        registrar.service_handler::<Harbour<1>, Go>(Component::Resource, line(6));
        registrar.saga_handlers::<Twin<1>>(line(3));
        registrar.event_handlers::<Harbour<6>>(Component::None, line(6));
    }
    let here = problems(|registrar| {
        one(registrar);
        two(registrar);
    })
    .await;
    let there = problems(|registrar| {
        two(registrar);
        one(registrar);
    })
    .await;
    assert_eq!(here, there);
    assert!(here.len() >= 10, "{here:#?}");
}

#[tokio::test]
async fn the_error_lists_all_problems_for_people() {
    let started = Annals::builder().store("memory:").without_discovery();
    let started = started.declare(|registrar| {
        registrar.view::<Twin<7>>(line(1));
        registrar.saga::<Twin<7>>(line(2));
    });
    let error = started.start().await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the application cannot start, 2 problems were found:\n  - the view"), "{text}");
    assert!(text.contains("\n  - the saga"), "{text}");
    assert_eq!(format!("{error:?}"), text, "a `main` that returns the error prints it for people");
}

#[tokio::test]
async fn a_store_is_named_and_its_address_understood() {
    let error = Annals::builder().start().await.unwrap_err();
    assert!(matches!(error, StartError::NoStore));
    assert_eq!(error.to_string(), "no store was named: call `.store(\"sqlite://..\")` on the builder");
    for (url, expected) in [
        ("orders.db", "`orders.db` is no store address: expected `memory:`, `sqlite://FILE`, "),
        ("ftp://ada:secret@host/x", "`ftp://ada:***@host/x` is no store address"),
        ("sqlite:///no/such/folder/orders.db", "the store at `sqlite:///no/such/folder/orders.db` cannot be opened"),
    ] {
        let error = Annals::open(url).await.unwrap_err();
        assert!(matches!(error, StartError::Store(_)));
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn an_application_has_what_it_includes_and_nothing_else() {
    let app = Annals::builder().store("memory:").without_discovery().include::<Wallet>().start().await.unwrap();
    app.send(crate::wallet::open("w-1", 1)).await.unwrap();
    let order = annals_tests::orders::RejectOrder { order: "o-1".into(), reason: "none".into() };
    let refused = app.send(order.clone()).await.unwrap_err();
    assert_eq!(refused.to_string(), "no handler takes the command `order.reject`");
    app.shutdown().await.unwrap();
    // Everything, if it is not told otherwise; what is included besides is there once.
    let app = Annals::builder().store("memory:").include::<Order>().start().await.unwrap();
    assert_eq!(app.send(order).await.unwrap_err().to_string(), "`order/o-1` does not exist");
    app.shutdown().await.unwrap();
}

/// Opening may be handed to another thread: the compiler must be able to prove it.
#[tokio::test]
async fn an_application_can_be_opened_in_a_task_of_its_own() {
    let opening = Annals::builder().without_discovery().store("sqlite::memory:").start();
    let app = tokio::spawn(opening).await.unwrap().unwrap();
    app.shutdown().await.unwrap();
}
