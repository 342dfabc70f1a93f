//! How appends are written: *assume, verify, write*, in one round trip.
//!
//! A batch is planned on facts that are assumed: exact expectations hold, ids are new, and what this node knows is still
//! so ([`assume`]). One call of a function in the database then takes the append lock, verifies what was assumed, and
//! writes; or it writes nothing and says what is not as assumed. Then the batch takes the general path, which looks
//! everything up under the lock, so that a conflict refuses one append and leaves its neighbours alone. Other nodes may
//! write as well: nothing rests on the memory.
//!
//! When the connection breaks during a call or a commit, the server's process behind it is ended first; then the same
//! batch takes the general path. It finds by the ids what was committed, and writes what was not: callers are told that
//! the outcome is unknown only when the server cannot be reached in time.

mod assume;
mod call;
mod line;
mod memory;
mod ring;

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use crate::message::{Position, StreamId};
use crate::store::append::{Append, Appended};
use crate::store::batcher::BatchWriter;
use crate::store::criteria::Criterion;
use crate::store::error::{AppendError, BoxError, Conflict};
use crate::store::plan::{Plan, Questions, Set, plan};
use crate::store::sql::{Appender, Commit, Failure, Session, Statement, answers_to, raise};
use crate::store::stream::StreamStatus;

use assume::{Asked, Assumed, Open, Unclear, assume};
use call::{Basis, Call};
pub(super) use line::{Line, PATIENCE};
use line::{PAUSE, Taken};
use memory::Memory;

use super::dialect::DIALECT;
use super::errors::{Meaning, boxed};

/// How often is asked before the general path looks up everything.
const QUESTIONS: usize = 2;

type Answers = Vec<Result<Appended, AppendError>>;

/// Writes batches of appends.
#[derive(Debug)]
pub(super) struct Writer {
    line: Line,
    general: Appender<Line>,
    memory: Mutex<Memory>,
    appended: watch::Sender<Position>,
}

/// How far the short way led.
enum Outcome {
    /// Everything is written that was accepted. These refusals, by index, rest on guesses and are decided again.
    Written(Answers, Vec<usize>),
    /// Nothing is written: the general path is to be taken.
    NotAsAssumed,
    /// The connection broke: perhaps everything is written.
    Unknown(BoxError),
    /// Nothing is written, and nothing will be.
    Failed(Failure),
}

#[async_trait]
impl BatchWriter for Writer {
    async fn write(&self, batch: &[Append]) -> Answers {
        let mut memory = self.memory.lock().await;
        match self.assume_and_write(batch, &mut memory).await {
            Outcome::Written(mut answers, open) if !open.is_empty() => {
                let again: Vec<Append> = open.iter().filter_map(|index| batch.get(*index)).cloned().collect();
                let decided = self.look_up_and_write(&again, &mut memory, None).await;
                for (index, answer) in open.into_iter().zip(decided) {
                    answers[index] = answer;
                }
                answers
            }
            Outcome::Written(answers, _) => answers,
            Outcome::NotAsAssumed => self.look_up_and_write(batch, &mut memory, None).await,
            Outcome::Unknown(error) => {
                tracing::warn!(%error, appends = batch.len(), "the connection broke during an append; it is found out what was written");
                self.look_up_and_write(batch, &mut memory, Some(error)).await
            }
            Outcome::Failed(failure) => failure.answers(batch.len()),
        }
    }
}

impl Writer {
    pub(super) fn new(line: Line, appended: watch::Sender<Position>) -> Self {
        let general = Appender::new(line.clone(), &DIALECT, appended.clone());
        Self { line, general, memory: Mutex::new(Memory::new()), appended }
    }

    /// The short way.
    async fn assume_and_write(&self, batch: &[Append], memory: &mut Memory) -> Outcome {
        let mut line = match self.line.take(Instant::now() + PATIENCE).await {
            Ok(line) => line,
            Err(error) => return Outcome::Failed(Failure::NotWritten(error)),
        };
        // Whatever is in the way here, the general path meets it again and names it.
        let Ok(Some(mut assumed)) = assumed(&mut line, batch, memory).await else { return Outcome::NotAsAssumed };
        let basis = Basis::of(batch, &mut assumed);
        let plan = plan(batch, assumed.facts);
        if plan.is_empty() {
            if plan.answers.iter().any(Result::is_ok) {
                return Outcome::NotAsAssumed;
            }
            let open = doubtful(&mut line, batch, &plan, &basis, basis.head, memory).await;
            return Outcome::Written(plan.answers, open);
        }
        let call = match Call::new(&self.line, &basis, &plan) {
            Ok(call) => call,
            Err(error) => return Outcome::Failed(Failure::Refused(error)),
        };
        let answer = match call.make(&mut line).await {
            Ok(answer) => answer,
            Err(error) => {
                return match boxed(&error) {
                    Meaning::Lost => Outcome::Unknown(error),
                    Meaning::Full => Outcome::Failed(Failure::Full(error)),
                    Meaning::ReadOnly => Outcome::Failed(Failure::ReadOnly(error)),
                    // A unique key, most of all: the general path finds out whose.
                    Meaning::Refused | Meaning::NotNow => Outcome::NotAsAssumed,
                };
            }
        };
        if let Some(what) = answer.not_as_assumed {
            tracing::debug!(what, appends = batch.len(), "not everything is as assumed");
            memory.saw_head(answer.head_before);
            memory.forget(plan.events.iter().map(|(tenant, event, ..)| (*tenant, &event.stream)));
            return Outcome::NotAsAssumed;
        }
        memory.wrote(&plan, answer.head_before);
        if let (Some(head), false) = (memory.head(), plan.events.is_empty()) {
            raise(&self.appended, head);
        }
        let open = doubtful(&mut line, batch, &plan, &basis, answer.head_before, memory).await;
        Outcome::Written(moved_to(plan.answers, basis.head, answer.head_before), open)
    }

    /// The general path: everything is looked up under the append lock. `unknown` is why it is not known whether `batch`
    /// was written already.
    async fn look_up_and_write(&self, batch: &[Append], memory: &mut Memory, mut unknown: Option<BoxError>) -> Answers {
        let before = memory.head().unwrap_or_default();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let failure = match self.general.commit(batch).await {
                Ok(answers) if unknown.is_some() => {
                    memory.learned(batch, &answers);
                    return first_answers(batch, answers, before);
                }
                Ok(answers) => {
                    memory.learned(batch, &answers);
                    return answers;
                }
                Err(failure) => failure,
            };
            let failure = match failure {
                Failure::Unknown(error) => {
                    unknown = Some(error);
                    None
                }
                Failure::NotWritten(error) if boxed(&error) == Meaning::Lost => Some(Failure::NotWritten(error)),
                Failure::Refused(error) if batch.len() > 1 => {
                    tracing::warn!(%error, appends = batch.len(), "a batch was refused; its appends are written one by one");
                    let mut answers = Vec::with_capacity(batch.len());
                    for append in batch.chunks(1) {
                        let unknown = unknown.as_ref().map(|error| error.to_string().into());
                        answers.extend(Box::pin(self.look_up_and_write(append, memory, unknown)).await);
                    }
                    return answers;
                }
                failure if unknown.is_none() => return failure.answers(batch.len()),
                failure => Some(failure),
            };
            if Instant::now() + PAUSE >= deadline {
                let failure = match (unknown, failure) {
                    (None, Some(failure)) => failure,
                    (Some(error), _) => Failure::Unknown(error),
                    (None, None) => Failure::NotWritten("the append was not written in time".into()),
                };
                return failure.answers(batch.len());
            }
            sleep(PAUSE).await;
        }
    }
}

/// What can be assumed for `batch`, after asking what must be asked; `None` where the general path is to be taken.
async fn assumed(line: &mut Taken, batch: &[Append], memory: &mut Memory) -> Result<Option<Assumed>, BoxError> {
    let mut asked = Asked::default();
    for _ in 0..QUESTIONS {
        match assume(batch, memory, &asked) {
            Ok(assumed) => return Ok(Some(assumed)),
            Err(Unclear::Rare) => return Ok(None),
            Err(Unclear::Ask(open)) => {
                if !ask(line, batch, open, memory, &mut asked).await? {
                    return Ok(None);
                }
            }
        }
    }
    Ok(assume(batch, memory, &asked).ok())
}

/// Asks for the head and for what is open; `false` if the head has moved since the first question.
async fn ask(
    line: &mut Taken,
    batch: &[Append],
    open: Open<'_>,
    memory: &mut Memory,
    asked: &mut Asked,
) -> Result<bool, BoxError> {
    let streams = open.streams.clone();
    let events = open.events.clone();
    let questions = Questions { streams: open.streams, events: open.events, ..Questions::default() };
    let facts = answers_to(line, &DIALECT, questions).await?;
    if asked.head.replace(facts.head).is_some_and(|head| head != facts.head) {
        return Ok(false);
    }
    memory.saw_head(facts.head);
    for (tenant, stream) in streams {
        let key = (tenant.to_owned(), stream.clone());
        let state = facts.streams.get(&key).copied();
        if let Some(state) = state {
            memory.saw_stream(key.clone(), state.newest);
        }
        asked.streams.insert(key, state);
    }
    asked.events.extend(events.into_iter().map(|event| (event, facts.events.get(&event).cloned())));
    if open.conditions.is_empty() {
        return Ok(true);
    }
    // What is appended between the two questions moves the head, which a condition fixes.
    let mut rows = Vec::new();
    for index in &open.conditions {
        let Some((append, condition)) = batch.get(*index).and_then(|append| Some((append, append.condition.as_ref()?)))
        else {
            continue;
        };
        let criteria = condition.criteria.any_of().iter();
        rows.extend(criteria.map(|criterion| criterion_row(*index, &append.tenant, condition.after, criterion)));
        asked.conditions.insert(*index, false);
    }
    let statement = Statement::new(include_str!("../sql/broken_conditions.sql")).bind(serde_json::to_string(&rows)?);
    for mut row in line.fetch(statement).await? {
        let index = usize::try_from(row.number("append")?)?;
        asked.conditions.insert(index, true);
    }
    Ok(true)
}

fn criterion_row(
    index: usize,
    tenant: &str,
    after: Position,
    criterion: &Criterion,
) -> (usize, String, Position, Vec<String>, Option<Vec<String>>) {
    let tags = criterion.all_of_tags().iter().map(ToString::to_string).collect();
    let names = criterion.any_of_names();
    let names = (!names.is_empty()).then(|| names.iter().cloned().collect());
    (index, tenant.to_owned(), after, tags, names)
}

/// The appends, by index, whose refusal is not certain. They were refused on what was assumed: that their ids are new,
/// and how the head and their streams are. The head was found at `before` when everything else was written.
async fn doubtful(
    line: &mut Taken,
    batch: &[Append],
    plan: &Plan<'_>,
    basis: &Basis,
    before: Position,
    memory: &mut Memory,
) -> Vec<usize> {
    let refused: Vec<usize> =
        (0..batch.len()).filter(|index| plan.answers.get(*index).is_some_and(Result::is_err)).collect();
    if refused.is_empty() {
        return refused;
    }
    let mut questions = Questions::default();
    for append in refused.iter().filter_map(|index| batch.get(*index)) {
        questions.streams.extend(touched(append).map(|stream| (append.tenant.as_str(), stream)));
        questions.events.extend(append.events.iter().map(|event| event.id).chain(append.rests_on));
        questions.commands.extend(append.command.iter().map(|command| (append.tenant.as_str(), command.id)));
    }
    let Ok(facts) = answers_to(line, &DIALECT, questions).await else { return refused };
    let head_now = memory.head();
    memory.saw_head(facts.head);
    let written: Set<_> = plan.events.iter().map(|(tenant, event, ..)| (*tenant, &event.stream)).collect();
    let moved = before != basis.head || head_now != Some(facts.head);
    let is_doubtful = |index: &usize| {
        let Some(append) = batch.get(*index) else { return false };
        let tenant = &append.tenant;
        let repeated = append.events.iter().any(|event| facts.events.contains_key(&event.id))
            || append.command.iter().any(|command| facts.commands.contains_key(&(tenant.clone(), command.id)));
        let guessed = touched(append).any(|stream| {
            let key = (tenant.clone(), stream.clone());
            facts.streams.get(&key).is_some_and(|state| state.status != StreamStatus::Open)
                || (!written.contains(&(tenant.as_str(), stream)) && (moved || basis.unsure.contains(&key)))
        });
        let rests = append.rests_on.is_some_and(|event| {
            let missed = matches!(
                plan.answers.get(*index),
                Some(Err(AppendError::Conflict(Conflict::Basis { event: missed }))) if *missed == event
            );
            missed && facts.events.contains_key(&event)
        });
        repeated || guessed || rests || (moved && append.condition.is_some())
    };
    refused.into_iter().filter(is_doubtful).collect()
}

/// The streams of `append`; one may come more than once.
fn touched(append: &Append) -> impl Iterator<Item = &StreamId> {
    append.expected.iter().map(|(stream, _)| stream).chain(append.events.iter().map(|event| &event.stream))
}

/// Answers that were planned behind the head `assumed`, as they are behind `found`.
fn moved_to(mut answers: Answers, assumed: Position, found: Position) -> Answers {
    if assumed != found {
        for appended in answers.iter_mut().flatten().filter(|appended| !appended.repeated) {
            let behind = appended.position.get().saturating_sub(assumed.get());
            appended.position = Position::new(found.get() + behind);
        }
    }
    answers
}

/// The answers to appends that may have been written before the connection broke, when the head was at `before`. What the
/// general path then takes for a repeat was the first time.
fn first_answers(batch: &[Append], answers: Answers, before: Position) -> Answers {
    let answer = |(append, answer): (&Append, Result<Appended, AppendError>)| match answer {
        Ok(appended) if appended.repeated && appended.position > before => Ok(Appended { repeated: false, ..appended }),
        Err(AppendError::CommandRepeated(record)) if append.events.is_empty() => {
            let same = append.command.as_ref().is_some_and(|command| {
                (&command.name, &command.outcome, command.recorded_at)
                    == (&record.name, &record.outcome, record.recorded_at)
            });
            if same {
                Ok(Appended { position: record.position, versions: Vec::new(), repeated: false })
            } else {
                Err(AppendError::CommandRepeated(record))
            }
        }
        Err(AppendError::Conflict(conflict)) if append.events.is_empty() && !append.documents.is_empty() => {
            // Documents have no ids by which their writer could be told.
            Err(AppendError::OutcomeUnknown { source: conflict.into() })
        }
        answer => answer,
    };
    batch.iter().zip(answers).map(answer).collect()
}
