//! Brings what runs inline up to the events that were stored before it did, and lets it go back to a processor of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::handler::{AfterCommit, HandlerError};
use crate::message::Position;
use crate::store::{Advance, Claim, Journal, Read, Segment, SegmentRow, SegmentState, SegmentWrite, StoreError};

use super::claims::{Held, claim_all};
use super::component::{EventComponent, Step, criteria};
use super::config::ProcessorConfig;
use super::details::Details;
use super::handling::handle_with;
use super::node::Node;
use super::passage::Passage;
use super::routed::{Item, Router};

/// The token of what was brought up: from then on each append brings it along. Larger than any position, and still an
/// integer of every database.
const BROUGHT_UP: Position = Position::new(i64::MAX as u64);
/// How often a node looks whether others have finished.
const POLL: Duration = Duration::from_millis(50);

/// Hands `components` all events that they have not handled, once, a page in each transaction. It goes on where an earlier
/// start was interrupted, or where a processor was that ran them before. Another node that is at it is waited for.
pub(crate) async fn catch_up(
    journal: &Journal,
    node: &Node,
    name: &str,
    components: &Arc<[Arc<dyn EventComponent>]>,
    config: &ProcessorConfig,
) -> Result<(), HandlerError> {
    let mut waits = false;
    loop {
        if journal.store().token(journal.tenant(), name).await? == Some(BROUGHT_UP) {
            return Ok(());
        }
        let letters = journal.store().letter_count(journal.tenant(), name).await?.letters;
        if letters > 0 {
            let reason = format!(
                "{letters} dead letters wait that its processor `{name}` has left: start once without `inline`, and retry \
                 or evict them"
            );
            return Err(HandlerError::new(reason));
        }
        node.look().await?;
        if let Some(held) = claim_all(journal, node, name).await? {
            return handle_all(journal, held, components, config).await;
        }
        if !std::mem::replace(&mut waits, true) {
            tracing::info!(processor = name, "waits for other nodes that work on it, before it can run inline");
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn handle_all(
    journal: &Journal,
    mut held: Vec<Held>,
    components: &Arc<[Arc<dyn EventComponent>]>,
    config: &ProcessorConfig,
) -> Result<(), HandlerError> {
    let criteria = criteria(components);
    let router =
        Router { journal: journal.clone(), components: Arc::clone(components), policy: config.sequence.clone() };
    let mut position = held.iter().map(|held| held.position).min().unwrap_or_default();
    let never = CancellationToken::new();
    loop {
        let read = Read::matching(criteria.clone(), position).limit(config.batch);
        let page = router.clone().page(read).await?;
        let mut transaction = journal.store().begin().await?;
        let claims: Vec<Claim> = held.iter().map(|held| held.claim.clone()).collect();
        transaction.guard(&claims).await?;
        let mut by_component: Vec<Vec<(_, Step, Passage)>> = components.iter().map(|_| Vec::new()).collect();
        for item in page.items {
            let event = &page.events[item.event];
            let Some(owner) = taker(&held, &item, event.recorded.position) else { continue };
            if let Some(fault) = item.fault {
                let (name, at) = (&event.recorded.name, event.recorded.position);
                return Err(HandlerError::new(format!("the event `{name}` at {at} cannot be decoded: {fault}")));
            }
            let passage = owner.passage(item.step.hash, event.recorded.position);
            by_component[item.component].push((event, item.step, passage));
        }
        let after = AfterCommit::default();
        for (component, steps) in components.iter().zip(by_component).filter(|(_, steps)| !steps.is_empty()) {
            let handled = handle_with(&**component, steps, &mut *transaction, config, &never).await;
            after.join(handled.map_err(|error| not_taken(&**component, position, page.scanned, &error))?);
        }
        position = page.scanned;
        let moved = held.iter_mut().filter(|held| held.position < position).map(|held| {
            held.position = position;
            Advance { claim: held.claim.clone(), position, details: None }
        });
        transaction.advance(&moved.collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        after.committed();
        if !page.more {
            return Ok(finish(journal, &claims).await?);
        }
        tracing::debug!(%position, "what runs inline is brought up to stored events");
    }
}

/// What was stored before is refused: nobody else can be asked to do without it.
fn not_taken(component: &dyn EventComponent, from: Position, to: Position, error: &HandlerError) -> HandlerError {
    HandlerError::new(format!(
        "`{}` refuses a stored event behind {from}, {to} at the latest: {error}. What runs inline takes the events that were \
         stored before, at start; it has to take each of them",
        component.label()
    ))
}

/// The segment that has not handled the step yet.
fn taker<'h>(held: &'h [Held], item: &Item, position: Position) -> Option<&'h Held> {
    let all = item.step.sequence.is_none();
    held.iter().find(|held| {
        let own = all || held.claim.segment.has(item.step.hash);
        own && position > held.position && !held.details.is_ahead(item.step.hash, position)
    })
}

/// Notes that appends bring it along from now on.
async fn finish(journal: &Journal, claims: &[Claim]) -> Result<(), StoreError> {
    let Some(Claim { tenant, processor, .. }) = claims.first() else { return Ok(()) };
    let mut transaction = journal.store().begin().await?;
    transaction.guard(claims).await?;
    let rows = transaction.lock_segments(tenant, processor).await?;
    let brought_up = |row: SegmentRow| {
        let details = Details::default().write();
        SegmentRow { position: BROUGHT_UP, owner: None, state: SegmentState::Running, details, ..row }
    };
    let writes = rows.into_iter().map(|row| SegmentWrite::Change(brought_up(row))).collect();
    transaction.write_segments(tenant, writes).await?;
    transaction.commit().await
}

/// Why something cannot stop to run inline.
#[derive(Debug, thiserror::Error)]
#[error(
    "it was inline until now, and events that {others} may still append with it would be handled twice: stop them, then \
     start this program"
)]
pub(crate) struct StillInline {
    others: String,
}

/// Has what ran inline until now, as far as `processors` name it, go on as a processor of so many segments behind the events
/// that are stored. Gives the first that cannot, and why.
pub(crate) async fn leave_inline(
    journal: &Journal,
    node: &Node,
    processors: impl IntoIterator<Item = (String, u32)>,
) -> Result<(), (String, HandlerError)> {
    let looked = node.look().await;
    looked.map_err(|error| ("nodes".to_owned(), error.into()))?;
    let cluster = node.cluster().borrow().clone();
    for (name, segments) in processors {
        if cluster.segments(&name).iter().all(|row| row.position != BROUGHT_UP) {
            continue;
        }
        let others = cluster.nodes.iter().filter(|other| other.live && other.id != node.id());
        let others: Vec<&str> = others.map(|other| other.name.as_str()).collect();
        let left = match others.is_empty() {
            true => divide(journal, &name, segments).await.map_err(HandlerError::from),
            false => Err(HandlerError::from(StillInline { others: others.join(", ") })),
        };
        if let Err(error) = left {
            return Err((name, error));
        }
    }
    node.look().await.map_err(|error| ("nodes".to_owned(), error.into()))
}

async fn divide(journal: &Journal, processor: &str, segments: u32) -> Result<(), StoreError> {
    let tenant = journal.tenant();
    let mut transaction = journal.store().begin().await?;
    let rows = transaction.lock_segments(tenant, processor).await?;
    if rows.iter().all(|row| row.position != BROUGHT_UP) {
        return Ok(());
    }
    let position = journal.store().head().await.map_err(StoreError::unavailable)?;
    let fence = rows.iter().map(|row| row.fence).max().unwrap_or_default() + 1;
    let mut writes: Vec<SegmentWrite> = rows.into_iter().map(SegmentWrite::Remove).collect();
    let shares = Segment::shares(segments.max(1)).into_iter().map(|segment| SegmentRow {
        processor: processor.to_owned(),
        segment,
        position,
        fence,
        owner: None,
        state: SegmentState::Running,
        details: Details::default().write(),
    });
    writes.extend(shares.map(SegmentWrite::Add));
    transaction.write_segments(tenant, writes).await?;
    transaction.commit().await
}
