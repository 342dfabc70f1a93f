//! Reads events again that were taken from the log before.

use std::collections::HashMap;
use std::sync::Arc;

use crate::message::{Position, RecordedEvent};
use crate::store::{Journal, Read, ReadError};

/// Events that lie closer together than this are read at once, with those between them.
const CLOSE: u64 = 8;

/// The events at `positions`, which are in order. Those that readers do not see any more are missing.
pub(super) async fn load(
    journal: &Journal,
    positions: &[Position],
) -> Result<HashMap<Position, Arc<RecordedEvent>>, ReadError> {
    let mut found = HashMap::with_capacity(positions.len());
    for run in positions.chunk_by(|one, next| next.get() - one.get() <= CLOSE) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let mut read = Read::all(Position::new(first.get().saturating_sub(1))).up_to(*last);
        loop {
            let page = journal.read(read.clone()).await?;
            let next = read.behind(&page);
            let wanted = page.events.into_iter().filter(|event| run.contains(&event.recorded.position));
            found.extend(wanted.map(|event| (event.recorded.position, Arc::new(event))));
            match next {
                Some(next) => read = next,
                None => break,
            }
        }
    }
    Ok(found)
}
