//! Whether a view is built, and what is read until it is.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::processor::{Family, is_read};
use crate::store::records::ViewId;
use crate::store::{Journal, SegmentRow, SegmentState, StoreError};

use super::{View, processor_name};

/// How long a reader waits for a view that is built, where there is nothing else to read.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks.
const POLL: Duration = Duration::from_millis(20);

/// The views that are known to be built: they stay so. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct BuiltViews(Arc<Mutex<HashSet<String>>>);

/// What is read of an asynchronous view.
pub(super) enum Source {
    /// Its own documents.
    Own,
    /// Those of the version before, which are turned.
    Older(ViewId),
    /// Nothing for now; so much of it is done, from 0 to 1.
    Nothing { done: f64 },
}

impl BuiltViews {
    /// What is read of the view `V`. Where there is nothing, it is waited for a while.
    pub(super) async fn source<V: View>(&self, journal: &Journal) -> Result<Source, StoreError> {
        let processor = processor_name::<V>();
        if self.lock().contains(&processor) {
            return Ok(Source::Own);
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rows = journal.store().segments_of(journal.tenant(), &processor).await?;
            // One that no program has run yet has nothing to tell, nor to hide.
            if rows.iter().any(|row| is_read(row) || row.state == SegmentState::Replaced) {
                self.lock().insert(processor);
                return Ok(Source::Own);
            }
            if V::LIFT.is_some()
                && let Some(older) = older::<V>(journal).await?
            {
                return Ok(Source::Older(older));
            }
            if rows.is_empty() && older::<V>(journal).await?.is_none() {
                return Ok(Source::Own);
            }
            if Instant::now() >= deadline {
                return Ok(Source::Nothing { done: done(&rows) });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The version before that is read.
async fn older<V: View>(journal: &Journal) -> Result<Option<ViewId>, StoreError> {
    let Some(family) = Family::of(&processor_name::<V>()) else { return Ok(None) };
    let rows = journal.store().segments(journal.tenant()).await?;
    let version = family.older(&rows).and_then(|processor| family.version_of(&processor));
    Ok(version.map(|version| journal.view_id(V::NAME, version)))
}

#[expect(clippy::cast_precision_loss, reason = "a part of a whole")]
fn done(rows: &[SegmentRow]) -> f64 {
    let position = rows.iter().map(|row| row.position.get()).min().unwrap_or_default();
    let until = rows.iter().filter_map(crate::processor::ready_at).max().unwrap_or_default();
    if until == 0 { 0.0 } else { (position as f64 / until as f64).min(1.0) }
}
