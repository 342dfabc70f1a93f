//! Looking at sagas, and looking after those that need attention.

use std::sync::Arc;

use crate::message::{Command, Json, Metadata, SagaId, Timestamp};
use crate::store::{
    Association, Effect, HistoryRow, Journal, SagaCount, SagaFilter, SagaRow, SagaStatus, StoreError, Timer,
};

use super::error::SagaError;
use super::family::{Beginning, How, Relative, Relatives};
use super::handlers::SagaHandlers;
use super::history::HistoryEntry;
use super::upkeep::forget_some;

/// Instances given by one call that lists them.
const PAGE: usize = 1_000;
/// Effects looked at for one instance.
const MANY: usize = 10_000;

/// The sagas of an application: `app.sagas()`.
#[derive(Clone)]
pub struct SagasHandle {
    journal: Journal,
    names: Arc<[&'static str]>,
    relatives: Relatives,
}

/// The instances of one saga: `app.sagas().of::<Fulfilment>()`.
#[derive(Clone)]
pub struct SagaHandle {
    journal: Journal,
    name: &'static str,
    relatives: Relatives,
}

/// An instance, as whoever looks at it sees it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SagaInstance {
    /// Stored name of the saga.
    pub saga: String,
    /// The instance.
    pub id: SagaId,
    /// Whether it runs, or how it has ended.
    pub status: SagaStatus,
    /// Where it stands: its step, or what [`Effects::stage`](super::Effects::stage) said last.
    pub step: Option<String>,
    /// Why it needs attention, if it does.
    pub attention: Option<String>,
    /// By what it is found, while it runs.
    pub associations: Vec<Association>,
    /// When it was begun.
    pub began: Timestamp,
    /// When it took its newest input; of one that has ended, when it ended.
    pub changed: Timestamp,
    /// The version of the state.
    pub version: u32,
    /// The state, as stored; a text where the codec is not self-describing.
    pub state: Json,
}

impl SagasHandle {
    pub(crate) fn new(journal: Journal, names: Vec<&'static str>, relatives: Relatives) -> Self {
        Self { journal, names: names.into(), relatives }
    }

    /// The instances of the saga `S`.
    #[must_use]
    pub fn of<S: SagaHandlers>(&self) -> SagaHandle {
        SagaHandle { journal: self.journal.clone(), name: S::NAME, relatives: Arc::clone(&self.relatives) }
    }

    /// The instances of the saga with this stored name.
    ///
    /// # Errors
    /// [`SagaError::Unknown`] when the application has none.
    pub fn named(&self, name: &str) -> Result<SagaHandle, SagaError> {
        let found = self.names.iter().find(|known| **known == name);
        let name = *found.ok_or_else(|| SagaError::Unknown { name: name.to_owned() })?;
        Ok(SagaHandle { journal: self.journal.clone(), name, relatives: Arc::clone(&self.relatives) })
    }

    /// The stored names of the sagas.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The instances of all sagas that need attention, by saga and the oldest first; at most 1,000 of each saga.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn attention(&self) -> Result<Vec<SagaInstance>, StoreError> {
        let filter = SagaFilter::all().needing_attention();
        let mut all = Vec::new();
        for name in self.names.iter() {
            let rows = self.journal.store().sagas().list(self.journal.tenant(), name, &filter, PAGE).await?;
            all.extend(rows.into_iter().map(|row| SagaInstance::of(name, row, &self.journal)));
        }
        Ok(all)
    }
}

impl SagaHandle {
    /// Instances, the oldest first; at most 1,000 of them. [`SagaFilter::after`] asks for those behind one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self, filter: &SagaFilter) -> Result<Vec<SagaInstance>, StoreError> {
        let (store, tenant) = (self.journal.store(), self.journal.tenant());
        let Some(association) = &filter.association else {
            let rows = store.sagas().list(tenant, self.name, filter, PAGE).await?;
            return Ok(rows.into_iter().map(|row| SagaInstance::of(self.name, row, &self.journal)).collect());
        };
        let mut transaction = store.begin().await?;
        let found = transaction.find_sagas(tenant, self.name, std::slice::from_ref(association), &[]).await?;
        let mut found: Vec<SagaRow> = found.into_iter().filter(|row| filter.takes(row)).collect();
        found.sort_by_key(|row| (row.began, row.id));
        Ok(found.into_iter().map(|row| SagaInstance::of(self.name, row, &self.journal)).collect())
    }

    /// The running instances with this association.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn find(&self, key: &str, value: impl ToString) -> Result<Vec<SagaInstance>, StoreError> {
        self.list(&SagaFilter { association: Some(Association::new(key, value)), ..SagaFilter::default() }).await
    }

    /// How many instances stand where.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn count(&self) -> Result<Vec<SagaCount>, StoreError> {
        self.journal.store().sagas().count(self.journal.tenant(), self.name).await
    }

    /// The instance `id`, ended ones included as long as they are kept.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn get(&self, id: SagaId) -> Result<Option<SagaInstance>, StoreError> {
        let mut transaction = self.journal.store().begin().await?;
        let found = transaction.find_sagas(self.journal.tenant(), self.name, &[], &[id]).await?.pop();
        Ok(found.map(|row| SagaInstance::of(self.name, row, &self.journal)))
    }

    /// What has happened to an instance, in order.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history(&self, id: SagaId) -> Result<Vec<HistoryEntry>, StoreError> {
        let rows = self.journal.store().sagas().history(self.journal.tenant(), self.name, id).await?;
        rows.into_iter().map(entry).collect()
    }

    /// What an instance wants to happen and has not been answered, in order.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn open(&self, id: SagaId) -> Result<Vec<Effect>, StoreError> {
        self.journal.store().sagas().open_effects(self.journal.tenant(), self.name, Some(id), MANY).await
    }

    /// The deadlines that wait for an instance, the earliest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn deadlines(&self, id: SagaId) -> Result<Vec<Timer>, StoreError> {
        self.journal.store().begin().await?.timers(self.journal.tenant(), self.name, &[id]).await
    }

    /// Has an instance try again what it is stuck at: parked commands go out under their old ids, and inputs that wait are
    /// taken in order, up to the first that fails again. Returns whether the instance runs.
    ///
    /// # Errors
    /// When the store does not answer, or the instance cannot be read.
    pub async fn retry(&self, id: SagaId) -> Result<bool, SagaError> {
        self.relative()?.intervene(id, &How::Retry).await
    }

    /// Leaves out what an instance is stuck at: the input that it could not take, or else the first parked command. A step
    /// whose command is left out counts as not taken, and the next one runs; where the list no longer has the step, that behind
    /// the last one that was taken. Returns whether the instance runs.
    ///
    /// # Errors
    /// [`SagaError::NotBegun`] for the input that begins the instance; when the store does not answer, or the instance cannot go on.
    pub async fn skip(&self, id: SagaId) -> Result<bool, SagaError> {
        self.relative()?.intervene(id, &How::Skip).await
    }

    /// Sends another command, under a new id, in place of the parked one that an instance is stuck at. Its answer comes back
    /// in the place of the first one's. Returns whether the instance runs.
    ///
    /// # Errors
    /// [`SagaError::NothingParked`]; [`SagaError::Unanswered`] when the saga handles the answer to the parked command, and not
    /// that to this one; [`SagaError::Command`] when the command cannot be encoded; when the store does not answer.
    pub async fn replace<C: Command>(&self, id: SagaId, command: &C) -> Result<bool, SagaError> {
        let payload = self.journal.payloads().encode(command);
        let payload = payload.map_err(|source| SagaError::command(C::NAME, source))?;
        let how = How::Replace { name: C::NAME, revision: C::REVISION, payload };
        self.relative()?.intervene(id, &how).await
    }

    /// Has an instance undo what it has done, from wherever it stands: nothing that it still wanted to happen does, and its
    /// steps are compensated, or its `#[compensate]` method is called. Steps that the list no longer has are passed over, with a
    /// warning. Returns whether the instance runs.
    ///
    /// # Errors
    /// [`SagaError::NothingToUndo`]; when the store does not answer, or the instance cannot be read.
    pub async fn compensate(&self, id: SagaId) -> Result<bool, SagaError> {
        self.relative()?.intervene(id, &How::Compensate).await
    }

    /// Ends an instance: nothing that it still wanted to happen does, and it takes no more input. One that has ended before, and
    /// needs attention for a parked command, stays as it ended, and the command is dropped. Returns whether there was one.
    ///
    /// # Errors
    /// When the store does not answer, or the instance cannot be read.
    pub async fn abort(&self, id: SagaId) -> Result<bool, SagaError> {
        self.relative()?.intervene(id, &How::Abort).await
    }

    /// Begins an instance with this state: its `#[begin]` method and its steps run. Under one `key` one instance is begun, as
    /// long as it is kept; the id is that of the key. When it has ended and was [removed](super::SagaRetention), the key begins a
    /// new one, which runs from its beginning and sends everything again.
    ///
    /// # Errors
    /// When the state cannot be encoded, or the store does not answer.
    pub async fn begin<S: SagaHandlers>(&self, key: &str, state: &S) -> Result<SagaId, SagaError> {
        let id = SagaId::derived(uuid::Uuid::NAMESPACE_OID, &format!("{} {key}", S::NAME));
        let payloads = self.journal.payloads();
        let state = payloads.encode(state).map_err(|source| SagaError::State { saga: S::NAME, source })?;
        let mut metadata = Metadata::new();
        metadata.correlate(crate::message::CommandId::from(id.uuid()));
        let beginning = Beginning {
            id,
            version: S::VERSION,
            state: &state,
            associations: &[],
            parent: None,
            metadata,
            effect: None,
        };
        self.relative()?.begin(&beginning).await?;
        Ok(id)
    }

    /// Removes the instances that ended before this instant, with their history; returns how many. Those that run, that need
    /// attention, or that have an effect which is not done, such as a parked command, stay. Instances are removed in small
    /// transactions: what is removed when it fails stays removed, and a repeat goes on.
    ///
    /// A [retention](super::SagaRetention) does the same by itself. Without one, what ended can be read first and kept elsewhere:
    ///
    /// ```standalone_crate
    /// # use annals::prelude::*;
    /// # use annals::saga::{SagaFilter, SagaStatus};
    /// # #[derive(Saga, Serialize, Deserialize, Default, Clone)] #[saga(name = "trip")] struct Trip {}
    /// # #[saga_handlers] impl Trip { #[begin] fn begin(&mut self, effects: &mut Effects) { effects.end(); } }
    /// # fn keep(_: &annals::saga::SagaInstance, _: &[annals::saga::HistoryEntry]) {}
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let app = Annals::open("memory:").await?;
    /// let trips = app.sagas().of::<Trip>();
    /// let before = app.journal().now().minus(std::time::Duration::from_secs(90 * 24 * 3600));
    /// for status in [SagaStatus::Completed, SagaStatus::Compensated, SagaStatus::Aborted] {
    ///     let mut filter = SagaFilter::default().with(status).changed_before(before);
    ///     loop {
    ///         let page = trips.list(&filter).await?;
    ///         let Some(last) = page.last() else { break };
    ///         for trip in &page {
    ///             keep(trip, &trips.history(trip.id).await?);
    ///         }
    ///         filter = filter.after(last.began, last.id);
    ///     }
    /// }
    /// trips.forget(before).await?;
    /// # app.shutdown().await
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            match forget_some(&self.journal, self.name, before).await? {
                0 => return Ok(removed),
                count => removed += count,
            }
        }
    }

    fn relative(&self) -> Result<&Arc<dyn Relative>, SagaError> {
        let found = self.relatives.get().and_then(|relatives| relatives.get(self.name));
        found.ok_or_else(|| SagaError::Unknown { name: self.name.to_owned() })
    }
}

impl SagaInstance {
    fn of(saga: &str, row: SagaRow, journal: &Journal) -> Self {
        let state = journal.payloads().decode(&row.state);
        Self {
            saga: saga.to_owned(),
            id: row.id,
            status: row.status,
            step: row.step,
            attention: row.attention,
            associations: row.associations,
            began: row.began,
            changed: row.changed,
            version: row.version,
            state: state.unwrap_or_else(|_| Json::String(journal.payloads().to_text(&row.state))),
        }
    }

    /// How long it has run, or did run.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> std::time::Duration {
        let until = if self.status.is_ended() { self.changed } else { now };
        until.since(self.began)
    }
}

fn entry(row: HistoryRow) -> Result<HistoryEntry, StoreError> {
    let entry: HistoryEntry = serde_json::from_str(&row.entry).map_err(StoreError::unavailable)?;
    Ok(HistoryEntry { at: row.at, ..entry })
}

impl std::fmt::Debug for SagasHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SagasHandle").field("names", &self.names).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SagaHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SagaHandle").field("name", &self.name).finish_non_exhaustive()
    }
}
