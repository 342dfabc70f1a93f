//! This program as one of the nodes that share processors.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handler::error::chain;
use crate::message::{EventId, Position};
use crate::store::{Journal, NodeRow, SegmentRow, StoreError};

/// How often the rows of nodes and segments are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often a node tries to make itself known at start, and the pause between.
const BEGINNINGS: u32 = 5;
const AGAIN: Duration = Duration::from_millis(200);
/// How long it waits for processors to end before it leaves.
const GRACE: Duration = Duration::from_secs(10);

/// Settings of this program as a node.
///
/// ```
/// use std::time::Duration;
///
/// use annals::Annals;
///
/// let builder = Annals::builder().node(|node| {
///     node.name = "shop-2".into();
///     node.lease = Duration::from_secs(5);
/// });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeConfig {
    /// What people call this node. Default: the name of the program and the id of its process.
    pub name: String,
    /// How long the node is taken for alive after it was last heard of, by the database's clock. Default 10 s. It is heard of
    /// three times in that time. Less replaces a node earlier that hangs; more bears longer pauses of the database. One that
    /// has died is replaced at once where the store can tell that it has.
    pub lease: Duration,
}

impl Default for NodeConfig {
    fn default() -> Self {
        let program = std::env::args().next().unwrap_or_default();
        let program = program.rsplit(['/', '\\']).next().unwrap_or_default();
        Self { name: format!("{program} ({})", std::process::id()), lease: Duration::from_secs(10) }
    }
}

/// This program as one of the nodes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Node(Arc<Inner>);

struct Inner {
    id: String,
    config: NodeConfig,
    journal: Journal,
    /// The processors that it can run, but for those that were stopped.
    processors: Mutex<BTreeSet<String>>,
    /// Whether others are to hear of that.
    offers: AtomicBool,
    cluster: watch::Sender<Arc<Cluster>>,
    head: watch::Sender<Position>,
    refresh: Notify,
    at_work: watch::Sender<usize>,
}

/// The nodes and segments as they were a moment ago.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// When they were looked at.
    pub(crate) seen: Instant,
    pub(crate) nodes: Vec<NodeRow>,
    segments: HashMap<String, Vec<SegmentRow>>,
}

impl Cluster {
    /// The segments of `processor`, by their ids.
    pub(crate) fn segments(&self, processor: &str) -> &[SegmentRow] {
        self.segments.get(processor).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn is_live(&self, node: &str) -> bool {
        self.nodes.iter().any(|row| row.live && row.id == node)
    }

    /// How many nodes are alive that can run `processor`.
    pub(crate) fn able(&self, processor: &str) -> usize {
        self.nodes.iter().filter(|row| row.live && row.processors.iter().any(|own| own == processor)).count()
    }
}

/// While there is one, the node does not leave.
pub(crate) struct AtWork(Arc<Inner>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.send_modify(|count| *count -= 1);
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Node").field(&self.0.id).finish()
    }
}

impl Node {
    pub(crate) fn new(journal: Journal, config: NodeConfig, processors: Vec<String>) -> Self {
        let cluster = Cluster { seen: Instant::now(), nodes: Vec::new(), segments: HashMap::new() };
        Self(Arc::new(Inner {
            id: EventId::new().uuid().to_string(),
            config,
            journal,
            processors: Mutex::new(processors.into_iter().collect()),
            offers: AtomicBool::new(false),
            cluster: watch::Sender::new(Arc::new(cluster)),
            head: watch::Sender::new(Position::START),
            refresh: Notify::new(),
            at_work: watch::Sender::new(0),
        }))
    }

    /// The id, which no other node ever has.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// The nodes and segments; changes whenever they were looked at.
    pub(crate) fn cluster(&self) -> watch::Receiver<Arc<Cluster>> {
        self.0.cluster.subscribe()
    }

    /// Changes when another process has appended.
    pub(crate) fn head(&self) -> watch::Receiver<Position> {
        self.0.head.subscribe()
    }

    /// Tells others whether this node runs `processor`.
    pub(crate) fn offer(&self, processor: &str, runs: bool) {
        let mut processors = self.0.processors.lock().unwrap_or_else(PoisonError::into_inner);
        if runs {
            processors.insert(processor.to_owned())
        } else {
            processors.remove(processor)
        };
        self.0.offers.store(true, Ordering::Release);
        self.refresh();
    }

    /// Has nodes and segments looked at now.
    pub(crate) fn refresh(&self) {
        self.0.refresh.notify_one();
    }

    /// The processors that it runs.
    fn processors(&self) -> Vec<String> {
        self.0.processors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The node stays as long as the guard.
    pub(crate) fn at_work(&self) -> AtWork {
        self.0.at_work.send_modify(|count| *count += 1);
        AtWork(Arc::clone(&self.0))
    }

    /// Makes itself known. A database that is busy for a moment is asked again.
    pub(crate) async fn begin(&self) -> Result<(), StoreError> {
        let mut attempts = 1;
        while let Err(error) = self.try_to_begin().await {
            if attempts == BEGINNINGS {
                return Err(error);
            }
            attempts += 1;
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }

    async fn try_to_begin(&self) -> Result<(), StoreError> {
        self.beat().await?;
        self.look().await
    }

    /// Renews its time and looks at the others, until it is stopped and nobody is at work; then it leaves.
    pub(crate) async fn run(self, poll: Duration, stop: CancellationToken) {
        let Inner { config, refresh, .. } = &*self.0;
        let beat = config.lease / 3;
        let (mut beaten, mut looked) = (Instant::now(), Instant::now());
        let mut at_work = self.0.at_work.subscribe();
        let mut leave_by = None;
        let mut asked = false;
        loop {
            let next = (beaten + beat).min(looked + LOOK.min(beat));
            let left = async {
                match leave_by {
                    None => stop.cancelled().await,
                    Some(by) => {
                        // The sender is in `self`.
                        let _ = tokio::time::timeout_at(by, at_work.wait_for(|count| *count == 0)).await;
                    }
                }
            };
            tokio::select! {
                () = left => match leave_by {
                    None => leave_by = Some(Instant::now() + GRACE),
                    Some(_) => break,
                },
                () = refresh.notified() => asked = true,
                () = tokio::time::sleep_until(next) => {}
                () = tokio::time::sleep(poll), if leave_by.is_none() => self.poll().await,
            }
            if self.0.offers.swap(false, Ordering::AcqRel) || beaten.elapsed() >= beat {
                if let Err(error) = self.beat().await {
                    tracing::warn!(error = chain(&error), "this node could not be heard of");
                }
                beaten = Instant::now();
            }
            if std::mem::take(&mut asked) || looked.elapsed() >= LOOK.min(beat) {
                if let Err(error) = self.look().await {
                    tracing::warn!(error = chain(&error), "the nodes and segments could not be looked at");
                }
                looked = Instant::now();
            }
        }
        self.leave().await;
    }

    /// Tells others that it is gone.
    pub(crate) async fn leave(&self) {
        let Inner { id, journal, .. } = &*self.0;
        if let Err(error) = journal.store().leave(journal.tenant(), id, true).await {
            tracing::debug!(error = chain(&error), "this node could not say that it leaves");
        }
    }

    /// Appears again, in case that its sign was lost with a connection, and renews its time.
    async fn beat(&self) -> Result<(), StoreError> {
        let Inner { id, config, journal, .. } = &*self.0;
        let processors = self.processors();
        journal.store().appear(id).await?;
        journal.store().beat(journal.tenant(), id, &config.name, &processors, config.lease).await
    }

    /// Looks whether another process has appended.
    async fn poll(&self) {
        match self.0.journal.store().head().await {
            Ok(head) => {
                self.0.head.send_if_modified(|seen| std::mem::replace(seen, head) < head);
            }
            Err(error) => tracing::debug!(%error, "the head could not be read"),
        }
    }

    /// Looks at nodes and segments. Nodes that have died are cleared away.
    pub(crate) async fn look(&self) -> Result<(), StoreError> {
        let Inner { id, journal, cluster, .. } = &*self.0;
        let seen = Instant::now();
        let mut nodes = journal.store().nodes(journal.tenant()).await?;
        for node in nodes.iter_mut().filter(|node| node.id != *id) {
            if !node.live || journal.store().is_gone(&node.id).await? {
                tracing::info!(node = node.name, "a node is gone: others take over what it worked on");
                journal.store().leave(journal.tenant(), &node.id, false).await?;
                node.live = false;
            }
        }
        nodes.retain(|node| node.live);
        let mut segments: HashMap<String, Vec<SegmentRow>> = HashMap::new();
        for row in journal.store().segments(journal.tenant()).await? {
            segments.entry(row.processor.clone()).or_default().push(row);
        }
        cluster.send_replace(Arc::new(Cluster { seen, nodes, segments }));
        Ok(())
    }
}
