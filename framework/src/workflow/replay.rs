//! Runs the function of a workflow from its beginning over what is recorded, and finds out what it asks for next.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::message::{CodecError, Command, CommandId, Payloads, Timestamp, Upcasters};

use super::WorkflowHandlers;
use super::call::Captured;
use super::error::WorkflowError;
use super::flow::Flow;
use super::flowing::{Begun, Finished};
use super::record::{Answer, Arrived, Asked, Came, Entry, Wanted};

/// The most entries that a record may have. More of them cost more at every step, since the function runs from its beginning.
pub(crate) const LONGEST: usize = 10_000;

/// Steps that are shown of those that an instance waits for.
const SHOWN: usize = 4;

/// What an instance wants to happen, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    /// Send a command; the answer comes back under the number.
    Send(u64, Planned),
    /// Send a command whose answer is of no interest.
    Notice(Planned),
    /// Fire after a time.
    After(u64, Duration),
    /// Fire at an instant.
    At(u64, Timestamp),
    /// Do not fire any more.
    Cancel(u64),
    /// Take events by this key and value.
    Associate(String, String),
    /// Run the code of a call.
    Call(u64, String),
    /// Begin another workflow.
    Begin(u64, Planned),
    /// What was asked for under this number is of no interest any more.
    Withdraw(u64),
    /// The function has returned.
    End(Finished),
}

/// A command as it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) name: &'static str,
    pub(crate) revision: u32,
    /// In the application's codec.
    pub(crate) payload: Vec<u8>,
}

/// How what is recorded is written and read.
#[derive(Clone, Default)]
pub(crate) struct Formats {
    pub(crate) payloads: Payloads,
    /// Lift events that were recorded at an older revision.
    pub(crate) upcasters: Upcasters,
}

/// One run of a function over a record.
pub(crate) struct Replay {
    workflow: &'static str,
    version: u32,
    begun: u32,
    scope: uuid::Uuid,
    formats: Formats,
    record: Vec<Entry>,
    /// What of the record the function has seen.
    cursor: usize,
    /// What has been asked for so far.
    asked: u64,
    answers: HashMap<u64, Answer>,
    arrived: VecDeque<Arrived>,
    changes: BTreeMap<String, bool>,
    undo: Vec<(Wanted, Planned)>,
    ids: u64,
    now: Timestamp,
    /// The steps that were found without their answer since the function was polled last.
    waits: Vec<u64>,
    /// How often somebody has wanted undone what was done.
    undone: u32,
    /// The function is left, and only what it holds is dropped.
    left: bool,
    purpose: Purpose,
    fault: Option<WorkflowError>,
    moves: Vec<Move>,
}

/// What a run is for.
pub(crate) enum Purpose {
    /// To find out what the function does next.
    Next,
    /// To find the code of the call with this number.
    Call(u64, Option<Captured>),
}

/// A run that the function and its steps share.
pub(crate) type Shared = Rc<RefCell<Replay>>;

impl Replay {
    fn new<W: WorkflowHandlers>(begun: &Begun<W>, record: Vec<Entry>, formats: &Formats, purpose: Purpose) -> Self {
        Self {
            workflow: W::NAME,
            version: W::VERSION,
            begun: begun.version,
            scope: begun.scope,
            formats: formats.clone(),
            record,
            cursor: 0,
            asked: 0,
            answers: HashMap::new(),
            arrived: VecDeque::new(),
            changes: BTreeMap::new(),
            undo: Vec::new(),
            ids: 0,
            now: begun.at,
            waits: Vec::new(),
            undone: 0,
            left: false,
            purpose,
            fault: None,
            moves: Vec::new(),
        }
    }

    /// The function asks for something. Gives its number, and whether it is new; nothing after a fault.
    pub(crate) fn ask(&mut self, asked: Asked) -> Option<(u64, bool)> {
        if self.fault.is_some() {
            return None;
        }
        self.pass_changes();
        let new = match self.record.get(self.cursor) {
            Some(Entry::Asked(known)) if known.is_still(&asked) => false,
            None if matches!(self.purpose, Purpose::Next) => {
                self.record.push(Entry::Asked(asked));
                true
            }
            found => {
                let recorded = found.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                self.refuse(recorded, asked.to_string());
                return None;
            }
        };
        self.cursor += 1;
        self.asked += 1;
        Some((self.asked, new))
    }

    /// What has come of what was asked for under `number`.
    pub(crate) fn answer(&mut self, number: u64) -> Option<Answer> {
        let answer = self.answers.remove(&number);
        if answer.is_none() {
            self.waits_for(number);
        }
        answer
    }

    /// The function goes on when there is an answer to what was asked for under `number`.
    pub(crate) fn waits_for(&mut self, number: u64) {
        if !self.waits.contains(&number) {
            self.waits.push(number);
        }
    }

    /// The oldest event of this name, key and value that nobody has taken.
    pub(crate) fn take_arrived(&mut self, name: &str, key: &str, value: &str) -> Option<Arrived> {
        let fits = |event: &Arrived| event.name == name && event.key == key && event.value == value;
        let index = self.arrived.iter().position(fits)?;
        self.arrived.remove(index)
    }

    /// Whether what the function does now was not done before.
    pub(crate) fn is_live(&self) -> bool {
        self.cursor == self.record.len() && !self.left
    }

    /// Something is to happen, where it has not happened before.
    pub(crate) fn plan(&mut self, planned: Move) {
        self.moves.push(planned);
    }

    /// Whether the function passes the change `name`.
    pub(crate) fn passes(&mut self, name: &str) -> bool {
        if let Some(passes) = self.changes.get(name) {
            return *passes;
        }
        let mut here = self.record.iter().skip(self.cursor).map_while(|entry| match entry {
            Entry::Changed(name) => Some(name.as_str()),
            _ => None,
        });
        let mut passes = here.any(|known| known == name);
        if !passes && self.is_live() && matches!(self.purpose, Purpose::Next) {
            self.record.push(Entry::Changed(name.to_owned()));
            self.cursor += 1;
            passes = true;
        }
        self.changes.insert(name.to_owned(), passes);
        passes
    }

    /// Whether this run looks for the code of the call `number`.
    pub(crate) fn looks_for(&self, number: u64) -> bool {
        matches!(self.purpose, Purpose::Call(wanted, None) if wanted == number)
    }

    pub(crate) fn found(&mut self, code: Captured) {
        if let Purpose::Call(_, found) = &mut self.purpose {
            *found = Some(code);
        }
    }

    /// The function does not wait for the call `number` any more.
    pub(crate) fn forget(&mut self, number: u64) {
        if let Purpose::Call(wanted, found) = &mut self.purpose
            && *wanted == number
            && !self.left
        {
            *found = None;
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn begun_under(&self) -> u32 {
        self.begun
    }

    /// An id that is the same in each run.
    pub(crate) fn next_id(&mut self) -> uuid::Uuid {
        self.ids += 1;
        CommandId::derived(self.scope, &format!("id {}", self.ids)).uuid()
    }

    /// What the ids of a child of this number are derived from.
    pub(crate) fn scope_of(&self, number: u64) -> uuid::Uuid {
        CommandId::derived(self.scope, &format!("child {number}")).uuid()
    }

    pub(crate) fn payloads(&self) -> &Payloads {
        &self.formats.payloads
    }

    /// A command, as it is recorded and as it is sent.
    pub(crate) fn command<C: Command>(&mut self, command: &C) -> Option<(Wanted, Planned)> {
        let text = serde_json::to_string(command).map_err(CodecError::new);
        let written = text.and_then(|text| Ok((text, self.formats.payloads.encode(command)?)));
        let (text, payload) = self.take(format!("the command `{}`", C::NAME), written)?;
        let (name, revision) = (C::NAME, C::REVISION);
        Some((Wanted { name: name.to_owned(), revision, payload: text }, Planned { name, revision, payload }))
    }

    pub(crate) fn undo(&mut self, command: (Wanted, Planned)) {
        self.undo.push(command);
    }

    /// What is to be undone next.
    pub(crate) fn next_undo(&self) -> Option<(Wanted, Planned)> {
        self.undo.last().cloned()
    }

    /// It is undone.
    pub(crate) fn undone(&mut self) {
        self.undo.pop();
    }

    /// How often somebody has wanted undone what was done.
    pub(crate) fn wishes_to_undo(&self) -> u32 {
        self.undone
    }

    /// What the function waits for, in few words.
    fn stage(&self) -> String {
        let asked = self.record.iter().filter_map(|entry| match entry {
            Entry::Asked(asked) => Some(asked),
            _ => None,
        });
        let waits = (1..).zip(asked).filter(|(number, _)| self.waits.contains(number));
        let mut stages: Vec<String> = waits.map(|(_, asked)| asked.stage()).collect();
        stages.dedup();
        stages.truncate(SHOWN);
        stages.join(", ")
    }

    /// The value, or its fault.
    pub(crate) fn take<T>(&mut self, what: String, result: Result<T, CodecError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(source) => {
                self.fail(WorkflowError::Codec { workflow: self.workflow, what, source });
                None
            }
        }
    }

    /// Reads what is recorded.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&mut self, what: &str, text: &str) -> Option<T> {
        let read = serde_json::from_str(text).map_err(CodecError::new);
        self.take(what.to_owned(), read)
    }

    /// The function cannot go on. The first fault counts.
    pub(crate) fn fail(&mut self, fault: WorkflowError) {
        self.fault.get_or_insert(fault);
    }

    pub(crate) fn workflow(&self) -> &'static str {
        self.workflow
    }

    fn refuse(&mut self, recorded: String, asked: String) {
        let Self { workflow, version, begun, .. } = *self;
        self.fail(WorkflowError::Changed { workflow, version, begun, place: self.cursor + 1, recorded, asked });
    }

    /// Leaves changes behind, also those that the function does not ask about any more.
    fn pass_changes(&mut self) {
        while let Some(Entry::Changed(_)) = self.record.get(self.cursor) {
            self.cursor += 1;
        }
    }

    /// Gives the function the next thing that has come; false where nothing has.
    fn deliver(&mut self) -> bool {
        self.pass_changes();
        let Some(entry) = self.record.get(self.cursor).cloned() else { return false };
        match entry {
            Entry::Came(Came { ask, at, answer }) => {
                self.now = at;
                self.answers.insert(ask, answer);
            }
            Entry::Event(arrived) => {
                self.now = arrived.at;
                self.keep(arrived);
            }
            Entry::Undo(at) => {
                self.now = at;
                self.undone += 1;
            }
            Entry::Asked(_) | Entry::Changed(_) => {
                self.refuse(entry.to_string(), "nothing".to_owned());
                return false;
            }
        }
        self.cursor += 1;
        true
    }

    /// Keeps an event, as upcasters lift it, until the function takes it.
    fn keep(&mut self, arrived: Arrived) {
        let Arrived { name, revision, payload, .. } = &arrived;
        let json = Payloads::json();
        match self.formats.upcasters.lift(name, *revision, payload.as_bytes(), None, &json, None) {
            Ok(None) => self.arrived.push_back(arrived),
            Ok(Some(lifted)) => self.arrived.extend(lifted.parts.into_iter().map(|part| Arrived {
                name: part.at.name.to_owned(),
                revision: part.at.revision,
                payload: part.payload.to_string(),
                ..arrived.clone()
            })),
            Err(source) => self.fail(WorkflowError::Event { workflow: self.workflow, source }),
        }
    }

    /// What has become of the function after a poll, if it has not returned.
    fn rests(&mut self) -> bool {
        if self.fault.is_none() && self.waits.is_empty() {
            self.fail(WorkflowError::Foreign { workflow: self.workflow, place: self.cursor });
        }
        self.fault.is_some() || !self.deliver()
    }

    /// The function has returned.
    fn ends(&mut self, finished: Finished) {
        self.pass_changes();
        match self.record.get(self.cursor).map(ToString::to_string) {
            None => self.moves.push(Move::End(finished)),
            Some(recorded) => self.refuse(recorded, "its end".to_owned()),
        }
    }
}

/// What a run over a record has led to.
pub(crate) struct Ran {
    /// The record, with what the function has asked for now.
    pub(crate) record: Vec<Entry>,
    pub(crate) moves: Vec<Move>,
    /// What it waits for.
    pub(crate) stage: String,
    purpose: Purpose,
}

/// Runs the function over `record`, whose last entry has just come, and finds out what happens next.
///
/// # Errors
/// When the function does not fit the record, or cannot go on.
pub(crate) fn next<W: WorkflowHandlers>(
    begun: &Begun<W>,
    record: Vec<Entry>,
    formats: &Formats,
) -> Result<Ran, WorkflowError> {
    let ran = run(begun, record, formats, Purpose::Next)?;
    match ran.record.len() {
        entries if entries > LONGEST => Err(WorkflowError::TooLong { workflow: W::NAME, entries, limit: LONGEST }),
        _ => Ok(ran),
    }
}

/// Finds the code of the call with this number; none where the function does not wait for it any more.
///
/// # Errors
/// When the function does not fit the record, or cannot go on.
pub(crate) fn call_of<W: WorkflowHandlers>(
    begun: &Begun<W>,
    record: Vec<Entry>,
    formats: &Formats,
    number: u64,
) -> Result<Option<Captured>, WorkflowError> {
    match run(begun, record, formats, Purpose::Call(number, None))?.purpose {
        Purpose::Call(_, found) => Ok(found),
        Purpose::Next => Ok(None),
    }
}

fn run<W: WorkflowHandlers>(
    begun: &Begun<W>,
    record: Vec<Entry>,
    formats: &Formats,
    purpose: Purpose,
) -> Result<Ran, WorkflowError> {
    let replay = Rc::new(RefCell::new(Replay::new(begun, record, formats, purpose)));
    let flow = Flow::new(Rc::clone(&replay), &begun.input);
    drive(&replay, flow.whole());
    let mut replay = replay.borrow_mut();
    match replay.fault.take() {
        Some(fault) => Err(fault),
        None => Ok(Ran {
            stage: replay.stage(),
            record: std::mem::take(&mut replay.record),
            moves: std::mem::take(&mut replay.moves),
            purpose: std::mem::replace(&mut replay.purpose, Purpose::Next),
        }),
    }
}

/// Polls the function once for each thing that has come, so that it does the same in the same order each time.
fn drive(replay: &Shared, function: impl Future<Output = Option<Finished>>) {
    let mut function = pin!(function);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        replay.borrow_mut().waits.clear();
        let polled = function.as_mut().poll(&mut context);
        let mut replay = replay.borrow_mut();
        match polled {
            // A fault that the end of the function has hidden counts all the same.
            Poll::Ready(Some(finished)) if replay.fault.is_none() => replay.ends(finished),
            Poll::Ready(_) => {}
            Poll::Pending if !replay.rests() => continue,
            Poll::Pending => {}
        }
        // What the function still holds is dropped now, and that is no step of it.
        replay.left = true;
        return;
    }
}
