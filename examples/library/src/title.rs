//! A title with its copies, and the loans of each copy: child entities in a list, and in a map within.

use std::collections::BTreeMap;

use annals::prelude::*;

/// Extensions of a loan that are granted.
const EXTENSIONS: u32 = 2;

/// Why the desk says no.
#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum TitleError {
    /// The copy is out.
    #[error("copy {copy} is lent to {reader}")]
    Out {
        /// The copy.
        copy: u32,
        /// Who has it.
        reader: String,
    },
    /// The loan was extended often enough.
    #[error("a loan is extended {EXTENSIONS} times at most")]
    ExtendedOften,
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($stored:literal) { $($field:ident: $ty:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(Command, Serialize, Deserialize, Debug, Clone)]
        #[command(name = $stored, error = TitleError)]
        #[allow(missing_docs, reason = "the names say it")]
        pub struct $name { #[target] pub title: String, $(pub $field: $ty),* }
    )*};
}
commands! {
    /// Adds a copy.
    AcquireCopy("title.acquire-copy") { copy: u32 }
    /// Lends a copy.
    Lend("title.lend") { copy: u32, loan: u32, reader: String }
    /// Extends a loan of a copy.
    Extend("title.extend") { copy: u32, loan: u32 }
    /// Takes a copy back.
    Return("title.return") { copy: u32, loan: u32 }
    /// Takes a copy out of the collection.
    WithdrawCopy("title.withdraw-copy") { copy: u32 }
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
    /// A copy was added.
    CopyAcquired("title.copy-acquired") { copy: u32 }
    /// A copy was lent.
    Lent("title.lent") { copy: u32, loan: u32, reader: String }
    /// A loan was extended.
    Extended("title.extended") { copy: u32, loan: u32 }
    /// A copy came back.
    Returned("title.returned") { copy: u32, loan: u32 }
    /// A copy left the collection.
    CopyWithdrawn("title.copy-withdrawn") { copy: u32 }
}

/// A title. Invariant: a copy is lent to one reader at a time.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone, PartialEq, Eq)]
#[aggregate(name = "title", snapshot(every = 100))]
pub struct Title {
    copies: Vec<Copy>,
}

/// A copy: found in its list by its id.
#[derive(Entity, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    #[id]
    copy: u32,
    /// Open loans by their number within the copy; at most one.
    loans: BTreeMap<u32, Loan>,
}

/// A loan: found in its map by the key.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Loan {
    reader: String,
    extensions: u32,
}

#[command_handlers]
impl Title {
    #[handle(create_if_missing)]
    fn acquire(&self, command: AcquireCopy) -> Option<CopyAcquired> {
        let there = self.copies.iter().any(|copy| copy.copy == command.copy);
        (!there).then_some(CopyAcquired { copy: command.copy })
    }

    #[handle(at = copies[copy])]
    fn lend(copy: &Copy, command: Lend) -> Result<Lent, TitleError> {
        match copy.loans.values().next() {
            Some(loan) => Err(TitleError::Out { copy: copy.copy, reader: loan.reader.clone() }),
            None => Ok(Lent { copy: command.copy, loan: command.loan, reader: command.reader }),
        }
    }

    #[handle(at = copies[copy].loans[loan])]
    fn extend(loan: &Loan, command: &Extend) -> Result<Extended, TitleError> {
        if loan.extensions >= EXTENSIONS {
            return Err(TitleError::ExtendedOften);
        }
        Ok(Extended { copy: command.copy, loan: command.loan })
    }

    #[handle(at = copies[copy].loans[loan])]
    fn take_back(_loan: &Loan, command: &Return) -> Returned {
        Returned { copy: command.copy, loan: command.loan }
    }

    #[handle(at = copies[copy])]
    fn withdraw(copy: &Copy, _command: &WithdrawCopy) -> Result<CopyWithdrawn, TitleError> {
        match copy.loans.values().next() {
            Some(loan) => Err(TitleError::Out { copy: copy.copy, reader: loan.reader.clone() }),
            None => Ok(CopyWithdrawn { copy: copy.copy }),
        }
    }
}

#[event_sourcing]
impl Title {
    #[apply]
    fn acquired(&mut self, event: &CopyAcquired) {
        self.copies.push(Copy { copy: event.copy, loans: BTreeMap::new() });
    }

    #[apply(at = copies[copy])]
    fn lent(copy: &mut Copy, event: &Lent) {
        copy.loans.insert(event.loan, Loan { reader: event.reader.clone(), extensions: 0 });
    }

    #[apply(at = copies[copy].loans[loan])]
    fn extended(loan: &mut Loan, _event: &Extended) {
        loan.extensions += 1;
    }

    /// The loan leaves the map.
    #[apply(at = copies[copy].loans[loan], end)]
    fn returned(_loan: &mut Loan, _event: &Returned) {}

    /// The copy leaves the list.
    #[apply(at = copies[copy], end)]
    fn withdrawn(_copy: &mut Copy, _event: &CopyWithdrawn) {}
}
