//! One instance of a saga while it takes inputs: from its row, through its handlers, to what is written.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;

use serde::{Deserialize, Serialize};

use crate::handler::error::chain;
use crate::handler::{Context, panic_message};
use crate::message::{CodecError, CommandId, Metadata, Payloads, Position, Recorded, SagaId, Timestamp};
use crate::store::{Association, Effect, EffectKind, HistoryRow, SagaRow, SagaStatus, SagaWrite, Timer, WaitingInput};

use super::course::Input;
use super::effects::{ALONGSIDE, Effects, Planned, PlannedTimer};
use super::error::SagaError;
use super::handlers::{ChildEnd, SagaHandlers, SagaInput, SagaRole};
use super::handling::Handling;
use super::history::{HistoryEffect, HistoryEntry, HistoryInput, Intervention, ParentSaga};
use super::monitor::{InputKind, Tally};
use super::state;

/// Longest key of an instance in bytes; a longer one is kept as a hash.
const KEY_BYTES: usize = 200;

/// An instance and what has changed about it.
#[derive(Debug, Clone)]
pub(crate) struct Instance<S> {
    row: SagaRow,
    state: S,
    progress: Progress,
    /// As they were loaded.
    associations: Vec<Association>,
    /// The event that is being handled: all of its parts are taken.
    current: Option<Position>,
    effects: Vec<Effect>,
    withdrawn: Vec<CommandId>,
    timers: Vec<Timer>,
    cancelled: Vec<String>,
    history: Vec<HistoryRow>,
    waiting: Vec<WaitingInput>,
    taken: Vec<u64>,
    changed: bool,
    /// Whether it has taken an input: else its state stays as it was stored.
    took: bool,
    /// Why this program cannot read the state, which is that of a new instance then.
    unreadable: Option<String>,
    /// What has happened to it, for those who watch.
    tally: Tally,
}

/// What the framework remembers about an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Progress {
    /// The correlation id of the message that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    /// What its list of steps remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    course: Option<String>,
    /// The effects of its steps that are under way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    open: BTreeMap<String, CommandId>,
    /// Who began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<ParentSaga>,
    /// What the ids of its effects are derived from, where that is not its own id: another instance had that id before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<uuid::Uuid>,
    /// How many inputs wait.
    #[serde(default, skip_serializing_if = "is_zero")]
    waiting: u64,
    /// How many inputs have ever waited.
    #[serde(default, skip_serializing_if = "is_zero")]
    inputs: u64,
    /// Whether it waits for a program that can read its state.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unread: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// An input with all that is needed to take it.
pub(crate) enum Happening<'a, S> {
    Begun,
    Event(&'a SagaInput<S>, &'a Recorded),
    /// The event that begins it, of which nothing could be kept before.
    Beginning(&'a SagaInput<S>, &'a Recorded),
    Accepted(&'a Effect, &'a [u8]),
    Rejected(&'a Effect, &'a [u8]),
    Ended(&'a ChildEnd<&'a [u8]>, &'a str),
    Deadline(&'a str),
    /// An effect that was left out by hand.
    Skipped(&'a Effect),
    Compensate,
}

/// An input that waits, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Waiting {
    /// A part of an event.
    Event { position: Position, part: u32 },
    /// A deadline that has passed.
    Deadline { name: String },
    /// Its beginning without an event.
    Begun,
    /// The end of a saga that it had begun, with its last state of this version: that instance may be forgotten before.
    Ended { saga: String, id: SagaId, effect: CommandId, status: SagaStatus, version: u32, state: Vec<u8> },
}

/// What runs an instance.
pub(crate) struct Runner<'a, S> {
    pub(crate) handling: &'a Handling<S>,
    pub(crate) payloads: &'a Payloads,
    pub(crate) tenant: &'a str,
}

impl<S> Clone for Runner<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Runner<'_, S> {}

impl<S: SagaHandlers> Instance<S> {
    /// A new instance, begun by a message with `metadata`.
    pub(crate) fn begin(id: SagaId, slice: u32, begun: Timestamp, metadata: &Metadata) -> Self {
        let correlation = metadata.correlation_id().map(str::to_owned);
        let row = SagaRow { version: S::VERSION, ..SagaRow::new(id, slice, begun) };
        Self::with(row, S::default(), Progress { correlation, ..Progress::default() })
    }

    /// A new instance with this state, begun by a call or by another saga.
    pub(crate) fn begin_with(
        id: SagaId,
        state: S,
        parent: Option<ParentSaga>,
        begun: Timestamp,
        metadata: &Metadata,
    ) -> Self {
        let mut instance = Self::begin(id, crate::store::Segment::hash_of(&id.to_string()), begun, metadata);
        (instance.state, instance.progress.parent) = (state, parent);
        instance
    }

    /// Gives its effects ids of their own: one that had the same id may have ended and be forgotten, and what that one has sent is
    /// remembered for longer.
    pub(crate) fn with_own_scope(mut self) -> Self {
        self.progress.scope = Some(CommandId::new().uuid());
        self
    }

    /// Has it found by `associations`; as the only running one that was begun by the first of them, if `alone`.
    pub(crate) fn begun_by(mut self, associations: &[Association], alone: bool) -> Self {
        self.row.associations = associations.to_vec();
        self.row.key = associations.first().filter(|_| alone).map(key_of);
        self
    }

    /// An instance as stored. One whose state this program cannot read takes no input.
    pub(crate) fn load(row: SagaRow, payloads: &Payloads) -> Result<Self, SagaError> {
        let (state, unreadable) = match state::read::<S>(&row, payloads) {
            Ok(state) => (state, None),
            Err(error) => (S::default(), Some(chain(&error))),
        };
        let progress = match &row.progress {
            None => Progress::default(),
            Some(json) => serde_json::from_str(json)
                .map_err(|error| SagaError::State { saga: S::NAME, source: CodecError::new(error) })?,
        };
        Ok(Self { unreadable, ..Self::with(row, state, progress) })
    }

    /// Fails unless this program can read the state.
    pub(crate) fn readable(&self, payloads: &Payloads) -> Result<(), SagaError> {
        match self.unreadable {
            None => Ok(()),
            Some(_) => state::read::<S>(&self.row, payloads).map(drop),
        }
    }

    /// Whether its inputs wait for a program that can read its state, as this one can.
    pub(crate) fn has_found_its_reader(&self) -> bool {
        self.progress.unread && self.unreadable.is_none() && !self.has_ended()
    }

    fn with(row: SagaRow, state: S, progress: Progress) -> Self {
        Self {
            associations: row.associations.clone(),
            row,
            state,
            progress,
            current: None,
            effects: Vec::new(),
            withdrawn: Vec::new(),
            timers: Vec::new(),
            cancelled: Vec::new(),
            history: Vec::new(),
            waiting: Vec::new(),
            taken: Vec::new(),
            changed: false,
            took: false,
            unreadable: None,
            tally: Tally::default(),
        }
    }

    pub(crate) fn id(&self) -> SagaId {
        self.row.id
    }

    pub(crate) fn row(&self) -> &SagaRow {
        &self.row
    }

    pub(crate) fn state(&self) -> &S {
        &self.state
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.row.status.is_ended()
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    pub(crate) fn associations(&self) -> &[Association] {
        &self.row.associations
    }

    /// Whether inputs wait behind one that it could not handle, or for a program that can read its state.
    pub(crate) fn is_held_up(&self) -> bool {
        self.progress.waiting > 0 || self.unreadable.is_some()
    }

    /// Says that it waits for a program that can read its state, where this one cannot.
    pub(crate) fn wait_for_reader(&mut self, at: Timestamp) {
        if let Some(reason) = self.unreadable.clone().filter(|_| !self.progress.unread) {
            self.progress.unread = true;
            self.needs_attention(reason, at);
        }
    }

    /// Whether it takes the event at `position`, which it may have handled before.
    pub(crate) fn admits(&mut self, position: Position) -> bool {
        if self.current == Some(position) {
            return true;
        }
        let new = self.row.position < position;
        if new {
            self.current = Some(position);
        }
        new
    }

    /// The next event is met as after another start.
    #[cfg(test)]
    pub(crate) fn forget_current(&mut self) {
        self.current = None;
    }

    /// What a message carries that no other message caused: the conversation that began the instance.
    pub(crate) fn metadata(&self) -> Metadata {
        let correlation = self.progress.correlation.iter();
        correlation.map(|id| (Metadata::CORRELATION_ID, id.as_str())).collect()
    }

    /// Takes an input. Handler code runs on a copy of the state; what it leaves is taken over if it succeeds. A panic is an
    /// error.
    pub(crate) fn take(
        &mut self,
        happening: &Happening<'_, S>,
        context: &Context<'_>,
        runner: Runner<'_, S>,
        caused: &Metadata,
    ) -> Result<(), SagaError> {
        self.readable(runner.payloads)?;
        let first = matches!(happening, Happening::Beginning(..));
        let fresh = first || (self.row.revision == 0 && !self.changed);
        let (mut state, mut course) = (self.state.clone(), self.progress.course.clone());
        let mut effects = Effects::new(context.now(), runner.payloads.clone());
        let step = match happening {
            Happening::Ended(end, _) => self.progress.open.iter().find(|(_, effect)| **effect == end.effect),
            _ => None,
        };
        let from = (fresh, step.map(|(step, _)| step.as_str()));
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| {
            handle(runner, happening, from, context, &mut state, &mut course, &mut effects)
        }));
        ran.map_err(|panic| SagaError::Panicked { saga: S::NAME, message: panic_message(&*panic) })??;
        if let Some((command, source)) = effects.fault.take() {
            return Err(SagaError::command(&command, source));
        }
        check_deadlines(&effects, runner.handling)?;
        (self.state, self.progress.course, self.took) = (state, course, true);
        if let Happening::Accepted(effect, _) | Happening::Rejected(effect, _) | Happening::Skipped(effect) = happening
        {
            self.answered(effect.step.as_deref(), effect.command);
        }
        if let Happening::Ended(end, _) = happening {
            self.progress.open.retain(|_, effect| *effect != end.effect);
        }
        if let Happening::Event(_, recorded) | Happening::Beginning(_, recorded) = happening {
            self.row.position = self.row.position.max(recorded.position);
        }
        self.tally.handle(kind_of(happening));
        let done = self.apply(effects, caused, runner);
        self.note(context.now(), entry_of(happening, runner.payloads), done);
        Ok(())
    }

    fn answered(&mut self, step: Option<&str>, command: CommandId) {
        if let Some(step) = step.filter(|step| self.progress.open.get(*step) == Some(&command)) {
            self.progress.open.remove(step);
        }
    }

    /// Takes over what handlers want to happen. Gives it for the history.
    fn apply(&mut self, effects: Effects, caused: &Metadata, runner: Runner<'_, S>) -> Vec<HistoryEffect> {
        let mut done = Vec::new();
        for step in &effects.withdrawn {
            if let Some(id) = self.progress.open.remove(step) {
                self.effects.retain(|effect| effect.command != id);
                self.withdrawn.push(id);
                done.push(HistoryEffect::Withdrawn { id });
            }
        }
        for (step, reason) in effects.refused {
            done.push(HistoryEffect::Refused { step, reason });
        }
        let mut groups = HashMap::new();
        for planned in effects.planned {
            done.push(self.add(planned, &mut groups, caused, runner.tenant));
        }
        for timer in effects.timers {
            done.push(self.change_timer(timer, runner.tenant));
        }
        for association in effects.dissociated {
            let Association { key, value } = association.clone();
            self.row.associations.retain(|other| *other != association);
            done.push(HistoryEffect::Dissociated { key, value });
        }
        for association in effects.associated {
            let Association { key, value } = association.clone();
            if !self.row.associations.contains(&association) {
                self.row.associations.push(association);
            }
            done.push(HistoryEffect::Associated { key, value });
        }
        // What began it may begin another one once it is no longer its own.
        let key = self.row.key.take();
        self.row.key = key.filter(|key| self.row.associations.iter().any(|association| key_of(association) == *key));
        if let Some(stage) = effects.stage {
            self.row.step = Some(stage).filter(|stage| !stage.is_empty());
        }
        if let Some(status) = effects.ended {
            self.end(status);
            done.push(HistoryEffect::Ended { status });
        }
        self.changed = true;
        done
    }

    fn add(
        &mut self,
        planned: Planned,
        groups: &mut HashMap<u64, u64>,
        caused: &Metadata,
        tenant: &str,
    ) -> HistoryEffect {
        self.row.effects += 1;
        let number = self.row.effects;
        let id = self.id_of_effect(number);
        let group = match planned.group {
            0 => 0,
            ALONGSIDE => 1,
            group => *groups.entry(group).or_insert(number),
        };
        if let Some(step) = &planned.step {
            self.progress.open.insert(step.clone(), id);
        }
        let Planned { kind, name, revision, payload, to, step, not_before, .. } = planned;
        let done = match kind {
            EffectKind::Event => HistoryEffect::Published { name: name.clone(), id },
            EffectKind::Saga => HistoryEffect::Began { saga: name.clone(), id: child_of(id) },
            EffectKind::Call => HistoryEffect::Called { name: name.clone(), id },
            _ => HistoryEffect::Sent { name: name.clone(), id },
        };
        let mut metadata = Effect::metadata_at(revision, caused);
        if let Some(place) = to {
            metadata = Effect::metadata_to(metadata, &place.stream, &place.tags);
        }
        self.effects.push(Effect {
            command: id,
            tenant: tenant.to_owned(),
            saga: S::NAME.to_owned(),
            saga_id: self.row.id,
            slice: self.row.slice,
            number,
            group,
            kind,
            name,
            payload,
            metadata,
            step,
            scope: None,
            label: None,
            attempts: 0,
            not_before,
            parked: None,
        });
        done
    }

    fn id_of_effect(&self, number: u64) -> CommandId {
        CommandId::derived(self.progress.scope.unwrap_or(self.row.id.uuid()), &number.to_string())
    }

    fn change_timer(&mut self, timer: PlannedTimer, tenant: &str) -> HistoryEffect {
        match timer {
            PlannedTimer::Cancel(name) => {
                self.timers.retain(|timer| timer.name != name);
                self.cancelled.push(name.clone());
                HistoryEffect::DeadlineCancelled { name }
            }
            PlannedTimer::Set(name, due) => {
                self.timers.retain(|timer| timer.name != name);
                let (tenant, saga, slice) = (tenant.to_owned(), S::NAME.to_owned(), self.row.slice);
                self.timers.push(Timer { tenant, saga, saga_id: self.row.id, slice, name: name.clone(), due });
                HistoryEffect::DeadlineSet { name, due }
            }
        }
    }

    fn end(&mut self, status: SagaStatus) {
        self.tally.end(status);
        self.row.status = status;
        self.row.key = None;
        // A command that is parked still is, unless all steps are done with.
        if self.progress.course.is_some() && self.progress.open.is_empty() {
            self.row.attention = None;
        }
    }

    /// Whether the deadline `name` was set or taken back since the instance was loaded.
    pub(crate) fn has_changed_timer(&self, name: &str) -> bool {
        self.timers.iter().any(|timer| timer.name == name) || self.cancelled.iter().any(|cancelled| cancelled == name)
    }

    /// Another command goes out in place of `effect`.
    pub(crate) fn replaced(&mut self, effect: &Effect, replacement: &Effect) {
        if let Some(step) = &effect.step {
            self.progress.open.insert(step.clone(), replacement.command);
        }
        self.changed = true;
    }

    /// A deadline that has passed waits no longer.
    pub(crate) fn fired(&mut self, name: &str) {
        if !self.timers.iter().any(|timer| timer.name == name) {
            self.cancelled.push(name.to_owned());
        }
        self.changed = true;
    }

    /// Has `input` wait until somebody has looked after the instance. `reason` says why, where it is the first.
    pub(crate) fn put_aside(&mut self, input: &Waiting, reason: Option<String>, at: Timestamp) {
        self.progress.inputs += 1;
        self.progress.waiting += 1;
        // A position and names are always JSON.
        let text = serde_json::to_string(input).unwrap_or_default();
        self.waiting.push(WaitingInput { number: self.progress.inputs, input: text });
        if let Waiting::Event { position, .. } = input {
            self.row.position = self.row.position.max(*position);
        }
        match reason {
            Some(reason) => self.needs_attention(reason, at),
            None => self.wait_for_reader(at),
        }
        self.changed = true;
    }

    /// An input waits no longer.
    pub(crate) fn resume(&mut self, number: u64) {
        self.progress.waiting = self.progress.waiting.saturating_sub(1);
        self.taken.push(number);
        self.changed = true;
    }

    /// Says that somebody has to look after the instance.
    pub(crate) fn needs_attention(&mut self, reason: String, at: Timestamp) {
        tracing::error!(saga = S::NAME, instance = %self.row.id, reason, "a saga needs attention");
        if self.row.attention.is_none() {
            self.tally.attention();
        }
        self.note(at, HistoryInput::Attention { reason: reason.clone() }, Vec::new());
        self.row.attention = Some(reason);
        self.changed = true;
    }

    /// Nothing is left that somebody has to look after.
    pub(crate) fn needs_no_attention(&mut self) {
        self.row.attention = None;
        self.changed = true;
    }

    /// It no longer waits for a program that can read its state.
    pub(crate) fn has_its_reader(&mut self) {
        self.progress.unread = false;
    }

    /// Somebody has intervened.
    pub(crate) fn intervene(&mut self, action: Intervention, at: Timestamp) {
        self.has_its_reader();
        self.note(at, HistoryInput::Intervention { action }, Vec::new());
        self.changed = true;
    }

    /// Somebody ends it.
    pub(crate) fn abort(&mut self, at: Timestamp) {
        self.end(SagaStatus::Aborted);
        let done = vec![HistoryEffect::Ended { status: SagaStatus::Aborted }];
        self.note(at, HistoryInput::Intervention { action: Intervention::Abort }, done);
        self.changed = true;
    }

    fn note(&mut self, at: Timestamp, input: HistoryInput, effects: Vec<HistoryEffect>) {
        if S::HISTORY {
            let entry = HistoryEntry { at, input, effects, step: self.row.step.clone() };
            self.history.push(history_row(self.row.id, &entry));
        }
    }

    /// What has happened to it since it was loaded.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = self.tally.clone();
        if self.row.revision == 0 {
            tally.begin();
        }
        tally
    }

    /// What is to be written, and effects that are not to be delivered any more.
    pub(crate) fn into_write(
        mut self,
        tenant: &str,
        at: Timestamp,
        payloads: &Payloads,
    ) -> Result<(SagaWrite, Vec<CommandId>), SagaError> {
        if self.took || self.row.revision == 0 {
            self.row.version = S::VERSION;
            let state = payloads.encode(&self.state);
            self.row.state = state.map_err(|source| SagaError::State { saga: S::NAME, source })?;
        }
        if let Some(parent) = self.progress.parent.take_if(|_| self.row.status.is_ended()) {
            let effect = self.told(parent, tenant, at);
            self.effects.push(effect);
        }
        self.row.progress = match self.progress == Progress::default() {
            true => None,
            false => serde_json::to_string(&self.progress).ok(),
        };
        self.row.changed = at;
        if self.row.status.is_ended() {
            self.row.associations.clear();
            self.timers.clear();
        }
        let gone = self.associations.iter().filter(|before| !self.row.associations.contains(before)).cloned();
        let dissociated = gone.collect();
        let new = self.row.associations.iter().filter(|now| self.row.revision == 0 || !self.associations.contains(now));
        let write = SagaWrite {
            associated: new.cloned().collect(),
            dissociated,
            effects: self.effects,
            timers: self.timers,
            cancelled: self.cancelled,
            history: self.history,
            waiting: self.waiting,
            taken: self.taken,
            row: self.row,
        };
        Ok((write, self.withdrawn))
    }

    /// The effect by which the saga that began this one learns of its end.
    fn told(&mut self, parent: ParentSaga, tenant: &str, at: Timestamp) -> Effect {
        self.row.effects += 1;
        let number = self.row.effects;
        let metadata = Effect::metadata_of_end(self.metadata(), parent.id, parent.effect, self.row.status);
        Effect {
            command: self.id_of_effect(number),
            tenant: tenant.to_owned(),
            saga: S::NAME.to_owned(),
            saga_id: self.row.id,
            slice: self.row.slice,
            number,
            group: 0,
            kind: EffectKind::Ended,
            name: parent.saga,
            payload: self.row.state.clone(),
            metadata,
            step: None,
            scope: None,
            label: None,
            attempts: 0,
            not_before: at,
            parked: None,
        }
    }
}

/// Has handlers and course take an input.
fn handle<S: SagaHandlers>(
    runner: Runner<'_, S>,
    happening: &Happening<'_, S>,
    (fresh, step): (bool, Option<&str>),
    context: &Context<'_>,
    state: &mut S,
    progress: &mut Option<String>,
    effects: &mut Effects,
) -> Result<(), SagaError> {
    let Runner { handling, payloads, .. } = runner;
    let mut input = None;
    match happening {
        Happening::Begun => {
            if let Some(begin) = handling.begin {
                begin(state, context, effects)?;
            }
            input = Some(Input::Begun);
        }
        Happening::Event(event, _) | Happening::Beginning(event, _) => {
            (event.handle)(state, context, effects)?;
            input = Some(if fresh && event.role.starts() { Input::Begun } else { Input::Event });
            if event.role == SagaRole::End && effects.ended.is_none() {
                effects.end();
            }
        }
        Happening::Accepted(effect, reply) => {
            if let Some(handler) = handling.replies.get(effect.name.as_str()) {
                handler(state, &effect.payload, reply, payloads, context, effects)?;
            }
            input = Some(Input::Accepted(effect, reply));
        }
        Happening::Rejected(effect, error) => {
            let handler = handling.rejections.get(effect.name.as_str());
            if let Some(handler) = handler {
                handler(state, &effect.payload, error, payloads, context, effects)?;
            }
            let awaited = handling.course.as_ref().is_some_and(|course| course.awaits(effect));
            if handler.is_none() && !awaited {
                let (command, error) = (effect.name.clone(), payloads.to_text(error));
                return Err(SagaError::UnhandledRejection { saga: S::NAME, command, error });
            }
            input = Some(Input::Rejected(effect, error));
        }
        Happening::Ended(end, saga) => {
            if let Some(handler) = handling.ends.get(saga) {
                (handler.handle)(state, end, payloads, context, effects)?;
            }
            input = Some(Input::Ended(end, saga, step));
        }
        Happening::Deadline(name) => {
            match handling.deadlines.get(name) {
                Some(handler) => handler(state, context, effects)?,
                None if handling.has_deadline(name) => {}
                None => return Err(SagaError::UnknownDeadline { saga: S::NAME, name: (*name).to_owned() }),
            }
            input = Some(Input::Deadline(name));
        }
        Happening::Skipped(effect) => input = Some(Input::Skipped(effect)),
        Happening::Compensate => {
            let course = handling.course.as_ref().is_some_and(|course| course.compensates());
            match handling.compensation {
                Some(compensate) => compensate(state, context, effects)?,
                None if course => {}
                None => return Err(SagaError::NothingToUndo { saga: S::NAME }),
            }
            if course {
                input = Some(Input::Compensate);
            }
        }
    }
    match (&handling.course, input) {
        (Some(course), Some(input)) if effects.ended.is_none() => course.take(state, progress, &input, effects),
        _ => Ok(()),
    }
}

/// The instance that an effect begins.
pub(crate) fn child_of(effect: CommandId) -> SagaId {
    SagaId::from(effect.uuid())
}

/// The text by which a running instance is the only one.
fn key_of(association: &Association) -> String {
    let text = association.text();
    if text.len() <= KEY_BYTES { text } else { SagaId::derived(uuid::Uuid::NAMESPACE_OID, &text).to_string() }
}

pub(crate) fn history_row(id: SagaId, entry: &HistoryEntry) -> HistoryRow {
    // Names, ids and texts are always JSON.
    HistoryRow { saga_id: id, at: entry.at, entry: serde_json::to_string(entry).unwrap_or_default() }
}

fn entry_of<S>(happening: &Happening<'_, S>, payloads: &Payloads) -> HistoryInput {
    match happening {
        Happening::Begun => HistoryInput::Begun { by: None },
        Happening::Event(_, recorded) | Happening::Beginning(_, recorded) => {
            HistoryInput::Event { name: recorded.name.to_string(), id: recorded.id, position: recorded.position }
        }
        Happening::Accepted(effect, _) => HistoryInput::Accepted { name: effect.name.clone(), id: effect.command },
        Happening::Rejected(effect, error) => {
            let (name, id) = (effect.name.clone(), effect.command);
            HistoryInput::Rejected { name, id, error: payloads.to_text(error) }
        }
        Happening::Ended(end, saga) => HistoryInput::Ended { saga: (*saga).to_owned(), id: end.id, status: end.status },
        Happening::Deadline(name) => HistoryInput::Deadline { name: (*name).to_owned() },
        Happening::Skipped(_) => HistoryInput::Intervention { action: Intervention::Skip },
        Happening::Compensate => HistoryInput::Intervention { action: Intervention::Compensate },
    }
}

fn kind_of<S>(happening: &Happening<'_, S>) -> InputKind {
    match happening {
        Happening::Begun => InputKind::Begun,
        Happening::Event(..) | Happening::Beginning(..) => InputKind::Event,
        Happening::Accepted(..) => InputKind::Accepted,
        Happening::Rejected(..) => InputKind::Rejected,
        Happening::Ended(..) => InputKind::Ended,
        Happening::Deadline(_) => InputKind::Deadline,
        Happening::Skipped(_) | Happening::Compensate => InputKind::Intervention,
    }
}

/// A deadline that nobody handles would be lost when it is due.
fn check_deadlines<S: SagaHandlers>(effects: &Effects, handling: &Handling<S>) -> Result<(), SagaError> {
    for timer in &effects.timers {
        if let PlannedTimer::Set(name, _) = timer
            && !handling.has_deadline(name)
        {
            return Err(SagaError::UnknownDeadline { saga: S::NAME, name: name.clone() });
        }
    }
    Ok(())
}
