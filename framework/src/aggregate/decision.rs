//! Decisions over more than one aggregate.

use super::EventSourced;

/// Decides on a command by all events inside a consistency boundary: those that carry any of the boundary's tags with
/// the value in the command. The append is refused, and decided again, when such an event was stored meanwhile.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[decision(boundary(course, student))]` | events with any of these tags; the command marks fields of these names with `#[tag]` | none: a method with `#[boundary]` says it |
/// | `#[decision(boundary(course & student))]` | events with both | |
/// | `#[decision(name = "enrolment")]` | the category of the streams that its events go to | the boundary's names joined by `+` |
///
/// The events go to the stream whose id is the command's `#[target]`, or else the value of the boundary's first tag.
///
/// A method `#[boundary] fn .. (command: &Enrol) -> Criteria` in the `#[command_handlers]` block builds the boundary of a
/// command by hand, and `#[condition] fn .. (command: &Enrol, read: Criteria) -> Criteria` widens or narrows what must not
/// have happened meanwhile. States of other decisions can be looked at as [`Model`](super::Model).
///
/// Source: Sara Pellegrini, "Killing the aggregate", which named the dynamic consistency boundary.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no decision",
    note = "annotate the struct with `#[derive(Decision, Default)]` and `#[decision(boundary(..))]`"
)]
pub trait Decision: EventSourced {
    /// The category of the streams that its events go to.
    const NAME: &'static str;
    /// The boundary: an event is inside if it carries all tags of any of these groups, with the values in the command.
    /// Empty where the commands bring their boundaries, by `#[boundary]`.
    const BOUNDARY: &'static [&'static [&'static str]];
}
