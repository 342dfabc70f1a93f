//! A suite that no store fails proves nothing: broken stores, and the cases that catch each.

mod sagas;
mod subscriptions;
mod transaction;

use std::any::{Any, TypeId};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::message::{CommandId, EventId, Position, StreamId, Timestamp, Version};
use annals::store::records::ViewId;
use annals::store::{
    Append, AppendError, Appended, BarePage, CommandRecord, Condition, Content, Criteria, Criterion, DeadLetter,
    Document, DocumentQuery, EventStore, Expected, FoundDocument, Import, ImportError, Imported, IndexChange,
    LetterCount, Maintain, MemoryStore, NodeRow, Page, Read, ReadError, Scavenged, Scope, SegmentRow, Snapshot, Store,
    StoreError, StoreTransaction, StoredEvent, StreamChange, StreamError, StreamInfo,
};
use annals::testing::compliance;
use async_trait::async_trait;
use tokio::sync::watch;

use sagas::BrokenSagas;
use subscriptions::BrokenSubscriptions;
use transaction::BrokenTransaction;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Both of two racing appends win.
    LosesRaces,
    /// A repeat is stored again.
    ForgetsRepeats,
    /// A command may be executed again.
    ForgetsCommands,
    /// An append is stored although the one that it rests on was not.
    IgnoresTheBasis,
    IgnoresConditions,
    /// Of the criteria of a condition only the first is looked at.
    ForgetsTheOr,
    /// The names of a criterion are not looked at where it has tags.
    ForgetsNames,
    IgnoresStaleDocuments,
    /// Each event is stored by itself: a refused append is there in part.
    TearsAppends,
    /// An append is acknowledged, and its last event is not there.
    LosesTheLast,
    /// An event is shown for the first time when readers have passed it.
    ShowsLateCommits,
    /// The reader is told that the store has looked further than it has.
    LooksTooFar,
    /// The marker of a read is the last event that it found.
    ForgetsTheMarker,
    IgnoresTheTime,
    IgnoresTheEnd,
    /// A category is taken for the beginning of one.
    MatchesParts,
    CountsThePage,
    LoadsPayloads,
    /// Bare events are all of the first revision.
    ForgetsRevisions,
    /// A page of bare events ends before its last one.
    CutsBarePages,
    /// Texts are compared without regard to case.
    IgnoresCase,
    /// What is no UTF-8 is mended.
    MendsBytes,
    /// The wake-up never comes.
    Sleeps,
    MixesTenants,
    /// The owner that was claimed away may go on writing.
    NeverFences,
    /// Snapshots of any shape are given.
    MixesSchemas,
    /// Parked effects are tried again, effects of one instance at once.
    HurriesEffects,
    /// A name of an effect is given to several.
    DoublesNames,
    ListsTheFirstPage,
    ShufflesHistory,
    ForgetsSagasEarly,
    SharesSagas,
    /// Timers are due before their time.
    HurriesTimers,
    /// A document is found whatever its entries are.
    ForgetsFilters,
    /// Documents come by their keys, whatever the order that is asked for.
    ForgetsTheOrder,
    /// Entries of documents that appends write are not changed.
    ForgetsEntries,
    /// A deleted stream is started anew at version 1.
    ForgetsTheDeleted,
    /// An ended stream is only deleted.
    WakesTheDead,
    /// A scavenge takes what is archived or only to be kept.
    TakesTooMuch,
    /// An import gives out positions of its own.
    Renumbers,
    /// An append at the end of a transaction is stored whatever it expects.
    CommitsBlindly,
    /// What a transaction has written is committed before its append.
    CommitsRowsFirst,
    /// Subscriptions of all tenants are one.
    SharesSubscriptions,
    /// What is written to a subscription is committed at once, and nobody has the right to it.
    CommitsStepByStep,
    StopsTheClock,
    /// A removed subscription leaves its deliveries.
    LeavesDeliveries,
    ForgetsReasons,
    /// More parked deliveries are changed than was asked for.
    ReplaysTooMuch,
}

struct Broken {
    inner: Arc<MemoryStore>,
    fault: Fault,
    silent: watch::Sender<Position>,
    passed: Mutex<HashSet<Position>>,
    sagas: BrokenSagas,
    subscriptions: BrokenSubscriptions,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        let inner = Arc::<MemoryStore>::default();
        let sagas = BrokenSagas { inner: Arc::clone(&inner), fault };
        let subscriptions = BrokenSubscriptions { inner: Arc::clone(&inner), fault };
        Self { inner, fault, silent: watch::Sender::default(), passed: Mutex::default(), sagas, subscriptions }
    }

    fn misread(&self, read: &Read) -> Read {
        let mut read = read.clone();
        match (self.fault, &mut read.scope) {
            (Fault::IgnoresTheTime, _) => (read.since, read.until) = (None, None),
            (Fault::IgnoresTheEnd, Scope::All { up_to, .. } | Scope::Category { up_to, .. }) => *up_to = None,
            (Fault::IgnoresTheEnd, Scope::Stream { up_to, .. }) => *up_to = None,
            (Fault::MatchesParts, Scope::Category { category, after, up_to }) if "wallet".starts_with(&**category) => {
                read.scope = Scope::All { after: *after, up_to: *up_to };
            }
            (Fault::LoadsPayloads, _) => read.content = Content::Full,
            (Fault::MixesTenants, _) => read.tenant.clear(),
            _ => {}
        }
        read
    }
}

fn folded(stream: &StreamId) -> StreamId {
    StreamId::new(stream.category().to_owned(), stream.id().to_lowercase())
}

fn without_names(criterion: &Criterion) -> Criterion {
    let mut tags = criterion.all_of_tags().iter();
    match tags.next() {
        None => criterion.clone(),
        Some(first) => tags.fold(Criterion::tag(first.clone()), |all, tag| all.and_tag(tag.clone())),
    }
}

fn misjudged(fault: Fault, condition: Condition) -> Condition {
    let mut any_of = condition.criteria.any_of().iter().map(|criterion| match fault {
        Fault::ForgetsNames => without_names(criterion),
        _ => criterion.clone(),
    });
    let first = any_of.next().map_or_else(Criteria::none, Criteria::from);
    let criteria = match fault {
        Fault::ForgetsTheOr => first,
        _ => any_of.fold(first, Criteria::or),
    };
    Condition { criteria, ..condition }
}

#[async_trait]
impl EventStore for Broken {
    async fn append(&self, mut append: Append) -> Result<Appended, AppendError> {
        match self.fault {
            Fault::LosesRaces => append.expected.clear(),
            Fault::ForgetsRepeats => append.events.iter_mut().for_each(|event| event.id = EventId::new()),
            Fault::ForgetsCommands => append.command.iter_mut().for_each(|command| command.id = CommandId::new()),
            Fault::IgnoresTheBasis => append.rests_on = None,
            Fault::IgnoresConditions => append.condition = None,
            Fault::ForgetsTheOr | Fault::ForgetsNames => {
                append.condition = append.condition.map(|condition| misjudged(self.fault, condition));
            }
            Fault::IgnoresStaleDocuments => {
                for write in &mut append.documents {
                    let found = self.inner.documents(&write.view, std::slice::from_ref(&write.key)).await;
                    write.read_revision = found.unwrap().first().map_or(0, |document| document.revision);
                }
            }
            Fault::ForgetsEntries => {
                append.documents.iter_mut().for_each(|write| write.index = IndexChange::default());
            }
            Fault::TearsAppends if append.events.len() > 1 => {
                let (mut last, mut refused) = (None, None);
                for event in std::mem::take(&mut append.events) {
                    let expected = append.expected.iter().filter(|(stream, _)| *stream == event.stream).cloned();
                    let part = Append { expected: expected.collect(), events: vec![event], ..Append::default() };
                    match self.inner.append(part).await {
                        Ok(appended) => last = Some(appended),
                        Err(error) => refused = Some(error),
                    }
                }
                return refused.map_or_else(|| Ok(last.unwrap()), Err);
            }
            Fault::LosesTheLast if append.events.len() > 2 => {
                append.events.pop();
            }
            Fault::MendsBytes => {
                for event in &mut append.events {
                    event.payload = String::from_utf8_lossy(&event.payload).into_owned().into_bytes();
                }
            }
            Fault::IgnoresCase => {
                append.events.iter_mut().for_each(|event| event.stream = folded(&event.stream));
                append.expected.iter_mut().for_each(|(stream, _)| *stream = folded(stream));
            }
            Fault::MixesTenants => append.tenant.clear(),
            _ => {}
        }
        self.inner.append(append).await
    }

    async fn read(&self, read: &Read) -> Result<Page, ReadError> {
        let mut page = self.inner.read(&self.misread(read)).await?;
        match self.fault {
            Fault::LooksTooFar => page.scanned = self.inner.head().await?,
            Fault::ForgetsTheMarker => {
                page.head = page.events.last().map(|event| event.recorded.position).unwrap_or_default();
            }
            Fault::ShowsLateCommits => {
                let mut passed = self.passed.lock().unwrap();
                page.events.retain(|event| {
                    let position = event.recorded.position;
                    position.get() % 5 != 3 || !passed.insert(position)
                });
            }
            _ => {}
        }
        Ok(page)
    }

    async fn read_bare(&self, read: &Read) -> Result<BarePage, ReadError> {
        let mut page = BarePage::of(read, EventStore::read(self, read).await?);
        match self.fault {
            Fault::ForgetsRevisions => page.events.iter_mut().for_each(|event| event.revision = 1),
            Fault::CutsBarePages => drop(page.events.pop()),
            _ => {}
        }
        Ok(page)
    }

    async fn count(&self, read: &Read) -> Result<u64, ReadError> {
        match self.fault {
            Fault::CountsThePage => Ok(self.inner.read(read).await?.events.len() as u64),
            _ => self.inner.count(&self.misread(read)).await,
        }
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
impl Maintain for Broken {
    async fn stream_info(&self, tenant: &str, stream: &StreamId) -> Result<Option<StreamInfo>, ReadError> {
        self.inner.stream_info(tenant, stream).await
    }

    async fn change_stream(
        &self,
        tenant: &str,
        stream: &StreamId,
        expected: Expected,
        change: StreamChange,
    ) -> Result<StreamInfo, StreamError> {
        let change = match (self.fault, change) {
            (Fault::WakesTheDead, StreamChange::Tombstone) => StreamChange::Delete,
            (Fault::ForgetsTheDeleted, StreamChange::Delete) => StreamChange::Restore,
            (_, change) => change,
        };
        self.inner.change_stream(tenant, stream, expected, change).await
    }

    async fn scavenge(&self, now: Timestamp) -> Result<Scavenged, StoreError> {
        if self.fault == Fault::TakesTooMuch {
            let archived = self.inner.export(Position::START, usize::MAX).await.unwrap();
            for event in archived.iter().filter(|event| event.visibility != annals::store::Visibility::Visible) {
                let ended = StreamChange::Tombstone;
                self.inner.change_stream(&event.tenant, &event.stream, Expected::Any, ended).await.unwrap();
            }
        }
        self.inner.scavenge(now).await
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        self.inner.export(after, limit).await
    }

    async fn export_streams(
        &self,
        after: Option<(&str, &StreamId)>,
        limit: usize,
    ) -> Result<Vec<StreamInfo>, ReadError> {
        self.inner.export_streams(after, limit).await
    }

    async fn import(&self, mut import: Import) -> Result<Imported, ImportError> {
        if self.fault == Fault::Renumbers {
            let mut head = self.inner.head().await.unwrap();
            for event in &mut import.events {
                head = head.next();
                event.position = head;
            }
        }
        self.inner.import(import).await
    }

    async fn begin_maintenance(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.inner.begin_maintenance().await
    }
}

#[async_trait]
impl Store for Broken {
    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        let (inner, store) = (self.inner.begin().await?, Arc::clone(&self.inner));
        Ok(Box::new(BrokenTransaction { inner, store, fault: self.fault }))
    }

    async fn join(&self, transaction: Box<dyn Any + Send>) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.inner.join(transaction).await
    }

    async fn beat(
        &self,
        tenant: &str,
        node: &str,
        name: &str,
        processors: &[String],
        lease: Duration,
    ) -> Result<(), StoreError> {
        self.inner.beat(tenant, node, name, processors, lease).await
    }

    async fn nodes(&self, tenant: &str) -> Result<Vec<NodeRow>, StoreError> {
        self.inner.nodes(tenant).await
    }

    async fn appear(&self, node: &str) -> Result<(), StoreError> {
        self.inner.appear(node).await
    }

    async fn is_gone(&self, node: &str) -> Result<bool, StoreError> {
        self.inner.is_gone(node).await
    }

    async fn leave(&self, tenant: &str, node: &str, clean: bool) -> Result<(), StoreError> {
        self.inner.leave(tenant, node, clean).await
    }

    async fn segments(&self, tenant: &str) -> Result<Vec<SegmentRow>, StoreError> {
        self.inner.segments(tenant).await
    }

    async fn segments_of(&self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError> {
        self.inner.segments_of(tenant, processor).await
    }

    async fn token(&self, tenant: &str, name: &str) -> Result<Option<Position>, StoreError> {
        self.inner.token(tenant, name).await
    }

    async fn snapshot(&self, tenant: &str, stream: &StreamId, schema: &str) -> Result<Option<Snapshot>, StoreError> {
        let found = self.inner.snapshot(tenant, stream, schema).await?;
        match self.fault {
            Fault::MixesSchemas if found.is_none() => self.inner.snapshot(tenant, stream, "1").await,
            _ => Ok(found),
        }
    }

    async fn snapshot_schemas(&self, tenant: &str, stream: &StreamId) -> Result<Vec<String>, StoreError> {
        self.inner.snapshot_schemas(tenant, stream).await
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

    async fn find_documents(&self, query: &DocumentQuery) -> Result<Vec<FoundDocument>, StoreError> {
        let mut query = query.clone();
        match self.fault {
            Fault::ForgetsFilters => query.filters.clear(),
            Fault::ForgetsTheOrder => query.order = None,
            _ => {}
        }
        self.inner.find_documents(&query).await
    }

    async fn count_documents(&self, query: &DocumentQuery) -> Result<u64, StoreError> {
        self.inner.count_documents(query).await
    }

    async fn dead_letters(
        &self,
        tenant: &str,
        processor: &str,
        after: (Position, u32),
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner.dead_letters(tenant, processor, after, limit).await
    }

    async fn letter_count(&self, tenant: &str, processor: &str) -> Result<LetterCount, StoreError> {
        self.inner.letter_count(tenant, processor).await
    }

    async fn due_letters(
        &self,
        tenant: &str,
        processor: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner.due_letters(tenant, processor, now, limit).await
    }

    async fn next_letter(&self, tenant: &str, processor: &str) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_letter(tenant, processor).await
    }

    async fn letter_of_stream(
        &self,
        tenant: &str,
        processor: &str,
        stream: &StreamId,
        until: Position,
    ) -> Result<Option<DeadLetter>, StoreError> {
        self.inner.letter_of_stream(tenant, processor, stream, until).await
    }

    async fn forget_commands(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.forget_commands(before).await
    }

    fn sagas(&self) -> &dyn annals::store::SagaStore {
        &self.sagas
    }

    fn subscriptions(&self) -> &dyn annals::store::subscriptions::SubscriptionStore {
        &self.subscriptions
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
        let store = Arc::new(Broken::new(Fault::$fault));
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
        ForgetsCommands by a_repeated_command_is_answered_with_its_record, of_racing_executions_exactly_one_is_stored;
        IgnoresTheBasis by an_append_rests_on_a_stored_event;
        IgnoresConditions by a_broken_condition_is_a_conflict, of_racing_decisions_exactly_one_wins,
            a_check_by_name_and_a_check_by_tag_cannot_both_win;
        ForgetsTheOr by any_criterion_breaks_a_condition, each_condition_held_when_the_log_is_replayed;
        ForgetsNames by a_criterion_matches_any_of_its_names;
        IgnoresStaleDocuments by a_stale_document_is_a_conflict, a_removed_document_keeps_its_revision;
        TearsAppends by an_append_to_several_streams_is_atomic;
        LosesTheLast by a_large_append_is_stored_whole, payloads_come_back_byte_for_byte;
        ShowsLateCommits by concurrent_appends_keep_positions_dense_for_readers, pages_give_each_event_once;
        LooksTooFar by a_page_says_how_far_it_has_looked, pages_give_each_event_once;
        ForgetsTheMarker by a_read_returns_the_head_as_its_marker;
        IgnoresTheTime by reads_can_end_at_an_instant, conditions_of_a_read_hold_together;
        IgnoresTheEnd by ranges_have_an_end, a_stream_is_read_as_of_a_version;
        MatchesParts by a_category_is_read_alone;
        CountsThePage by conditions_of_a_read_hold_together;
        LoadsPayloads by events_are_counted_without_their_payloads;
        ForgetsRevisions by revisions_come_back;
        CutsBarePages by all_events_are_read_in_order, revisions_come_back;
        IgnoresCase by texts_are_compared_byte_for_byte;
        MendsBytes by payloads_come_back_byte_for_byte;
        Sleeps by an_append_wakes_readers;
        MixesTenants by tenants_never_mix;
        NeverFences by a_write_under_a_lost_claim_is_refused;
        MixesSchemas by a_snapshot_is_found_by_its_schema;
        HurriesEffects by effects_are_due_in_order, a_postponed_effect_holds_back_the_next;
        DoublesNames by a_name_belongs_to_one_effect;
        ListsTheFirstPage by effects_are_listed_in_pages;
        ShufflesHistory by a_saga_has_a_history;
        ForgetsSagasEarly by ended_sagas_are_forgotten;
        SharesSagas by segments_share_effects_and_timers;
        HurriesTimers by timers_are_due_from_their_instant_on;
        ForgetsFilters by documents_are_found_by_their_entries, queries_find_what_their_definition_says;
        ForgetsTheOrder by documents_are_ordered_by_an_index;
        ForgetsEntries by entries_change_with_an_append, index_values_beyond_a_limit_are_refused;
        ForgetsTheDeleted by a_deleted_stream_is_hidden_and_its_versions_go_on;
        WakesTheDead by an_ended_stream_takes_no_append_ever;
        TakesTooMuch by an_archived_stream_is_read_by_its_id_alone;
        Renumbers by an_import_keeps_positions_and_times;
        CommitsBlindly by a_refused_append_takes_its_rows_along, conditions_hold_among_appends_and_transactions,
            an_append_without_events_commits_its_rows;
        CommitsRowsFirst by a_refused_append_takes_its_rows_along,
            a_repeat_at_the_end_of_a_transaction_stores_no_rows, what_appends_refuse_transactions_refuse;
        SharesSubscriptions by subscriptions_of_tenants_never_mix;
        CommitsStepByStep by of_a_subscription_one_writes_at_a_time, a_subscription_is_created_once,
            a_subscription_that_is_let_go_is_unchanged;
        StopsTheClock by a_subscription_is_told_the_time;
        LeavesDeliveries by a_removed_subscription_leaves_nothing;
        ForgetsReasons by deliveries_are_kept;
        ReplaysTooMuch by parked_deliveries_are_changed_in_order;
    }
}

#[tokio::test]
async fn the_wrapper_itself_breaks_nothing() {
    let store = Broken::new(Fault::Sleeps);
    compliance::each_condition_held_when_the_log_is_replayed(&store).await;
    compliance::of_racing_appends_exactly_one_wins(&Broken::new(Fault::Sleeps)).await;
    compliance::conditions_hold_among_appends_and_transactions(&Broken::new(Fault::Sleeps)).await;
    compliance::a_refused_append_takes_its_rows_along(&Broken::new(Fault::Sleeps)).await;
    compliance::deliveries_are_kept(&Broken::new(Fault::Sleeps)).await;
    compliance::of_a_subscription_one_writes_at_a_time(&Broken::new(Fault::Sleeps)).await;
}
