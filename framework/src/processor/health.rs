//! Whether processors get on.

use std::time::Duration;

use tokio::time::Instant;

use crate::message::Timestamp;
use crate::store::StoreError;

use super::control::ProcessorsHandle;
use super::status::ProcessorStatus;

/// A poller that has not been heard of for so long is dead: each looks at the segments every second.
const SILENT: Duration = Duration::from_secs(30);

/// Whether the processors get on, as a program that watches over them wants to know it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// When it was looked.
    pub at: Timestamp,
    /// How the processors are doing.
    pub processors: Vec<ProcessorStatus>,
    /// What is wrong; nothing where all is well.
    pub ailments: Vec<Ailment>,
}

impl Health {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.ailments.is_empty()
    }
}

/// Something that is wrong with a processor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ailment {
    /// The task on this node that runs the processor has not been heard of for a while: it hangs, or has died.
    #[error("processor `{processor}` has not been heard of on this node for {silent:?}")]
    Silent {
        /// The processor.
        processor: String,
        /// For how long.
        silent: Duration,
    },
    /// A segment stops before an event.
    #[error("segment {segment} of processor `{processor}` stops before `{event}` at {position}: {error}")]
    Stopped {
        /// The processor.
        processor: String,
        /// The segment's number.
        segment: u32,
        /// Where.
        position: crate::message::Position,
        /// The event's name.
        event: String,
        /// Why.
        error: String,
    },
    /// Nobody works on segments.
    #[error("nobody works on {segments} segments of processor `{processor}`")]
    Abandoned {
        /// The processor.
        processor: String,
        /// How many.
        segments: usize,
    },
    /// Events have waited for longer than is wanted, and the processor has come no closer to the head since the check before.
    #[error("processor `{processor}` is {lag:?} behind, and no closer than before")]
    FallsBehind {
        /// The processor.
        processor: String,
        /// For how long its oldest event has waited.
        lag: Duration,
    },
    /// Events were parked as dead letters.
    #[error("processor `{processor}` has {letters} parked dead letters")]
    Parked {
        /// The processor.
        processor: String,
        /// How many.
        letters: u64,
    },
}

impl ProcessorsHandle {
    /// Looks whether the processors get on: whether each is heard of, is worked on, does not stop before an event, has no
    /// parked events, and is no more than `lag` behind or comes closer to the head from check to check. A processor that is
    /// paused or built counts as well.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # async fn check(app: &annals::Annals) -> Result<(), annals::store::StoreError> {
    /// let health = app.processors().health(Duration::from_secs(10)).await?;
    /// for ailment in &health.ailments {
    ///     eprintln!("{ailment}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the store does not answer, which is an ailment of its own.
    pub async fn health(&self, lag: Duration) -> Result<Health, StoreError> {
        let processors = self.status().await?;
        let mut ailments = Vec::new();
        for status in &processors {
            let Some(progress) = self.progress(&status.name) else { continue };
            let processor = || status.name.clone();
            let (silent, before) = progress.pulse.look(Instant::now(), status.behind());
            if silent > SILENT {
                ailments.push(Ailment::Silent { processor: processor(), silent });
            }
            for segment in &status.segments {
                if let Some(failure) = &segment.failure {
                    ailments.push(Ailment::Stopped {
                        processor: processor(),
                        segment: segment.segment.id(),
                        position: failure.position,
                        event: failure.event.clone(),
                        error: failure.error.clone(),
                    });
                }
            }
            let abandoned = status.segments.iter().filter(|segment| segment.owner.is_none()).count();
            if abandoned > 0 && !status.paused {
                ailments.push(Ailment::Abandoned { processor: processor(), segments: abandoned });
            }
            if status.lag > lag && !status.paused && before.is_some_and(|before| status.behind() >= before) {
                ailments.push(Ailment::FallsBehind { processor: processor(), lag: status.lag });
            }
            if status.letters.parked > 0 {
                ailments.push(Ailment::Parked { processor: processor(), letters: status.letters.parked });
            }
        }
        Ok(Health { at: self.now(), processors, ailments })
    }
}
