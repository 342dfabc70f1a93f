//! On what terms a query is asked: what its answer must include, and how long that may take.

use std::time::Duration;

use tokio::time::Instant;

use crate::command::Sent;
use crate::message::{Metadata, Position, StreamId};
use crate::processor::{Behind, Processors};

use super::QueryError;

/// How long `after(..)` waits unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an answer must include: everything up to a position.
#[derive(Debug, Clone)]
pub struct Mark {
    pub(crate) position: Position,
    pub(crate) stream: Option<StreamId>,
}

impl<R> From<&Sent<R>> for Mark {
    fn from(sent: &Sent<R>) -> Self {
        Self { position: sent.position, stream: sent.stream.clone() }
    }
}

impl From<Position> for Mark {
    fn from(position: Position) -> Self {
        Self { position, stream: None }
    }
}

/// What becomes of a query whose read model is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StalePolicy {
    /// It fails with [`QueryError::Stale`].
    Fail,
    /// It is answered from what is there.
    Answer,
}

/// What every kind of call can state.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) metadata: Metadata,
    pub(crate) after: Option<Mark>,
    pub(crate) timeout: Duration,
    pub(crate) stale: StalePolicy,
}

impl Default for Terms {
    fn default() -> Self {
        Self { metadata: Metadata::new(), after: None, timeout: PATIENCE, stale: StalePolicy::Fail }
    }
}

impl Terms {
    /// Waits until the read models that `feeding` keeps are as `after(..)` asked.
    pub(crate) async fn wait(&self, processors: &Processors, feeding: &[String]) -> Result<(), QueryError> {
        let Some(mark) = &self.after else { return Ok(()) };
        let deadline = Instant::now() + self.timeout;
        for processor in feeding {
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = processors.wait(processor, mark.position, mark.stream.as_ref(), left).await;
            match (waited, self.stale) {
                (Ok(()), _) | (Err(Behind::Late { .. } | Behind::Parked { .. }), StalePolicy::Answer) => {}
                (Err(behind), _) => return Err(self.behind(behind, mark.position)),
            }
        }
        Ok(())
    }

    fn behind(&self, behind: Behind, wanted: Position) -> QueryError {
        match behind {
            Behind::Late { processor, reached, .. } => {
                QueryError::Stale { processor, reached, wanted, waited: self.timeout }
            }
            Behind::Parked { processor } => QueryError::Parked { processor },
            Behind::Store(error) => QueryError::failed(error),
        }
    }
}

/// The methods that every kind of call has.
macro_rules! terms_of_a_call {
    () => {
        /// Waits until the read models that answer include what was sent (`&sent`) or everything up to a position.
        pub fn after(mut self, mark: impl Into<$crate::query::Mark>) -> Self {
            self.terms_mut().after = Some(mark.into());
            self
        }

        /// Waits at most so long for the read models. Default 5 s.
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.terms_mut().timeout = timeout;
            self
        }

        /// When the read models are late, answers from what is there instead of failing.
        pub fn or_stale(mut self) -> Self {
            self.terms_mut().stale = $crate::query::StalePolicy::Answer;
            self
        }

        /// Carries `value` under `key` to interceptors and handlers.
        pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.terms_mut().metadata.insert(key, value);
            self
        }
    };
}
pub(super) use terms_of_a_call;
