//! The whole application: given events and commands, when a command, an event or time, then what can be seen of it.

use std::fmt::{Debug, Display};
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::aggregate::Aggregate;
use crate::app::{Annals, Builder};
use crate::command::{CommandInterceptor, CommandMessage, CommandResult, Next, Purpose, SendCall, SendError};
use crate::message::{
    AnsweredByOne, Clock, Command, CommandId, EventId, Json, Metadata, Payloads, Position, Query, StreamId, Timestamp,
};
use crate::store::{Append, NewEvent, Read, SharedStore};
use crate::view::ViewHandlers;

use super::facts::{Fact, Facts, facts};
use super::messages::{Comparison, Message};
use super::{Answer, Observed, TestClock, diff};

/// How long a step may take by the machine's clock until everything has settled.
const PATIENCE: Duration = Duration::from_secs(20);

/// An application that is about to be tested; see [`app`].
#[must_use]
#[derive(Debug)]
pub struct AppSetup {
    builder: Builder,
    clock: TestClock,
    events: Vec<(StreamId, Fact)>,
}

/// Begins a test of the application that `builder` puts together, on memory unless it names a store, with a clock that
/// stands still. Handlers with SQL want `.store("sqlite::memory:")`.
///
/// ```standalone_crate
/// use std::time::Duration;
///
/// use annals::prelude::*;
/// use annals::testing;
///
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "lamp.on")]
/// # struct TurnOn { #[target] lamp: String }
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "lamp.off")]
/// # struct TurnOff { #[target] lamp: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched-on")] struct On { lamp: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched-off")] struct Off {}
/// # #[derive(Aggregate, Default, Clone, Debug)] #[aggregate(name = "lamp")] struct Lamp {}
/// # #[event_sourcing] impl Lamp {
/// #     #[apply] fn on(&mut self, _event: &On) {}
/// #     #[apply] fn off(&mut self, _event: &Off) {}
/// # }
/// # #[command_handlers] impl Lamp {
/// #     #[handle(create_if_missing)] fn turn_on(&self, command: TurnOn) -> On { On { lamp: command.lamp } }
/// #     #[handle] fn turn_off(&self, _command: TurnOff) -> Off { Off {} }
/// # }
/// # #[derive(Saga, Serialize, Deserialize, Default, Clone)] #[saga(name = "saver")] struct Saver { lamp: String }
/// # #[saga_handlers] impl Saver {
/// #     #[start(by = lamp)] fn on(&mut self, event: &On, effects: &mut Effects) {
/// #         self.lamp = event.lamp.clone();
/// #         effects.deadline("long enough", Duration::from_secs(60));
/// #     }
/// #     #[deadline("long enough")] fn off(&mut self, effects: &mut Effects) {
/// #         effects.send(TurnOff { lamp: self.lamp.clone() });
/// #         effects.end();
/// #     }
/// # }
/// # fn main() { tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let app = testing::app(Annals::builder()).start().await;
/// app.when(TurnOn { lamp: "hall".into() }).await.then_events(On { lamp: "hall".into() });
/// app.advance(Duration::from_secs(60)).await.then_commands(TurnOff { lamp: "hall".into() }).then_events(Off {});
/// # app.shutdown().await;
/// # }) }
/// ```
pub fn app(builder: Builder) -> AppSetup {
    AppSetup { builder, clock: TestClock::default(), events: Vec::new() }
}

impl AppSetup {
    /// The instant at which the clock stands. Default: noon of 2026-01-01.
    pub fn at(self, now: Timestamp) -> Self {
        self.clock.set(now);
        self
    }

    /// These events have happened. Those from a file keep their streams; the others are in a stream of their own,
    /// `test:given`, which suits views, sagas, event handlers and decisions.
    pub fn given(mut self, events: impl Facts) -> Self {
        self.events.extend(facts(events).into_iter().map(placed));
        self
    }

    /// These events have happened to the aggregate `A` with this id.
    pub fn given_of<A: Aggregate>(mut self, id: impl Display, events: impl Facts) -> Self {
        let stream = StreamId::new(A::NAME, id.to_string());
        self.events.extend(facts(events).into_iter().map(|fact| (stream.clone(), fact)));
        self
    }

    /// Writes what is given, starts the application, and waits until it has settled.
    ///
    /// # Panics
    /// When it cannot be started, or does not settle within 20 seconds.
    #[track_caller]
    pub fn start(self) -> impl Future<Output = TestApp> {
        let caller = Location::caller();
        async move {
            let sent = Sent::default();
            let builder = self.builder.clock(self.clock.clone()).dispatch_interceptor(sent.clone());
            let (builder, store) = or_fail(builder.opened().await, caller, "the store cannot be opened");
            let (tenant, payloads) = builder.format();
            append(&store, tenant, payloads, self.events, self.clock.now(), caller).await;
            let annals = or_fail(builder.start().await, caller, "the application cannot be started");
            let app = TestApp { annals, store, clock: self.clock, sent };
            app.settle(caller).await;
            app
        }
    }
}

/// A running application under test. Each step waits until everything that it set going has settled.
pub struct TestApp {
    annals: Annals,
    store: SharedStore,
    clock: TestClock,
    sent: Sent,
}

impl TestApp {
    /// The application.
    #[must_use]
    pub fn annals(&self) -> &Annals {
        &self.annals
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// This command was handled before.
    ///
    /// # Panics
    /// When it is not accepted.
    #[track_caller]
    pub fn after<C: Command>(&self, command: C) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            or_fail(self.send(command).await, caller, &format!("the command `{}` was not accepted", C::NAME));
            self.settle(caller).await;
        }
    }

    /// Sends `command`.
    ///
    /// # Panics
    /// When not everything has settled within 20 seconds.
    #[track_caller]
    pub fn when<C: Command>(&self, command: C) -> impl Future<Output = Observed<Answer<C>>> {
        let caller = Location::caller();
        async move {
            let mark = self.mark(caller).await;
            let answer = self.send(command).await.map(|sent| sent.reply);
            let note = match &answer {
                Ok(_) => None,
                Err(SendError::Rejected(error)) => Some(format!("the command was rejected: {error}")),
                Err(SendError::Failed(failure)) => {
                    Some(format!("the command failed: {}", crate::handler::error::chain(failure)))
                }
            };
            let observed = self.observed(mark, caller).await;
            Observed { note, ..observed.with(Answer(answer)) }
        }
    }

    /// These events happen, in the streams that [`AppSetup::given`] tells of. Inline views are written by commands and see
    /// none of them.
    ///
    /// # Panics
    /// When they cannot be stored, or not everything has settled within 20 seconds.
    #[track_caller]
    pub fn when_events(&self, events: impl Facts) -> impl Future<Output = Observed> {
        let caller = Location::caller();
        let events: Vec<_> = facts(events).into_iter().map(placed).collect();
        async move {
            let (mark, journal) = (self.mark(caller).await, self.annals.journal());
            append(&self.store, journal.tenant(), journal.payloads(), events, journal.now(), caller).await;
            self.observed(mark, caller).await
        }
    }

    /// Time moves on by `duration`; deadlines that pass fire, each at its instant.
    ///
    /// # Panics
    /// When not everything has settled within 20 seconds.
    #[track_caller]
    pub fn advance(&self, duration: Duration) -> impl Future<Output = Observed> {
        let caller = Location::caller();
        async move {
            let mark = self.mark(caller).await;
            let end = self.clock.now().plus(duration);
            while let Some(due) = self.next_deadline(end, caller).await {
                self.clock.set(due.max(self.clock.now()));
                self.settle(caller).await;
            }
            self.clock.set(end);
            self.observed(mark, caller).await
        }
    }

    /// The view `V` has this document.
    ///
    /// # Panics
    /// When it has another one, or none.
    #[track_caller]
    pub fn then_view<V: ViewHandlers + PartialEq + Debug>(
        &self,
        key: &V::Key,
        expected: V,
    ) -> impl Future<Output = &Self> {
        let caller = Location::caller();
        async move {
            match or_fail(self.annals.view::<V>().get(key).await, caller, "the view cannot be read") {
                Some(document) => {
                    same(&expected, &document, caller, &format!("another document was expected for the key `{key}`"));
                }
                None => panic!("there is no document with the key `{key}`\nat {caller}"),
            }
            self
        }
    }

    /// The view `V` has no such document.
    ///
    /// # Panics
    /// When it has one.
    #[track_caller]
    pub fn then_no_view<V: ViewHandlers>(&self, key: &V::Key) -> impl Future<Output = &Self> {
        let caller = Location::caller();
        async move {
            let found = or_fail(self.annals.view::<V>().get(key).await, caller, "the view cannot be read");
            assert!(found.is_none(), "there is a document with the key `{key}`\nat {caller}");
            self
        }
    }

    /// The answer to `query` is this one.
    ///
    /// # Panics
    /// When it is another one, or the query fails.
    #[track_caller]
    pub fn then_query<Q: Query<Kind: AnsweredByOne>>(&self, query: Q, expected: Q::Reply) -> impl Future<Output = &Self>
    where
        Q::Reply: PartialEq + Debug,
    {
        let caller = Location::caller();
        async move {
            let answer = or_fail(self.annals.query(query).await, caller, &format!("the query `{}` failed", Q::NAME));
            same(&expected, &answer, caller, "another answer was expected");
            self
        }
    }

    /// Ends the application and closes its store.
    ///
    /// # Panics
    /// When it does not end cleanly.
    #[track_caller]
    pub fn shutdown(self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            or_fail(self.annals.shutdown().await, caller, "the application did not end cleanly");
            self.store.close().await;
        }
    }

    fn send<C: Command>(&self, command: C) -> SendCall<C> {
        let call = self.annals.send(command);
        self.sent.lock().own = Some(call.command_id());
        call
    }

    /// Forgets the commands so far; the position from which a step is observed.
    pub(super) async fn mark(&self, caller: &Location<'_>) -> Position {
        self.sent.take();
        or_fail(self.store.head().await, caller, "the store cannot be read")
    }

    /// What has happened since `mark`, once everything has settled.
    async fn observed(&self, mark: Position, caller: &Location<'_>) -> Observed {
        self.settle(caller).await;
        let (events, commands) = (self.events(mark, caller).await, self.sent.take());
        Observed { answer: (), note: None, events, commands, comparison: Comparison::default() }
    }

    async fn events(&self, mark: Position, caller: &Location<'_>) -> Vec<Message> {
        let journal = self.annals.journal();
        let (mut events, mut after) = (Vec::new(), mark);
        loop {
            let page = or_fail(journal.read(Read::all(after)).await, caller, "the events cannot be read");
            for event in &page.events {
                let parts = or_fail(journal.decode(event).await, caller, "an event cannot be lifted");
                for part in parts {
                    let name = part.name().to_owned();
                    events.push((name, or_fail(part.into_json(), caller, "an event cannot be read")));
                }
            }
            if !page.more {
                return events;
            }
            after = page.scanned;
        }
    }

    async fn next_deadline(&self, end: Timestamp, caller: &Location<'_>) -> Option<Timestamp> {
        let (tenant, mut next) = (self.annals.journal().tenant(), None);
        for saga in self.annals.saga_names() {
            let timers = self.store.sagas().due_timers(tenant, saga, crate::store::Segment::WHOLE, end, 1).await;
            let due = or_fail(timers, caller, "the deadlines cannot be read").first().map(|timer| timer.due);
            next = next.into_iter().chain(due).min();
        }
        next
    }

    pub(super) async fn settle(&self, caller: &Location<'_>) {
        or_fail(self.annals.settled(PATIENCE).await, caller, "the application does not settle");
    }
}

impl Debug for TestApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestApp").field("annals", &self.annals).field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Observed {
    fn with<R>(self, answer: R) -> Observed<R> {
        let Self { answer: (), note, events, commands, comparison } = self;
        Observed { answer, note, events, commands, comparison }
    }
}

/// Commands that sagas and handlers have sent.
#[derive(Debug, Clone, Default)]
struct Sent(Arc<Mutex<Observations>>);

#[derive(Debug, Default)]
struct Observations {
    /// The command that the test itself has sent last.
    own: Option<CommandId>,
    commands: Vec<CommandMessage>,
}

impl Sent {
    fn lock(&self) -> MutexGuard<'_, Observations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a command, unless the test has sent it, or it is tried again.
    fn note(&self, command: &CommandMessage) {
        let mut sent = self.lock();
        if sent.own != Some(command.id) && sent.commands.iter().all(|other| other.id != command.id) {
            sent.commands.push(command.clone());
        }
    }

    fn take(&self) -> Vec<CommandMessage> {
        std::mem::take(&mut self.lock().commands)
    }
}

#[async_trait]
impl CommandInterceptor for Sent {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        if command.purpose == Purpose::Execute {
            self.note(&command);
        }
        next.run(command).await
    }
}

fn placed(fact: Fact) -> (StreamId, Fact) {
    let stream = fact.origin.as_ref().map(|origin| origin.stream.clone());
    (stream.unwrap_or_else(|| StreamId::new("test", "given")), fact)
}

async fn append(
    store: &SharedStore,
    tenant: &str,
    payloads: &Payloads,
    events: Vec<(StreamId, Fact)>,
    now: Timestamp,
    caller: &Location<'_>,
) {
    if events.is_empty() {
        return;
    }
    let events = events.into_iter().map(|(stream, fact)| {
        let json: Json = serde_json::from_slice(&fact.payload).unwrap_or_default();
        let payload = or_fail(payloads.encode(&json), caller, &format!("`{}` cannot be encoded", fact.name));
        let origin = fact.origin.map(|origin| *origin);
        let (id, metadata, recorded_at) = match origin {
            Some(origin) => (origin.id, origin.metadata, origin.recorded_at),
            None => (EventId::new(), Metadata::new(), now),
        };
        NewEvent {
            stream,
            id,
            name: fact.name,
            revision: fact.revision,
            payload,
            metadata: Arc::new(metadata),
            tags: fact.tags,
            recorded_at,
        }
    });
    let append = Append { tenant: tenant.to_owned(), events: events.collect(), ..Append::default() };
    or_fail(store.append(append).await, caller, "the events cannot be stored");
}

fn or_fail<T, E: std::error::Error + 'static>(result: Result<T, E>, caller: &Location<'_>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {}\nat {caller}", crate::handler::error::chain(&error)),
    }
}

fn same<T: PartialEq + Debug>(expected: &T, actual: &T, caller: &Location<'_>, otherwise: &str) {
    if expected != actual {
        let differences = diff::section(diff::debug(expected, actual), "  ");
        panic!("{otherwise}\nexpected: {expected:?}\nwas: {actual:?}\n{differences}\nat {caller}");
    }
}
