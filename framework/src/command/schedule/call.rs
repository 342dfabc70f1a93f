//! A command or an event about to be scheduled.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::command::error::CommandFailure;
use crate::message::{Command, CommandId, Event, Metadata, StreamId, Timestamp};
use crate::store::{Effect, EffectKind, Limits, StoreError, StoreTransaction};

use super::event;
use super::scheduler::Scheduler;

/// A command or an event about to be scheduled: await it, after saying when it is due. Without an instant it is due as soon
/// as it is stored.
#[must_use = "a message is scheduled when the call is awaited"]
pub struct ScheduleCall {
    scheduler: Scheduler,
    /// What is sent; an event with the stream that it is for.
    message: Result<Message, CommandFailure>,
    name: &'static str,
    id: CommandId,
    scope: Option<String>,
    label: Option<String>,
    metadata: Metadata,
    due: Timestamp,
}

struct Message {
    kind: EffectKind,
    revision: u32,
    payload: Vec<u8>,
    /// What the framework has to remember of an event.
    place: Metadata,
}

impl ScheduleCall {
    pub(super) fn command<C: Command>(scheduler: Scheduler, command: &C) -> Self {
        let encode = || {
            scheduler.known.check_command(C::NAME)?;
            let payload = scheduler.journal.payloads().encode(command);
            let payload = payload.map_err(|source| CommandFailure::Codec { name: C::NAME.to_owned(), source })?;
            Ok(Message { kind: EffectKind::Command, revision: C::REVISION, payload, place: Metadata::new() })
        };
        let message = encode();
        Self::new(scheduler, C::NAME, message)
    }

    pub(super) fn event<E: Event>(scheduler: Scheduler, stream: &StreamId, event: &E) -> Self {
        let encode = || {
            scheduler.known.check_event(E::NAME)?;
            let payload = scheduler.journal.payloads().encode(event);
            let payload = payload.map_err(|source| CommandFailure::Codec { name: E::NAME.to_owned(), source })?;
            let place = Effect::metadata_to(Metadata::new(), stream, &event.tags());
            Ok(Message { kind: EffectKind::Event, revision: E::REVISION, payload, place })
        };
        let message = encode();
        Self::new(scheduler, E::NAME, message)
    }

    fn new(scheduler: Scheduler, name: &'static str, message: Result<Message, CommandFailure>) -> Self {
        let (metadata, due) = (scheduler.carried.clone(), scheduler.journal.now());
        Self { scheduler, message, name, id: CommandId::new(), scope: None, label: None, metadata, due }
    }

    /// It is due at `instant`: it is sent then or after, never earlier.
    pub fn at(mut self, instant: Timestamp) -> Self {
        self.due = instant;
        self
    }

    /// It is due when `duration` has passed from now, by the clock of the application.
    pub fn after(mut self, duration: Duration) -> Self {
        self.due = self.scheduler.journal.now().plus(duration);
        self
    }

    /// Schedules under this id, in place of what waits under it already. A command is also sent under it, and an event has it
    /// as its own: if that has happened before, nothing happens again.
    pub fn id(mut self, id: CommandId) -> Self {
        self.id = id;
        self
    }

    /// Belongs to `scope`, whose messages can be [listed](Scheduler::list_scope) and [taken back](Scheduler::cancel_scope)
    /// together. What an aggregate waits for is in the scope `category:id`, which goes when its stream is deleted.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Has this name in its scope, in place of what waits under it already. Without a scope it is a name among all that have
    /// none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.label = Some(name.into());
        self
    }

    /// Carries `value` under `key`.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key, value);
        self
    }

    /// Schedules in the transaction of an event handler: the message is sent if that commits, and only then.
    ///
    /// # Errors
    /// [`CommandFailure`] when the message cannot be encoded or is too large, or the store does not answer.
    pub async fn within(self, transaction: &mut dyn StoreTransaction) -> Result<CommandId, CommandFailure> {
        let id = self.id;
        let (scheduler, effect) = self.into_effect()?;
        transaction.add_effects(vec![effect]).await?;
        // It may not be committed when the dispatcher looks; it looks again by itself.
        scheduler.wake().notify_one();
        Ok(id)
    }

    async fn store(self) -> Result<CommandId, CommandFailure> {
        if crate::store::is_held() {
            let reason = format!(
                "`{}` was scheduled by a task that holds a transaction, and would wait for it: schedule it with \
                 `.within(transaction)`",
                self.name
            );
            return Err(CommandFailure::Refused { reason });
        }
        let id = self.id;
        let (scheduler, effect) = self.into_effect()?;
        let mut transaction = scheduler.journal.store().begin().await?;
        transaction.add_effects(vec![effect]).await?;
        transaction.commit().await?;
        scheduler.wake().notify_one();
        Ok(id)
    }

    pub(crate) fn into_effect(self) -> Result<(Scheduler, Effect), CommandFailure> {
        let Self { scheduler, message, name, id, scope, label, mut metadata, due } = self;
        let Message { kind, revision, payload, place } = message?;
        metadata.correlate(id);
        for (key, value) in place.iter() {
            metadata.insert(key, value);
        }
        let metadata = Effect::metadata_at(revision, &metadata);
        let effect = Effect {
            tenant: scheduler.journal.tenant().to_owned(),
            // A name stands in some scope.
            scope: scope.or_else(|| label.is_some().then(String::new)),
            label,
            ..Effect::scheduled(id, kind, name, payload, metadata, due)
        };
        Limits::default().check_effect(&effect).map_err(StoreError::from)?;
        if kind == EffectKind::Event {
            event::admit(&effect)?;
        }
        Ok((scheduler, effect))
    }
}

impl IntoFuture for ScheduleCall {
    type Output = Result<CommandId, CommandFailure>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.store())
    }
}

impl fmt::Debug for ScheduleCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleCall")
            .field("message", &self.name)
            .field("id", &self.id)
            .field("scope", &self.scope)
            .field("name", &self.label)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}
