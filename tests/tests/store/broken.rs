//! A suite that no store fails proves nothing: broken stores, and the case that catches each.

use std::any::TypeId;
use std::sync::Arc;

use annals::message::{CommandId, EventId, Position, StreamId, Timestamp, Version};
use annals::store::records::ViewId;
use annals::store::{
    Append, AppendError, Appended, Claim, ClaimError, CommandRecord, DeadLetter, Document, Effect, EventStore,
    MemoryStore, Page, Read, ReadError, Snapshot, Store, StoreError, StoreTransaction, Timer,
};
use annals::testing::compliance;
use async_trait::async_trait;
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Both of two racing appends win.
    LosesRaces,
    /// A repeat is stored again.
    ForgetsRepeats,
    IgnoresConditions,
    IgnoresStaleDocuments,
    /// The reader is told that the store has looked further than it has.
    LooksTooFar,
    /// The wake-up never comes.
    Sleeps,
    MixesTenants,
    /// Parked effects are tried again, effects of one instance at once.
    HurriesEffects,
}

struct Broken {
    inner: MemoryStore,
    fault: Fault,
    silent: watch::Sender<Position>,
}

#[async_trait]
impl EventStore for Broken {
    async fn append(&self, mut append: Append) -> Result<Appended, AppendError> {
        match self.fault {
            Fault::LosesRaces => append.expected.clear(),
            Fault::ForgetsRepeats => append.events.iter_mut().for_each(|event| event.id = EventId::new()),
            Fault::IgnoresConditions => append.condition = None,
            Fault::IgnoresStaleDocuments => {
                for write in &mut append.documents {
                    let found = self.inner.documents(&write.view, std::slice::from_ref(&write.key)).await;
                    write.read_revision = found.unwrap().first().map_or(0, |document| document.revision);
                }
            }
            Fault::MixesTenants => append.tenant.clear(),
            Fault::LooksTooFar | Fault::Sleeps | Fault::HurriesEffects => {}
        }
        self.inner.append(append).await
    }

    async fn read(&self, read: &Read) -> Result<Page, ReadError> {
        let mut page = self.inner.read(read).await?;
        if self.fault == Fault::LooksTooFar {
            page.scanned = self.inner.head().await?;
        }
        Ok(page)
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.inner.head().await
    }

    async fn stream_head(&self, tenant: &str, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        self.inner.stream_head(tenant, stream).await
    }

    async fn command(&self, tenant: &str, command: CommandId) -> Result<Option<CommandRecord>, ReadError> {
        self.inner.command(tenant, command).await
    }

    fn appended(&self) -> watch::Receiver<Position> {
        if self.fault == Fault::Sleeps { self.silent.subscribe() } else { self.inner.appended() }
    }
}

#[async_trait]
impl Store for Broken {
    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.inner.begin().await
    }

    async fn claim(&self, name: &str) -> Result<Claim, ClaimError> {
        self.inner.claim(name).await
    }

    async fn token(&self, name: &str) -> Result<Option<Position>, StoreError> {
        self.inner.token(name).await
    }

    async fn snapshot(&self, tenant: &str, stream: &StreamId, schema: &str) -> Result<Option<Snapshot>, StoreError> {
        self.inner.snapshot(tenant, stream, schema).await
    }

    async fn save_snapshot(&self, tenant: &str, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.inner.save_snapshot(tenant, stream, snapshot).await
    }

    async fn documents(&self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        self.inner.documents(view, keys).await
    }

    async fn scan_documents(
        &self,
        view: &ViewId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.inner.scan_documents(view, after, limit).await
    }

    async fn due_effects(&self, saga: &str, now: Timestamp, limit: usize) -> Result<Vec<Effect>, StoreError> {
        match self.fault {
            Fault::HurriesEffects => self.inner.open_effects(saga, limit).await,
            _ => self.inner.due_effects(saga, now, limit).await,
        }
    }

    async fn next_effect(&self, saga: &str) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_effect(saga).await
    }

    async fn open_effects(&self, saga: &str, limit: usize) -> Result<Vec<Effect>, StoreError> {
        self.inner.open_effects(saga, limit).await
    }

    async fn due_timers(&self, saga: &str, now: Timestamp, limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.inner.due_timers(saga, now, limit).await
    }

    async fn next_timer(&self, saga: &str) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_timer(saga).await
    }

    async fn dead_letters(&self, processor: &str, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner.dead_letters(processor, limit).await
    }

    async fn forget_commands(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.forget_commands(before).await
    }

    fn transaction_type(&self) -> TypeId {
        self.inner.transaction_type()
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

macro_rules! caught {
    ($($fault:ident by $($case:ident),+;)+) => {$($(
        let store = Broken { inner: MemoryStore::new(), fault: Fault::$fault, silent: watch::Sender::default() };
        let store = Arc::new(store);
        let outcome = tokio::spawn(async move { compliance::$case(&*store).await }).await;
        let panicked = outcome.is_err_and(|error| error.is_panic());
        assert!(panicked, "`{}` was not caught by `{}`", stringify!($fault), stringify!($case));
    )+)+};
}

#[tokio::test(start_paused = true)]
async fn broken_stores_are_caught() {
    caught! {
        LosesRaces by of_racing_appends_exactly_one_wins, append_at_a_stale_version_is_a_conflict,
            an_append_to_several_streams_is_atomic;
        ForgetsRepeats by a_repeated_append_returns_the_first_places, racing_repeats_are_stored_once,
            a_partly_stored_append_is_refused;
        IgnoresConditions by a_broken_condition_is_a_conflict, of_racing_decisions_exactly_one_wins;
        IgnoresStaleDocuments by a_stale_document_is_a_conflict, a_removed_document_keeps_its_revision;
        LooksTooFar by a_page_says_how_far_it_has_looked, pages_give_each_event_once;
        Sleeps by an_append_wakes_readers;
        MixesTenants by tenants_never_mix;
        HurriesEffects by effects_are_due_in_order, a_postponed_effect_holds_back_the_next;
    }
}
