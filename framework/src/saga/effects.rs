//! Effects: what a saga wants to happen, as values.

use std::time::Duration;

use crate::message::{CodecError, Command, Payloads, Timestamp};
use crate::store::Association;

/// Collects what a saga wants to happen. It takes place when the saga's state has been committed.
#[derive(Debug)]
pub struct Effects {
    now: Timestamp,
    payloads: Payloads,
    pub(crate) commands: Vec<PlannedCommand>,
    pub(crate) timers: Vec<PlannedTimer>,
    pub(crate) associated: Vec<Association>,
    pub(crate) dissociated: Vec<Association>,
    pub(crate) ended: bool,
    pub(crate) fault: Option<(&'static str, CodecError)>,
}

/// A command that a saga wants to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCommand {
    /// Stored name of the command.
    pub name: &'static str,
    /// The revision of the payload.
    pub revision: u32,
    /// The command in the application's codec.
    pub payload: Vec<u8>,
    /// The step of a declared list that it belongs to.
    pub(crate) step: Option<&'static str>,
}

/// A change to a timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedTimer {
    /// It is to fire at this instant; one of the same name is replaced.
    Set(String, Timestamp),
    /// It is not to fire.
    Cancel(String),
}

impl Effects {
    /// Nothing yet.
    #[must_use]
    pub fn new(now: Timestamp, payloads: Payloads) -> Self {
        Self {
            now,
            payloads,
            commands: Vec::new(),
            timers: Vec::new(),
            associated: Vec::new(),
            dissociated: Vec::new(),
            ended: false,
            fault: None,
        }
    }

    /// The instant of handling.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Sends `command`: at least once, under a fixed id, so that it has one effect. Commands of one instance keep
    /// their order: the next one, also one that a deadline sends, goes out when the one before has been answered, and
    /// not while the one before is parked and needs attention.
    pub fn send<C: Command>(&mut self, command: C) {
        self.plan(&command, None);
    }

    pub(crate) fn plan<C: Command>(&mut self, command: &C, step: Option<&'static str>) {
        match self.payloads.encode(command) {
            Ok(payload) => self.commands.push(PlannedCommand { name: C::NAME, revision: C::REVISION, payload, step }),
            Err(error) => self.fault = Some((C::NAME, error)),
        }
    }

    /// Has `#[deadline(name)]` called after `duration` unless the saga ends or cancels it before. Setting it again
    /// moves it.
    pub fn deadline(&mut self, name: impl Into<String>, duration: Duration) {
        self.deadline_at(name, self.now.plus(duration));
    }

    /// Has `#[deadline(name)]` called at `instant`.
    pub fn deadline_at(&mut self, name: impl Into<String>, instant: Timestamp) {
        self.timers.push(PlannedTimer::Set(name.into(), instant));
    }

    /// Takes the deadline `name` back.
    pub fn cancel_deadline(&mut self, name: impl Into<String>) {
        self.timers.push(PlannedTimer::Cancel(name.into()));
    }

    /// From now on the saga also takes events whose field `key` has the text of `value`.
    pub fn associate(&mut self, key: impl Into<String>, value: impl ToString) {
        self.associated.push(Association { key: key.into(), value: value.to_string() });
    }

    /// The saga no longer takes events by this association.
    pub fn dissociate(&mut self, key: impl Into<String>, value: impl ToString) {
        self.dissociated.push(Association { key: key.into(), value: value.to_string() });
    }

    /// The saga has ended: it takes no more input, and its deadlines are void. Commands that it has sent are still
    /// delivered.
    pub fn end(&mut self) {
        self.ended = true;
    }
}
