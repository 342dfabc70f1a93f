//! Creating subscriptions, consuming them, looking after them.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::message::{EventId, Position};
use crate::store::subscriptions::{ParkedChange, SubscriptionRow};
use crate::store::{Journal, ReadError};

use super::ahead::Hub;
use super::book::shortened;
use super::config::{ConsumerConfig, Start, SubscriptionConfig};
use super::consumer::{Consumer, End};
use super::desk::{Desk, settings};
use super::driver::{Driver, State};
use super::error::SubscriptionError;
use super::event::SubscribedEvent;
use super::load::load;
use super::status::{Parked, ParkedEvent, SubscriptionStatus};

/// Bytes of a consumer's label that are kept.
const LABEL: usize = 1 << 10;

/// What the subscriptions of an application share on this node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscribed(Hub);

/// The subscriptions of outside consumers: `app.subscriptions()`. See [`guide::subscriptions`](crate::guide::subscriptions).
#[derive(Debug, Clone)]
pub struct SubscriptionsHandle {
    desk: Desk,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl SubscriptionsHandle {
    pub(crate) fn new(journal: Journal, subscribed: Subscribed, stop: CancellationToken, tasks: TaskTracker) -> Self {
        Self { desk: Desk { journal, hub: subscribed.0 }, stop, tasks }
    }

    /// Creates the subscription `name`. One that is there already with the same settings is left as it is, so that every
    /// node may do this at its start.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// use annals::subscription::{Filter, SubscriptionConfig, SubscriptionError};
    ///
    /// # async fn create(app: &Annals) -> Result<(), SubscriptionError> {
    /// app.subscriptions().create("mails", SubscriptionConfig::of(Filter::category("order"))).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscriptionError::Exists`] when it is there with other settings; [`SubscriptionError::Setting`],
    /// [`SubscriptionError::Store`] and [`SubscriptionError::Read`] for what exceeds a limit.
    pub async fn create(&self, name: &str, config: SubscriptionConfig) -> Result<(), SubscriptionError> {
        config.check()?;
        let position = self.start(&config).await?;
        let mut held = self.desk.hold(name).await?;
        let mut found = held.row().cloned();
        if found.is_none() {
            let row = SubscriptionRow {
                name: name.to_owned(),
                generation: EventId::new().to_string(),
                revision: 1,
                settings: self.stored(name, &config)?,
                position,
                number: 0,
                replaying: 0,
                consumers: "[]".to_owned(),
            };
            let created = held.create(&row).await;
            if let Ok(true) = created {
                return Ok(held.commit().await?);
            }
            // Somebody else has just created it, which some databases report as an error.
            drop(held);
            found = self.desk.glance(name).await?.map(|glance| glance.row);
            if found.is_none() {
                created?;
            }
        }
        match found {
            Some(row) if settings(&row)? == config => Ok(()),
            _ => Err(SubscriptionError::Exists { name: name.to_owned() }),
        }
    }

    /// Changes the settings of the subscription `name`. What is under way stays so; where it began does not change.
    ///
    /// # Errors
    /// [`SubscriptionError::NotFound`]; for settings as [`SubscriptionsHandle::create`].
    pub async fn update(&self, name: &str, config: SubscriptionConfig) -> Result<(), SubscriptionError> {
        config.check()?;
        self.check_filter(&config).await?;
        let mut open = self.desk.open_existing(name).await?;
        open.book.row.settings = self.stored(name, &config)?;
        open.book.row.revision += 1;
        open.commit().await?;
        self.desk.hub.wake(name);
        Ok(())
    }

    /// Removes the subscription `name` with everything that is under way or parked. Its consumers end. Returns whether it
    /// was there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn delete(&self, name: &str) -> Result<bool, SubscriptionError> {
        let mut held = self.desk.hold(name).await?;
        if held.row().is_none() {
            return Ok(false);
        }
        held.remove().await?;
        held.commit().await?;
        self.desk.hub.wake(name);
        Ok(true)
    }

    /// How all subscriptions are doing, by name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self) -> Result<Vec<SubscriptionStatus>, SubscriptionError> {
        let mut all = Vec::new();
        for row in self.desk.journal.store().subscriptions().list(self.desk.journal.tenant()).await? {
            // It may have been removed since.
            all.extend(self.find(&row.name).await?);
        }
        Ok(all)
    }

    /// How the subscription `name` is doing.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// # async fn look(app: &Annals) -> Result<(), annals::subscription::SubscriptionError> {
    /// let status = app.subscriptions().status("mails").await?;
    /// println!("{} of {}, {} parked", status.checkpoint, status.head, status.parked);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscriptionError::NotFound`]; when the store does not answer.
    pub async fn status(&self, name: &str) -> Result<SubscriptionStatus, SubscriptionError> {
        self.find(name).await?.ok_or_else(|| SubscriptionError::NotFound { name: name.to_owned() })
    }

    /// Begins to consume the subscription `name`. It needs a running tokio runtime.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// use annals::subscription::{ConsumerConfig, Nack};
    /// use futures_util::StreamExt;
    ///
    /// # async fn send_mail(_: serde_json::Value) -> Result<(), String> { Ok(()) }
    /// # async fn consume(app: &Annals) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut consumer = app.subscriptions().consume("mails", ConsumerConfig::labelled("mailer")).await?;
    /// while let Some(delivery) = consumer.next().await.transpose()? {
    ///     match send_mail(delivery.json().await?).await {
    ///         Ok(()) => delivery.ack().await?,
    ///         Err(reason) => delivery.nack(Nack::Park(reason)).await?,
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscriptionError::NotFound`], [`SubscriptionError::Full`], [`SubscriptionError::ShutDown`]; when the store does
    /// not answer.
    pub async fn consume(&self, name: &str, config: ConsumerConfig) -> Result<Consumer, SubscriptionError> {
        config.check()?;
        if self.stop.is_cancelled() {
            return Err(SubscriptionError::ShutDown);
        }
        let config = ConsumerConfig { label: shortened(config.label, LABEL), ..config };
        let id = EventId::new().to_string();
        let mut open = self.desk.open_existing(name).await?;
        let book = &mut open.book;
        book.expire();
        let limit = book.config.consumers;
        if book.roster.alive(book.now).count() >= limit {
            return Err(SubscriptionError::Full { name: name.to_owned(), limit });
        }
        book.roster.hear(&id, &config.label, book.now, book.config.consumer_time);
        let generation = book.row.generation.clone();
        open.commit().await?;

        let (given, deliveries) = mpsc::channel(config.buffer);
        let (answering, answers) = mpsc::unbounded_channel();
        let end = Arc::<End>::default();
        let driver = Driver {
            desk: self.desk.clone(),
            shared: self.desk.shared(name),
            name: name.to_owned(),
            generation,
            id: id.clone(),
            config,
            given,
            answers,
            answering,
            end: Arc::clone(&end),
            stop: self.stop.clone(),
            state: State::default(),
        };
        let task = self.tasks.spawn(driver.run());
        Ok(Consumer::new(id, deliveries, end, task))
    }

    /// Ends a consumer of the subscription `name`, on whichever node it is; what it has is given to others at once. Its
    /// stream ends with [`ConsumeError::Dropped`](super::ConsumeError::Dropped).
    ///
    /// # Errors
    /// [`SubscriptionError::NotFound`], [`SubscriptionError::NoConsumer`]; when the store does not answer.
    pub async fn drop_consumer(&self, name: &str, consumer: &str) -> Result<(), SubscriptionError> {
        let mut open = self.desk.open_existing(name).await?;
        let now = open.book.now;
        if !open.book.roster.drop_out(consumer, now) {
            return Err(SubscriptionError::NoConsumer { name: name.to_owned(), consumer: consumer.to_owned() });
        }
        open.book.expire();
        open.commit().await?;
        self.desk.hub.wake(name);
        Ok(())
    }

    /// The parked events of the subscription `name` behind `after`, at most `limit`, in the order of their positions.
    ///
    /// # Errors
    /// When the store does not answer. A subscription that does not exist has none.
    pub async fn parked(
        &self,
        name: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, SubscriptionError> {
        let Some(glance) = self.desk.glance(name).await? else { return Ok(Vec::new()) };
        let filter = Arc::new(settings(&glance.row)?.filter);
        let journal = &self.desk.journal;
        let rows = journal.store().subscriptions().parked(journal.tenant(), name, after, limit).await?;
        let positions: Vec<Position> = rows.iter().map(|row| row.position).collect();
        let events = load(journal, &positions).await?;
        let parked = rows.into_iter().map(|row| {
            let event = events.get(&row.position).cloned();
            ParkedEvent::new(row, event.map(|event| SubscribedEvent::new(event, journal.clone(), filter.clone())))
        });
        Ok(parked.collect())
    }

    /// Has parked events of the subscription `name` given out again, as if for the first time, ahead of new ones; returns
    /// how many.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// use annals::subscription::{Parked, SubscriptionError};
    ///
    /// # async fn mend(app: &Annals) -> Result<(), SubscriptionError> {
    /// for parked in app.subscriptions().parked("mails", Position::START, 100).await? {
    ///     println!("{} since {}: {}", parked.position, parked.since, parked.reason);
    /// }
    /// app.subscriptions().replay_parked("mails", Parked::First(10)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscriptionError::NotFound`]; when the store does not answer.
    pub async fn replay_parked(&self, name: &str, parked: Parked) -> Result<u64, SubscriptionError> {
        self.change_parked(name, ParkedChange::Replay, parked).await
    }

    /// Gives parked events of the subscription `name` up for good; returns how many.
    ///
    /// # Errors
    /// [`SubscriptionError::NotFound`]; when the store does not answer.
    pub async fn discard_parked(&self, name: &str, parked: Parked) -> Result<u64, SubscriptionError> {
        self.change_parked(name, ParkedChange::Discard, parked).await
    }

    async fn change_parked(&self, name: &str, change: ParkedChange, parked: Parked) -> Result<u64, SubscriptionError> {
        let mut open = self.desk.open_existing(name).await?;
        let (first, last, limit) = parked.range();
        let changed = open.held().change_parked(change, first, last, limit).await?;
        if change == ParkedChange::Replay {
            open.book.row.replaying += changed;
        }
        open.commit().await?;
        self.desk.hub.wake(name);
        Ok(changed)
    }

    async fn find(&self, name: &str) -> Result<Option<SubscriptionStatus>, SubscriptionError> {
        let Some(glance) = self.desk.glance(name).await? else { return Ok(None) };
        let counts = self.desk.journal.store().subscriptions().counts(self.desk.journal.tenant(), name).await?;
        SubscriptionStatus::new(glance, counts).map(Some)
    }

    /// The position behind which a new subscription with these settings begins.
    async fn start(&self, config: &SubscriptionConfig) -> Result<Position, SubscriptionError> {
        let head = self.check_filter(config).await?;
        Ok(match config.start {
            Start::Oldest => Position::START,
            Start::Newest => head,
            Start::After(position) => position,
            Start::Since(instant) => {
                let page = self.desk.journal.read(config.filter.read(Position::START).since(instant).limit(1)).await?;
                let first = page.events.first().map(|event| event.recorded.position.get().saturating_sub(1));
                first.map_or(page.scanned, Position::new)
            }
        })
    }

    /// Has the store look at the filter; gives the head.
    async fn check_filter(&self, config: &SubscriptionConfig) -> Result<Position, ReadError> {
        let head = self.desk.journal.store().head().await?;
        self.desk.journal.read(config.filter.read(head).limit(1)).await?;
        Ok(head)
    }

    fn stored(&self, name: &str, config: &SubscriptionConfig) -> Result<String, SubscriptionError> {
        let unreadable = |source| SubscriptionError::Unreadable { name: name.to_owned(), source };
        serde_json::to_string(config).map_err(unreadable)
    }
}
