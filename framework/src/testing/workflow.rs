//! Given events or an input, when an event, an answer, a result or time, then commands, calls, waits, an end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{Command, Payloads};
use crate::saga::instance::Happening;
use crate::store::{Effect, EffectKind};
use crate::workflow::{Finished, Flowing, WorkflowHandlers};

use super::commands::{CommandMatcher, Commands};
use super::facts::Facts;
use super::matcher::{assert_none_sent, assert_sent};
use super::messages::Message;
use super::saga::{GivenSaga, SENT, described, given_saga};

/// A workflow with its instance, as a test sees it. Its function runs from its beginning at each step, as after a restart.
///
/// ```
/// use std::time::Duration;
///
/// use annals::prelude::*;
/// use annals::testing::given_workflow;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.on")] struct On { lamp: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.moved")] struct Moved { lamp: String }
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "lamp.off")] struct Off { #[target] lamp: String }
/// #[derive(Workflow, Serialize, Deserialize, Clone)]
/// #[workflow(name = "saver")]
/// struct Saver { lamp: String }
///
/// #[workflow_handlers]
/// impl Saver {
///     #[start(by = lamp)]
///     fn on(event: &On) -> Self { Self { lamp: event.lamp.clone() } }
///
///     #[run]
///     #[awaits(Moved, by = lamp)]
///     async fn run(self, flow: Flow<Self>) -> Result<u32, Never> {
///         let mut moves = 0;
///         while flow.event::<Moved>().within(Duration::from_secs(60)).await.is_some() {
///             moves += 1;
///         }
///         flow.send(Off { lamp: self.lamp }).await?;
///         Ok(moves)
///     }
/// }
///
/// # fn main() {
/// let hall = || "hall".to_owned();
/// given_workflow::<Saver>(On { lamp: hall() })
///     .then_waits(Duration::from_secs(60))
///     .when_time_passes(Duration::from_secs(59))
///     .when(Moved { lamp: hall() })
///     .then_waits(Duration::from_secs(60))
///     .when_time_passes(Duration::from_secs(60))
///     .then_sends(Off { lamp: hall() })
///     .when_accepted(Off { lamp: hall() }, ())
///     .then_completed(1);
/// # }
/// ```
pub struct GivenWorkflow<W: WorkflowHandlers>(GivenSaga<Flowing<W>>);

/// Begins a test: these events have happened.
///
/// # Panics
/// When the workflow cannot go on.
#[track_caller]
pub fn given_workflow<W: WorkflowHandlers>(events: impl Facts) -> GivenWorkflow<W> {
    GivenWorkflow(given_saga::<Flowing<W>>(events))
}

/// Begins a test: an instance was begun with this input.
///
/// # Panics
/// When the workflow cannot go on.
#[track_caller]
pub fn given_workflow_of<W: WorkflowHandlers>(input: W) -> GivenWorkflow<W> {
    let mut saga = given_saga::<Flowing<W>>(());
    saga.begin(Flowing::with(input, uuid::Uuid::nil()));
    GivenWorkflow(saga)
}

impl<W: WorkflowHandlers> GivenWorkflow<W> {
    /// A value that the code of calls asks for by its type.
    #[must_use]
    pub fn resource<T: Send + Sync + 'static>(self, value: T) -> Self {
        Self(self.0.resource(value))
    }

    /// These events happen.
    ///
    /// # Panics
    /// When the workflow cannot go on.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when(self, events: impl Facts) -> Self {
        Self(self.0.when(events))
    }

    /// A command that was sent is accepted, with this reply.
    ///
    /// # Panics
    /// When the workflow has not sent it, or cannot go on.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_accepted<C: Command>(self, command: C, reply: C::Reply) -> Self {
        self.assert_open(&command);
        Self(self.0.when_replied(command, reply))
    }

    /// A command that was sent is rejected.
    ///
    /// # Panics
    /// When the workflow has not sent it, or cannot go on.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_rejected<C: Command>(self, command: C, error: C::Error) -> Self {
        self.assert_open(&command);
        Self(self.0.when_rejected(command, error))
    }

    /// The code of a call has given this result; it does not run.
    ///
    /// # Panics
    /// When no such call is open, or the workflow cannot go on.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_called(mut self, name: &str, result: impl Serialize) -> Self {
        let effect = self.open_call(name);
        let result = serde_json::to_vec(&result);
        let result = result.unwrap_or_else(|error| panic!("the result cannot be written: {error}"));
        self.0.sent.clear();
        self.0.change(&effect, &Happening::Accepted(&effect, &result));
        self
    }

    /// The code of a call runs, with the [resources](Self::resource) of the test.
    ///
    /// # Panics
    /// When no such call is open, it fails, or the workflow cannot go on.
    pub async fn when_call_runs(mut self, name: &str) -> Self {
        let effect = self.open_call(name);
        let (payloads, resources) = (Payloads::json(), Arc::new(self.0.resources.clone()));
        let instance = self.0.instances.iter().find(|instance| instance.id() == effect.saga_id);
        let course = self.0.handling.course.as_ref();
        let code = instance.and_then(|instance| course?.call(instance.state(), &effect, &payloads, &resources));
        let Some(code) = code else { panic!("the function does not wait for the call `{name}`") };
        let result = code.await.unwrap_or_else(|error| panic!("the call `{name}` failed: {error}"));
        self.0.sent.clear();
        self.0.change(&effect, &Happening::Accepted(&effect, &result));
        self
    }

    /// Time moves on; waits that are over end, each at its instant.
    ///
    /// # Panics
    /// When the workflow cannot go on.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_time_passes(self, duration: Duration) -> Self {
        Self(self.0.when_time_passes(duration))
    }

    /// Somebody wants undone what was done.
    ///
    /// # Panics
    /// When there is not exactly one instance, or it cannot go on.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_undone(mut self) -> Self {
        assert_eq!(self.0.instances.len(), 1, "there is not exactly one instance that runs");
        self.0.sent.clear();
        self.0.open.clear();
        if let Some(instance) = self.0.instances.pop() {
            let metadata = instance.metadata();
            self.0.take(instance, &Happening::Compensate, &metadata, "the wish to undo");
        }
        self
    }

    /// Does not compare this field of commands from here on: a name, or a path such as `lines.price`.
    #[must_use]
    pub fn ignoring(self, path: &str) -> Self {
        Self(self.0.ignoring(path))
    }

    /// The newest step made the workflow send exactly these commands, in this order.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_sends(self, expected: impl Commands) -> Self {
        let mut wanted = Vec::new();
        expected.add_to(&mut wanted);
        self.0.comparison.in_order(&SENT, &wanted, &self.sent());
        self
    }

    /// The newest step made the workflow send this command, maybe among others: a command, or [`sending`](super::sending).
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn then_sends_one(self, expected: impl CommandMatcher) -> Self {
        assert_sent(&self.sent(), &expected, &self.0.comparison);
        self
    }

    /// The newest step made the workflow send no command of the type `C`.
    ///
    /// # Panics
    /// When it sent one.
    #[track_caller]
    pub fn then_sends_no<C: Command>(self) -> Self {
        assert_none_sent::<C>(&self.sent());
        self
    }

    /// The newest step made the workflow send nothing.
    ///
    /// # Panics
    /// When it sent something.
    #[track_caller]
    pub fn then_sends_nothing(self) -> Self {
        self.then_sends(())
    }

    /// The code of the call `name` is to run.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn then_calls(self, name: &str) -> Self {
        let _ = self.open_call(name);
        self
    }

    /// Something waits for this time from now on.
    ///
    /// # Panics
    /// When nothing does.
    #[track_caller]
    pub fn then_waits(self, duration: Duration) -> Self {
        let due = self.0.now.plus(duration);
        let waits: Vec<Duration> = self.0.timers.iter().map(|timer| timer.due.since(self.0.now)).collect();
        let found = self.0.timers.iter().any(|timer| timer.due == due);
        assert!(found, "nothing waits for {duration:?}, only for {waits:?}");
        self
    }

    /// Nothing waits for a time.
    ///
    /// # Panics
    /// When something does.
    #[track_caller]
    pub fn then_waits_for_no_time(self) -> Self {
        Self(self.0.then_no_deadline())
    }

    /// An instance runs.
    ///
    /// # Panics
    /// When none does.
    #[track_caller]
    pub fn then_runs(self) -> Self {
        assert!(!self.0.instances.is_empty(), "no instance runs");
        self
    }

    /// The function has given this.
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn then_completed(self, expected: W::Output) -> Self
    where
        W::Output: PartialEq + fmt::Debug,
    {
        match self.finished() {
            Finished::Completed(output) => assert_eq!(read::<W::Output>(&output), expected, "it gave another result"),
            other => panic!("the function has not succeeded: {other:?}"),
        }
        self
    }

    /// The function has failed with this, and what it had done is undone.
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn then_failed(self, expected: W::Error) -> Self
    where
        W::Error: PartialEq + fmt::Debug,
    {
        match self.finished() {
            Finished::Failed(error) => assert_eq!(read::<W::Error>(&error), expected, "it failed with another error"),
            other => panic!("the function has not failed: {other:?}"),
        }
        self
    }

    /// What the instance had done is undone, as somebody wanted.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn then_undone(self) -> Self {
        assert_eq!(self.finished(), Finished::Undone, "it has ended in another way");
        self
    }

    #[track_caller]
    fn finished(&self) -> Finished {
        match self.0.last.as_ref().and_then(|flowing| flowing.finished.clone()) {
            Some(finished) => finished,
            None => panic!("no instance has ended"),
        }
    }

    /// The commands that the newest step made the workflow send.
    fn sent(&self) -> Vec<Message> {
        let commands = |effect: &&Effect| matches!(effect.kind, EffectKind::Command | EffectKind::Notice);
        self.0.sent.iter().filter(commands).map(described).collect()
    }

    #[track_caller]
    fn open_call(&self, name: &str) -> Effect {
        let calls = || self.0.open.iter().filter(|effect| effect.kind == EffectKind::Call);
        match calls().find(|effect| effect.name == name) {
            Some(effect) => effect.clone(),
            None => {
                let others: Vec<&str> = calls().map(|effect| effect.name.as_str()).collect();
                panic!("the call `{name}` is not open, only {others:?}")
            }
        }
    }

    #[track_caller]
    fn assert_open<C: Command>(&self, command: &C) {
        let payload = Payloads::json().encode(command).unwrap_or_else(|error| panic!("{error}"));
        let found = self.0.open.iter().any(|effect| effect.name == C::NAME && effect.payload == payload);
        assert!(found, "no such `{}` waits for its answer", C::NAME);
    }
}

#[track_caller]
fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("the result cannot be read: {error}"))
}

impl<W: WorkflowHandlers> fmt::Debug for GivenWorkflow<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GivenWorkflow").field(&self.0).finish()
    }
}
