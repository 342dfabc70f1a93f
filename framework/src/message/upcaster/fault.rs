//! Faults in the set of upcasters.

use std::fmt;

use crate::message::Location;

/// A fault in the set of upcasters, found at start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpcasterFault {
    /// Two steps start from the same name and revision.
    Duplicate {
        /// The stored name.
        name: String,
        /// The revision that both lift.
        revision: u32,
        /// Where the two are written.
        locations: [Location; 2],
    },
    /// Following the steps leads back to where they began.
    Cycle {
        /// The stored name on the cycle.
        name: String,
        /// The revision on the cycle.
        revision: u32,
        /// Where a step of the cycle is written.
        location: Location,
    },
    /// A step leads to a name and revision that nothing in the program has.
    Astray {
        /// The name that it leads to.
        name: String,
        /// The revision that it leads to.
        revision: u32,
        /// What would have to have it: `event`, `command` or `snapshot`.
        kind: &'static str,
        /// Where the step is written.
        location: Location,
    },
    /// Messages of this name and revision may be stored, and no step leads from them to the current revision.
    Missing {
        /// The stored name.
        name: String,
        /// The revision without a step.
        revision: u32,
        /// The revision that the program knows.
        current: u32,
    },
    /// A step lifts what the program itself still writes.
    Current {
        /// The stored name.
        name: String,
        /// The revision that the program writes, and lifts.
        revision: u32,
        /// Where the step is written.
        location: Location,
    },
    /// A step of a command or a snapshot may give none or several.
    NotOne {
        /// The stored name.
        name: String,
        /// The revision that it lifts.
        revision: u32,
        /// `command` or `snapshot`.
        kind: &'static str,
        /// Where the step is written.
        location: Location,
    },
    /// A step of a command or a snapshot asks for what only events have.
    Unavailable {
        /// The stored name.
        name: String,
        /// The revision that it lifts.
        revision: u32,
        /// `command` or `snapshot`.
        kind: &'static str,
        /// What it asks for.
        parameter: &'static str,
        /// Where the step is written.
        location: Location,
    },
}

impl fmt::Display for UpcasterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { name, revision, locations: [first, second] } => {
                write!(f, "two upcasters lift `{name}` from revision {revision}: {first} and {second}")
            }
            Self::Cycle { name, revision, location } => {
                write!(f, "the upcasters of `{name}` from revision {revision} run in a circle ({location})")
            }
            Self::Astray { name, revision, kind, location } => {
                write!(f, "an upcaster leads to `{name}` revision {revision}, which no {kind} has ({location})")
            }
            Self::Missing { name, revision, current } => write!(
                f,
                "no upcaster leads from `{name}` revision {revision} to revision {current}: add \
                 `#[upcast(from = {revision})]`"
            ),
            Self::Current { name, revision, location } => write!(
                f,
                "an upcaster lifts `{name}` revision {revision}, which the program itself still writes: raise its revision, \
                 or remove the type ({location})"
            ),
            Self::NotOne { name, revision, kind, location } => write!(
                f,
                "the upcaster of `{name}` from revision {revision} may give none or several, and a {kind} becomes exactly \
                 one: return the payload itself ({location})"
            ),
            Self::Unavailable { name, revision, kind, parameter, location } => write!(
                f,
                "the upcaster of `{name}` from revision {revision} asks for `{parameter}`, which a {kind} does not have \
                 ({location})"
            ),
        }
    }
}
