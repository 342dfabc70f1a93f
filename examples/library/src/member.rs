//! A member, whose standing decides what can be done: an enum as a part, with commands for each of its variants.

use annals::prelude::*;

/// Why a member is not heard.
#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum MemberError {
    /// The fine is not paid.
    #[error("barred, and {fine} are to be paid")]
    Unpaid {
        /// What is to be paid.
        fine: u32,
    },
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($stored:literal) { $($field:ident: $ty:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(Command, Serialize, Deserialize, Debug, Clone)]
        #[command(name = $stored, error = MemberError)]
        #[allow(missing_docs, reason = "the names say it")]
        pub struct $name { #[target] pub member: String, $(pub $field: $ty),* }
    )*};
}
commands! {
    /// Makes somebody a member.
    Join("member.join") {}
    /// Bars a member, or raises the fine of one who is barred.
    Bar("member.bar") { fine: u32 }
    /// Lets a member off.
    Forgive("member.forgive") {}
    /// Ends a membership, for good.
    Leave("member.leave") {}
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($stored:literal) { $($field:ident: $ty:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
        #[event(name = $stored)]
        #[allow(missing_docs, reason = "the names say it")]
        pub struct $name { $(pub $field: $ty),* }
    )*};
}
events! {
    /// Somebody became a member.
    Joined("member.joined") {}
    /// A member was barred.
    Barred("member.barred") { fine: u32 }
    /// A member was let off.
    Forgiven("member.forgiven") {}
    /// A member left.
    Left("member.left") {}
}

/// A member.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone, PartialEq, Eq)]
#[aggregate(name = "member")]
pub enum Member {
    /// Nobody yet.
    #[default]
    Unknown,
    /// A member in good standing.
    Good(Standing),
    /// A member who owes something.
    Bad(Barring),
}

/// What is known of a member in good standing.
#[derive(Serialize, Deserialize, Default, Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How often the member was barred before.
    pub barred_before: u32,
}

/// What is known of a member who is barred.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Barring {
    /// What is to be paid.
    pub fine: u32,
    /// How often, with this time.
    pub times: u32,
}

#[command_handlers]
impl Member {
    #[handle(create)]
    fn join(_command: Join) -> Joined {
        Joined {}
    }

    /// Each time costs more.
    #[handle(when = Good(standing))]
    fn bar(standing: &Standing, command: Bar) -> Barred {
        Barred { fine: command.fine * (standing.barred_before + 1) }
    }

    #[handle(when = Bad(barring))]
    fn bar_again(barring: &Barring, command: Bar) -> Barred {
        Barred { fine: barring.fine + command.fine }
    }

    #[handle(when = Bad(_))]
    fn forgive(_command: Forgive) -> Forgiven {
        Forgiven {}
    }

    #[handle(when = Good(_))]
    fn leave(_command: Leave) -> Left {
        Left {}
    }

    #[handle(when = Bad(Barring { fine, .. }))]
    fn leave_unpaid(fine: &u32, _command: Leave) -> Result<Left, MemberError> {
        Err(MemberError::Unpaid { fine: *fine })
    }
}

#[event_sourcing]
impl Member {
    #[apply(when = Unknown, then = Good)]
    fn joined(_event: &Joined) -> Standing {
        Standing::default()
    }

    #[apply(when = Good(standing), then = Bad)]
    fn barred(standing: &mut Standing, event: &Barred) -> Barring {
        Barring { fine: event.fine, times: standing.barred_before + 1 }
    }

    #[apply(when = Bad(barring))]
    fn barred_again(barring: &mut Barring, event: &Barred) {
        barring.fine = event.fine;
    }

    #[apply(when = Bad(barring), then = Good)]
    fn forgiven(barring: &mut Barring, _event: &Forgiven) -> Standing {
        Standing { barred_before: barring.times }
    }

    #[apply(end)]
    fn left(&mut self, _event: &Left) {}
}
