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
    /// A recurring schedule can never send its command.
    Recurring {
        /// The schedule, and what is wrong with it.
        reason: String,
        /// Where it is declared.
        location: Location,
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
    /// Commands of a component run one after the other by their routing key, and one has none.
    NoRoutingKey {
        /// Stored name of the command.
        command: &'static str,
        /// The component.
        component: String,
        /// Where the handler is.
        location: Location,
    },
    /// An interceptor or a retry policy is for a type that is no command and handles none.
    NothingIntercepted {
        /// The Rust type.
        item: String,
        /// Where the application says so.
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
    /// A command of a decision has no boundary.
    NoBoundary {
        /// Stored name of the command.
        command: &'static str,
        /// The decision.
        decision: String,
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
    /// An application says when snapshots of an aggregate are made, and that cannot be done.
    Snapshots {
        /// The aggregate.
        aggregate: String,
        /// Why not, and what to do.
        reason: String,
        /// Where the application says so.
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
    /// Two components of a processor have the same name: a dead letter would not know to which it belongs.
    DuplicateComponent {
        /// The processor.
        processor: String,
        /// What both are called.
        name: &'static str,
        /// The components, and where they are annotated.
        places: Vec<(String, Location)>,
    },
    /// Handlers that run differently name the same processor.
    MixedProcessor {
        /// The name.
        name: String,
        /// The components, how each runs, and where it is annotated.
        places: Vec<(String, &'static str, Location)>,
    },
    /// The documents of a view are stored with other indexes than the program has.
    Indexes {
        /// The view.
        view: String,
        /// Its version.
        version: u32,
        /// Indexes of the program that the documents do not have.
        added: Vec<String>,
        /// Indexes of the documents that the program does not have.
        removed: Vec<String>,
        /// Where the view is.
        location: Location,
    },
    /// A codec cannot be told from others.
    Codec {
        /// What is wrong, and what to do.
        reason: String,
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
            Self::NoRoutingKey { command, component, location } => write!(
                f,
                "the command `{command}`, which `{component}` handles with `#[handle(sequential)]`, has no field marked \
                 `#[routing]` or `#[target]` ({location})"
            ),
            Self::NothingIntercepted { item, location } => write!(
                f,
                "an interceptor is for `{item}`, which is no command that is handled here, and handles none ({location})"
            ),
            Self::NoBoundaryTag { command, decision, tag, location } => write!(
                f,
                "the boundary of `{decision}` names the tag `{tag}`, and its command `{command}` has no field of that \
                 name marked `#[tag]` ({location})"
            ),
            Self::NoBoundary { command, decision, location } => write!(
                f,
                "the decision `{decision}` has no boundary for its command `{command}`: name its tags, as in \
                 `#[decision(boundary(course))]`, or write a method with `#[boundary]` ({location})"
            ),
            Self::LiveKeyIsNoTag { view, event, key, location } => write!(
                f,
                "the live view `{view}` is keyed by `{key}`, which is not marked `#[tag]` on the event `{event}` \
                 ({location})"
            ),
            Self::Unmet { handler, reason, location } => write!(f, "`{handler}` {reason} ({location})"),
            Self::Snapshots { aggregate, reason, location } => {
                write!(f, "snapshots of `{aggregate}`: {reason} ({location})")
            }
            Self::Steps { saga, reason, location } => write!(f, "the steps of saga `{saga}`: {reason} ({location})"),
            Self::ReservedProcessor { name, location } => write!(
                f,
                "the processor name `{name}` begins with `view:` or `saga:`, which are kept for views and sagas \
                 ({location})"
            ),
            Self::DuplicateComponent { processor, name, places } => {
                write!(f, "two components of the processor `{processor}` are called `{name}` in its dead letters: ")?;
                list(f, places)?;
                write!(
                    f,
                    ": give one a name, as in `#[event_handlers(processor = \"{processor}\", name = \"totals\")]`"
                )
            }
            Self::MixedProcessor { name, places } => {
                write!(f, "handlers of one processor run in the same way, and those of `{name}` do not: ")?;
                for (index, (item, mode, location)) in places.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}`{item}` {mode} ({location})")?;
                }
                f.write_str(": name another processor")
            }
            Self::Indexes { view, version, added, removed, location } => {
                write!(f, "the documents of the view `{view}` at version {version} were stored ")?;
                let lists = [("without the index", added), ("with the index", removed)];
                for (number, (how, indexes)) in lists.iter().filter(|(_, indexes)| !indexes.is_empty()).enumerate() {
                    write!(f, "{}{how} `{}`", if number == 0 { "" } else { " and " }, indexes.join("`, `"))?;
                }
                write!(f, ": raise the version, so that they are built anew ({location})")
            }
            Self::Codec { reason } => f.write_str(reason),
            Self::Recurring { reason, location } => write!(f, "{reason} ({location})"),
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
