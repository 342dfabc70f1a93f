//! What a command itself demands: roles of its sender, rules on its fields.
//!
//! It is checked behind the last interceptor around dispatch, so that an interceptor can say who the sender is, and before
//! the command waits for its turn. Nothing has to be switched on for it: a rule that stands with the command holds.

use std::fmt;

use crate::message::{Command, Violations};

use super::error::CommandFailure;
use super::message::CommandMessage;

/// The demands of one kind of command.
#[derive(Clone, Copy)]
pub(crate) struct Checks {
    roles: &'static [&'static str],
    rules: Option<Rules>,
}

/// Checks the fields of a command.
type Rules = fn(&CommandMessage) -> Result<(), Violations>;

impl Checks {
    /// Those of the command `C`.
    pub(crate) fn of<C: Command>() -> Self {
        let rules: Rules = |message| message.command::<C>().map_or(Ok(()), Command::validate);
        Self { roles: C::ROLES, rules: C::VALIDATED.then_some(rules) }
    }

    /// # Errors
    /// [`CommandFailure::Forbidden`] and [`CommandFailure::Invalid`].
    pub(super) fn admit(&self, message: &CommandMessage) -> Result<(), CommandFailure> {
        if !self.roles.is_empty() && !message.metadata.roles().any(|role| self.roles.contains(&role)) {
            return Err(CommandFailure::Forbidden { command: message.name.to_owned(), needed: self.roles });
        }
        match self.rules.map_or(Ok(()), |rules| rules(message)) {
            Ok(()) => Ok(()),
            Err(violations) => Err(CommandFailure::Invalid { command: message.name.to_owned(), violations }),
        }
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").field("roles", &self.roles).field("rules", &self.rules.is_some()).finish()
    }
}
