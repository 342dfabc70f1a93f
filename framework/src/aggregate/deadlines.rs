//! What an aggregate waits for: commands that it wants to get later, unless something happens before.

use std::fmt;
use std::time::Duration;

use crate::message::{CodecError, Command, Json, Payloads, Timestamp};

/// Deadlines that a command handler sets and takes back, as `deadlines: &mut Deadlines`. They are values, as events are: they
/// are stored with the events of the handler, in one commit, or not at all.
///
/// A deadline has a name, of which the aggregate has one at a time, and a command that is sent when it is due: to the aggregate
/// itself, or to any other target. Setting a name again moves the deadline. It lies in the scope `category:id` of the
/// [`Scheduler`](crate::command::Scheduler), and goes when the aggregate's stream is deleted.
///
/// ```
/// use std::time::Duration;
/// use annals::prelude::*;
/// use annals::testing::given;
///
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "doc.place")]
/// # struct Place { #[target] order: String }
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "doc.pay")]
/// # struct Pay { #[target] order: String }
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "doc.cancel")]
/// # struct Cancel { #[target] order: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "doc.placed")] struct Placed {}
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "doc.paid")] struct Paid {}
/// # #[derive(Aggregate, Default, Clone, Debug)] #[aggregate(name = "doc-order")] struct Order {}
/// # #[event_sourcing] impl Order { #[apply] fn placed(&mut self, _: &Placed) {} #[apply] fn paid(&mut self, _: &Paid) {} }
/// #[command_handlers]
/// impl Order {
///     #[handle(create)]
///     fn place(command: Place, deadlines: &mut Deadlines) -> Placed {
///         deadlines.after("payment", Duration::from_secs(900), Cancel { order: command.order });
///         Placed {}
///     }
///
///     #[handle]
///     fn pay(&self, _command: Pay, deadlines: &mut Deadlines) -> Paid {
///         deadlines.cancel("payment");
///         Paid {}
///     }
/// #   #[handle] fn cancel(&self, _command: Cancel) {}
/// }
///
/// # fn main() {
/// given::<Order>(())
///     .when(Place { order: "o-1".into() })
///     .then_deadline("payment", Duration::from_secs(900), Cancel { order: "o-1".into() });
/// # }
/// ```
#[derive(Default)]
pub struct Deadlines(Vec<Deadline>);

/// A name that is set or taken back.
pub(crate) struct Deadline {
    pub(crate) name: String,
    /// `None` takes it back.
    pub(crate) set: Option<(Due, Box<dyn Awaited>)>,
}

/// When a deadline is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Due {
    /// When so much time has passed since the decision.
    After(Duration),
    /// At this instant.
    At(Timestamp),
}

impl Due {
    /// The instant, for a decision at `now`.
    #[must_use]
    pub fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::After(duration) => now.plus(duration),
            Self::At(instant) => instant,
        }
    }
}

impl From<Duration> for Due {
    fn from(duration: Duration) -> Self {
        Self::After(duration)
    }
}

impl From<Timestamp> for Due {
    fn from(instant: Timestamp) -> Self {
        Self::At(instant)
    }
}

impl Deadlines {
    /// Has `command` sent when `duration` has passed since this decision, in place of what `name` waits for already.
    pub fn after<C: Command>(&mut self, name: impl Into<String>, duration: Duration, command: C) {
        self.set(name.into(), Due::After(duration), command);
    }

    /// Has `command` sent at `instant`, or as soon as it is stored if that is past, in place of what `name` waits for already.
    pub fn at<C: Command>(&mut self, name: impl Into<String>, instant: Timestamp, command: C) {
        self.set(name.into(), Due::At(instant), command);
    }

    /// Takes back what `name` waits for. What is just being sent may reach its target all the same.
    pub fn cancel(&mut self, name: impl Into<String>) {
        self.put(Deadline { name: name.into(), set: None });
    }

    /// Whether nothing was set or taken back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Deadline> {
        self.0.iter()
    }

    /// Takes in what another part of the handler has said; the last word on a name counts.
    pub(super) fn extend(&mut self, others: Self) {
        others.0.into_iter().for_each(|deadline| self.put(deadline));
    }

    fn set<C: Command>(&mut self, name: String, due: Due, command: C) {
        self.put(Deadline { name, set: Some((due, Box::new(command))) });
    }

    fn put(&mut self, deadline: Deadline) {
        self.0.retain(|other| other.name != deadline.name);
        self.0.push(deadline);
    }
}

/// A command of any type that waits.
pub(crate) trait Awaited: Send + Sync {
    fn name(&self) -> &'static str;
    fn revision(&self) -> u32;
    fn encode(&self, payloads: &Payloads) -> Result<Vec<u8>, CodecError>;
    /// The command as a test shows it.
    fn shown(&self) -> Json;
}

impl<C: Command> Awaited for C {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn revision(&self) -> u32 {
        C::REVISION
    }

    fn encode(&self, payloads: &Payloads) -> Result<Vec<u8>, CodecError> {
        payloads.encode(self)
    }

    fn shown(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl fmt::Debug for Deadlines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|deadline| {
            let set = deadline.set.as_ref().map(|(due, command)| (due, command.name()));
            (&deadline.name, set)
        });
        f.debug_map().entries(shown).finish()
    }
}
