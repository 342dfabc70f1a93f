//! Faults in what an application declares, found at start and reported together.

use std::fmt;

use crate::message::UpcasterFault;

use super::Location;

/// A fault in what an application declares.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Two items of one kind have the same stored name.
    DuplicateName {
        /// What kind of item.
        kind: &'static str,
        /// The stored name.
        name: String,
        /// The Rust types and where they are annotated.
        places: Vec<(String, Location)>,
    },
    /// Two handlers take the same message.
    DuplicateHandler {
        /// `command` or `query`.
        kind: &'static str,
        /// Stored name of the message.
        name: String,
        /// The Rust types of the handlers and where they are annotated.
        places: Vec<(String, Location)>,
    },
    /// A view or saga has no handlers.
    NoHandlers {
        /// What kind of item.
        kind: &'static str,
        /// The Rust type.
        item: String,
        /// Where it is annotated.
        location: Location,
        /// What to write.
        remedy: &'static str,
    },
    /// An aggregate or a decision has an `async` handler.
    AsyncDecision {
        /// Stored name of the command.
        command: &'static str,
        /// The aggregate or decision.
        state: String,
        /// Where the handler is.
        location: Location,
    },
    /// A command of an aggregate does not say which one.
    NoTarget {
        /// Stored name of the command.
        command: &'static str,
        /// The aggregate.
        aggregate: String,
        /// Where the handler is.
        location: Location,
    },
    /// A command of a decision lacks a tag of the boundary.
    NoBoundaryTag {
        /// Stored name of the command.
        command: &'static str,
        /// The decision.
        decision: String,
        /// The tag.
        tag: &'static str,
        /// Where the handler is.
        location: Location,
    },
    /// A live view is keyed by a field that is no tag.
    LiveKeyIsNoTag {
        /// The view.
        view: String,
        /// Stored name of the event.
        event: &'static str,
        /// The field.
        key: &'static str,
        /// Where the handlers are.
        location: Location,
    },
    /// A parameter of a handler cannot be provided.
    Unmet {
        /// The handler's component.
        handler: String,
        /// What is wanted and why it is not there.
        reason: String,
        /// Where the handler is.
        location: Location,
    },
    /// A list of steps is faulty.
    Steps {
        /// The saga.
        saga: String,
        /// What is wrong.
        reason: String,
        /// Where the handlers are.
        location: Location,
    },
    /// A processor has a name that the framework keeps for itself.
    ReservedProcessor {
        /// The name.
        name: String,
        /// Where it is used.
        location: Location,
    },
    /// An upcaster is faulty.
    Upcaster(UpcasterFault),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateName { kind, name, places } => {
                write!(f, "the {kind} name `{name}` is used {} times: ", places.len())?;
                list(f, places)
            }
            Self::DuplicateHandler { kind, name, places } => {
                write!(f, "the {kind} `{name}` has {} handlers: ", places.len())?;
                list(f, places)
            }
            Self::NoHandlers { kind, item, location, remedy } => {
                write!(f, "the {kind} `{item}` has no handlers: {remedy} ({location})")
            }
            Self::AsyncDecision { command, state, location } => write!(
                f,
                "`{state}` decides without waiting, and its handler of `{command}` is `async`: remove `async`, and return \
                 the events ({location})"
            ),
            Self::NoTarget { command, aggregate, location } => write!(
                f,
                "the command `{command}` of the aggregate `{aggregate}` has no field marked `#[target]` ({location})"
            ),
            Self::NoBoundaryTag { command, decision, tag, location } => write!(
                f,
                "the boundary of `{decision}` names the tag `{tag}`, and its command `{command}` has no field of that \
                 name marked `#[tag]` ({location})"
            ),
            Self::LiveKeyIsNoTag { view, event, key, location } => write!(
                f,
                "the live view `{view}` is keyed by `{key}`, which is not marked `#[tag]` on the event `{event}` \
                 ({location})"
            ),
            Self::Unmet { handler, reason, location } => write!(f, "`{handler}` {reason} ({location})"),
            Self::Steps { saga, reason, location } => write!(f, "the steps of saga `{saga}`: {reason} ({location})"),
            Self::ReservedProcessor { name, location } => write!(
                f,
                "the processor name `{name}` begins with `view:` or `saga:`, which are kept for views and sagas \
                 ({location})"
            ),
            Self::Upcaster(fault) => fault.fmt(f),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, places: &[(String, Location)]) -> fmt::Result {
    for (index, (item, location)) in places.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(f, "{separator}`{item}` ({location})")?;
    }
    Ok(())
}
