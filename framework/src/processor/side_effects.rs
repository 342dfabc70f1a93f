//! Commands that handlers of events have sent.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::command::{CommandFailure, Scheduler};
use crate::handler::{AfterCommit, Context, ContextError, FromContext, HandlerError};
use crate::message::{Command, CommandId, EventId};
use crate::store::{Effect, StoreTransaction};

use super::passage::ReplayStatus;

/// Commands that a handler of events or of a view decides to have sent. They are stored in the transaction of the handler,
/// so that they are there exactly if what it wrote is, and are sent soon after, at least once, each with a fixed id: it has
/// one effect however often it is sent, and also where two versions of a view come to the same decision.
///
/// Nothing is sent for events that are not [new](ReplayStatus::New) to the processor: those of a replay, those that were
/// there before it first ran, and those that an older version of the view has handled. A handler for which that is wrong
/// sends with [`SideEffects::send_always`].
///
/// ```
/// use annals::prelude::*;
/// use annals::processor::SideEffects;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "game.scored")] struct Scored { #[tag] player: String, points: u32 }
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "player.congratulate")] struct Congratulate { #[target] player: String }
/// #[derive(View, Serialize, Deserialize, Default, Clone)]
/// #[view(name = "scores", key = String)]
/// struct Score { points: u32 }
///
/// #[view_handlers]
/// impl Score {
///     #[handle(key = player)]
///     fn scored(&mut self, event: &Scored, effects: SideEffects) {
///         let before = self.points;
///         self.points += event.points;
///         if before < 100 && self.points >= 100 {
///             effects.send(Congratulate { player: event.player.clone() });
///         }
///     }
/// }
/// ```
#[derive(Clone)]
pub struct SideEffects {
    scheduler: Scheduler,
    outbox: Outbox,
    event: EventId,
    silent: bool,
}

/// What the handlers of a page have sent.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<Sent>>);

#[derive(Default)]
struct Sent {
    /// Of whom it is: the same command of another sender is another command.
    sender: String,
    effects: Vec<Effect>,
    /// Why something could not be sent.
    fault: Option<CommandFailure>,
    /// The event whose commands are counted, and how many there were.
    counted: Option<(EventId, u32)>,
    scheduler: Option<Scheduler>,
}

impl SideEffects {
    /// Has `command` sent when the transaction of the handler has committed, if the event is new. One that cannot be encoded,
    /// that is too large or that nobody handles fails the handler.
    pub fn send<C: Command>(&self, command: C) {
        if !self.silent {
            self.send_always(command);
        }
    }

    /// The same for events that are old to the processor as well. Where it sends one of these again, the command has no
    /// second effect as long as the outcome of the first is remembered.
    pub fn send_always<C: Command>(&self, command: C) {
        let mut sent = self.outbox.lock();
        let number = match &mut sent.counted {
            Some((event, number)) if *event == self.event => {
                *number += 1;
                *number
            }
            counted => {
                *counted = Some((self.event, 0));
                0
            }
        };
        let name = format!("{}/{}/{number}", sent.sender, C::NAME);
        let id = CommandId::from(Uuid::new_v5(&self.event.uuid(), name.as_bytes()));
        match self.scheduler.schedule(command).id(id).into_effect() {
            Ok((scheduler, effect)) => {
                sent.effects.push(effect);
                sent.scheduler = Some(scheduler);
            }
            Err(fault) => sent.fault = Some(fault),
        }
    }
}

impl FromContext for SideEffects {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let missing = || {
            let reason =
                "it is given to handlers of events and of asynchronous views: others have no transaction for it";
            ContextError::new("`SideEffects`", reason)
        };
        let passage = context.passage().ok_or_else(missing)?;
        Ok(Self {
            scheduler: Scheduler::from_context(context)?,
            outbox: context.outbox().cloned().ok_or_else(missing)?,
            event: context.event_id().ok_or_else(missing)?,
            silent: passage.replay != ReplayStatus::New,
        })
    }
}

impl fmt::Debug for SideEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SideEffects").field("event", &self.event).field("silent", &self.silent).finish_non_exhaustive()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox")
    }
}

impl Outbox {
    /// From now on `sender` sends.
    pub(crate) fn of(&self, sender: &str) {
        sender.clone_into(&mut self.lock().sender);
    }

    /// Fails if something could not be sent since the last time.
    pub(crate) fn check(&self) -> Result<(), HandlerError> {
        self.lock().fault.take().map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Stores what was sent.
    pub(crate) async fn store(
        &self,
        transaction: &mut dyn StoreTransaction,
        after: &AfterCommit,
    ) -> Result<(), HandlerError> {
        let (effects, scheduler) = {
            let mut sent = self.lock();
            (std::mem::take(&mut sent.effects), sent.scheduler.take())
        };
        if effects.is_empty() {
            return Ok(());
        }
        transaction.add_effects(effects).await?;
        after.later().push(move || {
            if let Some(scheduler) = scheduler {
                scheduler.wake().notify_one();
            }
        });
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
