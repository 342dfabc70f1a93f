//! Sagas with their associations, effects and timers (guarantee 8).

use crate::message::SagaId;
use crate::store::{
    Association, Effect, HistoryRow, SagaFilter, SagaRow, SagaStatus, SagaWrite, Segment, Store, StoreError, Timer,
    WaitingInput,
};

use super::given::{TENANT, association, at, begin, commit, effect, saga_write, timer, write_sagas};

async fn find(store: &dyn Store, value: &str) -> Vec<SagaRow> {
    begin(store).await.find_sagas(TENANT, "ordering", &[association(value)], &[]).await.unwrap()
}

async fn load(store: &dyn Store, id: SagaId) -> Option<SagaRow> {
    begin(store).await.find_sagas(TENANT, "ordering", &[], &[id]).await.unwrap().pop()
}

async fn due(store: &dyn Store, now: i64) -> Vec<Effect> {
    store.sagas().due_effects(TENANT, "ordering", Segment::WHOLE, at(now), 100).await.unwrap()
}

async fn due_timers(store: &dyn Store, now: i64) -> Vec<String> {
    let due = store.sagas().due_timers(TENANT, "ordering", Segment::WHOLE, at(now), 100).await.unwrap();
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
    assert_eq!(transaction.find_sagas(TENANT, "shipping", &[], &[id]).await.unwrap(), []);
    let progress = Some(r#"["reserve"]"#.to_owned());
    let next = SagaRow { revision: 1, progress: progress.clone(), ..write.row.clone() };
    transaction.write_sagas(TENANT, "ordering", vec![SagaWrite { row: next.clone(), ..write }]).await.unwrap();
    assert_eq!(
        transaction.find_sagas(TENANT, "ordering", &[], &[id]).await.unwrap().pop(),
        Some(SagaRow { revision: 2, ..next })
    );
}

/// A write on another revision than the stored one is refused.
pub async fn a_stale_saga_is_refused(store: &dyn Store) {
    let id = SagaId::new();
    write_sagas(store, vec![saga_write(id)]).await;
    for revision in [0, 2] {
        let stale = SagaWrite { row: SagaRow { revision, ..saga_write(id).row }, ..saga_write(id) };
        let refused = begin(store).await.write_sagas(TENANT, "ordering", vec![stale]).await;
        assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
    }
    assert_eq!(load(store, id).await.map(|row| row.revision), Some(1));
}

/// Instances are found by any of their associations, and no longer by those they gave up.
pub async fn a_saga_is_found_by_its_associations(store: &dyn Store) {
    let (one, two) = (SagaId::new(), SagaId::new());
    let both = SagaRow { associations: vec![association("o-1"), association("o-2")], ..saga_write(two).row };
    let associated = both.associations.clone();
    write_sagas(store, vec![saga_write(one), SagaWrite { associated, ..SagaWrite::of(both.clone()) }]).await;
    assert_eq!(find(store, "o-1").await.len(), 2);
    let found = find(store, "o-2").await;
    assert_eq!((found.len(), found[0].id, found[0].associations.len()), (1, two, 2));
    let by_either = begin(store).await.find_sagas(TENANT, "ordering", &both.associations, &[]).await.unwrap();
    assert_eq!(by_either.len(), 2, "an instance that matches twice comes once");
    let mut transaction = begin(store).await;
    assert!(transaction.find_sagas(TENANT, "shipping", &both.associations, &[]).await.unwrap().is_empty());
    assert!(transaction.find_sagas(TENANT, "ordering", &[], &[]).await.unwrap().is_empty());
    drop(transaction);
    let moved = SagaRow { revision: 1, associations: vec![association("o-3")], ..both };
    let associated = vec![association("o-3")];
    let dissociated = vec![association("o-1"), association("o-2")];
    write_sagas(store, vec![SagaWrite { associated, dissociated, ..SagaWrite::of(moved) }]).await;
    assert_eq!(find(store, "o-2").await, []);
    assert_eq!(find(store, "o-1").await.len(), 1);
    assert_eq!(find(store, "o-3").await.len(), 1);
}

/// An instance that ends loses its associations and timers; its row and its effects stay.
pub async fn an_ended_saga_loses_associations_and_timers(store: &dyn Store) {
    let (id, other) = (SagaId::new(), SagaId::new());
    let with_timer = |id| SagaWrite { timers: vec![timer(id, "payment", 5_000)], ..saga_write(id) };
    write_sagas(store, vec![with_timer(id), with_timer(other)]).await;
    let ended = SagaRow { revision: 1, status: SagaStatus::Completed, ..saga_write(id).row };
    let ending = SagaWrite {
        row: ended,
        effects: vec![effect(id, 1)],
        timers: vec![timer(id, "late", 5_000)],
        ..saga_write(id)
    };
    write_sagas(store, vec![ending]).await;
    assert_eq!(find(store, "o-1").await.iter().map(|row| row.id).collect::<Vec<_>>(), [other]);
    let row = load(store, id).await.expect("an ended instance is remembered");
    assert!(row.status.is_ended() && row.associations.is_empty() && row.revision == 2);
    let left = store.sagas().due_timers(TENANT, "ordering", Segment::WHOLE, at(9_000), 10).await.unwrap();
    assert_eq!(left, [timer(other, "payment", 5_000)]);
    assert_eq!(due(store, 9_000).await.len(), 1);
}

/// An effect that belongs to no instance is listed until it is done; another one with its id takes its place; one whose
/// transaction is rolled back never was.
pub async fn an_added_effect_is_listed_and_replaced(store: &dyn Store) {
    let open = async || store.sagas().open_effects(TENANT, "ordering", None, 10).await.unwrap();
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
    assert_eq!(
        store.sagas().due_effects(TENANT, "ordering", Segment::WHOLE, at(1_000), 1).await.unwrap(),
        std::slice::from_ref(&first)
    );
    assert_eq!(store.sagas().due_effects(TENANT, "shipping", Segment::WHOLE, at(1_000), 10).await.unwrap(), []);
    assert_eq!(
        store.sagas().open_effects(TENANT, "ordering", None, 10).await.unwrap(),
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
    assert_eq!(store.sagas().due_effects(TENANT, "ordering", Segment::WHOLE, at(1_000), 1).await.unwrap(), [earlier]);
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
    let parked = store.sagas().open_effects(TENANT, "ordering", None, 1).await.unwrap();
    assert_eq!((parked[0].parked.as_deref(), parked[0].attempts), (Some("no such wallet"), 2));
    postpone(2, Ok(at(6_000))).await;
    let again = Effect { attempts: 2, not_before: at(6_000), ..first.clone() };
    assert_eq!(due(store, 6_000).await, [other, again]);
}

/// The store says when the next effect is due, leaving out those that were given up.
pub async fn the_next_effect_is_known(store: &dyn Store) {
    assert_eq!(store.sagas().next_effect(TENANT, "ordering", Segment::WHOLE).await.unwrap(), None);
    let (one, two) = (SagaId::new(), SagaId::new());
    let early = Effect { not_before: at(2_000), ..effect(one, 1) };
    let late = Effect { not_before: at(3_000), ..effect(two, 1) };
    write_sagas(store, vec![SagaWrite { effects: vec![early.clone()], ..saga_write(one) }]).await;
    write_sagas(store, vec![SagaWrite { effects: vec![late], ..saga_write(two) }]).await;
    assert_eq!(store.sagas().next_effect(TENANT, "ordering", Segment::WHOLE).await.unwrap(), Some(at(2_000)));
    let mut transaction = begin(store).await;
    transaction.postpone_effect(TENANT, early.command, 1, Err("given up".to_owned())).await.unwrap();
    commit(transaction).await;
    assert_eq!(store.sagas().next_effect(TENANT, "ordering", Segment::WHOLE).await.unwrap(), Some(at(3_000)));
}

/// Timers are due from their instant on, earliest first; one of the same name replaces the one before it.
pub async fn timers_are_due_from_their_instant_on(store: &dyn Store) {
    let id = SagaId::new();
    assert_eq!(store.sagas().next_timer(TENANT, "ordering", Segment::WHOLE).await.unwrap(), None);
    let timers = vec![timer(id, "late", 3_000), timer(id, "early", 2_000), timer(id, "moved", 1_000)];
    write_sagas(store, vec![SagaWrite { timers, ..saga_write(id) }]).await;
    let next = SagaRow { revision: 1, ..saga_write(id).row };
    let moved = SagaWrite { row: next, timers: vec![timer(id, "moved", 4_000)], ..saga_write(id) };
    write_sagas(store, vec![moved]).await;
    assert_eq!(due_timers(store, 1_999).await, [""; 0]);
    assert_eq!(due_timers(store, 2_000).await, ["early"]);
    assert_eq!(due_timers(store, 9_000).await, ["early", "late", "moved"]);
    assert_eq!(store.sagas().next_timer(TENANT, "ordering", Segment::WHOLE).await.unwrap(), Some(at(2_000)));
    assert_eq!(store.sagas().due_timers(TENANT, "ordering", Segment::WHOLE, at(9_000), 1).await.unwrap().len(), 1);
    assert_eq!(store.sagas().due_timers(TENANT, "shipping", Segment::WHOLE, at(9_000), 1).await.unwrap(), []);
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
    assert_eq!(store.sagas().next_timer(TENANT, "ordering", Segment::WHOLE).await.unwrap(), Some(at(3_000)));
}

/// What is asked for a segment is what belongs to it.
pub async fn segments_share_effects_and_timers(store: &dyn Store) {
    let (even, odd) = (SagaId::new(), SagaId::new());
    let with = |id, slice| {
        let row = SagaRow { slice, ..saga_write(id).row };
        let (effect, timer) = (Effect { slice, ..effect(id, 1) }, Timer { slice, ..timer(id, "due", 2_000) });
        SagaWrite { effects: vec![effect], timers: vec![timer], ..SagaWrite::of(row) }
    };
    write_sagas(store, vec![with(even, 6), with(odd, 0xffff_ffff)]).await;
    let (low, high) = Segment::WHOLE.split().unwrap();
    for (segment, id) in [(low, even), (high, odd)] {
        let effects = store.sagas().due_effects(TENANT, "ordering", segment, at(9_000), 10).await.unwrap();
        assert_eq!(effects.iter().map(|effect| effect.saga_id).collect::<Vec<_>>(), [id]);
        let timers = store.sagas().due_timers(TENANT, "ordering", segment, at(9_000), 10).await.unwrap();
        assert_eq!(timers.iter().map(|timer| timer.saga_id).collect::<Vec<_>>(), [id]);
        assert_eq!(store.sagas().next_effect(TENANT, "ordering", segment).await.unwrap(), Some(at(1_000)));
        assert_eq!(store.sagas().next_timer(TENANT, "ordering", segment).await.unwrap(), Some(at(2_000)));
    }
    let quarter = low.split().unwrap().0;
    assert_eq!(store.sagas().next_timer(TENANT, "ordering", quarter).await.unwrap(), None);
}

/// Effects of one group are due together; what stands before and behind them waits.
pub async fn effects_of_a_group_are_due_together(store: &dyn Store) {
    let id = SagaId::new();
    let numbered = |number, group| Effect { group, ..effect(id, number) };
    let all = vec![numbered(1, 0), numbered(2, 2), numbered(3, 2), numbered(4, 4), numbered(5, 0)];
    write_sagas(store, vec![SagaWrite { effects: all.clone(), ..saga_write(id) }]).await;
    let finish = async |done: &[usize]| {
        let mut transaction = begin(store).await;
        let ids: Vec<_> = done.iter().map(|index| all[*index].command).collect();
        assert_eq!(transaction.finish_effects(TENANT, &ids).await.unwrap(), done.len() as u64);
        commit(transaction).await;
    };
    let numbers = async || due(store, 1_000).await.iter().map(|effect| effect.number).collect::<Vec<_>>();
    assert_eq!(numbers().await, [1]);
    finish(&[0]).await;
    assert_eq!(numbers().await, [2, 3]);
    finish(&[1]).await;
    assert_eq!(numbers().await, [3]);
    finish(&[2]).await;
    assert_eq!(numbers().await, [4]);
    finish(&[3]).await;
    assert_eq!(numbers().await, [5]);
}

/// What an effect is comes back as it was written, and which effects are open is known.
pub async fn an_effect_is_kept(store: &dyn Store) {
    let id = SagaId::new();
    let written = Effect {
        kind: crate::store::EffectKind::Event,
        scope: Some("order:o-1".to_owned()),
        label: Some("payment".to_owned()),
        payload: vec![0, 0xff],
        step: None,
        ..effect(id, 1)
    };
    let mut transaction = begin(store).await;
    transaction.add_effects(vec![written.clone(), effect(SagaId::new(), 1)]).await.unwrap();
    let unknown = crate::message::CommandId::new();
    assert_eq!(transaction.open_among(TENANT, &[unknown, written.command]).await.unwrap(), [written.command]);
    assert_eq!(transaction.open_among("other", &[written.command]).await.unwrap(), []);
    commit(transaction).await;
    assert_eq!(store.sagas().open_effects(TENANT, "ordering", Some(id), 10).await.unwrap(), [written]);
}

/// Of running instances of a saga only one has a key; one that has ended lets it go.
pub async fn a_key_belongs_to_one_running_instance(store: &dyn Store) {
    let key = Some("order=o-1".to_owned());
    let (first, second) = (SagaId::new(), SagaId::new());
    let with_key = |id| SagaWrite::of(SagaRow { key: key.clone(), ..saga_write(id).row });
    write_sagas(store, vec![with_key(first)]).await;
    let refused = begin(store).await.write_sagas(TENANT, "ordering", vec![with_key(second)]).await;
    assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
    let mut transaction = begin(store).await;
    transaction
        .write_sagas(TENANT, "shipping", vec![with_key(second)])
        .await
        .expect("another saga has keys of its own");
    drop(transaction);
    let ended = SagaRow { revision: 1, status: SagaStatus::Compensated, key: None, ..saga_write(first).row };
    write_sagas(store, vec![SagaWrite::of(ended)]).await;
    write_sagas(store, vec![with_key(second)]).await;
    assert_eq!(load(store, second).await.and_then(|row| row.key), key);
}

/// The timers of instances are known inside a transaction.
pub async fn timers_of_instances_are_known(store: &dyn Store) {
    let (one, two) = (SagaId::new(), SagaId::new());
    let with = |id, due| SagaWrite { timers: vec![timer(id, "due", due)], ..saga_write(id) };
    write_sagas(store, vec![with(one, 3_000), with(two, 2_000)]).await;
    let mut transaction = begin(store).await;
    let both = transaction.timers(TENANT, "ordering", &[one, two, SagaId::new()]).await.unwrap();
    assert_eq!(both, [timer(two, "due", 2_000), timer(one, "due", 3_000)]);
    assert_eq!(transaction.timers(TENANT, "shipping", &[one]).await.unwrap(), []);
}

/// What has happened to an instance is listed in order, and goes when the instance does.
pub async fn a_saga_has_a_history(store: &dyn Store) {
    let (id, other) = (SagaId::new(), SagaId::new());
    let entry = |id, at_millis, text: &str| HistoryRow {
        saga_id: id,
        at: at(at_millis),
        entry: format!("{{\"is\":\"{text}\"}}"),
    };
    let begun = SagaWrite { history: vec![entry(id, 1_000, "begun"), entry(id, 1_000, "sent")], ..saga_write(id) };
    let also = SagaWrite { history: vec![entry(other, 1_000, "other")], ..saga_write(other) };
    write_sagas(store, vec![begun, also]).await;
    let mut transaction = begin(store).await;
    transaction.add_history(TENANT, "ordering", vec![entry(id, 2_000, "answered")]).await.unwrap();
    commit(transaction).await;
    let expected = [entry(id, 1_000, "begun"), entry(id, 1_000, "sent"), entry(id, 2_000, "answered")];
    assert_eq!(store.sagas().history(TENANT, "ordering", id).await.unwrap(), expected);
    assert_eq!(store.sagas().history(TENANT, "ordering", SagaId::new()).await.unwrap(), []);
}

/// Inputs wait in order until they are taken.
pub async fn inputs_wait_for_their_instance(store: &dyn Store) {
    let id = SagaId::new();
    let input = |number| WaitingInput { number, input: format!("{{\"event\":{number}}}") };
    write_sagas(store, vec![SagaWrite { waiting: vec![input(1), input(2)], ..saga_write(id) }]).await;
    assert_eq!(store.sagas().waiting(TENANT, "ordering", id).await.unwrap(), [input(1), input(2)]);
    let row = SagaRow { revision: 1, ..saga_write(id).row };
    let next = SagaWrite { taken: vec![1], waiting: vec![input(3)], ..SagaWrite::of(row) };
    write_sagas(store, vec![next]).await;
    assert_eq!(store.sagas().waiting(TENANT, "ordering", id).await.unwrap(), [input(2), input(3)]);
}

/// Instances are listed by how they stand, in pages, and counted.
pub async fn sagas_are_listed_and_counted(store: &dyn Store) {
    let mut ids = Vec::new();
    for (began, status, step, attention) in [
        (1_000, SagaStatus::Running, Some("pay"), None),
        (2_000, SagaStatus::Running, Some("pay"), Some("refused")),
        (2_000, SagaStatus::Aborted, None, None),
        (3_000, SagaStatus::Completed, None, None),
    ] {
        let id = SagaId::new();
        let (step, attention) = (step.map(str::to_owned), attention.map(str::to_owned));
        let (began, changed) = (at(began), at(began + 500));
        let associated = match status {
            SagaStatus::Running => vec![Association::new("listed", began)],
            _ => Vec::new(),
        };
        let associations = associated.clone();
        let row = SagaRow { status, step, attention, began, changed, associations, ..saga_write(id).row };
        write_sagas(store, vec![SagaWrite { associated, ..SagaWrite::of(row) }]).await;
        ids.push(id);
    }
    ids[1..3].sort();
    let list = async |filter: SagaFilter, limit| {
        let found = store.sagas().list(TENANT, "ordering", &filter, limit).await.unwrap();
        found.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let any = SagaFilter::default;
    assert_eq!(list(any(), 10).await, ids);
    let after = store.sagas().list(TENANT, "ordering", &any(), 2).await.unwrap().pop().map(|row| (row.began, row.id));
    assert_eq!(list(SagaFilter { after, ..any() }, 10).await, ids[2..]);
    let running = SagaFilter { status: Some(SagaStatus::Running), ..any() };
    for row in store.sagas().list(TENANT, "ordering", &running, 10).await.unwrap() {
        assert_eq!(
            row.associations,
            [Association::new("listed", row.began)],
            "a list tells by what instances are found"
        );
    }
    assert_eq!(list(running.clone(), 10).await.len(), 2);
    assert_eq!(list(SagaFilter { attention: Some(true), ..any() }, 10).await.len(), 1);
    assert_eq!(list(SagaFilter { attention: Some(false), ..running }, 10).await, [ids[0]]);
    assert_eq!(list(SagaFilter { step: Some("pay".to_owned()), ..any() }, 10).await.len(), 2);
    assert_eq!(list(SagaFilter { began_before: Some(at(2_000)), ..any() }, 10).await, [ids[0]]);
    assert_eq!(list(SagaFilter { changed_before: Some(at(3_500)), ..any() }, 10).await, ids[..3]);
    let counts = store.sagas().count(TENANT, "ordering").await.unwrap();
    let paying = counts.iter().find(|count| count.status == SagaStatus::Running).expect("some run");
    assert_eq!((paying.step.as_deref(), paying.instances, paying.attention), (Some("pay"), 2, 1));
    assert_eq!(paying.oldest, at(1_000));
    assert_eq!(counts.iter().map(|count| count.instances).sum::<u64>(), 4);
    assert_eq!(store.sagas().count(TENANT, "shipping").await.unwrap(), []);
}

/// Instances that ended long ago are forgotten with their history, but not those with open effects.
pub async fn ended_sagas_are_forgotten(store: &dyn Store) {
    let (old, open, fresh, running) = (SagaId::new(), SagaId::new(), SagaId::new(), SagaId::new());
    let ended = |id, changed| SagaRow { status: SagaStatus::Completed, changed: at(changed), ..saga_write(id).row };
    let history = |id| vec![HistoryRow { saga_id: id, at: at(1_000), entry: "{}".to_owned() }];
    let writes = vec![
        SagaWrite { history: history(old), ..SagaWrite::of(ended(old, 2_000)) },
        SagaWrite { effects: vec![effect(open, 1)], ..SagaWrite::of(ended(open, 2_000)) },
        SagaWrite { history: history(fresh), ..SagaWrite::of(ended(fresh, 3_000)) },
        saga_write(running),
    ];
    write_sagas(store, writes).await;
    assert_eq!(store.sagas().forget(TENANT, "ordering", at(2_500), 10).await.unwrap(), 1);
    assert_eq!(load(store, old).await, None);
    assert!(store.sagas().history(TENANT, "ordering", old).await.unwrap().is_empty());
    assert_eq!(store.sagas().history(TENANT, "ordering", fresh).await.unwrap().len(), 1);
    for id in [open, fresh, running] {
        assert!(load(store, id).await.is_some());
    }
}
