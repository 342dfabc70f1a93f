//! The deadlines of a decision, as a test compares them.

use crate::aggregate::{Awaited, Deadlines, Due};
use crate::message::{Command, Json, Timestamp};

use super::diff::assert_same;

/// What a handler has set and taken back.
#[derive(Debug, Default)]
pub(super) struct SeenDeadlines {
    now: Timestamp,
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    name: String,
    set: Option<Shown>,
}

/// When a deadline is due, and what is sent then.
#[derive(Debug, PartialEq)]
struct Shown {
    due: Timestamp,
    command: &'static str,
    payload: Json,
}

impl Shown {
    fn of(due: Due, now: Timestamp, command: &dyn Awaited) -> Self {
        Self { due: due.from(now), command: command.name(), payload: command.shown() }
    }
}

impl SeenDeadlines {
    pub(super) fn of(deadlines: &Deadlines, now: Timestamp) -> Self {
        let seen = deadlines.iter().map(|deadline| Seen {
            name: deadline.name.clone(),
            set: deadline.set.as_ref().map(|(due, command)| Shown::of(*due, now, &**command)),
        });
        Self { now, seen: seen.collect() }
    }

    /// # Panics
    /// When `name` is not set so.
    #[track_caller]
    pub(super) fn assert_set<C: Command>(&self, name: &str, due: Due, command: &C) {
        let Some(seen) = self.seen.iter().find(|seen| seen.name == name) else {
            panic!("the deadline `{name}` was expected, {}", self.others());
        };
        let expected = Some(Shown::of(due, self.now, command));
        assert_same(&expected, &seen.set, &format!("the deadline `{name}` was expected to be another one"));
    }

    /// # Panics
    /// When `name` is not taken back.
    #[track_caller]
    pub(super) fn assert_cancelled(&self, name: &str) {
        match self.seen.iter().find(|seen| seen.name == name) {
            Some(Seen { set: None, .. }) => {}
            Some(Seen { set: Some(set), .. }) => {
                panic!("the deadline `{name}` was expected to be taken back, it was set to {set:?}")
            }
            None => panic!("the deadline `{name}` was expected to be taken back, {}", self.others()),
        }
    }

    /// # Panics
    /// When a deadline is set.
    #[track_caller]
    pub(super) fn assert_none_set(&self) {
        if let Some(Seen { name, set: Some(set) }) = self.seen.iter().find(|seen| seen.set.is_some()) {
            panic!("no deadline was expected, `{name}` was set to {set:?}");
        }
    }

    fn others(&self) -> String {
        if self.seen.is_empty() {
            return "there is none".to_owned();
        }
        let names: Vec<_> = self.seen.iter().map(|seen| format!("`{}`", seen.name)).collect();
        format!("there is {}", names.join(", "))
    }
}
