//! Decisions over more than one aggregate.

use super::EventSourced;

/// Decides on a command by all events inside a consistency boundary: those that carry any of the boundary's tags with
/// the value in the command. The append is refused, and decided again, when such an event was stored meanwhile.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[decision(boundary(course, student))]` | the tags of the boundary; the command marks fields of these names with `#[tag]` | required |
/// | `#[decision(name = "enrolment")]` | the category of the streams that its events go to | the boundary's names joined by `+` |
///
/// The events go to the stream whose id is the value of the boundary's first tag.
///
/// Source: Sara Pellegrini, "Killing the aggregate", which named the dynamic consistency boundary.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no decision",
    note = "annotate the struct with `#[derive(Decision, Default)]` and `#[decision(boundary(..))]`"
)]
pub trait Decision: EventSourced {
    /// The category of the streams that its events go to.
    const NAME: &'static str;
    /// Keys of the tags that make up the boundary.
    const BOUNDARY: &'static [&'static str];
}
