//! Nodes, segments with their tokens and claims, dead letters.

use std::time::Duration;

use crate::message::{Position, StreamId};
use crate::store::{
    Advance, Claim, DeadLetter, DocumentChange, LetterCount, LetterState, Segment, SegmentRow, SegmentState,
    SegmentWrite, Store, StoreError, StoreTransaction,
};

use super::given::{TENANT, at, begin, commit, view};

/// A time that ends in no test.
const LONG: Duration = Duration::from_secs(3600);

fn position(number: u64) -> Position {
    Position::new(number)
}

fn row(processor: &str, segment: Segment) -> SegmentRow {
    SegmentRow {
        processor: processor.to_owned(),
        segment,
        position: Position::START,
        fence: 0,
        owner: None,
        state: SegmentState::Running,
        details: String::new(),
    }
}

/// Adds the segments of a processor.
async fn found(store: &dyn Store, processor: &str, count: u32) -> Vec<SegmentRow> {
    let rows: Vec<_> = Segment::shares(count).into_iter().map(|segment| row(processor, segment)).collect();
    let mut transaction = begin(store).await;
    let adds = rows.iter().cloned().map(SegmentWrite::Add).collect();
    transaction.write_segments(TENANT, adds).await.unwrap();
    commit(transaction).await;
    rows
}

/// Claims every segment of a processor for `node`.
pub(super) async fn claim(store: &dyn Store, processor: &str, node: &str) -> Vec<Claim> {
    let mut transaction = begin(store).await;
    let rows = transaction.lock_segments(TENANT, processor).await.unwrap();
    let claims = rows.iter().map(|row| claim_on(processor, row.segment, row.fence + 1)).collect();
    let owned = |row| SegmentWrite::Change(SegmentRow { owner: Some(node.to_owned()), ..row });
    transaction.write_segments(TENANT, rows.into_iter().map(owned).collect()).await.unwrap();
    commit(transaction).await;
    claims
}

/// Adds a processor of one segment, and claims it.
pub(super) async fn claimed(store: &dyn Store, processor: &str) -> Claim {
    found(store, processor, 1).await;
    claim(store, processor, "node").await.remove(0)
}

fn claim_on(processor: &str, segment: Segment, fence: u64) -> Claim {
    Claim { tenant: TENANT.to_owned(), processor: processor.to_owned(), segment, fence }
}

pub(super) fn to(claim: &Claim, number: u64) -> Advance {
    Advance { claim: claim.clone(), position: position(number), details: None }
}

async fn rows(store: &dyn Store, processor: &str) -> Vec<SegmentRow> {
    let own = store.segments_of(TENANT, processor).await.unwrap();
    let all = store.segments(TENANT).await.unwrap();
    assert_eq!(all.into_iter().filter(|row| row.processor == processor).collect::<Vec<_>>(), own);
    own
}

/// A token moves under its claim and is found where it was left (guarantee 6).
pub async fn a_token_is_kept(store: &dyn Store) {
    assert_eq!(store.token(TENANT, "p").await.unwrap(), None);
    assert!(store.segments(TENANT).await.unwrap().is_empty());
    let first = claimed(store, "p").await;
    assert_eq!(store.token(TENANT, "p").await.unwrap(), Some(Position::START));
    let mut transaction = begin(store).await;
    transaction.guard(std::slice::from_ref(&first)).await.unwrap();
    transaction.advance(&[to(&first, 7)]).await.unwrap();
    transaction.advance(&[]).await.unwrap();
    transaction.guard(&[]).await.unwrap();
    commit(transaction).await;
    assert_eq!(store.token(TENANT, "p").await.unwrap(), Some(position(7)));
    assert_eq!(store.token(TENANT, "q").await.unwrap(), None);

    let next = claim(store, "p", "other").await;
    let mut transaction = begin(store).await;
    let details = Advance { details: Some(r#"{"note":"schön"}"#.to_owned()), ..to(&next[0], 8) };
    transaction.advance(&[details]).await.unwrap();
    transaction.advance(&[to(&next[0], 9)]).await.unwrap();
    commit(transaction).await;
    let kept = rows(store, "p").await;
    let expected = SegmentRow {
        position: position(9),
        fence: 2,
        owner: Some("other".to_owned()),
        details: r#"{"note":"schön"}"#.to_owned(),
        ..row("p", Segment::WHOLE)
    };
    assert_eq!(kept, [expected]);
}

/// Whoever lost its claim can no longer move the token (guarantee 6).
pub async fn a_write_under_a_lost_claim_is_refused(store: &dyn Store) {
    let lost = claimed(store, "p").await;
    let held = claim(store, "p", "other").await.remove(0);
    assert!(held.fence > lost.fence);
    let mut transaction = begin(store).await;
    for refused in [transaction.guard(std::slice::from_ref(&lost)).await, transaction.advance(&[to(&lost, 9)]).await] {
        assert!(matches!(refused, Err(StoreError::ClaimLost { fence, .. }) if fence == lost.fence), "{refused:?}");
    }
    transaction.advance(&[to(&held, 1)]).await.unwrap();
    commit(transaction).await;
    assert_eq!(store.token(TENANT, "p").await.unwrap(), Some(position(1)));
}

/// The tokens of several segments move together; the processor is as far as the last of them (guarantee 6).
pub async fn tokens_of_several_segments_move_together(store: &dyn Store) {
    found(store, "p", 4).await;
    let claims = claim(store, "p", "node").await;
    let mut transaction = begin(store).await;
    transaction.guard(&claims).await.unwrap();
    let moved: Vec<_> = claims.iter().zip([4, 3, 9, 5]).map(|(claim, number)| to(claim, number)).collect();
    transaction.advance(&moved).await.unwrap();
    commit(transaction).await;
    assert_eq!(store.token(TENANT, "p").await.unwrap(), Some(position(3)));
    let kept: Vec<_> = rows(store, "p").await.iter().map(|row| row.position.get()).collect();
    assert_eq!(kept, [4, 3, 9, 5]);

    // One of them is taken over: the others do not move with it.
    let mut transaction = begin(store).await;
    let third = rows(store, "p").await.remove(2);
    transaction.write_segments(TENANT, vec![SegmentWrite::Change(third)]).await.unwrap();
    commit(transaction).await;
    let mut transaction = begin(store).await;
    let moved: Vec<_> = claims.iter().map(|claim| to(claim, 20)).collect();
    let refused = transaction.advance(&moved).await;
    assert!(matches!(&refused, Err(StoreError::ClaimLost { segment, .. }) if segment.id() == 2), "{refused:?}");
    drop(transaction);
    assert_eq!(store.token(TENANT, "p").await.unwrap(), Some(position(3)));
}

/// Segments are divided, merged and paused by changing their rows, each as it was read.
pub async fn segments_are_changed_as_they_were_read(store: &dyn Store) {
    found(store, "p", 1).await;
    found(store, "q", 2).await;
    let whole = rows(store, "p").await.remove(0);
    let (low, high) = Segment::WHOLE.split().unwrap();
    let mut transaction = begin(store).await;
    let halves = vec![
        SegmentWrite::Change(SegmentRow { segment: low, position: position(5), ..whole.clone() }),
        SegmentWrite::Add(SegmentRow { position: position(5), state: SegmentState::Paused, ..row("p", high) }),
    ];
    transaction.write_segments(TENANT, halves).await.unwrap();
    let inside = transaction.lock_segments(TENANT, "p").await.unwrap();
    commit(transaction).await;
    let halved = rows(store, "p").await;
    assert_eq!(inside, halved);
    assert_eq!(halved.iter().map(|row| (row.segment, row.fence)).collect::<Vec<_>>(), [(low, 1), (high, 0)]);
    assert_eq!(halved[1].state, SegmentState::Paused);
    assert_eq!(rows(store, "q").await.len(), 2);

    let stale = [
        SegmentWrite::Add(row("p", high)),
        SegmentWrite::Change(whole.clone()),
        SegmentWrite::Remove(whole),
        SegmentWrite::Remove(row("p", Segment::new(3, 3).unwrap())),
    ];
    for write in stale {
        let mut transaction = begin(store).await;
        let refused = transaction.write_segments(TENANT, vec![write.clone()]).await;
        assert!(matches!(refused, Err(StoreError::Changed { .. })), "{write:?}: {refused:?}");
    }
    let mut transaction = begin(store).await;
    transaction.write_segments(TENANT, vec![SegmentWrite::Remove(halved[1].clone())]).await.unwrap();
    commit(transaction).await;
    assert_eq!(rows(store, "p").await, halved[..1]);
}

/// Of nodes that claim a segment at the same time exactly one gets it (guarantee 6).
pub async fn of_racing_claims_exactly_one_wins(store: &dyn Store) {
    found(store, "p", 1).await;
    let one = async |node: usize| {
        let mut transaction = begin(store).await;
        let row = transaction.lock_segments(TENANT, "p").await.unwrap().remove(0);
        if row.owner.is_some() {
            return false;
        }
        tokio::task::yield_now().await;
        let owned = SegmentRow { owner: Some(node.to_string()), ..row };
        transaction.write_segments(TENANT, vec![SegmentWrite::Change(owned)]).await.unwrap();
        commit(transaction).await;
        true
    };
    let won = futures_util::future::join_all((0..8).map(one)).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    assert_eq!(rows(store, "p").await[0].fence, 1);
}

/// A change of a segment and a page of its owner never overtake each other: a token that has moved is seen, and one that was
/// seen does not move (guarantee 6).
pub async fn no_token_moves_under_a_change(store: &dyn Store) {
    found(store, "p", 1).await;
    for round in 1..=20_u64 {
        let claim = claim(store, "p", "node").await.remove(0);
        let page = async {
            let mut transaction = begin(store).await;
            let guarded = transaction.guard(std::slice::from_ref(&claim)).await;
            if guarded.is_err() || transaction.advance(&[to(&claim, round)]).await.is_err() {
                return false;
            }
            transaction.commit().await.is_ok()
        };
        let change = async {
            let mut transaction = begin(store).await;
            let row = transaction.lock_segments(TENANT, "p").await.ok()?.remove(0);
            tokio::task::yield_now().await;
            let seen = row.position;
            transaction.write_segments(TENANT, vec![SegmentWrite::Change(row)]).await.ok()?;
            transaction.commit().await.ok()?;
            Some(seen)
        };
        let (paged, changed) = tokio::join!(page, change);
        let now = store.token(TENANT, "p").await.unwrap().unwrap();
        assert_eq!(now == position(round), paged, "round {round}: {now}, {changed:?}");
        if let Some(seen) = changed {
            assert_eq!(seen, now, "what was written is what was read");
        } else {
            assert!(paged, "one of the two gets on");
        }
        if !paged {
            let claim = super::processors::claim(store, "p", "node").await.remove(0);
            let mut transaction = begin(store).await;
            transaction.advance(&[to(&claim, round)]).await.unwrap();
            commit(transaction).await;
        }
    }
}

/// A change of segments waits until the page that is under way has been written, and disturbs it as little as that disturbs
/// the change.
pub async fn a_change_waits_for_a_page(store: &dyn Store) {
    found(store, "p", 4).await;
    let claims = claim(store, "p", "node").await;
    let mut page = begin(store).await;
    page.guard(&claims).await.unwrap();
    let change = async {
        let mut change = begin(store).await;
        let rows = change.lock_segments(TENANT, "p").await?;
        let positions = rows.iter().map(|row| row.position.get()).collect::<Vec<_>>();
        change.write_segments(TENANT, rows.into_iter().map(SegmentWrite::Change).collect()).await?;
        change.commit().await?;
        Ok::<_, StoreError>(positions)
    };
    let mut change = Box::pin(change);
    let waits = tokio::time::timeout(Duration::from_millis(50), &mut change).await;
    assert!(waits.is_err(), "it does not wait: {waits:?}");
    page.advance(&claims.iter().map(|claim| to(claim, 5)).collect::<Vec<_>>()).await.unwrap();
    commit(page).await;
    assert_eq!(change.await.unwrap(), [5, 5, 5, 5]);
}

/// Whoever waits for a change of segments sees what it has added and removed: a reset that misses a half would lose its
/// events.
pub async fn who_waits_for_a_change_sees_all_of_it(store: &dyn Store) {
    found(store, "p", 1).await;
    let (low, high) = Segment::WHOLE.split().unwrap();
    for divide in [true, false] {
        let mut first = begin(store).await;
        let before = first.lock_segments(TENANT, "p").await.unwrap();
        let second = async {
            let mut second = begin(store).await;
            let seen = second.lock_segments(TENANT, "p").await.unwrap();
            commit(second).await;
            seen
        };
        let mut second = Box::pin(second);
        // In a store that has one transaction at a time it does not even begin.
        let waits = tokio::time::timeout(Duration::from_millis(50), &mut second).await;
        assert!(waits.is_err(), "it does not wait: {waits:?}");
        let mut writes: Vec<_> = before.iter().cloned().map(SegmentWrite::Remove).collect();
        let shares = if divide { vec![low, high] } else { vec![Segment::WHOLE] };
        let added = shares.iter().map(|share| SegmentRow { fence: 7, ..row("p", *share) });
        writes.extend(added.map(SegmentWrite::Add));
        first.write_segments(TENANT, writes).await.unwrap();
        commit(first).await;
        let seen = second.await;
        assert_eq!(
            seen.iter().map(|row| (row.segment, row.fence)).collect::<Vec<_>>(),
            shares.iter().map(|share| (*share, 7)).collect::<Vec<_>>()
        );
    }
}

/// A node is alive for the time that it asked for, by the database's clock, and when it is heard of again.
pub async fn a_node_lives_as_long_as_its_lease(store: &dyn Store) {
    let processors = ["p".to_owned(), "q".to_owned()];
    store.appear("a").await.unwrap();
    store.beat(TENANT, "a", "first", &processors, LONG).await.unwrap();
    store.beat(TENANT, "b", "second", &[], Duration::from_millis(1)).await.unwrap();
    let live = async || {
        let nodes = store.nodes(TENANT).await.unwrap();
        nodes.into_iter().filter(|node| node.live).map(|node| node.id).collect::<Vec<_>>()
    };
    while live().await.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(live().await, ["a"]);
    store.beat(TENANT, "b", "second", &processors, LONG).await.unwrap();
    let nodes = store.nodes(TENANT).await.unwrap();
    assert_eq!(
        nodes.iter().map(|node| (&*node.id, &*node.name, node.live)).collect::<Vec<_>>(),
        [("a", "first", true), ("b", "second", true)]
    );
    assert_eq!((&nodes[0].processors, &nodes[1].processors), (&processors.to_vec(), &processors.to_vec()));
    assert!(!store.is_gone("a").await.unwrap(), "its sign is there");
    assert!(store.nodes("another tenant").await.unwrap().is_empty());
}

/// A node that leaves gives up what it had claimed; of one that has died the segments keep its name.
pub async fn a_node_that_leaves_gives_up_its_claims(store: &dyn Store) {
    found(store, "p", 2).await;
    found(store, "q", 1).await;
    for node in ["a", "b"] {
        store.appear(node).await.unwrap();
        store.beat(TENANT, node, node, &[], LONG).await.unwrap();
    }
    claim(store, "p", "a").await;
    let kept = claim(store, "q", "b").await;
    store.leave(TENANT, "a", true).await.unwrap();
    assert!(rows(store, "p").await.iter().all(|row| row.owner.is_none()));
    assert_eq!(rows(store, "q").await[0].owner.as_deref(), Some("b"));
    store.leave(TENANT, "b", false).await.unwrap();
    assert_eq!(rows(store, "q").await[0].owner.as_deref(), Some("b"));
    assert!(store.nodes(TENANT).await.unwrap().is_empty());
    // A claim ends with the next one, and not before.
    let mut transaction = begin(store).await;
    transaction.advance(&[to(&kept[0], 3)]).await.unwrap();
    commit(transaction).await;
}

fn letter(processor: &str, number: u64, sequence: &str, state: LetterState) -> DeadLetter {
    DeadLetter {
        tenant: TENANT.to_owned(),
        processor: processor.to_owned(),
        position: position(number),
        place: 0,
        component: "c".to_owned(),
        sequence: sequence.to_owned(),
        event: "order.placed".to_owned(),
        stream: format!("order/{sequence}"),
        attempts: 1,
        state,
        error: "the handler failed".to_owned(),
        since: at(1_000),
    }
}

async fn held(transaction: &mut dyn StoreTransaction, sequences: &[&str]) -> Vec<(String, String)> {
    let sequences: Vec<String> = sequences.iter().map(|sequence| (*sequence).to_owned()).collect();
    let mut held = transaction.held_sequences(TENANT, "p", &sequences).await.unwrap();
    held.sort();
    held
}

async fn letters(store: &dyn Store, processor: &str) -> Vec<DeadLetter> {
    store.dead_letters(TENANT, processor, (Position::START, 0), 100).await.unwrap()
}

fn pair(component: &str, sequence: &str) -> (String, String) {
    (component.to_owned(), sequence.to_owned())
}

/// Dead letters hold up their sequence until the last of them is removed (guarantee 7).
pub async fn dead_letters_hold_up_their_sequence(store: &dyn Store) {
    let retrying = letter("p", 3, "s-1", LetterState::Retrying(at(2_000)));
    let parked = letter("p", 5, "s-1", LetterState::Parked);
    let other = DeadLetter { place: 1, component: "d".to_owned(), ..parked.clone() };
    let mut transaction = begin(store).await;
    for letter in [&parked, &retrying, &other, &letter("q", 4, "s-2", LetterState::Parked)] {
        transaction.add_letter(letter.clone()).await.unwrap();
    }
    assert_eq!(held(&mut *transaction, &["s-1", "s-2", "s-3"]).await, [pair("c", "s-1"), pair("d", "s-1")]);
    assert_eq!(transaction.count_letters(TENANT, "p", "c", "s-1").await.unwrap(), (2, 2));
    assert_eq!(transaction.count_letters(TENANT, "p", "c", "s-3").await.unwrap(), (2, 0));
    commit(transaction).await;
    assert_eq!(
        store.dead_letters(TENANT, "p", (Position::START, 0), 1).await.unwrap(),
        std::slice::from_ref(&retrying)
    );
    assert_eq!(store.dead_letters(TENANT, "p", (position(5), 0), 9).await.unwrap(), std::slice::from_ref(&other));

    let mut transaction = begin(store).await;
    let updated = DeadLetter { attempts: 2, error: "again".to_owned(), state: LetterState::Parked, ..retrying };
    assert!(transaction.update_letter(&updated).await.unwrap());
    assert!(transaction.remove_letter(&parked).await.unwrap());
    assert!(!transaction.remove_letter(&parked).await.unwrap());
    assert!(!transaction.update_letter(&parked).await.unwrap());
    assert_eq!(held(&mut *transaction, &["s-1"]).await, [pair("c", "s-1"), pair("d", "s-1")]);
    commit(transaction).await;
    assert_eq!(letters(store, "p").await, [updated.clone(), other.clone()]);

    let mut transaction = begin(store).await;
    assert!(transaction.remove_letter(&updated).await.unwrap());
    assert_eq!(held(&mut *transaction, &["s-1"]).await, [pair("d", "s-1")]);
    assert_eq!(transaction.clear_letters(TENANT, "p", position(5)).await.unwrap(), 0);
    assert_eq!(transaction.clear_letters(TENANT, "p", position(4)).await.unwrap(), 1);
    assert!(held(&mut *transaction, &["s-1"]).await.is_empty());
    commit(transaction).await;
    assert_eq!(letters(store, "q").await.len(), 1);
}

/// What was passed over is kept, and holds nothing up (guarantee 7).
pub async fn a_letter_that_was_passed_over_holds_nothing_up(store: &dyn Store) {
    let skipped = letter("p", 3, "s-1", LetterState::Skipped);
    let behind = letter("p", 4, "s-1", LetterState::Retrying(at(2_000)));
    let mut transaction = begin(store).await;
    transaction.add_letter(skipped.clone()).await.unwrap();
    assert!(held(&mut *transaction, &["s-1"]).await.is_empty());
    assert_eq!(transaction.count_letters(TENANT, "p", "c", "s-1").await.unwrap(), (0, 0));
    transaction.add_letter(behind.clone()).await.unwrap();
    transaction.add_letter(letter("p", 5, "s-2", LetterState::Parked)).await.unwrap();
    commit(transaction).await;
    assert_eq!(letters(store, "p").await[..2], [skipped, behind.clone()]);
    let count = LetterCount { sequences: 2, letters: 2, parked: 1, skipped: 1 };
    assert_eq!(store.letter_count(TENANT, "p").await.unwrap(), count);
    assert_eq!(store.letter_count(TENANT, "q").await.unwrap(), LetterCount::default());
    assert_eq!(store.due_letters(TENANT, "p", at(2_000), 9).await.unwrap(), std::slice::from_ref(&behind));
    let of_stream = async |stream: &str, until| {
        store.letter_of_stream(TENANT, "p", &StreamId::new("order", stream), position(until)).await.unwrap()
    };
    assert_eq!(of_stream("s-1", 9).await, Some(behind));
    assert_eq!((of_stream("s-1", 3).await, of_stream("s-3", 9).await), (None, None));
}

/// A letter is due when its time has come and nothing of its sequence stands before it (guarantee 7).
pub async fn letters_are_due_in_the_order_of_their_sequence(store: &dyn Store) {
    let first = letter("p", 3, "s-1", LetterState::Retrying(at(5_000)));
    let waits = letter("p", 4, "s-1", LetterState::Retrying(at(1_000)));
    let early = letter("p", 9, "s-2", LetterState::Retrying(at(2_000)));
    let elsewhere = DeadLetter { component: "d".to_owned(), ..letter("p", 6, "s-1", LetterState::Retrying(at(5_000))) };
    let mut transaction = begin(store).await;
    for letter in [&waits, &first, &early, &elsewhere, &letter("p", 1, "s-3", LetterState::Parked)] {
        transaction.add_letter(letter.clone()).await.unwrap();
    }
    transaction.add_letter(letter("q", 1, "s-4", LetterState::Retrying(at(0)))).await.unwrap();
    commit(transaction).await;
    let due = async |now| store.due_letters(TENANT, "p", at(now), 9).await.unwrap();
    assert!(due(1_999).await.is_empty());
    assert_eq!(due(2_000).await, std::slice::from_ref(&early));
    assert_eq!(due(9_000).await, [early.clone(), first.clone(), elsewhere.clone()]);
    assert_eq!(store.due_letters(TENANT, "p", at(9_000), 1).await.unwrap(), std::slice::from_ref(&early));
    assert_eq!(store.next_letter(TENANT, "p").await.unwrap(), Some(at(2_000)));
    let mut transaction = begin(store).await;
    transaction.remove_letter(&first).await.unwrap();
    transaction.remove_letter(&early).await.unwrap();
    commit(transaction).await;
    assert_eq!(due(9_000).await, [waits, elsewhere]);
    assert_eq!(store.next_letter(TENANT, "p").await.unwrap(), Some(at(1_000)));
    assert_eq!(store.next_letter(TENANT, "r").await.unwrap(), None);
}

/// Documents that are known to be written by nobody else are read without a lock, and as the transaction has left them.
pub async fn own_documents_are_read_as_written(store: &dyn Store) {
    let mut transaction = begin(store).await;
    transaction.write_documents(&view(), vec![DocumentChange::put("k", b"1")]).await.unwrap();
    let keys = ["k".to_owned(), "missing".to_owned()];
    let found = transaction.own_documents(&view(), &keys).await.unwrap();
    assert_eq!(found.iter().map(|found| (&*found.key, found.revision)).collect::<Vec<_>>(), [("k", 1)]);
    commit(transaction).await;
}
