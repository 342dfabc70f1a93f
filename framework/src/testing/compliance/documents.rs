//! Documents with their entries under the indexes of a view, and queries over them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::store::records::ViewId;
use crate::store::{
    AppendError, DocumentChange, DocumentPlace, DocumentQuery, DocumentWrite, IndexChange, IndexEntry, Limits,
    ScanDirection, Store, StoreError, ValueTest,
};

use super::given::{Draft, appending, begin, commit, event, view};

type Entries = BTreeSet<IndexEntry>;

fn entries(values: &[(&'static str, &str)]) -> Entries {
    values.iter().map(|(index, value)| IndexEntry::new(index, *value)).collect()
}

fn one_of(values: &[&str]) -> ValueTest {
    ValueTest::AnyOf(values.iter().map(|value| (*value).to_owned()).collect())
}

fn from_to(from: &str, to: &str) -> ValueTest {
    ValueTest::Range(Bound::Included(from.to_owned()), Bound::Excluded(to.to_owned()))
}

fn all() -> DocumentQuery {
    DocumentQuery::all(view(), 100)
}

/// Writes documents of `of` that were not there.
async fn put(store: &dyn Store, of: &ViewId, documents: &[(&str, &[(&'static str, &str)])]) {
    let changes = documents.iter().map(|(key, values)| {
        DocumentChange::put(*key, format!("\"{key}\"")).with_index(IndexChange::adding(entries(values)))
    });
    let mut transaction = begin(store).await;
    transaction.write_documents(of, changes.collect()).await.unwrap();
    commit(transaction).await;
}

async fn found(store: &dyn Store, query: &DocumentQuery) -> Vec<String> {
    let found = store.find_documents(query).await.unwrap();
    for found in &found {
        assert_eq!(found.document.body, format!("\"{}\"", found.document.key).into_bytes());
    }
    found.into_iter().map(|found| found.document.key).collect()
}

/// Documents are found by equality, lists and ranges, by one of several entries, and by several conditions at once.
pub async fn documents_are_found_by_their_entries(store: &dyn Store) {
    let documents: [(&str, &[(&'static str, &str)]); 5] = [
        ("a", &[("owner", "ann"), ("total", "10"), ("label", "new"), ("label", "red")]),
        ("b", &[("owner", "bob"), ("total", "20"), ("label", "red")]),
        ("c", &[("owner", "ann"), ("total", "30")]),
        ("d", &[("owner", ""), ("label", "new")]),
        ("e", &[]),
    ];
    put(store, &view(), &documents).await;
    for other in [
        ViewId { version: 2, ..view() },
        ViewId { tenant: "x".to_owned(), ..view() },
        ViewId { name: "others".to_owned(), ..view() },
    ] {
        put(store, &other, &[("z", &[("owner", "ann"), ("total", "10"), ("label", "red")])]).await;
    }
    let cases = [
        (all(), "a b c d e"),
        (all().filter("owner", one_of(&["ann"])), "a c"),
        (all().filter("owner", one_of(&["Ann"])), ""),
        (all().filter("owner", one_of(&["an"])), ""),
        (all().filter("owner", one_of(&[""])), "d"),
        (all().filter("owner", one_of(&[])), ""),
        (all().filter("owner", one_of(&["ann", "bob", "cid"])), "a b c"),
        (all().filter("label", one_of(&["new", "red"])), "a b d"),
        (all().filter("label", one_of(&["new"])).filter("label", one_of(&["red"])), "a"),
        (all().filter("label", from_to("a", "z")), "a b d"),
        (all().filter("total", from_to("10", "20")), "a"),
        (all().filter("total", ValueTest::Range(Bound::Excluded("10".into()), Bound::Included("30".into()))), "b c"),
        (all().filter("total", ValueTest::Range(Bound::Unbounded, Bound::Unbounded)), "a b c"),
        (all().filter("total", from_to("20", "10")), ""),
        (all().filter("owner", one_of(&["ann"])).filter("total", from_to("20", "99")), "c"),
        (all().filter("total", from_to("00", "99")).filter("label", from_to("p", "s")), "a b"),
        (all().filter("none", one_of(&["ann"])), ""),
    ];
    for (query, keys) in cases {
        let wanted: Vec<&str> = keys.split_whitespace().collect();
        assert_eq!(found(store, &query).await, wanted, "{query:?}");
        assert_eq!(store.count_documents(&query).await.unwrap(), wanted.len() as u64, "{query:?}");
    }
}

/// Documents come in the order of an index or of their keys, both ways, and pages follow one another without a gap.
pub async fn documents_are_ordered_by_an_index(store: &dyn Store) {
    let documents: [(&str, &[(&'static str, &str)]); 6] = [
        ("a", &[("total", "2"), ("owner", "ann")]),
        ("b", &[("total", "1"), ("owner", "ann")]),
        ("c", &[("total", "2"), ("owner", "ann")]),
        ("d", &[("owner", "ann")]),
        ("e", &[("total", "3"), ("owner", "bob")]),
        ("f", &[("total", "2"), ("owner", "ann")]),
    ];
    put(store, &view(), &documents).await;
    let by_total = |direction| all().order_by("total", direction);
    let backwards = DocumentQuery { direction: ScanDirection::Descending, ..all() };
    for (query, keys) in [
        (by_total(ScanDirection::Ascending), "b a c f e"),
        (by_total(ScanDirection::Descending), "e f c a b"),
        (by_total(ScanDirection::Ascending).filter("owner", one_of(&["ann"])), "b a c f"),
        (by_total(ScanDirection::Descending).filter("owner", from_to("a", "b")), "f c a b"),
        (by_total(ScanDirection::Ascending).filter("total", from_to("2", "3")), "a c f"),
        (by_total(ScanDirection::Ascending).filter("total", one_of(&["1", "3"])), "b e"),
        (backwards.clone(), "f e d c b a"),
        (backwards.filter("owner", one_of(&["ann"])), "f d c b a"),
    ] {
        let wanted: Vec<&str> = keys.split_whitespace().collect();
        assert_eq!(found(store, &query).await, wanted, "{query:?}");
        assert_eq!(store.count_documents(&query).await.unwrap(), wanted.len() as u64, "{query:?}");
        for limit in [1, 2, 4] {
            let (mut pages, mut next) = (Vec::new(), DocumentQuery { limit, ..query.clone() });
            loop {
                let page = store.find_documents(&next).await.unwrap();
                assert!(page.len() <= limit, "{page:?}");
                let Some(last) = page.last() else { break };
                next = next.after(DocumentPlace { value: last.value.clone(), key: last.document.key.clone() });
                pages.extend(page.into_iter().map(|found| found.document.key));
            }
            assert_eq!(pages, wanted, "in pages of {limit}: {query:?}");
        }
    }
}

/// Entries change in the transaction of their document, and go with it.
pub async fn entries_change_with_their_document(store: &dyn Store) {
    let owned_by = |owner: &str| all().filter("owner", one_of(&[owner]));
    put(store, &view(), &[("a", &[("owner", "ann"), ("label", "x")]), ("b", &[("owner", "ann")])]).await;
    let moved = IndexChange::between(&entries(&[("owner", "ann")]), &entries(&[("owner", "bob")]));
    let mut transaction = begin(store).await;
    let change = DocumentChange::put("a", "\"a\"").with_index(moved.clone());
    transaction.write_documents(&view(), vec![change.clone()]).await.unwrap();
    assert_eq!(found(store, &owned_by("ann")).await, ["a", "b"], "others see what was committed");
    drop(transaction);
    assert_eq!(found(store, &owned_by("ann")).await, ["a", "b"], "nothing was committed");

    let mut transaction = begin(store).await;
    transaction.write_documents(&view(), vec![change.clone()]).await.unwrap();
    transaction.mark().await.unwrap();
    let removed = DocumentChange::remove("b").with_index(IndexChange::removing(entries(&[("owner", "ann")])));
    transaction.write_documents(&view(), vec![removed.clone()]).await.unwrap();
    transaction.undo_to_mark().await.unwrap();
    commit(transaction).await;
    assert_eq!(found(store, &owned_by("ann")).await, ["b"]);
    assert_eq!(found(store, &owned_by("bob")).await, ["a"]);
    assert_eq!(found(store, &all().filter("label", one_of(&["x"]))).await, ["a"], "what was not named stays");

    let mut transaction = begin(store).await;
    // Of two writes of one document the second one counts, and an entry that is there already is no fault.
    let again = DocumentChange::put("a", "\"a\"").with_index(IndexChange::adding(entries(&[("owner", "cid")])));
    let back = DocumentChange::put("a", "\"a\"").with_index(IndexChange {
        removed: vec![IndexEntry::new("owner", "cid")],
        added: vec![IndexEntry::new("owner", "bob"), IndexEntry::new("owner", "dan")],
    });
    transaction.write_documents(&view(), vec![again, back, removed]).await.unwrap();
    commit(transaction).await;
    assert_eq!(found(store, &owned_by("cid")).await, [""; 0]);
    assert_eq!(found(store, &owned_by("dan")).await, ["a"]);
    assert_eq!(found(store, &owned_by("bob")).await, ["a"]);
    assert_eq!(found(store, &owned_by("ann")).await, [""; 0]);

    put(store, &view(), &[("b", &[("owner", "dan")])]).await;
    let mut transaction = begin(store).await;
    transaction.clear_entries(&view(), "a").await.unwrap();
    transaction.clear_entries(&view(), "missing").await.unwrap();
    commit(transaction).await;
    assert_eq!(found(store, &owned_by("dan")).await, ["b"], "those of one document are gone");
    assert_eq!(store.count_documents(&all()).await.unwrap(), 2, "and the document is there");

    let mut transaction = begin(store).await;
    transaction.clear_documents(&view()).await.unwrap();
    commit(transaction).await;
    assert_eq!(store.count_documents(&all()).await.unwrap(), 0);
    put(store, &view(), &[("a", &[])]).await;
    assert_eq!(found(store, &owned_by("bob")).await, [""; 0], "the entries went with the documents");
}

/// An append that writes documents.
struct Writing(Draft);

impl Writing {
    fn of(draft: Draft) -> Self {
        Self(draft)
    }

    fn document(mut self, key: &str, read_revision: u64, document: Option<&str>, index: IndexChange) -> Self {
        let document = document.map(|body| body.as_bytes().to_vec());
        self.0.0.documents.push(DocumentWrite { view: view(), key: key.to_owned(), read_revision, document, index });
        self
    }
}

/// Entries change in an append with their document, and a refused append changes none.
pub async fn entries_change_with_an_append(store: &dyn Store) {
    let owned_by = |owner: &str| all().filter("owner", one_of(&[owner]));
    let from_to =
        |from: &[(&'static str, &str)], to: &[(&'static str, &str)]| IndexChange::between(&entries(from), &entries(to));
    let (none, ann, bob): ([_; 0], _, _) = ([], [("owner", "ann")], [("owner", "bob")]);
    let first = Writing::of(appending([event("a")])).document("a", 0, Some("\"a\""), from_to(&none, &ann));
    first.document("b", 0, Some("\"b\""), from_to(&none, &ann)).0.stored_in(store).await;
    assert_eq!(found(store, &owned_by("ann")).await, ["a", "b"]);

    let stale = Writing::of(appending([event("b")])).document("a", 9, Some("\"a\""), from_to(&ann, &bob));
    assert!(stale.0.to(store).await.is_err());
    assert_eq!(found(store, &owned_by("ann")).await, ["a", "b"]);

    let moved = Writing::of(appending([event("c")])).document("a", 1, Some("\"a\""), from_to(&ann, &bob));
    moved.document("b", 1, None, from_to(&ann, &none)).0.stored_in(store).await;
    assert_eq!(found(store, &owned_by("ann")).await, [""; 0]);
    assert_eq!(found(store, &owned_by("bob")).await, ["a"]);

    // Appends that meet in one batch.
    let forth = Writing::of(appending([event("d")])).document("a", 2, Some("\"a\""), from_to(&bob, &ann)).0;
    let back = Writing::of(appending([event("e")])).document("a", 3, Some("\"a\""), from_to(&ann, &bob)).0;
    let (one, other) = tokio::join!(forth.to(store), back.to(store));
    one.unwrap();
    other.unwrap();
    assert_eq!(found(store, &owned_by("bob")).await, ["a"]);
    assert_eq!(found(store, &owned_by("ann")).await, [""; 0]);

    let mut transaction = begin(store).await;
    let change = DocumentChange::put("c", "\"c\"").with_index(IndexChange::adding(entries(&ann)));
    transaction.write_documents(&view(), vec![change]).await.unwrap();
    let with = Writing::of(appending([event("f")])).document("c", 1, Some("\"c\""), from_to(&ann, &bob)).0;
    transaction.commit_with(with.0).await.unwrap();
    assert_eq!(found(store, &owned_by("bob")).await, ["a", "c"]);
    assert_eq!(found(store, &owned_by("ann")).await, [""; 0]);
}

/// Values that differ in case, accents or trailing spaces are different ones, ordered by their bytes.
pub async fn indexed_values_are_compared_byte_for_byte(store: &dyn Store) {
    let values = ["", "0", "00", "1", "1.0", "A", "a", "a ", "aa", "ss", "\u{df}", "\u{e1}", "\u{ffff}", "\u{1f600}"];
    let keys: Vec<String> = (0..values.len()).map(|number| format!("k{number:02}")).collect();
    for (key, value) in keys.iter().zip(values) {
        put(store, &view(), &[(key, &[("v", value)])]).await;
    }
    let ordered = all().order_by("v", ScanDirection::Ascending);
    assert_eq!(found(store, &ordered).await, keys);
    for (number, value) in values.into_iter().enumerate() {
        assert_eq!(found(store, &all().filter("v", one_of(&[value]))).await, keys[number..=number], "{value:?}");
        let above = ValueTest::Range(Bound::Excluded(value.to_owned()), Bound::Unbounded);
        assert_eq!(found(store, &ordered.clone().filter("v", above)).await, keys[number + 1..], "{value:?}");
    }
}

/// Values beyond a limit are neither stored nor asked for, and the error names the index.
pub async fn index_values_beyond_a_limit_are_refused(store: &dyn Store) {
    let limits = Limits::default();
    for bad in ["x".repeat(limits.index_value_bytes + 1), "a\0b".to_owned()] {
        let index = IndexChange::adding([IndexEntry::new("owner", bad.as_str())]);
        let refused = Writing::of(appending([event("a")])).document("a", 0, Some("{}"), index).0.to(store).await;
        let Err(AppendError::Limit(limit)) = refused else { panic!("expected a limit, got {refused:?}") };
        assert!(limit.what.contains("`owner`"), "{limit}");
        let query = all().filter("owner", one_of(&[&bad]));
        let refused = store.find_documents(&query).await;
        let Err(StoreError::Limit(limit)) = refused else { panic!("expected a limit, got {refused:?}") };
        assert!(limit.what.contains("`owner`"), "{limit}");
        assert!(matches!(store.count_documents(&query).await, Err(StoreError::Limit(_))));
    }
    let longest = "\u{e1}".repeat(limits.index_value_bytes / 2);
    put(store, &view(), &[("a", &[("owner", &longest)])]).await;
    assert_eq!(found(store, &all().filter("owner", one_of(&[&longest]))).await, ["a"]);
}

/// Whatever is asked for, a store finds what the definition of a query says.
pub async fn queries_find_what_their_definition_says(store: &dyn Store) {
    let mut chance = Chance(0x5eed);
    let mut model: BTreeMap<String, Entries> = BTreeMap::new();
    for _ in 0..6 {
        let mut changes = Vec::new();
        for _ in 0..25 {
            let key = format!("k{:02}", chance.below(60));
            let before = model.remove(&key).unwrap_or_default();
            let mut after = Entries::new();
            let removed = chance.below(8) == 0;
            if !removed {
                after.insert(IndexEntry::new("owner", chance.below(5).to_string()));
                after.extend((0..chance.below(4)).map(|_| IndexEntry::new("label", chance.below(6).to_string())));
                after
                    .extend((0..chance.below(2)).map(|_| IndexEntry::new("total", format!("{:02}", chance.below(30)))));
                model.insert(key.clone(), after.clone());
            }
            let body = (!removed).then(|| format!("\"{key}\"").into_bytes());
            changes.push(DocumentChange { key, body, index: IndexChange::between(&before, &after) });
        }
        let mut transaction = begin(store).await;
        transaction.write_documents(&view(), changes).await.unwrap();
        commit(transaction).await;
        for _ in 0..25 {
            let query = chance.query();
            let places = || model.iter().filter_map(|(key, entries)| Some((query.place_of(key, entries)?, ())));
            let wanted: Vec<String> = query.page_of(places()).into_iter().map(|(place, ())| place.key).collect();
            assert_eq!(found(store, &query).await, wanted, "{query:?}");
            assert_eq!(store.count_documents(&query).await.unwrap(), places().count() as u64, "{query:?}");
        }
    }
}

/// Numbers that look random and are the same each time: `SplitMix64`.
///
/// Source: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn test(&mut self, digits: usize) -> ValueTest {
        let mut value = || format!("{:0digits$}", self.below(if digits == 1 { 6 } else { 30 }));
        match (value(), value(), self.below(5)) {
            (one, _, 0) => ValueTest::AnyOf([one].into()),
            (one, other, 1) => ValueTest::AnyOf([one, other, "5".to_owned()].into()),
            (one, _, 2) => ValueTest::Range(Bound::Included(one), Bound::Unbounded),
            (one, other, 3) => ValueTest::Range(Bound::Excluded(one), Bound::Included(other)),
            (one, _, _) => ValueTest::Range(Bound::Unbounded, Bound::Excluded(one)),
        }
    }

    fn query(&mut self) -> DocumentQuery {
        let mut query = all();
        for _ in 0..self.below(4) {
            let (index, digits) =
                [("owner", 1), ("label", 1), ("total", 2)][usize::try_from(self.below(3)).unwrap_or(0)];
            let test = self.test(digits);
            query = query.filter(index, test);
        }
        if self.below(2) == 0 {
            query.direction = ScanDirection::Descending;
        }
        if self.below(2) == 0 {
            query.order = Some("total");
        }
        if self.below(3) == 0 {
            let value = query.order.map_or_else(String::new, |_| format!("{:02}", self.below(30)));
            query.after = Some(DocumentPlace { value, key: format!("k{:02}", self.below(60)) });
        }
        query.limit = usize::try_from(self.below(12)).unwrap_or(0) + 1;
        query
    }
}
