//! Schedules commands and events, and looks after those that wait.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::command::error::CommandFailure;
use crate::handler::{Context, ContextError, FromContext, Requirement};
use crate::message::{Command, CommandId, Event, Metadata, StreamId, Timestamp, UpcastError};
use crate::store::{Effect, EffectKind, Journal, StoreError, WhichEffects};

use super::call::ScheduleCall;
use super::event;
use super::recurring::RecurringHandle;

/// How many are read at once where all are asked for.
const PAGE: usize = 1_000;
/// No attempt waits longer for the next one.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Schedules commands and events: `app.scheduler()`, or a parameter of a handler outside aggregates or of an event handler.
/// What a handler schedules carries on the correlation of the message that is handled.
#[derive(Clone)]
pub struct Scheduler {
    pub(super) journal: Journal,
    pub(super) carried: Metadata,
    pub(super) known: Arc<Known>,
}

/// What this application handles and reads.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) commands: HashSet<&'static str>,
    /// With their revisions.
    pub(crate) events: BTreeMap<&'static str, u32>,
}

/// A command or an event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scheduled {
    /// Its id: that of the command, now and when it is sent; as an event id that of the event.
    pub id: CommandId,
    /// What it is.
    pub kind: ScheduledKind,
    /// The stored name of the command or event.
    pub message: String,
    /// What it belongs to.
    pub scope: Option<String>,
    /// Its name in the scope.
    pub name: Option<String>,
    /// When it is sent, or tried again.
    pub due: Timestamp,
    /// How often it was tried without success.
    pub attempts: u32,
    /// Why it was given up, if it was: it then waits for [`Scheduler::reschedule`] or [`Scheduler::cancel`].
    pub parked: Option<String>,
    /// What it carries.
    pub metadata: Metadata,
}

/// What is scheduled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScheduledKind {
    /// A command to send.
    Command,
    /// An event to append to this stream.
    Event(StreamId),
}

impl From<Effect> for Scheduled {
    fn from(effect: Effect) -> Self {
        let stream = event::stream_of(&effect).filter(|_| effect.kind == EffectKind::Event);
        let metadata = event::carried(&effect);
        Self {
            id: effect.command,
            kind: stream.map_or(ScheduledKind::Command, ScheduledKind::Event),
            message: effect.name,
            scope: effect.scope,
            name: effect.label,
            due: effect.not_before,
            attempts: effect.attempts,
            parked: effect.parked,
            metadata,
        }
    }
}

impl Scheduler {
    pub(crate) fn new(journal: Journal, known: Known) -> Self {
        Self { journal, carried: Metadata::new(), known: Arc::new(known) }
    }

    /// Raised when there may be something new to send.
    pub(crate) fn wake(&self) -> &Arc<Notify> {
        self.journal.scheduled()
    }

    pub(crate) fn known(&self) -> &Arc<Known> {
        &self.known
    }

    /// Schedules `command`; say when, and await the call. It gives the id of the command.
    ///
    /// # Errors
    /// [`CommandFailure::NoHandler`] when nobody handles it, [`CommandFailure::Codec`] when it cannot be encoded,
    /// [`CommandFailure::Store`] when the store does not answer or the command is too large.
    #[expect(clippy::needless_pass_by_value, reason = "the caller gives the command away, as with `send`")]
    pub fn schedule<C: Command>(&self, command: C) -> ScheduleCall {
        ScheduleCall::command(self.clone(), &command)
    }

    /// Schedules `event` to be appended to `stream`, whatever the stream holds by then; say when, and await the call. It
    /// gives the id of the event, as that of a command.
    ///
    /// The event is kept as it is written now. If its revision is an old one when it is due, upcasters lift it before it is
    /// appended. A fact decides nothing: where the aggregate should have a say, schedule a command.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use annals::prelude::*;
    /// #[derive(Event, Serialize, Deserialize)]
    /// #[event(name = "offer.expired")]
    /// struct OfferExpired { #[tag] offer: String }
    ///
    /// # async fn schedule(scheduler: Scheduler) -> Result<(), annals::CommandFailure> {
    /// let offer = StreamId::new("offer", "o-1");
    /// scheduler.schedule_event(offer, OfferExpired { offer: "o-1".into() }).after(Duration::from_secs(3600)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CommandFailure::UnknownEvent`] when the application has no such event, [`CommandFailure::Codec`] when it cannot be
    /// encoded, [`CommandFailure::Append`] when no store would take it, [`CommandFailure::Store`] when the store does not
    /// answer.
    #[expect(clippy::needless_pass_by_value, reason = "the caller gives the event away")]
    pub fn schedule_event<E: Event>(&self, stream: StreamId, event: E) -> ScheduleCall {
        ScheduleCall::event(self.clone(), &stream, &event)
    }

    /// Commands that are sent again and again.
    #[must_use]
    pub fn recurring(&self) -> RecurringHandle {
        RecurringHandle { scheduler: self.clone() }
    }

    /// Everything that waits, in the order of the instants: also what was given up. It is read in pages, but given as one
    /// list; where millions wait, ask for [pages](Scheduler::page).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self) -> Result<Vec<Scheduled>, StoreError> {
        let mut all = self.all(WhichEffects::Waiting).await?;
        all.extend(self.all(WhichEffects::Parked).await?);
        all.sort_by_key(|scheduled| (scheduled.due, scheduled.id));
        Ok(all)
    }

    /// Up to `limit` of those that wait for their instants, in that order: those behind `after`, which came last on the page
    /// before. What was given up is in [`Scheduler::parked`].
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn page(&self, after: Option<&Scheduled>, limit: usize) -> Result<Vec<Scheduled>, StoreError> {
        let after = after.map(|last| (last.due, last.id));
        self.read(WhichEffects::Waiting, after, limit).await
    }

    /// What was given up, and waits for [`Scheduler::reschedule`] or [`Scheduler::cancel`].
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn parked(&self) -> Result<Vec<Scheduled>, StoreError> {
        self.all(WhichEffects::Parked).await
    }

    /// What waits in `scope`, in the order of the instants.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list_scope(&self, scope: &str) -> Result<Vec<Scheduled>, StoreError> {
        self.all(WhichEffects::Scope(scope)).await
    }

    /// What waits under `name` in `scope`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn find(&self, scope: &str, name: &str) -> Result<Option<Scheduled>, StoreError> {
        let all = self.list_scope(scope).await?;
        Ok(all.into_iter().find(|scheduled| scheduled.name.as_deref() == Some(name)))
    }

    /// Takes back what waits under this id; returns whether it was still waiting. What is just being sent counts as waiting
    /// and may have its effect all the same.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn cancel(&self, id: CommandId) -> Result<bool, StoreError> {
        let mut transaction = self.journal.store().begin().await?;
        let found = transaction.finish_effects(self.journal.tenant(), &[id]).await? > 0;
        transaction.commit().await?;
        Ok(found)
    }

    /// Takes back what waits under `name` in `scope`; returns whether something did.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn cancel_named(&self, scope: &str, name: &str) -> Result<bool, StoreError> {
        Ok(self.cancel_in(scope, Some(name)).await? > 0)
    }

    /// Takes back everything that waits in `scope`; returns how many.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn cancel_scope(&self, scope: &str) -> Result<u64, StoreError> {
        self.cancel_in(scope, None).await
    }

    async fn cancel_in(&self, scope: &str, name: Option<&str>) -> Result<u64, StoreError> {
        let mut transaction = self.journal.store().begin().await?;
        let tenant = self.journal.tenant();
        let found = transaction.cancel_effects(tenant, Effect::SCHEDULED, scope, name).await?;
        transaction.commit().await?;
        Ok(found)
    }

    /// Moves what waits under this id to another instant, also where it was given up; returns whether it was still waiting.
    /// What is just being sent may have its effect all the same, and then not again.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn reschedule(&self, id: CommandId, instant: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.journal.store().begin().await?;
        let found = transaction.postpone_effect(self.journal.tenant(), id, 0, Ok(instant)).await?;
        transaction.commit().await?;
        self.wake().notify_one();
        Ok(found)
    }

    /// The name of a message that is due at `now`, or that waits for another attempt.
    pub(crate) async fn unsettled(&self, now: Timestamp) -> Result<Option<String>, StoreError> {
        // Further ahead than any pause between two attempts, nothing waits but for its instant.
        let ahead = now.plus(LONGEST_PAUSE);
        let mut after = None;
        loop {
            let page = self.read(WhichEffects::Waiting, after, PAGE).await?;
            let near = page.iter().take_while(|scheduled| scheduled.due <= ahead);
            let mut open = near.filter(|scheduled| scheduled.attempts > 0 || scheduled.due <= now);
            if let Some(open) = open.next() {
                return Ok(Some(open.message.clone()));
            }
            match page.last() {
                Some(last) if page.len() == PAGE && last.due <= ahead => after = Some((last.due, last.id)),
                _ => return Ok(None),
            }
        }
    }

    async fn all(&self, which: WhichEffects<'_>) -> Result<Vec<Scheduled>, StoreError> {
        let mut all: Vec<Scheduled> = Vec::new();
        loop {
            let page = self.read(which, all.last().map(|last| (last.due, last.id)), PAGE).await?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return Ok(all);
            }
        }
    }

    async fn read(
        &self,
        which: WhichEffects<'_>,
        after: Option<(Timestamp, CommandId)>,
        limit: usize,
    ) -> Result<Vec<Scheduled>, StoreError> {
        let store = self.journal.store();
        let page = store.sagas().effects(self.journal.tenant(), Effect::SCHEDULED, which, after, limit).await?;
        Ok(page.into_iter().map(Scheduled::from).collect())
    }
}

impl Known {
    /// Whether somebody handles `command`.
    pub(crate) fn check_command(&self, command: &str) -> Result<(), CommandFailure> {
        match self.commands.contains(command) {
            true => Ok(()),
            false => Err(CommandFailure::NoHandler { command: command.to_owned() }),
        }
    }

    /// Whether the application has `event`.
    pub(super) fn check_event(&self, event: &str) -> Result<(), CommandFailure> {
        match self.events.contains_key(event) {
            true => Ok(()),
            false => Err(CommandFailure::UnknownEvent { event: event.to_owned() }),
        }
    }

    /// Whether the application reads `event` at this revision.
    pub(super) fn check_revision(&self, event: &str, revision: u32) -> Result<(), CommandFailure> {
        match self.events.get(event) {
            Some(known) if *known == revision => Ok(()),
            Some(known) => {
                let fault = UpcastError::Revision { name: event.to_owned(), stored: revision, known: *known };
                Err(event::unreadable(fault))
            }
            None => Err(CommandFailure::UnknownEvent { event: event.to_owned() }),
        }
    }
}

impl FromContext for Scheduler {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let scheduler: &Self = context.reference()?;
        Ok(Self { carried: context.carried(), ..scheduler.clone() })
    }

    fn requirement() -> Requirement {
        Requirement::Scheduler
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scheduler")
    }
}
