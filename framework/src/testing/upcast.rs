//! Given an old payload, then the event of today.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::message::{Clock, Decode, Event, Json, Payloads, UpcastError, Upcasters};
use crate::registry::{Registrar, Registration};

use super::TestClock;
use super::facts::Fact;

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
    let upcasters = Upcasters::new(registrar.upcast_steps(), &BTreeMap::from([(E::NAME, E::REVISION)]));
    let upcasters = upcasters.unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("the upcasters of `{}` are faulty: {}", E::NAME, faults.join("; "))
    });
    let event = Fact { name, revision, payload: payload.to_string().into_bytes(), tags: Vec::new() }
        .recorded(1, TestClock::default().now());
    let payloads = Payloads::json();
    let lifted = Decode::new(&event, &upcasters, &payloads).and_then(Decode::into_event::<E>);
    Upcast(lifted)
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
            Ok(event) => assert_eq!(event, expected, "another event was expected"),
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
