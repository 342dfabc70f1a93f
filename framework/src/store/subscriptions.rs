//! What a store keeps for subscriptions of outside consumers: a row for each subscription, and one for each event that is
//! under way to a consumer, waits to be tried again, or is parked.
//!
//! Rules live above the backends (`subscription`): a backend keeps rows, gives one transaction at a time the right to a
//! subscription, and tells its own time.

use async_trait::async_trait;

use crate::message::{Position, Tag, Timestamp};

use super::error::StoreError;

/// A subscription, as it is stored. What its texts say is nothing to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Its name.
    pub name: String,
    /// Differs between two subscriptions of one name, of which the first was removed.
    pub generation: String,
    /// Grows with each change of the settings.
    pub revision: u64,
    /// The settings, as JSON.
    pub settings: String,
    /// Every event up to here has a delivery, was answered, or does not match.
    pub position: Position,
    /// The last delivery number that was given out.
    pub number: u64,
    /// How many deliveries are in the state [`DeliveryState::Replaying`].
    pub replaying: u64,
    /// The consumers, as JSON.
    pub consumers: String,
}

/// An event that was taken from the log and not yet answered for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The event.
    pub position: Position,
    /// No two events with the same text are out at the same time, where the subscription says so.
    pub sequence: String,
    /// What it waits for.
    pub state: DeliveryState,
    /// How often it was given to a consumer.
    pub attempts: u32,
    /// The number of the delivery that is out, or was out last: an answer under another one is refused.
    pub number: u64,
    /// The consumer that has it, or had it last.
    pub consumer: String,
    /// While it is out: until when. While it waits: from when on it may be given out. Else when it was parked. By the clock
    /// of the database.
    pub due: Timestamp,
    /// Whether it was parked before.
    pub replayed: bool,
    /// Why the last attempt failed.
    pub reason: Option<String>,
}

/// What a delivery waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryState {
    /// To be given to a consumer.
    Waiting,
    /// For the answer of a consumer.
    Out,
    /// For an operator.
    Parked,
    /// For its turn, after it was parked.
    Replaying,
}

impl DeliveryState {
    /// The state as it is stored.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Out => 1,
            Self::Parked => 2,
            Self::Replaying => 3,
        }
    }

    /// The state that is stored as `code`; an unknown one is taken for a parked one, which is given to nobody.
    #[must_use]
    pub fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Waiting,
            1 => Self::Out,
            3 => Self::Replaying,
            _ => Self::Parked,
        }
    }

    /// Whether it is on its way: waiting or out.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Out)
    }
}

/// A subscription at a glance, without a lock on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// The subscription.
    pub row: SubscriptionRow,
    /// The present instant, by the clock of the database.
    pub now: Timestamp,
    /// The newest position of the store.
    pub head: Position,
    /// The earliest instant at which a delivery that waits or is out is due.
    pub next_due: Option<Timestamp>,
}

/// How many deliveries a subscription has in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryCounts {
    /// To be given out.
    pub waiting: u64,
    /// With consumers.
    pub out: u64,
    /// Parked.
    pub parked: u64,
    /// Parked before, and about to be given out again.
    pub replaying: u64,
    /// The lowest position that waits or is out for the first time, not after it was parked.
    pub lowest: Option<Position>,
}

/// What becomes of parked deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedChange {
    /// They are given out again: [`DeliveryState::Replaying`].
    Replay,
    /// They are removed.
    Discard,
}

/// Keeps subscriptions and their deliveries.
///
/// # Errors
/// Each method fails with [`StoreError::Unavailable`] when the database does not answer, and with [`StoreError::Limit`]
/// for names that no store takes.
#[async_trait]
pub trait SubscriptionStore: Send + Sync {
    /// Begins a transaction that alone has the right to the subscription `name` of `tenant` until it ends, whether it
    /// exists or not yet. It holds up no append for longer than it lasts, and is to be short.
    async fn hold_subscription(&self, tenant: &str, name: &str) -> Result<Box<dyn HeldSubscription>, StoreError>;

    /// The subscription `name`, as it was committed last; nobody is waited for.
    async fn glance(&self, tenant: &str, name: &str) -> Result<Option<Glance>, StoreError>;

    /// The subscriptions of `tenant` by name.
    async fn list(&self, tenant: &str) -> Result<Vec<SubscriptionRow>, StoreError>;

    /// How many deliveries the subscription `name` has.
    async fn counts(&self, tenant: &str, name: &str) -> Result<DeliveryCounts, StoreError>;

    /// The parked deliveries of the subscription `name` behind `after`, in the order of their positions.
    async fn parked(
        &self,
        tenant: &str,
        name: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreError>;

    /// The tags of the events at `positions`. Those without any may be missing.
    async fn tags(&self, tenant: &str, positions: &[Position]) -> Result<Vec<(Position, Vec<Tag>)>, StoreError>;
}

/// The right to a subscription. Dropping it without [`HeldSubscription::commit`] rolls everything back.
///
/// # Errors
/// As [`SubscriptionStore`].
#[async_trait]
pub trait HeldSubscription: Send {
    /// The subscription as it was when the right to it was given; `None` if it does not exist.
    fn row(&self) -> Option<&SubscriptionRow>;

    /// The instant at which the right to it was asked for or given, by the clock of the database;
    /// [`Timestamp::EPOCH`] for one that does not exist.
    fn now(&self) -> Timestamp;

    /// Adds the subscription. Returns whether it was added: somebody else may just have added one of this name.
    ///
    /// # Errors
    /// [`StoreError::Limit`] when there are too many.
    async fn create(&mut self, row: &SubscriptionRow) -> Result<bool, StoreError>;

    /// Writes the subscription, which exists.
    async fn update(&mut self, row: &SubscriptionRow) -> Result<(), StoreError>;

    /// Removes the subscription and all of its deliveries.
    async fn remove(&mut self) -> Result<(), StoreError>;

    /// The deliveries that wait or are out.
    async fn open(&mut self) -> Result<Vec<DeliveryRow>, StoreError>;

    /// The first deliveries in the state [`DeliveryState::Replaying`], in the order of their positions.
    async fn replaying(&mut self, limit: usize) -> Result<Vec<DeliveryRow>, StoreError>;

    /// Writes deliveries, in place of those of the same positions.
    async fn put(&mut self, deliveries: &[DeliveryRow]) -> Result<(), StoreError>;

    /// Removes deliveries.
    async fn take_away(&mut self, positions: &[Position]) -> Result<(), StoreError>;

    /// Changes the parked deliveries from the position `first` to `last`, at most `limit` from the lowest on; returns how
    /// many.
    async fn change_parked(
        &mut self,
        change: ParkedChange,
        first: Position,
        last: Position,
        limit: u64,
    ) -> Result<u64, StoreError>;

    /// Makes everything permanent.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
