//! What can be done to instances of a saga from outside: by another saga, by a call, by hand.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;

use crate::command::delivery::{Courier, Deliver, Delivered};
use crate::handler::error::chain;
use crate::handler::{Context, Resources};
use crate::message::{CommandId, Metadata, SagaId};
use crate::store::{Association, Effect, EffectKind, Journal, SagaRow, StoreTransaction, WaitingInput};

use super::error::SagaError;
use super::handlers::{ChildEnd, SagaHandlers};
use super::handling::Handling;
use super::history::{Intervention, ParentSaga};
use super::instance::{Happening, Instance, Runner, Waiting, child_of};
use super::instances::{RACES, id_of, load, lost_a_race, write};
use super::monitor::{SagaObserver, Tally};
use super::processor::Wake;
use super::state;

/// Effects looked at for one instance.
const MANY: usize = 10_000;

/// The sagas of an application by their stored names, once all of them are known.
pub(crate) type Relatives = Arc<OnceLock<HashMap<&'static str, Arc<dyn Relative>>>>;

/// A state with which an instance begins.
pub(crate) struct Beginning<'a> {
    pub(crate) id: SagaId,
    pub(crate) version: u32,
    pub(crate) state: &'a [u8],
    pub(crate) associations: &'a [Association],
    pub(crate) parent: Option<ParentSaga>,
    pub(crate) metadata: Metadata,
    /// The effect that is done with it.
    pub(crate) effect: Option<CommandId>,
}

/// A saga whose type is not known.
#[async_trait]
pub(crate) trait Relative: Send + Sync {
    /// Begins an instance; returns whether it was not there.
    async fn begin(&self, beginning: &Beginning<'_>) -> Result<bool, SagaError>;

    /// Tells an instance that one which it began has ended.
    async fn child_ended(&self, effect: &Effect, state: &[u8]) -> Result<(), SagaError>;

    /// A state of an older version as it would be written today.
    fn lifted(&self, row: &SagaRow) -> Result<Vec<u8>, SagaError>;

    /// Does something about an instance that is stuck; returns whether it runs.
    async fn intervene(&self, id: SagaId, how: &How) -> Result<bool, SagaError>;
}

/// What is done about an instance.
#[derive(Debug, Clone)]
pub(crate) enum How {
    Retry,
    Skip,
    Replace { name: &'static str, revision: u32, payload: Vec<u8> },
    Compensate,
    Abort,
}

/// The saga `S`.
pub(crate) struct Family<S> {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    pub(crate) handling: Arc<Handling<S>>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) observer: SagaObserver,
    /// The others, which know this one: held weakly, so that all of them go with the application.
    pub(crate) relatives: Weak<OnceLock<HashMap<&'static str, Arc<dyn Relative>>>>,
}

/// What is done in a transaction of its own.
enum Task<'a> {
    Begin(&'a Beginning<'a>),
    Tell(&'a Effect, &'a [u8]),
    Intervene(SagaId, &'a How),
}

impl<S: SagaHandlers> Family<S> {
    /// Does it, anew where another writer of the instance was faster.
    async fn run(&self, task: Task<'_>) -> Result<bool, SagaError> {
        let mut races = 0;
        loop {
            match self.try_once(&task).await {
                Err(error) if lost_a_race(&self.journal, &error) && races < RACES => races += 1,
                ended => {
                    self.wake.both();
                    return ended;
                }
            }
        }
    }

    async fn try_once(&self, task: &Task<'_>) -> Result<bool, SagaError> {
        let mut transaction = self.journal.store().begin().await?;
        let done = match task {
            Task::Begin(beginning) => self.try_begin(beginning, &mut *transaction).await?,
            Task::Tell(effect, state) => self.tell(effect, state, &mut *transaction).await?,
            Task::Intervene(id, how) => self.try_to(how, *id, &mut *transaction).await?,
        };
        transaction.commit().await?;
        if let Some(tally) = &done {
            self.observer.report(S::NAME, tally);
        }
        Ok(done.is_some())
    }

    fn runner(&self) -> Runner<'_, S> {
        Runner { handling: &self.handling, payloads: self.journal.payloads(), tenant: self.journal.tenant() }
    }

    async fn try_begin(
        &self,
        beginning: &Beginning<'_>,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<Option<Tally>, SagaError> {
        let (journal, now) = (&self.journal, self.journal.now());
        if let Some(effect) = beginning.effect
            && transaction.finish_effects(journal.tenant(), &[effect]).await? == 0
        {
            return Ok(None);
        }
        if !transaction.find_sagas(journal.tenant(), S::NAME, &[], &[beginning.id]).await?.is_empty() {
            return Ok(None);
        }
        let (version, state) = (beginning.version, beginning.state.to_vec());
        let state =
            state::read::<S>(&SagaRow { version, state, ..SagaRow::new(beginning.id, 0, now) }, journal.payloads())?;
        let metadata = &beginning.metadata;
        let instance = Instance::begin_with(beginning.id, state, beginning.parent.clone(), now, metadata);
        let mut instance = instance.begun_by(beginning.associations, false);
        if beginning.effect.is_none() {
            instance = instance.with_own_scope();
        }
        let context = Context::new(now, metadata, &self.resources);
        if let Err(error) = instance.take(&Happening::Begun, &context, self.runner(), metadata) {
            instance.put_aside(&Waiting::Begun, Some(chain(&error)), now);
        }
        write(transaction, journal, vec![instance]).await
    }

    async fn tell(
        &self,
        effect: &Effect,
        state: &[u8],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<Option<Tally>, SagaError> {
        let (journal, now) = (&self.journal, self.journal.now());
        let Some((parent, begun_by, status)) = effect.end() else { return Ok(None) };
        if transaction.finish_effects(journal.tenant(), &[effect.command]).await? == 0 {
            return Ok(None);
        }
        let mut instances = load::<S>(transaction, journal, &[parent]).await?;
        let Some(instance) = instances.get(parent).filter(|instance| !instance.has_ended()) else { return Ok(None) };
        let waits = Waiting::Ended {
            saga: effect.saga.clone(),
            id: effect.saga_id,
            effect: begun_by,
            status,
            version: effect.revision(),
            state: effect.payload.clone(),
        };
        let end = ChildEnd::new(effect.saga_id, begun_by, status, state);
        let metadata = instance.metadata();
        let context = Context::new(now, &metadata, &self.resources);
        if instance.is_held_up() {
            instance.put_aside(&waits, None, now);
        } else if let Err(error) =
            instance.take(&Happening::Ended(&end, &effect.saga), &context, self.runner(), &metadata)
        {
            instance.put_aside(&waits, Some(chain(&error)), now);
        }
        write(transaction, journal, instances.into_all()).await
    }

    async fn try_to(
        &self,
        how: &How,
        id: SagaId,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<Option<Tally>, SagaError> {
        let (journal, now) = (&self.journal, self.journal.now());
        let mut instances = load::<S>(transaction, journal, &[id]).await?;
        // One that has ended may need attention for a command that it had sent before.
        let concerns = |instance: &&mut Instance<S>| {
            let stuck = instance.row().attention.is_some() && !matches!(how, How::Compensate);
            !instance.has_ended() || stuck
        };
        let Some(instance) = instances.get(id).filter(concerns) else { return Ok(None) };
        let open = journal.store().sagas().open_effects(journal.tenant(), S::NAME, Some(id), MANY).await?;
        if !matches!(how, How::Abort) {
            instance.readable(journal.payloads())?;
        }
        let (tenant, metadata) = (journal.tenant(), instance.metadata());
        let context = Context::new(now, &metadata, &self.resources);
        match how {
            How::Retry => {
                instance.intervene(Intervention::Retry, now);
                for effect in open.iter().filter(|effect| effect.parked.is_some()) {
                    transaction.postpone_effect(tenant, effect.command, 0, Ok(now)).await?;
                }
                self.catch_up(instance).await?;
            }
            How::Skip => {
                let waiting = journal.store().sagas().waiting(tenant, S::NAME, id).await?;
                let parked = open.iter().find(|effect| effect.parked.is_some());
                match (waiting.first(), parked) {
                    (Some(first), _) => {
                        if self.begins(id, first).await? {
                            return Err(SagaError::NotBegun { saga: S::NAME, instance: id });
                        }
                        instance.intervene(Intervention::Skip, now);
                        instance.resume(first.number);
                    }
                    (None, Some(effect)) => {
                        instance.has_its_reader();
                        transaction.finish_effects(tenant, &[effect.command]).await?;
                        if instance.has_ended() {
                            instance.intervene(Intervention::Skip, now);
                        } else {
                            instance.take(&Happening::Skipped(effect), &context, self.runner(), &metadata)?;
                        }
                    }
                    (None, None) => instance.intervene(Intervention::Skip, now),
                }
                let others = open.iter().filter(|effect| effect.parked.is_some()).count() > 1;
                if !others || !waiting.is_empty() {
                    self.catch_up_behind(instance, waiting.first().map(|first| first.number)).await?;
                }
            }
            How::Replace { name, revision, payload } => {
                let Some(effect) = open.iter().find(|effect| effect.parked.is_some()) else {
                    return Err(SagaError::NothingParked { saga: S::NAME, instance: id });
                };
                let handled = |name: &str| {
                    self.handling.replies.contains_key(name) || self.handling.rejections.contains_key(name)
                };
                if handled(&effect.name) && !handled(name) {
                    let (parked, other) = (effect.name.clone(), (*name).to_owned());
                    return Err(SagaError::Unanswered { saga: S::NAME, parked, other });
                }
                instance.intervene(Intervention::Replace, now);
                transaction.finish_effects(tenant, &[effect.command]).await?;
                let replacement = Effect {
                    command: CommandId::derived(effect.command.uuid(), "replaced"),
                    name: (*name).to_owned(),
                    payload: payload.clone(),
                    metadata: Effect::metadata_at(*revision, &effect.metadata),
                    attempts: 0,
                    not_before: now,
                    parked: None,
                    ..effect.clone()
                };
                instance.replaced(effect, &replacement);
                transaction.add_effects(vec![replacement]).await?;
                if open.iter().filter(|effect| effect.parked.is_some()).count() == 1 && !instance.is_held_up() {
                    instance.needs_no_attention();
                }
            }
            How::Compensate | How::Abort => {
                let ids: Vec<CommandId> = open.iter().map(|effect| effect.command).collect();
                if !ids.is_empty() {
                    transaction.finish_effects(tenant, &ids).await?;
                }
                for waiting in journal.store().sagas().waiting(tenant, S::NAME, id).await? {
                    instance.resume(waiting.number);
                }
                instance.needs_no_attention();
                if matches!(how, How::Compensate) {
                    instance.take(&Happening::Compensate, &context, self.runner(), &metadata)?;
                } else if !instance.has_ended() {
                    instance.abort(now);
                }
            }
        }
        Ok(Some(write(transaction, journal, instances.into_all()).await?.unwrap_or_default()))
    }

    /// Whether `waiting` is the input that begins the instance `id`.
    async fn begins(&self, id: SagaId, waiting: &WaitingInput) -> Result<bool, SagaError> {
        Ok(match self.read(waiting)? {
            Waiting::Begun => true,
            Waiting::Event { position, part } => {
                let event = self.journal.event_at(position).await?;
                event.is_some_and(|event| id_of::<S>(&event.recorded, part) == id)
            }
            Waiting::Deadline { .. } | Waiting::Ended { .. } => false,
        })
    }

    fn read(&self, waiting: &WaitingInput) -> Result<Waiting, SagaError> {
        serde_json::from_str(&waiting.input)
            .map_err(|error| SagaError::State { saga: S::NAME, source: crate::message::CodecError::new(error) })
    }

    /// Has an instance take the inputs that wait for it, up to the first that it cannot take.
    async fn catch_up(&self, instance: &mut Instance<S>) -> Result<(), SagaError> {
        self.catch_up_behind(instance, None).await
    }

    async fn catch_up_behind(&self, instance: &mut Instance<S>, behind: Option<u64>) -> Result<(), SagaError> {
        let (journal, now) = (&self.journal, self.journal.now());
        let waiting = journal.store().sagas().waiting(journal.tenant(), S::NAME, instance.id()).await?;
        for input in waiting.into_iter().filter(|input| behind.is_none_or(|behind| input.number > behind)) {
            if let Err(error) = self.give(instance, &self.read(&input)?).await {
                instance.needs_attention(chain(&error), now);
                return Ok(());
            }
            instance.resume(input.number);
        }
        instance.needs_no_attention();
        Ok(())
    }

    /// Gives an input to an instance that had to wait for it.
    async fn give(&self, instance: &mut Instance<S>, input: &Waiting) -> Result<(), SagaError> {
        let (journal, now) = (&self.journal, self.journal.now());
        let metadata = instance.metadata();
        let context = Context::new(now, &metadata, &self.resources);
        match input {
            Waiting::Begun => instance.take(&Happening::Begun, &context, self.runner(), &metadata),
            Waiting::Deadline { name } => instance.take(&Happening::Deadline(name), &context, self.runner(), &metadata),
            Waiting::Ended { saga, id, effect, status, version, state } => {
                let relatives = self.relatives.upgrade();
                let child = relatives.as_ref().and_then(|relatives| relatives.get()?.get(saga.as_str()));
                let Some(child) = child else { return Err(SagaError::Unknown { name: saga.clone() }) };
                let state = SagaRow { version: *version, state: state.clone(), ..SagaRow::new(*id, 0, now) };
                let state = child.lifted(&state)?;
                let end = ChildEnd::new(*id, *effect, *status, &state[..]);
                instance.take(&Happening::Ended(&end, saga), &context, self.runner(), &metadata)
            }
            Waiting::Event { position, part } => {
                let Some(event) = journal.event_at(*position).await? else { return Ok(()) };
                let caused = event.recorded.metadata().caused_by_event(event.recorded.id);
                let context = Context::new(now, event.recorded.metadata(), &self.resources);
                let context = context.with_recorded(&event.recorded);
                for decoded in journal.decode(&event).await? {
                    if decoded.part() == *part
                        && let Some(input) = S::route(decoded, event.recorded.metadata())?
                    {
                        let begun = instance.id() == id_of::<S>(&event.recorded, *part);
                        let happening = match begun {
                            true => Happening::Beginning(&input, &event.recorded),
                            false => Happening::Event(&input, &event.recorded),
                        };
                        instance.take(&happening, &context, self.runner(), &caused)?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[async_trait]
impl<S: SagaHandlers> Relative for Family<S> {
    async fn begin(&self, beginning: &Beginning<'_>) -> Result<bool, SagaError> {
        self.run(Task::Begin(beginning)).await
    }

    async fn child_ended(&self, effect: &Effect, state: &[u8]) -> Result<(), SagaError> {
        self.run(Task::Tell(effect, state)).await.map(|_| ())
    }

    fn lifted(&self, row: &SagaRow) -> Result<Vec<u8>, SagaError> {
        let state = state::read::<S>(row, self.journal.payloads())?;
        self.journal.payloads().encode(&state).map_err(|source| SagaError::State { saga: S::NAME, source })
    }

    async fn intervene(&self, id: SagaId, how: &How) -> Result<bool, SagaError> {
        self.run(Task::Intervene(id, how)).await
    }
}

/// Has the effects of the saga `S` happen.
pub(crate) struct SagaCourier<S> {
    pub(crate) courier: Courier,
    pub(crate) resources: Arc<Resources>,
    pub(crate) handling: Arc<Handling<S>>,
    pub(crate) relatives: Relatives,
}

impl<S: SagaHandlers> SagaCourier<S> {
    fn relative(&self, name: &str) -> Result<&Arc<dyn Relative>, Delivered> {
        let found = self.relatives.get().and_then(|relatives| relatives.get(name));
        found.ok_or_else(|| Delivered::permanent(format!("this application has no saga `{name}`")))
    }

    async fn begin(&self, effect: &Effect) -> Delivered {
        let relative = match self.relative(&effect.name) {
            Ok(relative) => relative,
            Err(failed) => return failed,
        };
        let parent = ParentSaga { saga: effect.saga.clone(), id: effect.saga_id, effect: effect.command };
        let beginning = Beginning {
            id: child_of(effect.command),
            version: effect.revision(),
            state: &effect.payload,
            associations: &[],
            parent: Some(parent),
            metadata: effect.metadata.caused_by_command(effect.command).without(Effect::REVISION),
            effect: Some(effect.command),
        };
        answered(relative.begin(&beginning).await.map(|_| ()))
    }

    async fn tell(&self, effect: &Effect) -> Delivered {
        let state = self.relative(&effect.saga).and_then(|own| {
            let (version, state) = (effect.revision(), effect.payload.clone());
            let row = SagaRow { version, state, ..SagaRow::new(effect.saga_id, 0, effect.not_before) };
            own.lifted(&row).map_err(|error| Delivered::permanent(chain(&error)))
        });
        match (state, self.relative(&effect.name)) {
            (Ok(state), Ok(parent)) => answered(parent.child_ended(effect, &state).await),
            (Err(failed), _) | (_, Err(failed)) => failed,
        }
    }

    async fn call(&self, effect: &Effect) -> Delivered {
        let journal = &self.courier.journal;
        let loaded = async {
            let mut transaction = journal.store().begin().await?;
            load::<S>(&mut *transaction, journal, &[effect.saga_id]).await
        };
        let mut instances = match loaded.await {
            Ok(instances) => instances,
            Err(error) => return answered(Err(error)),
        };
        let course = self.handling.course.as_ref();
        let code = instances
            .get(effect.saga_id)
            .map(|instance| {
                instance.readable(journal.payloads())?;
                Ok(course.and_then(|course| course.call(instance.state(), effect, journal.payloads(), &self.resources)))
            })
            .transpose();
        let code = match code {
            Ok(code) => code.flatten(),
            Err(error) => return answered(Err(error)),
        };
        match code {
            None => Delivered::permanent(format!("there is no code for the call `{}`", effect.name)),
            Some(code) => match code.await {
                Ok(result) => Delivered::Accepted(result),
                Err(error) => {
                    let permanent = error.class() == Some(crate::handler::FailureClass::Permanent);
                    Delivered::Failed { reason: error.to_string(), permanent }
                }
            },
        }
    }
}

fn answered(done: Result<(), SagaError>) -> Delivered {
    match done {
        Ok(()) => Delivered::Accepted(Vec::new()),
        Err(error) => {
            // A newer program goes on with what it has written.
            let permanent = !matches!(error, SagaError::Store(_) | SagaError::Read(_) | SagaError::NewerState { .. });
            Delivered::Failed { reason: chain(&error), permanent }
        }
    }
}

#[async_trait]
impl<S: SagaHandlers> Deliver for SagaCourier<S> {
    fn target(&self, effect: &Effect) -> Option<String> {
        match effect.kind {
            EffectKind::Command | EffectKind::Notice | EffectKind::Event => self.courier.target(effect),
            EffectKind::Saga | EffectKind::Ended | EffectKind::Call => None,
        }
    }

    async fn deliver(&self, effect: &Effect) -> Delivered {
        match effect.kind {
            EffectKind::Command | EffectKind::Notice | EffectKind::Event => self.courier.deliver(effect).await,
            EffectKind::Saga => self.begin(effect).await,
            EffectKind::Ended => self.tell(effect).await,
            EffectKind::Call => self.call(effect).await,
        }
    }
}
