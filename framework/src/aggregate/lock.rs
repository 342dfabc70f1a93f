//! Keeping others off while a process runs.

use serde::{Deserialize, Serialize};

/// Says which process an aggregate is about at present, so that others keep off until it has ended.
///
/// It is a part of the state. A command handler [checks](SemanticLock::check) it for the process that the command names; an `#[apply]`
/// [takes](SemanticLock::take) it where the process begins, and [lets it go](SemanticLock::release) where it ends, well or not.
///
/// ```
/// use annals::aggregate::{Locked, SemanticLock};
/// use annals::prelude::*;
///
/// #[derive(Command, Serialize, Deserialize, Clone)]
/// #[command(name = "room.hold", error = Locked)]
/// struct Hold { #[target] room: String, booking: String }
///
/// #[derive(Command, Serialize, Deserialize, Clone)]
/// #[command(name = "room.free")]
/// struct Free { #[target] room: String, booking: String }
///
/// #[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
/// #[event(name = "room.held")]
/// struct Held { booking: String }
///
/// #[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
/// #[event(name = "room.freed")]
/// struct Freed { booking: String }
///
/// #[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
/// #[aggregate(name = "room")]
/// struct Room { lock: SemanticLock }
///
/// #[command_handlers]
/// impl Room {
///     #[handle(create_if_missing)]
///     fn hold(&self, command: Hold) -> Result<Option<Held>, Locked> {
///         self.lock.check(&command.booking)?;
///         Ok(self.lock.is_free().then_some(Held { booking: command.booking }))
///     }
///
///     #[handle(create_if_missing)]
///     fn free(&self, command: Free) -> Option<Freed> {
///         self.lock.is_held_by(&command.booking).then_some(Freed { booking: command.booking })
///     }
/// }
///
/// #[event_sourcing]
/// impl Room {
///     #[apply] fn held(&mut self, event: &Held) { self.lock.take(&event.booking); }
///     #[apply] fn freed(&mut self, event: &Freed) { self.lock.release(&event.booking); }
/// }
///
/// # use annals::testing::given;
/// # fn main() {
/// let held = || Held { booking: "b-1".into() };
/// let other = Hold { room: "12".into(), booking: "b-2".into() };
/// given::<Room>(held()).when(other.clone()).then_error(Locked { holder: "b-1".into() });
/// given::<Room>((held(), Freed { booking: "b-1".into() })).when(other).then_events(Held { booking: "b-2".into() });
/// # }
/// ```
///
/// Source of the pattern: C. Richardson, "Microservices Patterns", countermeasures against the lack of isolation of sagas.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SemanticLock {
    holder: Option<String>,
}

/// Another process holds the lock. It may be free later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("held by `{holder}`")]
pub struct Locked {
    /// The process that holds it.
    pub holder: String,
}

impl SemanticLock {
    /// Whether nobody holds it.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.holder.is_none()
    }

    /// The process that holds it.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.holder.as_deref()
    }

    /// Whether this process holds it.
    #[must_use]
    pub fn is_held_by(&self, process: &str) -> bool {
        self.holder() == Some(process)
    }

    /// Whether `process` may go on: nobody holds the lock, or it does.
    ///
    /// # Errors
    /// [`Locked`] when another process holds it.
    pub fn check(&self, process: &str) -> Result<(), Locked> {
        match &self.holder {
            Some(holder) if holder != process => Err(Locked { holder: holder.clone() }),
            _ => Ok(()),
        }
    }

    /// `process` holds it from now on.
    pub fn take(&mut self, process: impl Into<String>) {
        self.holder = Some(process.into());
    }

    /// `process` lets it go; nothing where another one holds it.
    pub fn release(&mut self, process: &str) {
        if self.is_held_by(process) {
            self.holder = None;
        }
    }
}
