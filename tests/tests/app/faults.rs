//! Each fault in what is declared, with the words that report it.

use annals::app::StartError;
use annals::message::{Lifting, Target, UpcastStep, Upcasted, UpcasterFault};
use annals::prelude::*;
use annals::registry::{Component, Problem, Registrar};

use crate::faulty::*;
use crate::notebook::Notebook;

/// The problems of an application with nothing but these declarations.
pub async fn problems(declare: impl FnOnce(&mut Registrar) + Send + 'static) -> Vec<String> {
    found(declare).await.iter().map(ToString::to_string).collect()
}

async fn found(declare: impl FnOnce(&mut Registrar) + Send + 'static) -> Vec<Problem> {
    match Annals::builder().store("memory:").without_discovery().declare(declare).start().await {
        Ok(app) => {
            app.shutdown().await.unwrap();
            Vec::new()
        }
        Err(StartError::Problems(problems)) => problems,
        Err(error) => panic!("{error}"),
    }
}

fn twins(kind: &str, name: &str) -> String {
    format!(
        "the {kind} name `{name}` is used 2 times: `app::faulty::Twin<2>` (src/faulty.rs:1), `app::faulty::Twin<1>` \
         (src/faulty.rs:2)"
    )
}

#[tokio::test]
async fn a_stored_name_belongs_to_one_item_of_its_kind() {
    let found = problems(|registrar| {
        registrar.event::<Twin<1>>(line(2));
        registrar.event::<Twin<2>>(line(1));
    })
    .await;
    assert_eq!(found, [twins("event", "twin.seen")]);
    let found = problems(|registrar| {
        registrar.command::<Twin<1>>(line(2));
        registrar.command::<Twin<2>>(line(1));
    })
    .await;
    assert_eq!(found, [twins("command", "twin.greet")]);
    let found = problems(|registrar| {
        registrar.query::<Twin<1>>(line(2));
        registrar.query::<Twin<2>>(line(1));
    })
    .await;
    assert_eq!(found, [twins("query", "twin.find")]);
    let found = problems(|registrar| {
        registrar.aggregate::<Twin<1>>(line(2));
        registrar.aggregate::<Twin<2>>(line(1));
    })
    .await;
    assert_eq!(found, [twins("aggregate", "twin")]);
    let found = found_with_handlers().await;
    assert!(found.contains(&twins("view", "twins")), "{found:?}");
    assert!(found.contains(&twins("saga", "twin-life")), "{found:?}");
}

async fn found_with_handlers() -> Vec<String> {
    problems(|registrar| {
        registrar.view::<Twin<1>>(line(2));
        registrar.view::<Twin<2>>(line(1));
        registrar.saga::<Twin<1>>(line(2));
        registrar.saga::<Twin<2>>(line(1));
    })
    .await
}

/// An item declared twice is one item: by discovery and by hand, or by two crates that include each other.
#[tokio::test]
async fn what_is_declared_twice_is_there_once() {
    let found = problems(|registrar| {
        for number in [1, 1, 2] {
            registrar.event::<Twin<1>>(line(number));
            registrar.command::<Twin<1>>(line(number));
        }
    })
    .await;
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn a_message_has_one_handler() {
    let found = problems(|registrar| {
        registrar.service_handler::<Harbour<8>, Go>(Component::None, line(5));
        registrar.service_handler::<Harbour<7>, Go>(Component::None, line(6));
        registrar.query_handler::<Harbour<7>, Go>(Component::None, line(7));
        registrar.query_handler::<Harbour<8>, Go>(Component::None, line(8));
    })
    .await;
    let expected = [
        "the command `ship.go` has 2 handlers: `app::faulty::Harbour<8>` (src/faulty.rs:5), `app::faulty::Harbour<7>` \
         (src/faulty.rs:6)",
        "the query `ship.where` has 2 handlers: `app::faulty::Harbour<7>` (src/faulty.rs:7), `app::faulty::Harbour<8>` \
         (src/faulty.rs:8)",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn views_and_sagas_have_handlers() {
    let found = problems(|registrar| {
        registrar.view::<Twin<7>>(line(1));
        registrar.saga::<Twin<7>>(line(2));
    })
    .await;
    let expected = [
        "the view `app::faulty::Twin<7>` has no handlers: write an `impl` block with `#[view_handlers]` (src/faulty.rs:1)",
        "the saga `app::faulty::Twin<7>` has no handlers: write an `impl` block with `#[saga_handlers]` (src/faulty.rs:2)",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_command_says_what_it_is_about() {
    let found = problems(|registrar| {
        registrar.aggregate::<Twin<7>>(line(1));
        registrar.command_handler::<Twin<7>, Go>(line(2));
    })
    .await;
    let expected = "the command `ship.go` of the aggregate `app::faulty::Twin<7>` has no field marked `#[target]` \
                    (src/faulty.rs:2)";
    assert_eq!(found, [expected]);
    let found = problems(|registrar| {
        registrar.decision::<Ship<7>>(line(1));
        registrar.command_handler::<Ship<7>, Go>(line(2));
    })
    .await;
    let expected = |tag| {
        format!(
            "the boundary of `app::faulty::Ship<7>` names the tag `{tag}`, and its command `ship.go` has no field of \
             that name marked `#[tag]` (src/faulty.rs:2)"
        )
    };
    assert_eq!(found, [expected("sea"), expected("port")]);
}

#[tokio::test]
async fn a_live_view_is_keyed_by_a_tag() {
    let found = problems(|registrar| {
        registrar.view::<Twin<7>>(line(1));
        registrar.view_handlers::<Twin<7>>(line(2));
    })
    .await;
    let expected = "the live view `app::faulty::Twin<7>` is keyed by `twin`, which is not marked `#[tag]` on the event \
                    `twin.seen` (src/faulty.rs:2)";
    assert_eq!(found, [expected]);
}

#[tokio::test]
async fn the_steps_of_a_saga_have_names_of_their_own() {
    let found = problems(|registrar| {
        registrar.saga::<Twin<2>>(line(1));
        registrar.saga_handlers::<Twin<2>>(line(2));
    })
    .await;
    let expected = [
        "the steps of saga `app::faulty::Twin<2>`: a step has no name, or a command stands before the first `step(..)` (src/faulty.rs:2)",
        "the steps of saga `app::faulty::Twin<2>`: the step `go` is declared twice (src/faulty.rs:2)",
    ];
    assert_eq!(found, expected);
    let found = problems(|registrar| {
        registrar.saga::<Twin<1>>(line(1));
        registrar.saga_handlers::<Twin<1>>(line(2));
    })
    .await;
    assert_eq!(found, ["the steps of saga `app::faulty::Twin<1>`: the list is empty (src/faulty.rs:2)"]);
}

#[tokio::test]
async fn each_step_does_something_and_has_time_for_it() {
    let found = problems(|registrar| {
        registrar.saga::<Twin<3>>(line(1));
        registrar.saga_handlers::<Twin<3>>(line(2));
    })
    .await;
    let expected = [
        "the steps of saga `app::faulty::Twin<3>`: the step `go` has no time to be answered: `within` needs more than \
         zero (src/faulty.rs:2)",
        "the steps of saga `app::faulty::Twin<3>`: the step `nothing` does nothing: write what it invokes, notifies or \
         does behind it (src/faulty.rs:2)",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_names_of_the_processors_of_views_and_sagas_are_kept() {
    let found = problems(|registrar| registrar.event_handlers::<Harbour<0>>(Component::None, line(1))).await;
    let expected = "the processor name `saga:harbour` begins with `view:` or `saga:`, which are kept for views and sagas \
                    (src/faulty.rs:1)";
    assert_eq!(found, [expected]);
}

#[tokio::test]
async fn a_component_is_given_or_has_a_default() {
    let declare = |registrar: &mut Registrar| {
        registrar.service_handler::<Harbour<7>, Go>(Component::Resource, line(1));
    };
    let expected = "`app::faulty::Harbour<7>` handles messages with `&self` and has no `Default`: give it with \
                    `Annals::builder().resource(..)` (src/faulty.rs:1)";
    assert_eq!(problems(declare).await, [expected]);
    let given = Annals::builder().store("memory:").without_discovery().declare(declare).resource(Harbour::<7>);
    given.start().await.unwrap().shutdown().await.unwrap();
}

#[tokio::test]
async fn what_a_handler_asks_for_is_there() {
    let found = problems(|registrar| {
        registrar.service_handler::<Harbour<1>, Go>(Component::None, line(1));
        registrar.query_handler::<Harbour<2>, Go>(Component::None, line(2));
    })
    .await;
    let expected = [
        "`app::faulty::Harbour<1>` asks for `&app::faulty::Compass`, which is no resource: add it with \
         `Annals::builder().resource(..)` (src/faulty.rs:1)",
        "`app::faulty::Harbour<2>` asks for the documents of the view `charts`, which is not registered (src/faulty.rs:2)",
    ];
    assert_eq!(found, expected);
    let found = problems(|registrar| {
        registrar.service_handler::<Harbour<3>, Go>(Component::None, line(3));
        registrar.query_handler::<Harbour<5>, Go>(Component::None, line(5));
        registrar.event_handlers::<Harbour<6>>(Component::None, line(6));
    })
    .await;
    let expected = [
        "`app::faulty::Harbour<3>` asks for what is known of a stored event, which it does not handle (src/faulty.rs:3)",
        "`app::faulty::Harbour<5>` asks for `CommandId`, and handles no command (src/faulty.rs:5)",
        "`app::faulty::Harbour<6>` asks for `&mut app::faulty::Compass`, and the store at `memory:` has another kind of \
         transactions (src/faulty.rs:6)",
    ];
    assert_eq!(found, expected);
    let found = problems(|registrar| {
        registrar.decision::<Ship<4>>(line(1));
        registrar.command_handler::<Ship<4>, Go>(line(4));
    })
    .await;
    let expected = "`app::faulty::Ship<4>` asks for `Version`, and there is no stream here whose version is known \
                    (src/faulty.rs:4)";
    assert_eq!(found.last().map(String::as_str), Some(expected));
    let found = problems(|registrar| {
        registrar.decision::<Ship<2>>(line(1));
        registrar.command_handler::<Ship<2>, Go>(line(2));
    })
    .await;
    let expected = "`app::faulty::Ship<2>` asks for the documents of a view: what it knows comes from events \
                    (src/faulty.rs:2)";
    assert_eq!(found.last().map(String::as_str), Some(expected));
}

pub fn step(number: u32, from: u32, to: u32) -> UpcastStep {
    let (from_name, to_name) = ("twin.seen", "twin.seen");
    let lift = |old: &mut Lifting<'_>| Ok(vec![Upcasted::next(old.payload()?)]);
    UpcastStep::event(Target::new(from_name, from), Target::new(to_name, to), lift, line(number))
}

#[tokio::test]
async fn faults_of_upcasters_are_found_at_start() {
    let found = found(|registrar| {
        registrar.event::<Twin<1>>(line(1));
        registrar.upcaster(step(2, 1, 2));
        registrar.upcaster(step(3, 7, 8));
        registrar.upcaster(step(4, 8, 7));
        registrar.upcaster(step(5, 1, 2));
    })
    .await;
    let expected = [
        Problem::Upcaster(UpcasterFault::Duplicate {
            name: "twin.seen".into(),
            revision: 1,
            locations: [line(2), line(5)],
        }),
        Problem::Upcaster(UpcasterFault::Cycle { name: "twin.seen".into(), revision: 7, location: line(3) }),
    ];
    for problem in expected {
        assert!(found.contains(&problem), "{problem} is not among {found:?}");
    }
}

/// Its events would be lost: a handler outside aggregates emits none.
#[tokio::test]
async fn a_decision_is_never_async() {
    let found = problems(|registrar| {
        registrar.decision::<Ship<7>>(line(1));
        registrar.service_handler::<Ship<7>, Go>(Component::None, line(2));
    })
    .await;
    let [problem] = found.as_slice() else { panic!("{found:?}") };
    assert!(problem.contains("remove `async`") && problem.contains("Ship<7>"), "{problem}");
}

#[tokio::test]
async fn commands_are_sent_from_outside_what_is_pure() {
    let found =
        problems(|registrar| registrar.event_handlers::<Harbour<9>>(Component::Default(|| Harbour), line(1))).await;
    let [problem] = found.as_slice() else { panic!("{found:?}") };
    assert!(problem.contains("asks for `Gateway`") && problem.contains("from a saga"), "{problem}");
}

#[tokio::test]
async fn a_snapshot_policy_is_for_an_aggregate_that_can_have_one() {
    use annals::aggregate::SnapshotPolicy;
    use annals_tests::orders::{Order, OrderPlaced, Stock};

    let found = problems(|registrar| {
        registrar.aggregate::<Stock>(line(1));
        registrar.snapshots::<Stock>(SnapshotPolicy::on_request(), line(2));
        registrar.snapshots::<Order>(SnapshotPolicy::on_request(), line(3));
        registrar.aggregate::<Notebook>(line(4));
        registrar.snapshots::<Notebook>(SnapshotPolicy::on_request().on::<OrderPlaced>(), line(5));
    })
    .await;
    assert_eq!(
        found,
        [
            "snapshots of `app::notebook::Notebook`: it does not apply the event `order.placed` (src/faulty.rs:5)",
            "snapshots of `annals_tests::orders::Order`: the aggregate is not registered: include it, or link its crate \
             (src/faulty.rs:3)",
            "snapshots of `annals_tests::orders::Stock`: its states cannot be stored: write `#[aggregate(snapshot)]` \
             (src/faulty.rs:2)",
        ]
    );
    let builder = Annals::builder().store("memory:").without_discovery();
    let error = builder.snapshots::<Order>(SnapshotPolicy::on_request()).start().await.unwrap_err();
    assert!(error.to_string().contains("app/faults.rs:"), "{error}");
}
