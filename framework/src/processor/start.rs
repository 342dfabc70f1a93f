//! Where a processor begins.

use crate::message::{Position, Timestamp};
use crate::store::{Journal, Read, StoreError};

/// Where a processor begins that has never run, or one that is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StartAt {
    /// With the oldest event.
    #[default]
    Oldest,
    /// With the first event that is appended from now on.
    Newest,
    /// Behind the event at this position.
    After(Position),
    /// With the first event that was recorded at this instant or later.
    Since(Timestamp),
}

impl StartAt {
    /// The position behind which it begins, in a store with this head.
    pub(super) async fn position(self, journal: &Journal, head: Position) -> Result<Position, StoreError> {
        match self {
            Self::Oldest => Ok(Position::START),
            Self::Newest => Ok(head),
            Self::After(position) => Ok(position.min(head)),
            Self::Since(instant) => {
                let read = Read::all(Position::START).since(instant).without_payloads();
                let first = journal.first(read).await.map_err(StoreError::unavailable)?;
                Ok(first.map_or(head, |event| Position::new(event.recorded.position.get().saturating_sub(1))))
            }
        }
    }
}
