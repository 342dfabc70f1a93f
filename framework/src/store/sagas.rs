//! The records of long processes: instances, what they wait for, what they want to happen, and what has happened to them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::message::{CommandId, Metadata, Position, SagaId, StreamId, Tag, Timestamp};

use super::error::StoreError;
use super::segment::Segment;

/// A key and a value by which events find their saga.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Association {
    /// The name, as in `by = order`.
    pub key: String,
    /// The value as text.
    pub value: String,
}

impl Association {
    /// The association of `key` with the text of `value`. Zero characters, which no database takes, count as U+FFFD.
    pub fn new(key: impl Into<String>, value: impl ToString) -> Self {
        let storable = |text: String| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
        Self { key: storable(key.into()), value: storable(value.to_string()) }
    }

    /// Which share of a saga an instance belongs to that was begun by it.
    #[must_use]
    pub fn slice(&self) -> u32 {
        Segment::hash_of(&self.text())
    }

    /// Both in one text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}={}", self.key, self.value)
    }
}

/// How an instance of a saga stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SagaStatus {
    /// It takes input.
    #[default]
    Running,
    /// It has come to its end.
    Completed,
    /// It has ended after what it had done was undone.
    Compensated,
    /// Somebody ended it by hand.
    Aborted,
}

impl SagaStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Running, Self::Completed, Self::Compensated, Self::Aborted];

    /// Whether it takes no more input.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        !matches!(self, Self::Running)
    }

    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Running => 0,
            Self::Completed => 1,
            Self::Compensated => 2,
            Self::Aborted => 3,
        }
    }

    pub(crate) const fn of(number: u32) -> Self {
        match number {
            1 => Self::Completed,
            2 => Self::Compensated,
            3 => Self::Aborted,
            _ => Self::Running,
        }
    }
}

/// A saga instance as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaRow {
    /// The instance.
    pub id: SagaId,
    /// Grows by one with each write, from 1. A write on another revision is refused.
    pub revision: u64,
    /// The shape of the state.
    pub version: u32,
    /// The state in the application's codec.
    pub state: Vec<u8>,
    /// What the framework remembers about it, in JSON.
    pub progress: Option<String>,
    /// Whether it runs, or how it has ended.
    pub status: SagaStatus,
    /// Which share of the saga it belongs to.
    pub slice: u32,
    /// The newest event that it has handled.
    pub position: Position,
    /// Of running instances of a saga only one has this key.
    pub key: Option<String>,
    /// Number of effects that the instance has ever had; it numbers the next one.
    pub effects: u64,
    /// Where it stands, for whoever looks.
    pub step: Option<String>,
    /// Why it needs attention, if it does.
    pub attention: Option<String>,
    /// When it was begun.
    pub began: Timestamp,
    /// When it was written last; of one that has ended, when it ended.
    pub changed: Timestamp,
    /// By what it is found.
    pub associations: Vec<Association>,
}

impl SagaRow {
    /// A new instance without a state, begun at `began`.
    #[must_use]
    pub fn new(id: SagaId, slice: u32, began: Timestamp) -> Self {
        Self {
            id,
            revision: 0,
            version: 1,
            state: Vec::new(),
            progress: None,
            status: SagaStatus::Running,
            slice,
            position: Position::START,
            key: None,
            effects: 0,
            step: None,
            attention: None,
            began,
            changed: began,
            associations: Vec::new(),
        }
    }
}

/// Everything that changes when a saga handles one input, or several of one batch.
#[derive(Debug, Clone)]
pub struct SagaWrite {
    /// The instance as it is to be; [`SagaRow::revision`] is the one that was read, 0 for a new instance.
    pub row: SagaRow,
    /// Associations of the row that are new.
    pub associated: Vec<Association>,
    /// Associations that the row no longer has.
    pub dissociated: Vec<Association>,
    /// Effects to add, in order.
    pub effects: Vec<Effect>,
    /// Timers to set; one with the name of a waiting timer of the instance replaces it.
    pub timers: Vec<Timer>,
    /// Names of timers to cancel, before `timers` are set.
    pub cancelled: Vec<String>,
    /// What has happened, in order.
    pub history: Vec<HistoryRow>,
    /// Inputs that have to wait.
    pub waiting: Vec<WaitingInput>,
    /// The numbers of inputs that wait no longer.
    pub taken: Vec<u64>,
}

impl SagaWrite {
    /// A write of the row alone.
    #[must_use]
    pub fn of(row: SagaRow) -> Self {
        Self {
            row,
            associated: Vec::new(),
            dissociated: Vec::new(),
            effects: Vec::new(),
            timers: Vec::new(),
            cancelled: Vec::new(),
            history: Vec::new(),
            waiting: Vec::new(),
            taken: Vec::new(),
        }
    }
}

/// What an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum EffectKind {
    /// A command whose answer comes back.
    #[default]
    Command,
    /// A command whose answer is of no interest: a rejection ends it as well.
    Notice,
    /// An event to append.
    Event,
    /// An instance of another saga to begin.
    Saga,
    /// The end of the instance, told to the one that began it.
    Ended,
    /// Code of a workflow to run.
    Call,
}

impl EffectKind {
    #[cfg_attr(not(feature = "_sql"), allow(dead_code, reason = "for databases"))]
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Command => 0,
            Self::Notice => 1,
            Self::Event => 2,
            Self::Saga => 3,
            Self::Ended => 4,
            Self::Call => 5,
        }
    }

    #[cfg_attr(not(feature = "_sql"), allow(dead_code, reason = "for databases"))]
    pub(crate) const fn of(number: u32) -> Self {
        match number {
            1 => Self::Notice,
            2 => Self::Event,
            3 => Self::Saga,
            4 => Self::Ended,
            5 => Self::Call,
            _ => Self::Command,
        }
    }
}

/// Something that a saga has decided should happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Whose data this is.
    pub tenant: String,
    /// The id under which the command is sent, each time the same. Also the id of the effect.
    pub command: CommandId,
    /// Stored name of the saga.
    pub saga: String,
    /// The instance.
    pub saga_id: SagaId,
    /// Which share of the saga the instance belongs to.
    pub slice: u32,
    /// Place among the instance's effects, from 1.
    pub number: u64,
    /// Effects of an instance with the same number here, other than 0, do not wait for each other.
    pub group: u64,
    /// What it is.
    pub kind: EffectKind,
    /// Stored name of the command or event, or of the saga to begin.
    pub name: String,
    /// The command in the application's codec.
    pub payload: Vec<u8>,
    /// What the command carries besides its payload, and its revision where that is not 1 (see [`Effect::revision`]).
    pub metadata: Metadata,
    /// The step of a declared list that this effect belongs to.
    pub step: Option<String>,
    /// What belongs to the same scope can be listed and cancelled together.
    pub scope: Option<String>,
    /// A name inside the scope.
    pub label: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Not tried before this instant.
    pub not_before: Timestamp,
    /// Set when it was given up: why. It then needs attention and holds back the effects behind it.
    pub parked: Option<String>,
}

impl Effect {
    /// Key of the metadata under which the revision of a stored command stands, where it is not 1.
    pub(crate) const REVISION: &'static str = "annals.revision";

    /// What is sent later stands under this name, where the effects of sagas have the name of their saga.
    pub const SCHEDULED: &'static str = "$commands";

    /// The scope of what waits for the aggregate in `stream`. It goes when the stream is deleted.
    #[must_use]
    pub fn scope_of(stream: &StreamId) -> String {
        format!("{}:{}", stream.category(), stream.id())
    }

    /// A message without a saga, to be sent at `due`. Its tenant is that of the journal which stores it.
    pub(crate) fn scheduled(
        id: CommandId,
        kind: EffectKind,
        name: &str,
        payload: Vec<u8>,
        metadata: Metadata,
        due: Timestamp,
    ) -> Self {
        Self {
            tenant: String::new(),
            command: id,
            saga: Self::SCHEDULED.to_owned(),
            // Each is an instance of its own, so that none waits for another.
            saga_id: SagaId::from(id.uuid()),
            slice: 0,
            number: 1,
            group: 0,
            kind,
            name: name.to_owned(),
            payload,
            metadata,
            step: None,
            scope: None,
            label: None,
            attempts: 0,
            not_before: due,
            parked: None,
        }
    }

    /// Where an event goes.
    const CATEGORY: &'static str = "annals.category";
    const STREAM: &'static str = "annals.stream";
    /// Its tags, as a JSON array of texts.
    const TAGS: &'static str = "annals.tags";
    /// Who is told of an end, of which effect, and what the end was.
    const PARENT: &'static str = "annals.parent";
    const BEGUN_BY: &'static str = "annals.begun-by";
    const STATUS: &'static str = "annals.status";

    /// The stream that an event goes to, its tags, and what it carries besides; `None` where it names no stream.
    pub(crate) fn place(&self) -> Option<(StreamId, Vec<Tag>, Metadata)> {
        let stream = StreamId::new(self.metadata.get(Self::CATEGORY)?.to_owned(), self.metadata.get(Self::STREAM)?);
        let tags: Vec<String> = self.metadata.get(Self::TAGS).map_or(Ok(Vec::new()), serde_json::from_str).ok()?;
        let tags = tags
            .iter()
            .filter_map(|tag| tag.split_once(':'))
            .map(|(key, value)| Tag::new(key.to_owned(), value))
            .collect();
        let metadata = self.metadata.clone().without(Self::CATEGORY).without(Self::STREAM).without(Self::TAGS);
        Some((stream, tags, metadata.without(Self::REVISION)))
    }

    /// The instance that is told of an end, the effect by which it had begun the one that has ended, and how that ended.
    pub(crate) fn end(&self) -> Option<(SagaId, CommandId, SagaStatus)> {
        let parent = self.metadata.get(Self::PARENT)?.parse().ok()?;
        let effect = self.metadata.get(Self::BEGUN_BY)?.parse().ok()?;
        Some((parent, effect, SagaStatus::of(self.metadata.get(Self::STATUS)?.parse().ok()?)))
    }

    /// The revision of the payload, as it was written.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.metadata.get(Self::REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(1)
    }

    /// `metadata` with the place of an event.
    pub(crate) fn metadata_to(metadata: Metadata, stream: &StreamId, tags: &[Tag]) -> Metadata {
        let tags: Vec<String> = tags.iter().map(Tag::to_string).collect();
        let metadata = metadata.with(Self::CATEGORY, stream.category()).with(Self::STREAM, stream.id());
        // Texts are always JSON.
        if tags.is_empty() {
            metadata
        } else {
            metadata.with(Self::TAGS, serde_json::to_string(&tags).unwrap_or_default())
        }
    }

    /// `metadata` that says which instance is told of an end.
    pub(crate) fn metadata_of_end(
        metadata: Metadata,
        parent: SagaId,
        effect: CommandId,
        status: SagaStatus,
    ) -> Metadata {
        metadata
            .with(Self::PARENT, parent.to_string())
            .with(Self::BEGUN_BY, effect.to_string())
            .with(Self::STATUS, status.number().to_string())
    }

    /// `metadata` with the revision of a command.
    pub(crate) fn metadata_at(revision: u32, metadata: &Metadata) -> Metadata {
        let metadata = metadata.clone().without(Self::REVISION);
        if revision == 1 { metadata } else { metadata.with(Self::REVISION, revision.to_string()) }
    }
}

/// Which effects of a saga are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhichEffects<'a> {
    /// Those that wait for their instant, or for another attempt.
    Waiting,
    /// Those that were given up.
    Parked,
    /// Those in this scope, whether they wait or were given up.
    Scope(&'a str),
}

/// What becomes of the name of an effect: it is given to another one, or to none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectWrite {
    /// Whose effects these are, as in [`Effect::saga`].
    pub saga: String,
    /// The scope, as in [`Effect::scope`].
    pub scope: String,
    /// The name in the scope, as in [`Effect::label`].
    pub label: String,
    /// The effect that is to have it, in place of one that does; `None` takes that one back.
    pub effect: Option<Box<Effect>>,
}

impl EffectWrite {
    /// Sets the deadline `label` in `scope` to `effect`, or takes it back.
    pub(crate) fn of_deadline(scope: String, label: String, effect: Option<Effect>) -> Self {
        let named = |effect| Effect { scope: Some(scope.clone()), label: Some(label.clone()), ..effect };
        let effect = effect.map(|effect| Box::new(named(effect)));
        Self { saga: Effect::SCHEDULED.to_owned(), scope, label, effect }
    }
}

/// A deadline of a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Whose data this is.
    pub tenant: String,
    /// Stored name of the saga.
    pub saga: String,
    /// The instance.
    pub saga_id: SagaId,
    /// Which share of the saga the instance belongs to.
    pub slice: u32,
    /// The name, as in `#[deadline("reservation")]`; one timer of a name waits per instance.
    pub name: String,
    /// Fires at or after this instant, never earlier.
    pub due: Timestamp,
}

/// Something that has happened to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The instance.
    pub saga_id: SagaId,
    /// When.
    pub at: Timestamp,
    /// What, in JSON.
    pub entry: String,
}

/// An input that waits behind one that an instance could not handle, or is that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingInput {
    /// Its place among those of the instance.
    pub number: u64,
    /// Which input, in JSON.
    pub input: String,
}

/// Which instances of a saga are asked for. All of them by default, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SagaFilter {
    /// Those that stand so.
    pub status: Option<SagaStatus>,
    /// Those that need attention, or those that do not.
    pub attention: Option<bool>,
    /// Those in this step.
    pub step: Option<String>,
    /// Running ones with this association.
    pub association: Option<Association>,
    /// Those that were begun before this instant.
    pub began_before: Option<Timestamp>,
    /// Those that were written last before this instant.
    pub changed_before: Option<Timestamp>,
    /// Those behind this instance, which was begun at this instant.
    pub after: Option<(Timestamp, SagaId)>,
}

impl SagaFilter {
    /// All instances.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Those that run.
    #[must_use]
    pub fn running() -> Self {
        Self::default().with(SagaStatus::Running)
    }

    /// Those that stand so.
    #[must_use]
    pub fn with(self, status: SagaStatus) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Those that need attention.
    #[must_use]
    pub fn needing_attention(self) -> Self {
        Self { attention: Some(true), ..self }
    }

    /// Those in this step.
    #[must_use]
    pub fn in_step(self, step: impl Into<String>) -> Self {
        Self { step: Some(step.into()), ..self }
    }

    /// Running ones with this association.
    #[must_use]
    pub fn associated(self, key: impl Into<String>, value: impl ToString) -> Self {
        Self { association: Some(Association::new(key, value)), ..self }
    }

    /// Those that were begun before this instant.
    #[must_use]
    pub fn began_before(self, instant: Timestamp) -> Self {
        Self { began_before: Some(instant), ..self }
    }

    /// Those that were written last before this instant: running ones that nothing has happened to since.
    #[must_use]
    pub fn changed_before(self, instant: Timestamp) -> Self {
        Self { changed_before: Some(instant), ..self }
    }

    /// Those behind the instance `id`, which was begun at `began`: the next page.
    #[must_use]
    pub fn after(self, began: Timestamp, id: SagaId) -> Self {
        Self { after: Some((began, id)), ..self }
    }

    /// Whether it asks for an instance, as far as its row tells: by what it is found is looked at elsewhere.
    pub(crate) fn takes(&self, row: &SagaRow) -> bool {
        self.status.is_none_or(|status| row.status == status)
            && self.attention.is_none_or(|attention| row.attention.is_some() == attention)
            && self.step.as_ref().is_none_or(|step| row.step.as_ref() == Some(step))
            && self.began_before.is_none_or(|before| row.began < before)
            && self.changed_before.is_none_or(|before| row.changed < before)
            && self.after.is_none_or(|after| (row.began, row.id) > after)
    }
}

/// How many instances stand in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SagaCount {
    /// How they stand.
    pub status: SagaStatus,
    /// Their step.
    pub step: Option<String>,
    /// How many.
    pub instances: u64,
    /// How many of them need attention.
    pub attention: u64,
    /// When the oldest of them was begun.
    pub oldest: Timestamp,
}

/// What is read of the records of sagas outside a transaction.
///
/// # Errors
/// Each method fails with [`StoreError::Unavailable`] when the database does not answer.
#[async_trait]
pub trait SagaStore: Send + Sync {
    /// The effects of `saga` in `segment` that are due at `now`: of each instance only those that wait for no older one, so
    /// that effects of one instance keep their order. Parked ones hold back the ones behind them. Those that were due first
    /// come first, and those that were due at one instant in the order in which they were committed.
    async fn due_effects(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError>;

    /// When the next effect of `saga` in `segment` that waits for its retry is due; `None` if none waits.
    async fn next_effect(&self, tenant: &str, saga: &str, segment: Segment) -> Result<Option<Timestamp>, StoreError>;

    /// The effects of `saga`, or of one instance, that are not done, parked ones included, oldest first.
    async fn open_effects(
        &self,
        tenant: &str,
        saga: &str,
        instance: Option<SagaId>,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError>;

    /// A page of the effects of `saga` in the order of their instants, and of their ids where those are the same: those behind
    /// `after`.
    async fn effects(
        &self,
        tenant: &str,
        saga: &str,
        which: WhichEffects<'_>,
        after: Option<(Timestamp, CommandId)>,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError>;

    /// The timers of `saga` in `segment` that are due at `now`, earliest first.
    async fn due_timers(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, StoreError>;

    /// When the next timer of `saga` in `segment` is due; `None` if none waits.
    async fn next_timer(&self, tenant: &str, saga: &str, segment: Segment) -> Result<Option<Timestamp>, StoreError>;

    /// Instances of `saga`, the oldest first.
    async fn list(
        &self,
        tenant: &str,
        saga: &str,
        filter: &SagaFilter,
        limit: usize,
    ) -> Result<Vec<SagaRow>, StoreError>;

    /// How many instances of `saga` stand where.
    async fn count(&self, tenant: &str, saga: &str) -> Result<Vec<SagaCount>, StoreError>;

    /// What has happened to an instance, in order.
    async fn history(&self, tenant: &str, saga: &str, id: SagaId) -> Result<Vec<HistoryRow>, StoreError>;

    /// The inputs that wait for an instance, in order.
    async fn waiting(&self, tenant: &str, saga: &str, id: SagaId) -> Result<Vec<WaitingInput>, StoreError>;

    /// Removes instances of `saga` that ended before `before` and have no open effects, with their history; at most `limit`, in no
    /// order. Returns how many. Of several callers at once each instance is counted by one.
    async fn forget(&self, tenant: &str, saga: &str, before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}
