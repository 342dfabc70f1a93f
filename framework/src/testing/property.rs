//! What holds after any history, found out with `proptest`.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use async_trait::async_trait;
use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aggregate::HandledBy;
use crate::app::Builder;
use crate::command::{CommandTarget, SendError};
use crate::message::{Command, CommandId, Json};

use super::aggregate::{Given, fold, given};
use super::decided::Outcome;
use super::{TestApp, diff};

/// Commands of a history at most, unless a test says otherwise.
const LENGTH: usize = 20;
/// Histories that are tried in an application, unless a test says otherwise.
const APPLICATIONS: u32 = 16;

/// A command of any type that `S` handles; [`command`] makes one.
#[derive(Clone)]
pub struct AnyCommand<S>(Arc<dyn Step<S>>);

/// `command` as one of many that `S` handles, for a strategy over commands of several types.
pub fn command<S: CommandTarget + Debug, C: HandledBy<S> + Clone>(command: C) -> AnyCommand<S> {
    AnyCommand(Arc::new(Typed { command, state: PhantomData }))
}

/// A property of histories; see [`any_history`].
#[must_use]
#[derive(Debug, Clone)]
pub struct Histories<T> {
    commands: T,
    longest: usize,
    cases: Option<u32>,
}

/// Histories of commands that `commands` gives, sent one after the other to a new target; those that are refused change
/// nothing. Where a property does not hold, the shortest history that shows it is looked for and shown.
///
/// ```
/// use annals::prelude::*;
/// use annals::testing::{any_history, command};
/// use proptest::prelude::*;
///
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "tank.fill")]
/// # struct Fill { #[target] tank: String, litres: u32 }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "tank.filled")] struct Filled { litres: u32 }
/// # #[derive(Aggregate, Serialize, Deserialize, Default, Clone, Debug)]
/// # #[aggregate(name = "tank")] struct Tank { litres: u32 }
/// # #[event_sourcing] impl Tank { #[apply] fn filled(&mut self, event: &Filled) { self.litres += event.litres; } }
/// # #[command_handlers] impl Tank {
/// #     #[handle(create_if_missing)] fn fill(&self, command: Fill) -> Option<Filled> {
/// #         (self.litres + command.litres <= 100).then_some(Filled { litres: command.litres })
/// #     }
/// # }
/// # fn main() {
/// let fills = (1..60_u32).prop_map(|litres| command::<Tank, _>(Fill { tank: "t".into(), litres }));
/// any_history(fills).keeps(|tank: &Tank| tank.litres <= 100);
/// # }
/// ```
pub fn any_history<S, T: Strategy<Value = AnyCommand<S>>>(commands: T) -> Histories<T> {
    Histories { commands, longest: LENGTH, cases: None }
}

impl<T> Histories<T> {
    /// Commands of a history at most. Default: 20.
    pub fn longest(mut self, commands: usize) -> Self {
        self.longest = commands;
        self
    }

    /// Histories that are tried. Default: that of `proptest`, 256 or `PROPTEST_CASES`; in applications 16.
    pub fn cases(mut self, cases: u32) -> Self {
        self.cases = Some(cases);
        self
    }

    /// `invariant` is true of the state after each command.
    ///
    /// # Panics
    /// When it is not, with the shortest history that was found; when no command was ever accepted.
    #[track_caller]
    pub fn keeps<S>(self, invariant: impl Fn(&S) -> bool)
    where
        S: CommandTarget + Debug,
        T: Strategy<Value = AnyCommand<S>>,
    {
        let accepted = Cell::new(false);
        let tried = self.run(Config::default().cases, |history| {
            let mut given = given::<S>(());
            for command in &history {
                let Some(state) = command.0.handle(&mut given) else { continue };
                accepted.set(true);
                if !invariant(&state) {
                    return Err(TestCaseError::fail(format!("after {command:?} it does not hold of {state:?}")));
                }
            }
            Ok(())
        });
        conclude("the invariant does not hold after every history", tried, accepted.get());
    }

    /// A state that is stored after any event and read again leads to the same state as all events do, which is what a
    /// snapshot relies on.
    ///
    /// # Panics
    /// When it does not, with the shortest history that was found; when no command was ever accepted.
    #[track_caller]
    pub fn survive_snapshots<S>(self)
    where
        S: CommandTarget + Debug + Serialize + DeserializeOwned,
        T: Strategy<Value = AnyCommand<S>>,
    {
        let accepted = Cell::new(false);
        let tried = self.run(Config::default().cases, |history| {
            let mut given = given::<S>(());
            let mut initial = None;
            for command in &history {
                initial.get_or_insert_with(|| command.0.initial());
                accepted.set(command.0.handle(&mut given).is_some() || accepted.get());
            }
            initial.map_or(Ok(()), |initial| replayed(initial, &given))
        });
        conclude("a snapshot and the events behind it do not lead where all events lead", tried, accepted.get());
    }

    /// A command that is sent twice under one id adds its events once, and gets the same answer. Each history runs in an
    /// application of its own, on memory unless `builder` names a store. Not to be called from asynchronous code.
    ///
    /// # Panics
    /// When it does not, with the shortest history that was found; when no command was ever accepted.
    #[track_caller]
    pub fn add_events_once<S>(self, builder: impl Fn() -> Builder)
    where
        S: CommandTarget + Debug,
        T: Strategy<Value = AnyCommand<S>>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime can be started: {error}"));
        let accepted = Cell::new(false);
        let tried = self.run(APPLICATIONS, |history| {
            runtime.block_on(async {
                let app = super::app(builder()).start().await;
                let mut result = Ok(());
                for command in &history {
                    match command.0.send_twice(&app).await {
                        Ok(done) => accepted.set(done || accepted.get()),
                        Err(reason) => {
                            result = Err(TestCaseError::fail(format!("{command:?}: {reason}")));
                            break;
                        }
                    }
                }
                app.shutdown().await;
                result
            })
        });
        conclude("a command that was sent twice had not the effect of one", tried, accepted.get());
    }

    fn run<S>(&self, cases: u32, test: impl Fn(Vec<AnyCommand<S>>) -> Result<(), TestCaseError>) -> Result<(), String>
    where
        T: Strategy<Value = AnyCommand<S>>,
    {
        let cases = self.cases.unwrap_or(cases);
        // There is no source file of a macro beside which failures could be kept.
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        runner.run(&vec(&self.commands, 0..=self.longest), test).map_err(|error| error.to_string())
    }
}

#[track_caller]
fn conclude(otherwise: &str, tried: Result<(), String>, accepted: bool) {
    if let Err(error) = tried {
        panic!("{otherwise}\n{error}");
    }
    assert!(accepted, "no command of any history was accepted, so that nothing was tried: do the commands fit?");
}

/// Whether each state of `given` survives being stored and read.
fn replayed<S>(initial: S, given: &Given<S>) -> Result<(), TestCaseError>
where
    S: CommandTarget + Debug + Serialize + DeserializeOwned,
{
    let failed =
        |what: &str, error: serde_json::Error| TestCaseError::fail(format!("the state cannot be {what}: {error}"));
    let (full, _) = fold(initial.clone(), &given.facts, given.now);
    for events in 0..=given.facts.len() {
        let (head, tail) = given.facts.split_at(events);
        let (state, _) = fold(initial.clone(), head, given.now);
        let stored = serde_json::to_vec(&state).map_err(|error| failed("stored", error))?;
        let read: S = serde_json::from_slice(&stored).map_err(|error| failed("read", error))?;
        let (replayed, _) = fold(read, tail, given.now);
        if format!("{replayed:?}") != format!("{full:?}") {
            let differences = diff::section(diff::debug(&full, &replayed), "  ");
            return Err(TestCaseError::fail(format!("with a snapshot after {events} events\n{differences}")));
        }
    }
    Ok(())
}

/// A command whose type is forgotten.
#[async_trait]
trait Step<S>: Send + Sync {
    /// The state that it leads to, if it is accepted.
    fn handle(&self, given: &mut Given<S>) -> Option<S>;

    fn initial(&self) -> S;

    /// Sends it twice under one id. Whether it was accepted.
    async fn send_twice(&self, app: &TestApp) -> Result<bool, String>;

    fn shown(&self) -> (&'static str, Json);
}

struct Typed<C, S> {
    command: C,
    state: PhantomData<fn() -> S>,
}

#[async_trait]
impl<S: CommandTarget + Debug, C: HandledBy<S> + Clone> Step<S> for Typed<C, S> {
    fn handle(&self, given: &mut Given<S>) -> Option<S> {
        let handled = given.handle(&self.command);
        if !matches!(handled.decided.outcome, Outcome::Accepted(_)) {
            return None;
        }
        let state = handled.decided.state.clone();
        given.keep(handled);
        Some(state)
    }

    fn initial(&self) -> S {
        self.command.initial()
    }

    async fn send_twice(&self, app: &TestApp) -> Result<bool, String> {
        let (id, caller) = (CommandId::new(), Location::caller());
        let send = async || {
            let sent = app.annals().send(self.command.clone()).id(id).await;
            let answer = answer(sent.map(|sent| sent.reply))?;
            app.settle(caller).await;
            Ok::<_, String>((answer, app.mark(caller).await))
        };
        let (first, stored) = send().await?;
        let (second, again) = send().await?;
        if stored != again {
            let more = again.get().saturating_sub(stored.get());
            return Err(format!("{more} events were stored when it was sent again"));
        }
        if first != second {
            return Err(format!("it was answered with {first:?}, and with {second:?} when it was sent again"));
        }
        Ok(first.is_some_and(|answer| answer.is_ok()))
    }

    fn shown(&self) -> (&'static str, Json) {
        (<C as Command>::NAME, serde_json::to_value(&self.command).unwrap_or_default())
    }
}

/// Reply or rejection as JSON; `None` where the machinery refused.
fn answer<R: Serialize, E: std::error::Error + Serialize>(
    sent: Result<R, SendError<E>>,
) -> Result<Option<Result<Json, Json>>, String> {
    let json = match sent {
        Ok(reply) => serde_json::to_value(reply).map(Ok),
        Err(SendError::Rejected(error)) => serde_json::to_value(error).map(Err),
        Err(SendError::Failed(_)) => return Ok(None),
    };
    json.map(Some).map_err(|error| format!("the answer cannot be compared: {error}"))
}

impl<S> Debug for AnyCommand<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, payload) = self.0.shown();
        write!(f, "{name} {payload}")
    }
}
