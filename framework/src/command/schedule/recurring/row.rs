//! What is stored of a recurring schedule.

use serde::{Deserialize, Serialize};

use crate::message::{CommandId, Metadata, Timestamp};
use crate::store::records::ViewId;
use crate::store::{Document, DocumentChange, Effect, EffectKind, Journal, StoreError, StoreTransaction};

use super::cron::Cron;
use super::error::RecurringError;
use super::{Missed, Recurring, RecurringSchedule, scope_of};

/// The name of the documents, where those of a view have the view's.
const SCHEDULES: &str = "$schedules";
/// The shape of the documents.
const VERSION: u32 = 1;
/// Schedules that are read at once.
const PAGE: usize = 1_000;
/// What ids of runs are derived in.
const RUNS: uuid::Uuid = uuid::Uuid::from_u128(0x6d1e_3a2c_9b0f_4c55_8f62_0a7c_41d9_7e10);

/// A recurring schedule as it is stored, as a JSON object under its name.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub(super) struct Row {
    #[serde(skip)]
    pub(super) name: String,
    pub(super) cron: String,
    pub(super) zone: String,
    pub(super) missed: StoredMissed,
    pub(super) command: String,
    pub(super) revision: u32,
    pub(super) payload: Payload,
    pub(super) metadata: Metadata,
    pub(super) paused: bool,
    pub(super) due: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum StoredMissed {
    One,
    All,
    None,
}

/// A payload in the application's codec: as text where it is one, so that people can read it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub(super) enum Payload {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Missed> for StoredMissed {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::One => Self::One,
            Missed::All => Self::All,
            Missed::None => Self::None,
        }
    }
}

impl From<StoredMissed> for Missed {
    fn from(missed: StoredMissed) -> Self {
        match missed {
            StoredMissed::One => Self::One,
            StoredMissed::All => Self::All,
            StoredMissed::None => Self::None,
        }
    }
}

impl Payload {
    fn of(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

impl Row {
    /// The row of `recurring`, whose next time is behind `now`.
    pub(super) fn new(recurring: &Recurring, payload: Vec<u8>, now: Timestamp) -> Result<Self, RecurringError> {
        Ok(Self {
            name: recurring.name.clone(),
            cron: recurring.cron.clone(),
            zone: recurring.zone.clone(),
            missed: recurring.missed.into(),
            command: recurring.command.name().to_owned(),
            revision: recurring.command.revision(),
            payload: Payload::of(payload),
            metadata: recurring.metadata.clone(),
            paused: false,
            due: recurring.times()?.next(now),
            last: None,
        })
    }

    /// The same schedule in the place of `before`: it goes on where that stood, if the times are the same ones.
    pub(super) fn in_place_of(self, before: &Self) -> Self {
        let same = (&self.cron, &self.zone) == (&before.cron, &before.zone);
        Self { due: if same { before.due } else { self.due }, last: before.last, paused: before.paused, ..self }
    }

    /// The times.
    pub(super) fn times(&self) -> Result<Cron, RecurringError> {
        Cron::parse(&self.name, &self.cron, &self.zone)
    }

    /// When it is to be looked at.
    pub(super) fn awaited(&self) -> Option<Timestamp> {
        self.due.filter(|_| !self.paused)
    }

    /// The command for the time `at`, under the id that belongs to it. `due` is when it is sent.
    pub(super) fn run(&self, tenant: &str, at: Timestamp) -> Effect {
        let id = CommandId::derived(RUNS, &format!("{tenant}/{}/{}", self.name, at.as_micros()));
        self.effect(tenant, id, at)
    }

    /// The command, to be sent at once under `id`.
    pub(super) fn effect(&self, tenant: &str, id: CommandId, at: Timestamp) -> Effect {
        let metadata = self.metadata.clone();
        let mut metadata = metadata.with(Recurring::SCHEDULE, &self.name).with(Recurring::TIME, at.to_string());
        metadata.correlate(id);
        let metadata = Effect::metadata_at(self.revision, &metadata);
        Effect {
            tenant: tenant.to_owned(),
            scope: Some(scope_of(&self.name)),
            ..Effect::scheduled(id, EffectKind::Command, &self.command, self.payload.bytes(), metadata, at)
        }
    }

    fn read(document: &Document) -> Result<Self, RecurringError> {
        let row: Self = serde_json::from_slice(&document.body)
            .map_err(|source| RecurringError::Row { name: document.key.clone(), source: source.into() })?;
        Ok(Self { name: document.key.clone(), ..row })
    }

    fn change(&self) -> Result<DocumentChange, StoreError> {
        let body = serde_json::to_vec(self).map_err(StoreError::unavailable)?;
        Ok(DocumentChange::put(&self.name, body))
    }
}

impl From<Row> for RecurringSchedule {
    fn from(row: Row) -> Self {
        Self {
            due: row.awaited(),
            name: row.name,
            cron: row.cron,
            zone: row.zone,
            missed: row.missed.into(),
            command: row.command,
            metadata: row.metadata,
            last: row.last,
            paused: row.paused,
        }
    }
}

fn schedules(journal: &Journal) -> ViewId {
    journal.view_id(SCHEDULES, VERSION)
}

/// All schedules, in the order of their names. One that cannot be read is left to those who can.
pub(super) async fn all(journal: &Journal) -> Result<Vec<Result<Row, RecurringError>>, StoreError> {
    let view = schedules(journal);
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = journal.store().scan_documents(&view, after.as_deref(), PAGE).await?;
        after = page.last().map(|document| document.key.clone());
        all.extend(page.iter().map(Row::read));
        if page.len() < PAGE {
            return Ok(all);
        }
    }
}

/// The schedule `name`, which nobody else changes before the transaction ends.
pub(super) async fn load(
    journal: &Journal,
    transaction: &mut dyn StoreTransaction,
    name: &str,
) -> Result<Option<Row>, RecurringError> {
    let found = transaction.documents(&schedules(journal), &[name.to_owned()]).await?;
    found.first().map(Row::read).transpose()
}

pub(super) async fn save(
    journal: &Journal,
    transaction: &mut dyn StoreTransaction,
    row: &Row,
) -> Result<(), StoreError> {
    transaction.write_documents(&schedules(journal), vec![row.change()?]).await
}

pub(super) async fn remove(
    journal: &Journal,
    transaction: &mut dyn StoreTransaction,
    name: &str,
) -> Result<(), StoreError> {
    transaction.write_documents(&schedules(journal), vec![DocumentChange::remove(name)]).await
}
