//! One step of an upcaster.

use std::any::{Any, TypeId};

use serde::de::DeserializeOwned;

use super::output::{Arity, Target, Upcasted};
use super::pass::Pass;
use super::{Json, LiftError};
use crate::message::{CodecError, Location, Payloads, Recorded};

/// One step: from one name and revision to others. Write it with `#[upcasters]`:
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "order.placed", revision = 2)]
/// struct OrderPlaced { order: String, channel: String }
///
/// #[upcasters]
/// impl OrderPlaced {
///     #[upcast(from = 1)]
///     fn add_channel(mut payload: Json, _recorded: &Recorded) -> Json {
///         payload["channel"] = "shop".into();
///         payload
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct UpcastStep {
    /// What is lifted.
    pub kind: MessageKind,
    /// The stored name and revision that this step lifts.
    pub from: Target,
    /// What a payload without a name becomes: the next revision.
    pub to: Target,
    /// Everything that may come of it. Readers of these names find what is stored under the old one.
    pub into: Vec<Target>,
    /// How many it gives.
    pub arity: Arity,
    /// What it asks for besides the payload.
    pub asks: Asks,
    /// The step itself.
    pub lift: fn(&mut Lifting<'_>) -> Result<Vec<Upcasted>, LiftError>,
    /// Where the step is written.
    pub location: Location,
}

impl UpcastStep {
    /// A step by hand, from one payload of an event to one other.
    ///
    /// ```
    /// use annals::message::{Location, Target, UpcastStep, Upcasted};
    /// use annals::prelude::*;
    ///
    /// let step = UpcastStep::event(
    ///     Target::new("order.placed", 1),
    ///     Target::new("order.placed", 2),
    ///     |old| Ok(vec![Upcasted::next(old.payload::<Json>()?)]),
    ///     Location::here(),
    /// );
    /// let builder = annals::Annals::builder().declare(|registrar| registrar.upcaster(step));
    /// ```
    #[must_use]
    pub fn event(
        from: Target,
        to: Target,
        lift: fn(&mut Lifting<'_>) -> Result<Vec<Upcasted>, LiftError>,
        location: Location,
    ) -> Self {
        let (kind, asks) = (MessageKind::Event, Asks::default());
        Self { kind, from, to, into: vec![to], arity: Arity::One, asks, lift, location }
    }
}

/// What an upcaster lifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// Events.
    Event,
    /// Commands that sagas have decided to send.
    Command,
    /// Snapshots of an aggregate; its name is that of the aggregate.
    Snapshot,
}

impl MessageKind {
    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Command => "command",
            Self::Snapshot => "snapshot",
        }
    }
}

/// What an upcaster asks for besides the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asks {
    /// `&Recorded`.
    pub recorded: bool,
    /// `&mut Pass`.
    pub pass: bool,
}

/// What an upcaster gets.
#[derive(Debug)]
pub struct Lifting<'a> {
    old: Old<'a>,
    recorded: Option<&'a Recorded>,
    pass: Option<&'a mut Pass>,
}

/// An old payload, as stored or as the step before has left it.
#[derive(Debug)]
pub(super) enum Old<'a> {
    Stored { bytes: &'a [u8], payloads: &'a Payloads },
    Lifted(Json),
}

impl<'a> Lifting<'a> {
    pub(super) fn new(old: Old<'a>, recorded: Option<&'a Recorded>, pass: Option<&'a mut Pass>) -> Self {
        Self { old, recorded, pass }
    }

    /// The old payload as a `T`: a kept struct of the old shape, or [`Json`]. What is stored is decoded straight into it. It
    /// is taken out: a second call finds `null`.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn payload<T: DeserializeOwned + 'static>(&mut self) -> Result<T, LiftError> {
        match std::mem::replace(&mut self.old, Old::Lifted(Json::Null)) {
            Old::Stored { bytes, payloads } if TypeId::of::<T>() != TypeId::of::<Json>() => Ok(payloads.decode(bytes)?),
            Old::Stored { bytes, payloads } => from_tree(payloads.decode_tree(bytes)?),
            Old::Lifted(json) => from_tree(json),
        }
    }

    /// What is known about the stored event.
    ///
    /// # Errors
    /// When it is no event.
    pub fn recorded(&self) -> Result<&'a Recorded, LiftError> {
        self.recorded.ok_or(LiftError::NoRecorded)
    }

    /// What earlier events of the stream have left.
    ///
    /// # Errors
    /// When the event is read without its stream.
    pub fn pass(&mut self) -> Result<&mut Pass, LiftError> {
        self.pass.as_deref_mut().ok_or(LiftError::NoPass)
    }
}

/// The tree itself, or what it tells.
fn from_tree<T: DeserializeOwned + 'static>(json: Json) -> Result<T, LiftError> {
    let mut json = Some(json);
    if let Some(json) = (&mut json as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take) {
        return Ok(json);
    }
    Ok(serde_json::from_value(json.unwrap_or_default()).map_err(CodecError::new)?)
}
