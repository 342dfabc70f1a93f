//! Events that a newer program has written.

use crate::handler::HandlerError;
use crate::message::{RecordedEvent, UpcastError};
use crate::store::DecodeError;

/// What a processor does with an event of a name that its handlers take, at a revision newer than this program reads: a
/// node of the next version has written it, or this program is one of before, after a roll-back.
///
/// ```no_run
/// # use annals::prelude::*;
/// use annals::processor::NewerRevision;
///
/// # async fn start() -> annals::Result<()> {
/// let app = Annals::builder()
///     .store("sqlite://orders.db")
///     .processors(|config| config.newer = NewerRevision::Stop)
///     .start()
///     .await?;
/// # app.shutdown().await
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum NewerRevision {
    /// It fails, as an event does that a handler cannot handle: it is tried again, then parked as a dead letter, and later
    /// events of its sequence wait behind it. Other sequences go on. The newer program has it tried again with
    /// [`ProcessorsHandle::retry`](super::ProcessorsHandle::retry).
    #[default]
    Park,
    /// Its segment stays before it, and looks again at each [`poll`](super::ProcessorConfig::poll); other segments go on. The
    /// newer program goes on from there by itself, once the claim is its own. An event that waits behind a dead letter is
    /// parked instead. Before an event that a view cannot decode all of its segments stay, since nobody knows which documents it
    /// concerns. A view that is built is not read before it has come past.
    Stop,
    /// It is passed over, which is reported to the log and kept among the dead letters, where it holds nothing up.
    Skip,
}

/// Whether `event` has failed with `error` because its revision is newer than the one that the handlers take.
pub(super) fn is_newer(event: &RecordedEvent, error: &HandlerError) -> bool {
    let told = match error.source().downcast_ref::<DecodeError>() {
        Some(DecodeError::Upcast(error)) => Some(error),
        _ => error.source().downcast_ref::<UpcastError>(),
    };
    // An error of this kind that a handler has met elsewhere is about another event.
    matches!(told, Some(UpcastError::Revision { name, stored, known })
        if stored > known && *name == *event.recorded.name && *stored == event.recorded.revision)
}
