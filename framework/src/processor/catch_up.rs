//! Brings an inline view up to the events that were stored before it existed.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::handler::HandlerError;
use crate::message::{Position, RecordedEvent};
use crate::store::{Claim, ClaimError, Journal, Read};

use super::component::EventComponent;
use super::config::ProcessorConfig;
use super::streaming::handle_with;

/// The token of an inline view that has been brought up: from then on each append brings its documents along. Larger than
/// any position, and still an integer of every database.
const BROUGHT_UP: Position = Position::new(i64::MAX as u64);
/// How often a node looks whether another one has finished.
const POLL: Duration = Duration::from_millis(50);

/// Folds all events into the documents of an inline view, once, a page in each transaction. It goes on where an earlier
/// start was interrupted. Another node that is at it is waited for.
pub(crate) async fn catch_up(
    journal: &Journal,
    name: &str,
    component: &Arc<dyn EventComponent>,
    config: &ProcessorConfig,
) -> Result<(), HandlerError> {
    loop {
        if journal.store().token(journal.tenant(), name).await? == Some(BROUGHT_UP) {
            return Ok(());
        }
        match journal.store().claim(journal.tenant(), name).await {
            Ok(claim) => return fold_all(journal, claim, component, config).await,
            Err(ClaimError::Held { .. }) => tokio::time::sleep(POLL).await,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn fold_all(
    journal: &Journal,
    claim: Claim,
    component: &Arc<dyn EventComponent>,
    config: &ProcessorConfig,
) -> Result<(), HandlerError> {
    let criteria = Journal::named(component.events());
    let mut position = claim.position;
    let never = CancellationToken::new();
    loop {
        let page = journal.read(Read::matching(criteria.clone(), position).limit(config.batch)).await?;
        let mut transaction = journal.store().begin().await?;
        let events: Vec<&RecordedEvent> = page.events.iter().collect();
        let after = handle_with(&**component, &events, &mut *transaction, config, &never).await?;
        position = page.scanned;
        transaction.advance(&claim, if page.more { position } else { BROUGHT_UP }).await?;
        transaction.commit().await?;
        after.committed();
        if !page.more {
            return Ok(());
        }
        tracing::debug!(view = component.label(), %position, "an inline view is brought up to stored events");
    }
}
