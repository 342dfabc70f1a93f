//! Sagas with their associations, effects and timers (guarantee 8).

use crate::message::SagaId;
use crate::store::records::{SagaRow, SagaWrite};
use crate::store::{Effect, Store, StoreError, Timer};

use super::given::{TENANT, association, at, begin, commit, effect, saga_write, timer, write_sagas};

async fn find(store: &dyn Store, value: &str) -> Vec<SagaRow> {
    begin(store).await.find_sagas(TENANT, "ordering", &[association(value)]).await.unwrap()
}

async fn load(store: &dyn Store, id: SagaId) -> Option<SagaRow> {
    begin(store).await.saga(TENANT, "ordering", id).await.unwrap()
}

async fn due(store: &dyn Store, now: i64) -> Vec<Effect> {
    store.due_effects(TENANT, "ordering", at(now), 100).await.unwrap()
}

async fn due_timers(store: &dyn Store, now: i64) -> Vec<String> {
    let due = store.due_timers(TENANT, "ordering", at(now), 100).await.unwrap();
    due.into_iter().map(|timer: Timer| timer.name).collect()
}

/// An instance comes back as it was written, at its next revision.
pub async fn a_saga_is_kept(store: &dyn Store) {
    let id = SagaId::new();
    let write = SagaWrite { row: SagaRow { state: vec![0xff, 0], effects: 3, ..saga_write(id).row }, ..saga_write(id) };
    assert_eq!(load(store, id).await, None);
    write_sagas(store, vec![write.clone()]).await;
    assert_eq!(load(store, id).await, Some(SagaRow { revision: 1, ..write.row.clone() }));
    let mut transaction = begin(store).await;
    assert_eq!(transaction.saga(TENANT, "shipping", id).await.unwrap(), None);
    let progress = Some(r#"["reserve"]"#.to_owned());
    let next = SagaRow { revision: 1, progress: progress.clone(), ..write.row.clone() };
    transaction.write_sagas(vec![SagaWrite { row: next.clone(), ..write }]).await.unwrap();
    assert_eq!(transaction.saga(TENANT, "ordering", id).await.unwrap(), Some(SagaRow { revision: 2, ..next }));
}

/// A write on another revision than the stored one is refused.
pub async fn a_stale_saga_is_refused(store: &dyn Store) {
    let id = SagaId::new();
    write_sagas(store, vec![saga_write(id)]).await;
    for revision in [0, 2] {
        let stale = SagaWrite { row: SagaRow { revision, ..saga_write(id).row }, ..saga_write(id) };
        let refused = begin(store).await.write_sagas(vec![stale]).await;
        assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
    }
    assert_eq!(load(store, id).await.map(|row| row.revision), Some(1));
}

/// Instances are found by any of their associations, and no longer by those they gave up.
pub async fn a_saga_is_found_by_its_associations(store: &dyn Store) {
    let (one, two) = (SagaId::new(), SagaId::new());
    let both = SagaRow { associations: vec![association("o-1"), association("o-2")], ..saga_write(two).row };
    write_sagas(store, vec![saga_write(one), SagaWrite { row: both.clone(), ..saga_write(two) }]).await;
    assert_eq!(find(store, "o-1").await.len(), 2);
    let found = find(store, "o-2").await;
    assert_eq!((found.len(), found[0].id, found[0].associations.len()), (1, two, 2));
    let by_either = begin(store).await.find_sagas(TENANT, "ordering", &both.associations).await.unwrap();
    assert_eq!(by_either.len(), 2, "an instance that matches twice comes once");
    let mut transaction = begin(store).await;
    assert!(transaction.find_sagas(TENANT, "shipping", &both.associations).await.unwrap().is_empty());
    assert!(transaction.find_sagas(TENANT, "ordering", &[]).await.unwrap().is_empty());
    drop(transaction);
    let moved = SagaRow { revision: 1, associations: vec![association("o-3")], ..both };
    write_sagas(store, vec![SagaWrite { row: moved, ..saga_write(two) }]).await;
    assert_eq!(find(store, "o-2").await, []);
    assert_eq!(find(store, "o-1").await.len(), 1);
    assert_eq!(find(store, "o-3").await.len(), 1);
}

/// An instance that ends loses its associations and timers; its row and its effects stay.
pub async fn an_ended_saga_loses_associations_and_timers(store: &dyn Store) {
    let (id, other) = (SagaId::new(), SagaId::new());
    let with_timer = |id| SagaWrite { timers: vec![timer(id, "payment", 5_000)], ..saga_write(id) };
    write_sagas(store, vec![with_timer(id), with_timer(other)]).await;
    let ended = SagaRow { revision: 1, ended: true, ..saga_write(id).row };
    let ending = SagaWrite {
        row: ended,
        effects: vec![effect(id, 1)],
        timers: vec![timer(id, "late", 5_000)],
        ..saga_write(id)
    };
    write_sagas(store, vec![ending]).await;
    assert_eq!(find(store, "o-1").await.iter().map(|row| row.id).collect::<Vec<_>>(), [other]);
    let row = load(store, id).await.expect("an ended instance is remembered");
    assert!(row.ended && row.associations.is_empty() && row.revision == 2);
    let left = store.due_timers(TENANT, "ordering", at(9_000), 10).await.unwrap();
    assert_eq!(left, [timer(other, "payment", 5_000)]);
    assert_eq!(due(store, 9_000).await.len(), 1);
}

/// An effect that belongs to no instance is listed until it is done; another one with its id takes its place; one whose
/// transaction is rolled back never was.
pub async fn an_added_effect_is_listed_and_replaced(store: &dyn Store) {
    let open = async || store.open_effects(TENANT, "ordering", 10).await.unwrap();
    let (first, other) = (effect(SagaId::new(), 1), effect(SagaId::new(), 1));
    let mut transaction = begin(store).await;
    transaction.add_effects(vec![first.clone(), other.clone()]).await.unwrap();
    commit(transaction).await;
    assert_eq!(open().await, [first.clone(), other.clone()]);

    let later = Effect { not_before: at(5_000), payload: b"[]".to_vec(), ..first.clone() };
    let mut transaction = begin(store).await;
    transaction.add_effects(vec![later.clone(), effect(SagaId::new(), 1)]).await.unwrap();
    drop(transaction);
    assert_eq!(open().await, [first, other.clone()], "what was rolled back is there");

    let mut transaction = begin(store).await;
    transaction.add_effects(vec![later.clone()]).await.unwrap();
    commit(transaction).await;
    assert_eq!(due(store, 4_999).await, std::slice::from_ref(&other));
    assert_eq!(open().await, [other.clone(), later.clone()]);

    let mut transaction = begin(store).await;
    assert_eq!(transaction.finish_effects(TENANT, &[later.command]).await.unwrap(), 1);
    transaction.add_effects(vec![later.clone()]).await.unwrap();
    commit(transaction).await;
    assert_eq!(open().await, [other, later], "one that is done may come again");
}

/// Effects of one instance are due one after the other, those of several in the order of their instants and then of their
/// commits.
pub async fn effects_are_due_in_order(store: &dyn Store) {
    let (one, two) = (SagaId::new(), SagaId::new());
    let (first, second, other) = (effect(one, 1), effect(one, 2), effect(two, 1));
    let of_one = SagaWrite { effects: vec![first.clone(), second.clone()], ..saga_write(one) };
    let of_two = SagaWrite { effects: vec![other.clone()], ..saga_write(two) };
    write_sagas(store, vec![of_one]).await;
    write_sagas(store, vec![of_two]).await;
    assert_eq!(due(store, 999).await, []);
    assert_eq!(due(store, 1_000).await, [first.clone(), other.clone()]);
    assert_eq!(store.due_effects(TENANT, "ordering", at(1_000), 1).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(store.due_effects(TENANT, "shipping", at(1_000), 10).await.unwrap(), []);
    assert_eq!(
        store.open_effects(TENANT, "ordering", 10).await.unwrap(),
        [first.clone(), second.clone(), other.clone()]
    );
    let mut transaction = begin(store).await;
    transaction.finish_effects(TENANT, &[first.command]).await.unwrap();
    commit(transaction).await;
    assert_eq!(due(store, 1_000).await, [second.clone(), other.clone()]);
    let three = SagaId::new();
    let earlier = Effect { not_before: at(900), ..effect(three, 1) };
    write_sagas(store, vec![SagaWrite { effects: vec![earlier.clone()], ..saga_write(three) }]).await;
    assert_eq!(due(store, 1_000).await, [earlier.clone(), second, other]);
    assert_eq!(store.due_effects(TENANT, "ordering", at(1_000), 1).await.unwrap(), [earlier]);
}

/// An effect that waits for its retry, or was given up, holds back the ones behind it.
pub async fn a_postponed_effect_holds_back_the_next(store: &dyn Store) {
    let (one, two) = (SagaId::new(), SagaId::new());
    let (first, second, other) = (effect(one, 1), effect(one, 2), effect(two, 1));
    let of_one = SagaWrite { effects: vec![first.clone(), second.clone()], ..saga_write(one) };
    write_sagas(store, vec![of_one, SagaWrite { effects: vec![other.clone()], ..saga_write(two) }]).await;
    let postpone = async |attempts, next| {
        let mut transaction = begin(store).await;
        transaction.postpone_effect(TENANT, first.command, attempts, next).await.unwrap();
        commit(transaction).await;
    };
    postpone(1, Ok(at(5_000))).await;
    assert_eq!(due(store, 4_999).await, std::slice::from_ref(&other));
    let retried = Effect { attempts: 1, not_before: at(5_000), ..first.clone() };
    assert_eq!(due(store, 5_000).await, [other.clone(), retried]);
    postpone(2, Err("no such wallet".to_owned())).await;
    assert_eq!(due(store, 9_000).await, std::slice::from_ref(&other));
    let parked = store.open_effects(TENANT, "ordering", 1).await.unwrap();
    assert_eq!((parked[0].parked.as_deref(), parked[0].attempts), (Some("no such wallet"), 2));
    postpone(2, Ok(at(6_000))).await;
    let again = Effect { attempts: 2, not_before: at(6_000), ..first.clone() };
    assert_eq!(due(store, 6_000).await, [other, again]);
}

/// The store says when the next effect is due, leaving out those that were given up.
pub async fn the_next_effect_is_known(store: &dyn Store) {
    assert_eq!(store.next_effect(TENANT, "ordering").await.unwrap(), None);
    let (one, two) = (SagaId::new(), SagaId::new());
    let early = Effect { not_before: at(2_000), ..effect(one, 1) };
    let late = Effect { not_before: at(3_000), ..effect(two, 1) };
    write_sagas(store, vec![SagaWrite { effects: vec![early.clone()], ..saga_write(one) }]).await;
    write_sagas(store, vec![SagaWrite { effects: vec![late], ..saga_write(two) }]).await;
    assert_eq!(store.next_effect(TENANT, "ordering").await.unwrap(), Some(at(2_000)));
    let mut transaction = begin(store).await;
    transaction.postpone_effect(TENANT, early.command, 1, Err("given up".to_owned())).await.unwrap();
    commit(transaction).await;
    assert_eq!(store.next_effect(TENANT, "ordering").await.unwrap(), Some(at(3_000)));
}

/// Timers are due from their instant on, earliest first; one of the same name replaces the one before it.
pub async fn timers_are_due_from_their_instant_on(store: &dyn Store) {
    let id = SagaId::new();
    assert_eq!(store.next_timer(TENANT, "ordering").await.unwrap(), None);
    let timers = vec![timer(id, "late", 3_000), timer(id, "early", 2_000), timer(id, "moved", 1_000)];
    write_sagas(store, vec![SagaWrite { timers, ..saga_write(id) }]).await;
    let next = SagaRow { revision: 1, ..saga_write(id).row };
    let moved = SagaWrite { row: next, timers: vec![timer(id, "moved", 4_000)], ..saga_write(id) };
    write_sagas(store, vec![moved]).await;
    assert_eq!(due_timers(store, 1_999).await, [""; 0]);
    assert_eq!(due_timers(store, 2_000).await, ["early"]);
    assert_eq!(due_timers(store, 9_000).await, ["early", "late", "moved"]);
    assert_eq!(store.next_timer(TENANT, "ordering").await.unwrap(), Some(at(2_000)));
    assert_eq!(store.due_timers(TENANT, "ordering", at(9_000), 1).await.unwrap().len(), 1);
    assert_eq!(store.due_timers(TENANT, "shipping", at(9_000), 1).await.unwrap(), []);
}

/// Timers are cancelled by name before new ones are set.
pub async fn a_cancelled_timer_is_gone(store: &dyn Store) {
    let id = SagaId::new();
    let timers = vec![timer(id, "one", 2_000), timer(id, "two", 2_000)];
    write_sagas(store, vec![SagaWrite { timers, ..saga_write(id) }]).await;
    let next = SagaRow { revision: 1, ..saga_write(id).row };
    let cancelled = vec!["one".to_owned(), "two".to_owned()];
    let again = SagaWrite { row: next, cancelled, timers: vec![timer(id, "two", 3_000)], ..saga_write(id) };
    write_sagas(store, vec![again]).await;
    assert_eq!(due_timers(store, 9_000).await, ["two"]);
    assert_eq!(store.next_timer(TENANT, "ordering").await.unwrap(), Some(at(3_000)));
}

/// A timer is taken once, and only if it was not moved meanwhile.
pub async fn a_timer_is_taken_once(store: &dyn Store) {
    let id = SagaId::new();
    write_sagas(store, vec![SagaWrite { timers: vec![timer(id, "one", 2_000)], ..saga_write(id) }]).await;
    let mut transaction = begin(store).await;
    assert!(!transaction.take_timer(TENANT, "ordering", id, "one", at(1_000)).await.unwrap());
    assert!(transaction.take_timer(TENANT, "ordering", id, "one", at(2_000)).await.unwrap());
    assert!(!transaction.take_timer(TENANT, "ordering", id, "one", at(2_000)).await.unwrap());
    drop(transaction);
    assert_eq!(due_timers(store, 9_000).await, ["one"], "the transaction was rolled back");
    let mut transaction = begin(store).await;
    assert!(transaction.take_timer(TENANT, "ordering", id, "one", at(2_000)).await.unwrap());
    commit(transaction).await;
    assert_eq!(due_timers(store, 9_000).await, [""; 0]);
}
