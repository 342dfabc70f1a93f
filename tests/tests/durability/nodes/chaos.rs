//! What befalls the nodes.

use std::time::{Duration, Instant};

use annals::processor::ProcessorError;
use annals::store::StoreError;

use super::super::chance::Chance;
use super::domain::PROCESSORS;
use super::process::Node;
use super::stage::Stage;

/// The longest that a node is stopped beyond its lease.
const FROZEN: Duration = Duration::from_millis(1500);

/// Something that happens to a node, or is done to a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    /// A node is killed, and another one started with a clock of its own.
    Kill,
    /// A node leaves in order, and another one is started.
    Leave,
    /// A node is stopped for longer than its lease.
    #[cfg_attr(not(feature = "servers"), expect(dead_code, reason = "a file is not frozen"))]
    Freeze,
    /// All connections of a node are cut.
    #[cfg_attr(not(feature = "servers"), expect(dead_code, reason = "a file has no connections"))]
    Cut,
    Split,
    Merge,
    Release,
    Move,
    /// Until the end of the round.
    Pause,
    Reset,
}

impl Blow {
    /// Everything.
    #[cfg(feature = "servers")]
    pub(super) const ALL: &[Self] = &[
        Self::Kill,
        Self::Leave,
        Self::Freeze,
        Self::Cut,
        Self::Split,
        Self::Merge,
        Self::Release,
        Self::Move,
        Self::Pause,
        Self::Reset,
        Self::Split,
        Self::Merge,
        Self::Kill,
        Self::Freeze,
        Self::Cut,
    ];

    /// What can befall processes that share a file. There is no connection to cut. A process that is stopped in the middle
    /// of a transaction keeps the file locked for as long as it is stopped, and no server ends the transaction: nothing can
    /// be written meanwhile by anybody, which is no matter of nodes.
    pub(super) const ON_A_FILE: &[Self] = &[
        Self::Kill,
        Self::Leave,
        Self::Split,
        Self::Merge,
        Self::Release,
        Self::Move,
        Self::Pause,
        Self::Reset,
        Self::Kill,
        Self::Kill,
    ];
}

/// One round of blows.
pub(super) struct Chaos<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) chance: &'a mut Chance,
    /// Nodes that are stopped, by their names, and until when.
    frozen: Vec<(String, Instant)>,
    paused: bool,
    moved: bool,
    pub(super) told: Vec<String>,
}

impl<'a> Chaos<'a> {
    pub(super) fn new(stage: &'a mut Stage, chance: &'a mut Chance) -> Self {
        Self { stage, chance, frozen: Vec::new(), paused: false, moved: false, told: Vec::new() }
    }

    /// Does it to a node or a processor by chance.
    pub(super) async fn strike(&mut self, blow: Blow) {
        let processor = PROCESSORS[self.below(PROCESSORS.len())];
        let number = self.below(self.stage.nodes.len());
        let name = self.stage.nodes[number].name.clone();
        self.told.push(match blow {
            Blow::Kill | Blow::Leave | Blow::Freeze | Blow::Cut => format!("{blow:?} {name}"),
            _ => format!("{blow:?} {processor}"),
        });
        match blow {
            Blow::Kill => {
                self.stage.nodes.remove(number).kill().await;
                self.frozen.retain(|(frozen, _)| *frozen != name);
                self.replace().await;
            }
            Blow::Leave => {
                let node = self.stage.nodes.remove(number);
                if self.frozen.iter().any(|(frozen, _)| *frozen == name) {
                    node.thaw();
                    self.frozen.retain(|(frozen, _)| *frozen != name);
                }
                if self.is_ready(node).await {
                    self.replace().await;
                }
            }
            Blow::Freeze => {
                self.stage.nodes[number].freeze();
                let until = Instant::now() + self.stage.settings.lease + self.chance.moment(FROZEN);
                self.frozen.push((name, until));
            }
            #[cfg(feature = "servers")]
            Blow::Cut => {
                // A program that cannot reach its database at the start does not start.
                if !self.frozen.iter().any(|(frozen, _)| *frozen == name) {
                    assert!(self.stage.nodes[number].is_ready().await, "{name} has ended by itself");
                }
                self.stage.nodes[number].cut();
            }
            #[cfg(not(feature = "servers"))]
            Blow::Cut => {}
            _ => {
                let done = self.steer(blow, processor).await;
                self.note(done);
            }
        }
    }

    /// Has a node leave that may only just have begun.
    async fn is_ready(&mut self, mut node: Node) -> bool {
        let ready = node.is_ready().await;
        assert!(ready, "{} has ended by itself", node.name);
        node.leave().await;
        ready
    }

    async fn replace(&mut self) {
        let hours = [0, 5, -5][self.below(3)];
        self.stage.add_node(hours).await;
    }

    async fn steer(&mut self, blow: Blow, processor: &str) -> Result<(), ProcessorError> {
        let processors = self.stage.app.processors();
        let status = processors.status().await?.into_iter().find(|status| status.name == processor).unwrap();
        let segments: Vec<u32> = status.segments.iter().map(|segment| segment.segment.id()).collect();
        let segment = segments[self.below(segments.len())];
        match blow {
            // So many are enough.
            Blow::Split if segments.len() < 32 => processors.split(processor, segment).await,
            // So few let nobody be without.
            Blow::Merge if segments.len() > 9 => processors.merge(processor, segment).await,
            Blow::Release => processors.release(processor, segment).await,
            Blow::Move => {
                let nodes: Vec<String> = status.segments.iter().filter_map(|segment| segment.owner.clone()).collect();
                if nodes.is_empty() {
                    return Ok(());
                }
                self.moved = true;
                processors.move_to(processor, segment, &nodes[self.below(nodes.len())]).await
            }
            Blow::Pause => {
                self.paused = true;
                processors.pause(processor).await
            }
            Blow::Reset => processors.replay(processor).await,
            _ => Ok(()),
        }
    }

    /// What was asked may be impossible by now; other failures are told.
    fn note(&mut self, done: Result<(), ProcessorError>) {
        match done {
            Ok(()) | Err(ProcessorError::NoSegment { .. } | ProcessorError::Refused { .. }) => {}
            Err(ProcessorError::Store(StoreError::Unavailable { source, .. })) => {
                self.told.push(format!("(the last one failed: {source})"));
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Has those go on whose time is over, or all.
    pub(super) async fn thaw(&mut self, all: bool) {
        for (name, until) in std::mem::take(&mut self.frozen) {
            if all {
                tokio::time::sleep_until(until.into()).await;
            }
            if Instant::now() < until {
                self.frozen.push((name, until));
            } else if let Some(node) = self.stage.nodes.iter().find(|node| node.name == name) {
                node.thaw();
            }
        }
    }

    /// Lets everything go its way again.
    pub(super) async fn end(&mut self) {
        self.thaw(true).await;
        let processors = self.stage.app.processors().clone();
        for status in processors.status().await.unwrap() {
            if self.paused {
                let resumed = processors.resume(&status.name).await;
                self.note(resumed);
            }
            let moved = self.moved;
            for segment in status.segments.iter().filter(|_| moved) {
                let released = processors.release(&status.name, segment.segment.id()).await;
                self.note(released);
            }
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.chance.below(limit as u64)).unwrap()
    }
}
