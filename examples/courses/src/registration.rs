//! An e-mail address belongs to one student: uniqueness over a set.

use annals::prelude::*;

/// Why a student is not registered.
#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum RegistrationError {
    /// Somebody else has the address.
    #[error("the address is taken")]
    Taken,
}

/// Registers a student under an address.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "student.register", error = RegistrationError)]
pub struct Register {
    /// The student.
    #[target]
    pub student: String,
    /// The address; its case does not matter.
    pub email: String,
}

/// A student was registered.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[event(name = "student.registered")]
pub struct Registered {
    /// The student.
    #[tag]
    pub student: String,
    /// The address, in lower case.
    #[tag]
    pub email: String,
}

/// Who has an address.
#[derive(Decision, Default, Debug, Clone)]
#[decision(name = "student")]
pub struct Registration {
    owner: Option<String>,
}

#[command_handlers]
impl Registration {
    /// What matters is everything about the address, in whatever case it was written.
    #[boundary]
    fn everything_about_the_address(command: &Register) -> Criteria {
        Criterion::tag(Tag::new("email", command.email.to_lowercase())).into()
    }

    #[handle]
    fn register(&self, command: Register) -> Result<Option<Registered>, RegistrationError> {
        match &self.owner {
            Some(owner) if *owner == command.student => Ok(None),
            Some(_) => Err(RegistrationError::Taken),
            None => Ok(Some(Registered { student: command.student, email: command.email.to_lowercase() })),
        }
    }
}

#[event_sourcing]
impl Registration {
    #[apply]
    fn registered(&mut self, event: &Registered) {
        self.owner = Some(event.student.clone());
    }
}
