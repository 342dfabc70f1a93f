//! Tells other nodes that something was appended, and hears it from them.
//!
//! It is a hint: readers also poll. A notification costs a commit under a lock of the whole server, so it is sent from a
//! connection of its own, a limited number of times a second, and never inside an append.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::message::Position;

use super::connect::{Purpose, connect, prepare};

/// Between two notifications. Less wakes other nodes earlier, and costs the server more.
const THROTTLE: Duration = Duration::from_millis(10);

/// Before a connection that failed is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// Two tasks, which end when this is dropped.
#[derive(Debug)]
pub(super) struct Wake {
    _stop: DropGuard,
}

/// What both tasks share.
#[derive(Clone)]
struct Shared {
    options: PgConnectOptions,
    channel: Arc<str>,
    appended: watch::Sender<Position>,
    /// The newest position that every node has been told.
    told: Arc<AtomicU64>,
}

impl Wake {
    /// Starts to listen and to tell. `appended` is raised by this node's appends, and by what it hears.
    pub(super) fn start(options: PgConnectOptions, channel: String, appended: watch::Sender<Position>) -> Self {
        let told = Arc::new(AtomicU64::new(appended.borrow().get()));
        let shared = Shared { options, channel: channel.into(), appended, told };
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(shared.clone().listen()));
        tokio::spawn(stop.clone().run_until_cancelled_owned(shared.tell()));
        Self { _stop: stop.drop_guard() }
    }
}

impl Shared {
    async fn listen(self) {
        loop {
            if let Err(error) = self.hear().await {
                tracing::debug!(%error, "notifications of other nodes are not heard for a moment");
            }
            sleep(PAUSE).await;
        }
    }

    async fn hear(&self) -> Result<(), sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .after_connect(|connection, _| Box::pin(prepare(connection)))
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(&self.channel).await?;
        loop {
            // What was appended before, or while the connection was broken, was not heard.
            self.raise(head(&mut listener).await?);
            while let Some(notification) = listener.try_recv().await? {
                if let Ok(position) = notification.payload().parse() {
                    self.raise(position);
                }
            }
        }
    }

    /// Every node has been told of `position`.
    fn raise(&self, position: u64) {
        self.told.fetch_max(position, Ordering::Relaxed);
        self.appended.send_if_modified(|seen| {
            let newer = position > seen.get();
            if newer {
                *seen = Position::new(position);
            }
            newer
        });
    }

    async fn tell(self) {
        let mut appended = self.appended.subscribe();
        let mut connection: Option<PgConnection> = None;
        while appended.changed().await.is_ok() {
            let head = appended.borrow_and_update().get();
            if head <= self.told.load(Ordering::Relaxed) {
                continue;
            }
            match self.notify(connection.take(), head).await {
                Ok(used) => {
                    connection = Some(used);
                    sleep(THROTTLE).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "other nodes are not notified for a moment");
                    appended.mark_changed();
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn notify(&self, connection: Option<PgConnection>, head: u64) -> Result<PgConnection, sqlx::Error> {
        let mut connection = match connection {
            Some(connection) => connection,
            None => connect(&self.options, Purpose::Wake).await?,
        };
        let sql = "SELECT pg_notify($1, $2)";
        sqlx::query(sql).bind(&*self.channel).bind(head.to_string()).execute(&mut connection).await?;
        Ok(connection)
    }
}

async fn head(listener: &mut PgListener) -> Result<u64, sqlx::Error> {
    let row = sqlx::query("SELECT coalesce(max(position), 0) FROM annals_events").fetch_one(listener).await?;
    Ok(sqlx::Row::try_get::<i64, _>(&row, 0)?.unsigned_abs())
}
