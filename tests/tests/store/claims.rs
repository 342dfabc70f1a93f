//! Claims for tests of single backends.

use annals::message::Position;
use annals::store::{
    Advance, Claim, Segment, SegmentRow, SegmentState, SegmentWrite, Store, StoreError, StoreTransaction,
};

/// Claims a processor of one segment, which is added where it is missing.
pub(super) async fn claim(store: &dyn Store, processor: &str) -> Result<(Claim, Position), StoreError> {
    let mut transaction = store.begin().await?;
    let row = transaction.lock_segments("", processor).await?.pop();
    let (write, fence, position) = match row {
        Some(row) => {
            let (fence, position) = (row.fence + 1, row.position);
            (SegmentWrite::Change(SegmentRow { owner: Some("node".to_owned()), ..row }), fence, position)
        }
        None => {
            let row = SegmentRow {
                processor: processor.to_owned(),
                segment: Segment::WHOLE,
                position: Position::START,
                fence: 1,
                owner: Some("node".to_owned()),
                state: SegmentState::Running,
                details: String::new(),
            };
            (SegmentWrite::Add(row), 1, Position::START)
        }
    };
    transaction.write_segments("", vec![write]).await?;
    transaction.commit().await?;
    let claim = Claim { tenant: String::new(), processor: processor.to_owned(), segment: Segment::WHOLE, fence };
    Ok((claim, position))
}

/// Moves the token of `claim`.
pub(super) async fn advance(
    transaction: &mut dyn StoreTransaction,
    claim: &Claim,
    position: u64,
) -> Result<(), StoreError> {
    transaction.advance(&[Advance { claim: claim.clone(), position: Position::new(position), details: None }]).await
}
