//! Given old payloads, then the events of today.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::message::{Clock, Decode, Event, Json, MessageKind, Parts, Pass, Payloads, UpcastError, Upcasters};
use crate::registry::{Registrar, Registration};

use super::TestClock;
use super::diff::assert_same;
use super::facts::{Fact, Facts, facts};
use super::messages::{Comparison, Words, lines};

/// What became of an old payload.
#[must_use = "say what should have become of it"]
#[derive(Debug)]
pub struct Upcast<E>(Result<E, UpcastError>);

/// Lifts a `payload` of the event `E` that was stored at `revision`, by the upcasters annotated on `E`.
///
/// # Panics
/// When the upcasters of `E` are faulty.
#[track_caller]
pub fn upcast<E: Event>(revision: u32, payload: Json) -> Upcast<E> {
    upcast_named(E::NAME, revision, payload)
}

/// Lifts a `payload` that was stored under another name.
///
/// # Panics
/// When the upcasters of `E` are faulty.
#[track_caller]
pub fn upcast_named<E: Event>(name: &'static str, revision: u32, payload: Json) -> Upcast<E> {
    let mut registrar = Registrar::default();
    Registration::collect(&mut registrar, Some(&[TypeId::of::<E>()]));
    let steps = registrar.steps_of(MessageKind::Event);
    // What other events its upcasters name is not looked at here.
    let ends = steps.iter().flat_map(|step| &step.into).filter(|end| !steps.iter().any(|step| step.from == **end));
    let mut current: BTreeMap<&'static str, u32> = ends.map(|end| (end.name, end.revision)).collect();
    current.insert(E::NAME, E::REVISION);
    let upcasters = Upcasters::new(steps, &current);
    let upcasters = upcasters.unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("the upcasters of `{}` are faulty: {}", E::NAME, faults.join("; "))
    });
    let event =
        Fact { name: name.into(), revision, payload: payload.to_string().into_bytes(), tags: Vec::new(), origin: None }
            .recorded(1, TestClock::default().now());
    let payloads = Payloads::json();
    let lifted = Parts::lift(&event, &upcasters, &payloads, Some(&mut Pass::default()));
    let part = lifted.map(|parts| parts.into_iter().find(|part| part.name() == E::NAME));
    Upcast(match part {
        Ok(Some(part)) => part.into_event(),
        Ok(None) => panic!("the payload became no `{}`", E::NAME),
        Err(error) => Err(error),
    })
}

impl<E: Event> Upcast<E> {
    /// It became `expected`.
    ///
    /// # Panics
    /// When it became something else.
    #[track_caller]
    pub fn then(self, expected: E)
    where
        E: PartialEq + Debug,
    {
        match self.0 {
            Ok(event) => assert_same(&expected, &event, "another event was expected"),
            Err(error) => panic!("the payload cannot be lifted: {}", crate::handler::error::chain(&error)),
        }
    }

    /// It cannot be lifted.
    ///
    /// # Panics
    /// When it can.
    #[track_caller]
    pub fn then_fails(self) -> UpcastError {
        match self.0 {
            Ok(_) => panic!("the payload was lifted"),
            Err(error) => error,
        }
    }
}

/// A stream of stored events, as all upcasters of the linked crates lift it.
#[must_use = "say what should have become of it"]
#[derive(Debug)]
pub struct GivenStored(Result<Vec<(String, Json)>, UpcastError>);

/// Lifts a stream of stored events, each by its name, its revision and its payload: for upcasters that split or drop events, or that
/// ask for what earlier events have left.
///
/// ```standalone_crate
/// use annals::prelude::*;
/// use annals::testing::given_stored;
/// use serde_json::json;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "order.placed")]
/// struct OrderPlaced { order: String }
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "order.paid")]
/// struct OrderPaid { order: String }
///
/// #[upcasters]
/// impl OrderPlaced {
///     #[upcast(name = "order.bought", from = 1)]
///     fn in_two(old: Json) -> (OrderPlaced, OrderPaid) {
///         let order = old["order"].as_str().unwrap_or_default().to_owned();
///         (OrderPlaced { order: order.clone() }, OrderPaid { order })
///     }
/// }
///
/// # fn main() {
/// given_stored([("order.bought", 1, json!({ "order": "o-1" }))])
///     .then((OrderPlaced { order: "o-1".into() }, OrderPaid { order: "o-1".into() }));
/// # }
/// ```
///
/// # Panics
/// When upcasters of the linked crates are faulty.
#[track_caller]
pub fn given_stored<'a>(events: impl IntoIterator<Item = (&'a str, u32, Json)>) -> GivenStored {
    let mut registrar = Registrar::default();
    Registration::collect(&mut registrar, None);
    registrar.sort();
    let chains = registrar.chains().unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("the upcasters are faulty: {}", faults.join("; "))
    });
    let (payloads, now, mut pass) = (Payloads::json(), TestClock::default().now(), Pass::default());
    let mut lifted = Vec::new();
    for (number, (name, revision, payload)) in (1..).zip(events) {
        let payload = payload.to_string().into_bytes();
        let event = Fact { name: name.to_owned().into(), revision, payload, tags: Vec::new(), origin: None }
            .recorded(number, now);
        let parts = Parts::lift(&event, &chains.events, &payloads, Some(&mut pass)).and_then(|parts| {
            let described = |part: Decode<'_>| Ok((part.name().to_owned(), registrar.check_event(part)?));
            parts.map(described).collect::<Result<Vec<_>, UpcastError>>()
        });
        match parts {
            Ok(parts) => lifted.extend(parts),
            Err(error) => return GivenStored(Err(error)),
        }
    }
    GivenStored(Ok(lifted))
}

impl GivenStored {
    /// It became exactly these events, in this order.
    ///
    /// # Panics
    /// When it became something else.
    #[track_caller]
    pub fn then(self, expected: impl Facts) {
        let expected: Vec<_> = facts(expected).iter().map(Fact::described).collect();
        match self.0 {
            Ok(events) => {
                let words = Words { kind: "events", done: "lifted", note: None };
                Comparison::default().in_order(&words, &expected, &events);
            }
            Err(error) => panic!("the events cannot be lifted: {}", crate::handler::error::chain(&error)),
        }
    }

    /// It cannot be lifted.
    ///
    /// # Panics
    /// When it can.
    #[track_caller]
    pub fn then_fails(self) -> UpcastError {
        match self.0 {
            Ok(events) => panic!("the events were lifted:\n{}", lines(&events)),
            Err(error) => error,
        }
    }
}
