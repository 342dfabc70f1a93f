//! Effects: what a saga wants to happen, as values.

use std::time::Duration;

use crate::message::{CodecError, Command, Event, Payloads, StreamId, Tag, Timestamp};
use crate::store::{Association, EffectKind, SagaStatus};

use super::Saga;

/// The group of effects that wait for no other one of the instance.
pub(crate) const ALONGSIDE: u64 = u64::MAX;

/// Collects what a saga wants to happen. It takes place when the saga's state has been committed.
///
/// ```
/// use std::time::Duration;
///
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { #[tag] order: String }
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "stock.reserve")] struct ReserveStock { #[target] order: String }
/// # #[derive(Saga, Serialize, Deserialize, Default, Clone)] #[saga(name = "fulfilment")] struct Fulfilment {}
/// #[saga_handlers]
/// impl Fulfilment {
///     #[start(by = order)]
///     fn placed(&mut self, event: &OrderPlaced, effects: &mut Effects) {
///         effects.send(ReserveStock { order: event.order.clone() });
///         effects.deadline("reservation", Duration::from_secs(60));
///     }
///     #[deadline("reservation")]
///     fn overdue(&mut self, effects: &mut Effects) {
///         effects.end();
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Effects {
    now: Timestamp,
    payloads: Payloads,
    pub(crate) planned: Vec<Planned>,
    pub(crate) timers: Vec<PlannedTimer>,
    pub(crate) associated: Vec<Association>,
    pub(crate) dissociated: Vec<Association>,
    /// The steps whose effects are not to be delivered any more.
    pub(crate) withdrawn: Vec<String>,
    pub(crate) stage: Option<String>,
    pub(crate) ended: Option<SagaStatus>,
    /// Local steps that were refused, and why.
    pub(crate) refused: Vec<(String, String)>,
    pub(crate) fault: Option<(String, CodecError)>,
    /// The group of what is planned now, other than 0 inside [`Effects::together`].
    group: u64,
    groups: u64,
}

/// Something that a saga wants to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What it is.
    pub kind: EffectKind,
    /// Stored name of the command or event, or of the saga to begin.
    pub name: String,
    /// The revision of the payload.
    pub revision: u32,
    /// The command, the event or the state in the application's codec.
    pub payload: Vec<u8>,
    /// Where an event goes.
    pub(crate) to: Option<EventPlace>,
    /// The step that it belongs to.
    pub(crate) step: Option<String>,
    /// Effects with the same number other than 0 do not wait for each other.
    pub(crate) group: u64,
    /// Not before this instant.
    pub(crate) not_before: Timestamp,
}

/// Where an event goes, and what it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventPlace {
    pub(crate) stream: StreamId,
    pub(crate) tags: Vec<Tag>,
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
            planned: Vec::new(),
            timers: Vec::new(),
            associated: Vec::new(),
            dissociated: Vec::new(),
            withdrawn: Vec::new(),
            stage: None,
            ended: None,
            refused: Vec::new(),
            fault: None,
            group: 0,
            groups: 0,
        }
    }

    /// The instant of handling.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn payloads(&self) -> &Payloads {
        &self.payloads
    }

    /// Sends `command`: at least once, under a fixed id, so that it has one effect. Commands of one instance keep
    /// their order: the next one, also one that a deadline sends, goes out when the one before has been answered, and
    /// not while the one before is parked and needs attention.
    pub fn send<C: Command>(&mut self, command: C) {
        self.command(EffectKind::Command, &command, None, self.now);
    }

    /// Sends `command` as [`Effects::send`] does, and takes no interest in its answer: a rejection is no failure of the saga.
    pub fn notify<C: Command>(&mut self, command: C) {
        self.command(EffectKind::Notice, &command, None, self.now);
    }

    /// Appends `event` to a stream, once, in its turn among the commands of the instance.
    pub fn publish<E: Event>(&mut self, stream: StreamId, event: E) {
        let (tags, payload) = (event.tags(), self.payloads.encode(&event));
        let to = Some(EventPlace { stream, tags });
        self.plan(EffectKind::Event, E::NAME, E::REVISION, payload, None, self.now, to);
    }

    /// Begins an instance of another saga with this state, in its turn among the commands of the instance. The child runs its
    /// `#[begin]` handler or its list of steps; when it has ended, the `#[ended]` handler for it is called here.
    pub fn begin<S: Saga>(&mut self, child: S) {
        let payload = self.payloads.encode(&child);
        self.plan(EffectKind::Saga, S::NAME, S::VERSION, payload, None, self.now, None);
    }

    /// What `plan` sends does not wait for each other: all of it goes out when everything before has been answered, and what
    /// comes behind it waits for all of it.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.hotel")] struct BookHotel {}
    /// # #[derive(Command, Serialize, Deserialize)] #[command(name = "t.car")] struct RentCar {}
    /// # fn plan(effects: &mut Effects) {
    /// effects.together(|effects| {
    ///     effects.send(BookHotel {});
    ///     effects.send(RentCar {});
    /// });
    /// # }
    /// ```
    pub fn together(&mut self, plan: impl FnOnce(&mut Self)) {
        self.groups += 1;
        let outer = std::mem::replace(&mut self.group, self.groups);
        plan(self);
        self.group = outer;
    }

    /// What `plan` sends waits for nothing that is planned so, in this turn or another one, and nothing of it waits for it.
    pub(crate) fn alongside(&mut self, plan: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.group, ALONGSIDE);
        plan(self);
        self.group = outer;
    }

    pub(crate) fn command<C: Command>(&mut self, kind: EffectKind, command: &C, step: Option<&str>, at: Timestamp) {
        let payload = self.payloads.encode(command);
        self.plan(kind, C::NAME, C::REVISION, payload, step, at, None);
    }

    #[expect(clippy::too_many_arguments, reason = "what an effect consists of")]
    pub(crate) fn plan(
        &mut self,
        kind: EffectKind,
        name: &str,
        revision: u32,
        payload: Result<Vec<u8>, CodecError>,
        step: Option<&str>,
        not_before: Timestamp,
        to: Option<EventPlace>,
    ) {
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return self.fault = Some((name.to_owned(), error)),
        };
        let (name, step, group) = (name.to_owned(), step.map(str::to_owned), self.group);
        self.planned.push(Planned { kind, name, revision, payload, to, step, group, not_before });
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
        self.associated.push(Association::new(key, value));
    }

    /// The saga no longer takes events by this association.
    pub fn dissociate(&mut self, key: impl Into<String>, value: impl ToString) {
        self.dissociated.push(Association::new(key, value));
    }

    /// Says where the saga stands, for whoever looks at it: it can be listed and counted by that.
    pub fn stage(&mut self, name: impl Into<String>) {
        self.stage = Some(name.into());
    }

    /// The saga has ended: it takes no more input, and its deadlines are void. Commands that it has sent are still
    /// delivered.
    pub fn end(&mut self) {
        self.ended = Some(SagaStatus::Completed);
    }

    /// As [`Effects::end`], where what the saga had done was undone.
    pub fn end_compensated(&mut self) {
        self.ended = Some(SagaStatus::Compensated);
    }

    /// What the step has sent is not to be delivered any more, and an answer to it has no effect.
    pub(crate) fn withdraw(&mut self, step: &str) {
        self.withdrawn.push(step.to_owned());
    }
}
