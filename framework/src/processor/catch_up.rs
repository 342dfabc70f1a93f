//! Brings an inline view up to the events that were stored before it existed.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::handler::HandlerError;
use crate::message::Position;
use crate::store::{Advance, Journal, Read};

use super::claims::{Held, claim_whole};
use super::component::{EventComponent, criteria};
use super::config::ProcessorConfig;
use super::handling::handle_with;
use super::node::Node;
use super::passage::Passage;
use super::routed::Router;
use super::sequence::SequencingPolicy;

/// The token of an inline view that has been brought up: from then on each append brings its documents along. Larger than
/// any position, and still an integer of every database.
const BROUGHT_UP: Position = Position::new(i64::MAX as u64);
/// How often a node looks whether another one has finished.
const POLL: Duration = Duration::from_millis(50);

/// Folds all events into the documents of an inline view, once, a page in each transaction. It goes on where an earlier
/// start was interrupted. Another node that is at it is waited for.
pub(crate) async fn catch_up(
    journal: &Journal,
    node: &Node,
    name: &str,
    component: &Arc<dyn EventComponent>,
    config: &ProcessorConfig,
) -> Result<(), HandlerError> {
    loop {
        if journal.store().token(journal.tenant(), name).await? == Some(BROUGHT_UP) {
            return Ok(());
        }
        node.look().await?;
        match claim_whole(journal, node, name).await? {
            Some(held) => return fold_all(journal, held, component, config).await,
            None => tokio::time::sleep(POLL).await,
        }
    }
}

async fn fold_all(
    journal: &Journal,
    held: Held,
    component: &Arc<dyn EventComponent>,
    config: &ProcessorConfig,
) -> Result<(), HandlerError> {
    let components: Arc<[Arc<dyn EventComponent>]> = Arc::from([Arc::clone(component)]);
    let criteria = criteria(&components);
    let router = Router { journal: journal.clone(), components, policy: SequencingPolicy::Stream };
    let mut position = held.position;
    let never = CancellationToken::new();
    loop {
        let read = Read::matching(criteria.clone(), position).limit(config.batch);
        let mut page = router.clone().page(read).await?;
        let mut transaction = journal.store().begin().await?;
        transaction.guard(std::slice::from_ref(&held.claim)).await?;
        let mut steps = Vec::new();
        for item in page.items {
            match item.fault {
                Some(fault) => return Err(HandlerError::new(fault.to_string())),
                None => steps.push((&page.events[item.event], item.step, Passage::default())),
            }
        }
        let after = handle_with(&**component, steps, &mut *transaction, config, &never).await?;
        position = page.scanned;
        let token = if page.more { position } else { BROUGHT_UP };
        let moved = Advance { claim: held.claim.clone(), position: token, details: None };
        transaction.advance(&[moved]).await?;
        transaction.commit().await?;
        after.committed();
        page.events.clear();
        if !page.more {
            return Ok(());
        }
        tracing::debug!(view = component.label(), %position, "an inline view is brought up to stored events");
    }
}
