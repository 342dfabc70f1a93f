//! Reads: scopes, directions, limits, how far the store has looked.

use crate::message::{Position, StreamId, Tag};
use crate::store::{Criteria, Criterion, Read, Store};

use super::given::{appending, at, event, filled, positions, read, stream, tagged, version};

/// Four events: `a` at 1 and 3, `b` at 2 and 4.
async fn two_streams(store: &dyn Store) {
    for id in ["a", "b", "a", "b"] {
        filled(store, id, 1).await;
    }
}

/// An empty store gives an empty page.
pub async fn an_empty_store_is_read_to_its_start(store: &dyn Store) {
    let page = read(store, Read::all(Position::START)).await;
    assert_eq!((page.events.len(), page.scanned, page.more), (0, Position::START, false));
    assert_eq!(store.head().await.unwrap(), Position::START);
}

/// Everything is read in order, forward and backward (guarantee 2).
pub async fn all_events_are_read_in_order(store: &dyn Store) {
    two_streams(store).await;
    let page = read(store, Read::all(Position::START)).await;
    assert_eq!(positions(&page.events), [1, 2, 3, 4]);
    assert_eq!((page.scanned, page.more), (Position::new(4), false));
    assert_eq!(positions(&read(store, Read::all(Position::new(1)).backward()).await.events), [4, 3, 2]);
    assert_eq!(positions(&read(store, Read::all(Position::new(2))).await.events), [3, 4]);
    assert!(read(store, Read::all(Position::new(4))).await.events.is_empty());
}

/// The events of a stream carry what was appended.
pub async fn events_are_read_as_they_were_appended(store: &dyn Store) {
    let written = event("a");
    appending([written.clone()]).stored_in(store).await;
    let page = read(store, Read::stream(stream("a"), None)).await;
    let [event] = page.events.as_slice() else { panic!("expected one event, got {:?}", page.events) };
    let recorded = &event.recorded;
    assert_eq!((&recorded.stream, recorded.id, &recorded.name), (&written.stream, written.id, &written.name));
    assert_eq!((recorded.position, recorded.version), (Position::new(1), version(1)));
    assert_eq!((recorded.revision, recorded.recorded_at), (written.revision, written.recorded_at));
    assert_eq!((recorded.metadata(), &event.payload), (written.metadata.as_ref(), &written.payload));
    let of_all = read(store, Read::all(Position::START)).await;
    assert_eq!(of_all.events[0].recorded.stream, written.stream);
}

/// A stream is read alone, in both directions, after a version.
pub async fn a_stream_is_read_alone(store: &dyn Store) {
    two_streams(store).await;
    assert_eq!(positions(&read(store, Read::stream(stream("b"), None)).await.events), [2, 4]);
    assert_eq!(positions(&read(store, Read::stream(stream("b"), Some(version(1)))).await.events), [4]);
    assert_eq!(positions(&read(store, Read::stream(stream("b"), None).backward()).await.events), [4, 2]);
    assert_eq!(positions(&read(store, Read::stream(stream("b"), None).backward().limit(1)).await.events), [4]);
    let missing = read(store, Read::stream(stream("c"), None)).await;
    assert_eq!((missing.events.len(), missing.scanned, missing.more), (0, Position::new(4), false));
}

/// A full page ends at its last event; a page that is not full has looked up to the head.
pub async fn a_page_says_how_far_it_has_looked(store: &dyn Store) {
    two_streams(store).await;
    let full = read(store, Read::all(Position::START).limit(3)).await;
    assert_eq!((full.events.len(), full.scanned, full.more), (3, Position::new(3), true));
    let rest = read(store, Read::all(full.scanned).limit(3)).await;
    assert_eq!((rest.events.len(), rest.scanned, rest.more), (1, Position::new(4), false));
    let of_stream = read(store, Read::stream(stream("a"), None).limit(2)).await;
    assert_eq!((of_stream.scanned, of_stream.more), (Position::new(3), true));
    let of_stream = read(store, Read::stream(stream("a"), None).limit(3)).await;
    assert_eq!((of_stream.scanned, of_stream.more), (Position::new(4), false));
}

/// A filtered reader advances past what it skipped.
pub async fn a_filtered_reader_advances_past_what_it_skipped(store: &dyn Store) {
    appending([tagged("a", "wallet.opened", &[])]).stored_in(store).await;
    filled(store, "a", 5).await;
    let opened = || Criteria::from(Criterion::names(["wallet.opened"]));
    let page = read(store, Read::matching(opened(), Position::START)).await;
    assert_eq!((positions(&page.events), page.scanned), (vec![1], Position::new(6)));
    let page = read(store, Read::matching(opened(), page.scanned)).await;
    assert_eq!((page.events.len(), page.scanned), (0, Position::new(6)));
    let none = read(store, Read::matching(Criteria::none(), Position::START)).await;
    assert_eq!((none.events.len(), none.scanned), (0, Position::new(6)));
}

/// Criteria select by names and tags; an event that matches twice comes once.
pub async fn criteria_select_events(store: &dyn Store) {
    let (red, big) = (Tag::new("colour", "red"), Tag::new("size", "big"));
    appending([
        tagged("a", "one", std::slice::from_ref(&red)),
        tagged("a", "two", &[red.clone(), big.clone()]),
        tagged("b", "one", std::slice::from_ref(&big)),
        tagged("b", "three", &[]),
    ])
    .stored_in(store)
    .await;
    for (criteria, expected) in [
        (Criteria::from(Criterion::tag(red.clone())), vec![1, 2]),
        (Criteria::from(Criterion::tag(red.clone()).and_tag(big.clone())), vec![2]),
        (Criteria::from(Criterion::names(["one"]).and_tag(big.clone())), vec![3]),
        (Criteria::from(Criterion::names(["one", "three"])), vec![1, 3, 4]),
        (Criteria::from(Criterion::tag(red.clone())).or(Criterion::tag(big.clone())), vec![1, 2, 3]),
        (Criteria::from(Criterion::names(["three"])).or(Criterion::tag(big.clone())), vec![2, 3, 4]),
        (Criteria::from(Criterion::default()), vec![1, 2, 3, 4]),
        (Criteria::from(Criterion::tag(Tag::new("size", "small"))), vec![]),
    ] {
        let forward = Read::matching(criteria.clone(), Position::START);
        assert_eq!(positions(&read(store, forward.clone()).await.events), expected, "{criteria:?}");
        let newest_first: Vec<u64> = expected.iter().rev().copied().collect();
        assert_eq!(positions(&read(store, forward.clone().backward()).await.events), newest_first, "{criteria:?}");
        let first: Vec<u64> = expected.iter().take(1).copied().collect();
        assert_eq!(positions(&read(store, forward.limit(1)).await.events), first, "{criteria:?}");
        let later: Vec<u64> = expected.iter().copied().filter(|position| *position > 2).collect();
        let after = Read::matching(criteria.clone(), Position::new(2));
        assert_eq!(positions(&read(store, after).await.events), later, "{criteria:?}");
    }
}

/// Pages over criteria, one after the other, give each event once.
pub async fn pages_give_each_event_once(store: &dyn Store) {
    for number in 0..25 {
        let name = ["one", "two", "three"][number % 3];
        appending([tagged("a", name, &[Tag::new("half", number % 2)])]).stored_in(store).await;
    }
    let criteria = Criteria::from(Criterion::tag(Tag::new("half", 0))).or(Criterion::names(["two"]));
    let all = positions(&read(store, Read::matching(criteria.clone(), Position::START)).await.events);
    let (mut paged, mut passed) = (Vec::new(), Position::START);
    loop {
        let page = read(store, Read::matching(criteria.clone(), passed).limit(4)).await;
        paged.extend(positions(&page.events));
        passed = page.scanned;
        if !page.more {
            break;
        }
    }
    assert_eq!(paged, all);
    assert_eq!(passed, Position::new(25));
}

/// `until` is an inclusive instant, in every scope.
pub async fn reads_can_end_at_an_instant(store: &dyn Store) {
    let tag = Tag::new("colour", "red");
    for micros in [1_000, 2_000, 3_000] {
        let dated = tagged("a", "one", std::slice::from_ref(&tag));
        appending([crate::store::NewEvent { recorded_at: at(micros), ..dated }]).stored_in(store).await;
    }
    let reads = [
        Read::all(Position::START),
        Read::category("wallet", Position::START),
        Read::stream(stream("a"), None),
        Read::matching(Criterion::tag(tag), Position::START),
        Read::matching(Criterion::names(["one"]), Position::START),
    ];
    for asked in reads {
        let page = read(store, asked.clone().until(at(2_000))).await;
        assert_eq!(positions(&page.events), [1, 2], "{asked:?}");
        assert_eq!(page.scanned, Position::new(3), "{asked:?}");
        assert_eq!(positions(&read(store, asked.clone().since(at(2_000))).await.events), [2, 3], "{asked:?}");
        let within = asked.clone().since(at(2_000)).until(at(2_000));
        assert_eq!(positions(&read(store, within).await.events), [2], "{asked:?}");
    }
}

/// A range of positions or versions is read, both ends as they are said.
pub async fn ranges_have_an_end(store: &dyn Store) {
    two_streams(store).await;
    let page = read(store, Read::all(Position::new(1)).up_to(Position::new(3))).await;
    assert_eq!((positions(&page.events), page.scanned), (vec![2, 3], Position::new(3)));
    assert_eq!(page.head, Position::new(4), "the head is that of the store");
    let backward = read(store, Read::all(Position::new(1)).up_to(Position::new(3)).backward()).await;
    assert_eq!(positions(&backward.events), [3, 2]);
    let of_stream = Read::stream(stream("a"), None).up_to_version(version(1));
    assert_eq!(positions(&read(store, of_stream.clone()).await.events), [1]);
    assert_eq!(positions(&read(store, of_stream.backward()).await.events), [1]);
    let beyond = read(store, Read::all(Position::START).up_to(Position::new(9))).await;
    assert_eq!((beyond.events.len(), beyond.scanned), (4, Position::new(4)), "an end behind the head is the head");
}

/// The state of a stream as of a version is what its events up to that version tell.
pub async fn a_stream_is_read_as_of_a_version(store: &dyn Store) {
    filled(store, "a", 5).await;
    let page = read(store, Read::stream(stream("a"), None).up_to_version(version(3))).await;
    assert_eq!(page.events.last().unwrap().recorded.version, version(3));
    assert_eq!(page.events.len(), 3);
}

/// All streams of a category are read together, and no other.
pub async fn a_category_is_read_alone(store: &dyn Store) {
    two_streams(store).await;
    let other = crate::store::NewEvent { stream: StreamId::new("purse", "a"), ..event("a") };
    appending([other]).stored_in(store).await;
    assert_eq!(positions(&read(store, Read::category("wallet", Position::START)).await.events), [1, 2, 3, 4]);
    let purses = read(store, Read::category("purse", Position::START)).await;
    assert_eq!((positions(&purses.events), purses.scanned), (vec![5], Position::new(5)));
    assert_eq!(purses.events[0].recorded.stream, StreamId::new("purse", "a"));
    assert_eq!(
        positions(&read(store, Read::category("wallet", Position::new(2)).backward().limit(1)).await.events),
        [4]
    );
    assert!(read(store, Read::category("purs", Position::START)).await.events.is_empty(), "no part of a name matches");
}

/// Scope, criteria, time and range hold together, and the limit counts what is left.
pub async fn conditions_of_a_read_hold_together(store: &dyn Store) {
    let red = Tag::new("colour", "red");
    for (id, name, micros, tags) in [
        ("a", "one", 1_000, vec![red.clone()]),
        ("a", "two", 2_000, vec![red.clone()]),
        ("b", "one", 3_000, vec![red.clone()]),
        ("a", "one", 4_000, vec![]),
        ("a", "one", 5_000, vec![red.clone()]),
        ("a", "one", 6_000, vec![red.clone()]),
    ] {
        let dated = tagged(id, name, &tags);
        appending([crate::store::NewEvent { recorded_at: at(micros), ..dated }]).stored_in(store).await;
    }
    let red_ones = Criterion::names(["one"]).and_tag(red);
    let of_a = Read::stream(stream("a"), None).only(red_ones.clone());
    assert_eq!(positions(&read(store, of_a.clone()).await.events), [1, 5, 6]);
    assert_eq!(positions(&read(store, of_a.clone().since(at(2_000)).limit(1)).await.events), [5]);
    assert_eq!(positions(&read(store, of_a.up_to_version(version(4)).backward().limit(1)).await.events), [5]);
    let of_all = Read::category("wallet", Position::new(1)).only(red_ones).up_to(Position::new(5));
    assert_eq!(positions(&read(store, of_all.clone()).await.events), [3, 5]);
    assert_eq!(store.count(&of_all.clone().limit(1)).await.unwrap(), 2, "a count has no limit");
    assert_eq!(positions(&read(store, of_all.until(at(4_000)).backward()).await.events), [3]);
}

/// Events are counted and looked for without their payloads, in every scope.
pub async fn events_are_counted_without_their_payloads(store: &dyn Store) {
    two_streams(store).await;
    for (asked, count) in [
        (Read::all(Position::START), 4),
        (Read::all(Position::new(3)), 1),
        (Read::stream(stream("a"), None), 2),
        (Read::stream(stream("c"), None), 0),
        (Read::category("wallet", Position::new(1)), 3),
        (Read::matching(Criterion::names(["wallet.credited"]), Position::START), 4),
        (Read::matching(Criterion::names(["wallet.opened"]), Position::START), 0),
    ] {
        assert_eq!(store.count(&asked).await.unwrap(), count, "{asked:?}");
        assert_eq!(store.exists(&asked).await.unwrap(), count > 0, "{asked:?}");
        assert_eq!(store.first(&asked).await.unwrap().is_some(), count > 0, "{asked:?}");
        let newest = store.first(&asked.clone().backward()).await.unwrap();
        let all = read(store, asked.clone()).await.events;
        assert_eq!(newest.map(|event| event.recorded.position), all.last().map(|event| event.recorded.position));
        let bare = read(store, asked.clone().without_payloads()).await.events;
        assert_eq!(positions(&bare), positions(&all), "{asked:?}");
        assert!(bare.iter().all(|event| event.payload.is_empty()), "{asked:?}");
    }
}

/// The head comes with every page, also where nothing matched: it is the marker of a decision (guarantee 3).
pub async fn a_read_returns_the_head_as_its_marker(store: &dyn Store) {
    let nothing = Criterion::names(["wallet.opened"]);
    assert_eq!(read(store, Read::matching(nothing.clone(), Position::START)).await.head, Position::START);
    filled(store, "a", 3).await;
    let page = read(store, Read::matching(nothing, Position::START)).await;
    assert_eq!((page.events.len(), page.head), (0, Position::new(3)));
    assert_eq!(read(store, Read::all(Position::START).limit(1)).await.head, Position::new(3));
    assert_eq!(read(store, Read::stream(stream("a"), None).backward().limit(1)).await.head, Position::new(3));
}

/// Pages follow one another without gap or repeat, in both directions and every scope.
pub async fn pages_follow_one_another(store: &dyn Store) {
    for number in 0..20 {
        filled(store, ["a", "b"][number % 2], 1).await;
    }
    let asked = [
        Read::all(Position::new(2)),
        Read::all(Position::START).up_to(Position::new(17)),
        Read::category("wallet", Position::START),
        Read::stream(stream("a"), None),
        Read::matching(Criterion::names(["wallet.credited"]), Position::new(1)),
    ];
    for asked in asked.into_iter().flat_map(|asked| [asked.clone(), asked.backward()]) {
        let whole = positions(&read(store, asked.clone()).await.events);
        let (mut next, mut paged) = (Some(asked.clone().limit(3)), Vec::new());
        while let Some(asked) = next {
            let page = read(store, asked.clone()).await;
            paged.extend(positions(&page.events));
            next = asked.behind(&page);
        }
        assert_eq!(paged, whole, "{asked:?}");
    }
}
