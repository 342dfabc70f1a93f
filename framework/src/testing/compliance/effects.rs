//! What is to be sent later: its scopes and names, its list, and what an append schedules (guarantee 8).

use crate::message::SagaId;
use crate::store::{Append, AppendError, Effect, EffectWrite, Expected, Store, StreamChange, WhichEffects};

use super::given::{Draft, TENANT, appending, at, begin, commit, effect, event, stream, version};

fn named(scope: &str, label: &str, due: i64) -> Effect {
    let (scope, label) = (Some(scope.to_owned()), Some(label.to_owned()));
    Effect { saga: Effect::SCHEDULED.to_owned(), scope, label, not_before: at(due), ..effect(SagaId::new(), 1) }
}

async fn add(store: &dyn Store, effects: &[Effect]) {
    let mut transaction = begin(store).await;
    transaction.add_effects(effects.to_vec()).await.unwrap();
    commit(transaction).await;
}

async fn read(store: &dyn Store, which: WhichEffects<'_>, after: Option<&Effect>, limit: usize) -> Vec<Effect> {
    let after = after.map(|effect| (effect.not_before, effect.command));
    store.sagas().effects(TENANT, Effect::SCHEDULED, which, after, limit).await.unwrap()
}

async fn waiting(store: &dyn Store) -> Vec<Effect> {
    read(store, WhichEffects::Waiting, None, 100).await
}

/// Effects are listed in pages by their instants, waiting ones, parked ones, and those of a scope each by themselves.
pub async fn effects_are_listed_in_pages(store: &dyn Store) {
    let mut all =
        vec![named("o-1", "c", 3_000), named("o-2", "a", 2_000), named("o-1", "b", 2_000), named("o-1", "a", 9)];
    add(store, &all).await;
    all.sort_by_key(|effect| (effect.not_before, effect.command));
    assert_eq!(waiting(store).await, all);
    assert_eq!(read(store, WhichEffects::Waiting, None, 3).await, all[..3]);
    for (place, last) in all.iter().enumerate() {
        assert_eq!(read(store, WhichEffects::Waiting, Some(last), 2).await, all[place + 1..(place + 3).min(4)]);
    }
    let mut transaction = begin(store).await;
    transaction.postpone_effect(TENANT, all[1].command, 3, Err("no use".to_owned())).await.unwrap();
    commit(transaction).await;
    let parked = read(store, WhichEffects::Parked, None, 10).await;
    let expected = Effect { attempts: 3, parked: Some("no use".to_owned()), ..all[1].clone() };
    assert_eq!(parked, std::slice::from_ref(&expected));
    all[1] = expected;
    assert_eq!(waiting(store).await, [all[0].clone(), all[2].clone(), all[3].clone()]);
    let in_scope: Vec<Effect> = all.iter().filter(|effect| effect.scope.as_deref() == Some("o-1")).cloned().collect();
    assert_eq!(read(store, WhichEffects::Scope("o-1"), None, 10).await, in_scope);
    assert_eq!(read(store, WhichEffects::Scope("o-1"), Some(&in_scope[0]), 1).await, in_scope[1..2]);
    assert_eq!(read(store, WhichEffects::Scope("O-1"), None, 10).await, []);
    let other = store.sagas().effects(TENANT, "ordering", WhichEffects::Waiting, None, 10).await.unwrap();
    assert_eq!(other, [], "those of a saga are its own");
}

/// Of the effects of a scope one has a name; it is taken back by it, or with its scope.
pub async fn a_name_belongs_to_one_effect(store: &dyn Store) {
    let long = "ö".repeat(500);
    let (first, second) = (named("o-1", "payment", 2_000), named("o-1", "payment", 3_000));
    let (other_name, other_scope) = (named("o-1", "stock", 2_500), named(&long, "payment", 2_600));
    let nameless = Effect { label: None, ..named("o-1", "", 2_700) };
    add(store, &[first.clone(), other_name.clone(), other_scope.clone(), nameless.clone()]).await;
    add(store, std::slice::from_ref(&second)).await;
    assert_eq!(waiting(store).await, [other_name.clone(), other_scope.clone(), nameless.clone(), second.clone()]);
    let moved = named(&long, "payment", 2_600);
    add(store, std::slice::from_ref(&moved)).await;
    assert_eq!(read(store, WhichEffects::Scope(&long), None, 10).await, std::slice::from_ref(&moved));

    let cancel = async |saga: &str, scope: &str, label: Option<&str>| {
        let mut transaction = begin(store).await;
        let count = transaction.cancel_effects(TENANT, saga, scope, label).await;
        commit(transaction).await;
        count.unwrap()
    };
    assert_eq!(cancel("ordering", "o-1", None).await, 0);
    assert_eq!(cancel(Effect::SCHEDULED, "o-1", Some("Payment")).await, 0);
    assert_eq!(cancel(Effect::SCHEDULED, "o-1", Some("payment")).await, 1);
    assert_eq!(cancel(Effect::SCHEDULED, "o-1", Some("payment")).await, 0);
    assert_eq!(waiting(store).await, [other_name, moved.clone(), nameless]);
    assert_eq!(cancel(Effect::SCHEDULED, "o-1", None).await, 2);
    assert_eq!(waiting(store).await, [moved]);

    let mut dropped = begin(store).await;
    assert_eq!(dropped.cancel_effects(TENANT, Effect::SCHEDULED, &long, None).await.unwrap(), 1);
    drop(dropped);
    assert_eq!(waiting(store).await.len(), 1, "what is not committed takes nothing back");
}

fn write(scope: &str, label: &str, effect: Option<Effect>) -> EffectWrite {
    let (scope, label) = (scope.to_owned(), label.to_owned());
    EffectWrite { saga: Effect::SCHEDULED.to_owned(), scope, label, effect: effect.map(Box::new) }
}

fn setting(scope: &str, effect: &Effect) -> EffectWrite {
    write(scope, effect.label.as_deref().unwrap_or_default(), Some(effect.clone()))
}

fn scheduling(id: &str, effects: Vec<EffectWrite>) -> Draft {
    let Draft(append) = appending([event(id)]).of_tenant(TENANT);
    Draft(Append { effects, ..append })
}

/// An append schedules effects and takes others back, if its events are stored, and only then.
pub async fn an_append_schedules_with_its_events(store: &dyn Store) {
    let (first, second) = (named("o-1", "payment", 2_000), named("o-1", "stock", 3_000));
    let append = scheduling("a", vec![setting("o-1", &first), setting("o-1", &second)]);
    append.clone().stored_in(store).await;
    assert_eq!(waiting(store).await, [first.clone(), second.clone()]);

    let mut transaction = begin(store).await;
    transaction.finish_effects(TENANT, &[first.command]).await.unwrap();
    commit(transaction).await;
    assert!(append.stored_in(store).await.repeated);
    assert_eq!(waiting(store).await, std::slice::from_ref(&second), "a repeat schedules nothing");

    let later = named("o-1", "payment", 4_000);
    let refused = scheduling("a", vec![setting("o-1", &later), write("o-1", "stock", None)]);
    let refused = refused.expecting("a", Expected::NoStream).to(store).await;
    assert!(matches!(refused, Err(AppendError::Conflict(_))), "{refused:?}");
    assert_eq!(waiting(store).await, std::slice::from_ref(&second), "a refused append does neither");

    let again = named("o-1", "payment", 5_000);
    let moves = vec![setting("o-1", &later), write("o-1", "stock", None), setting("o-1", &again)];
    scheduling("a", moves).expecting("a", Expected::Version(version(1))).stored_in(store).await;
    assert_eq!(waiting(store).await, std::slice::from_ref(&again), "the last write of a name counts");

    let taken_back = scheduling("a", vec![write("o-1", "payment", None)]);
    begin(store).await.commit_with(taken_back.0).await.unwrap();
    assert_eq!(waiting(store).await, [], "at the end of a transaction as well");
}

/// Of appends that are written together, each schedules on what those before it have left.
pub async fn appends_of_a_batch_schedule_in_their_order(store: &dyn Store) {
    let set = named("o-1", "payment", 2_000);
    let kept = named("o-2", "payment", 2_000);
    let appends = [
        scheduling("a", vec![setting("o-1", &set), setting("o-2", &kept)]),
        scheduling("a", vec![write("o-1", "payment", None)]),
        scheduling("a", vec![write("o-3", "payment", None)]),
    ];
    let appends = appends.map(|Draft(append)| store.append(append));
    for appended in futures_util::future::join_all(appends).await {
        appended.unwrap();
    }
    assert_eq!(waiting(store).await, [kept]);
}

/// What is too large, or has a name that is too long, is refused before anything is written.
pub async fn effects_beyond_a_limit_are_refused(store: &dyn Store) {
    let long = "x".repeat(2_000);
    for scheduled in [setting(&long, &named("o-1", "payment", 1)), write("o-1", &long, None), write("o\0", "a", None)] {
        let refused = scheduling("a", vec![scheduled]).to(store).await;
        assert!(matches!(refused, Err(AppendError::Limit(_))), "{refused:?}");
    }
}

/// What waits for a stream goes when the stream is deleted, and nothing else does.
pub async fn a_deleted_stream_takes_back_what_waits_for_it(store: &dyn Store) {
    let (own, other) = (stream("a"), stream("b"));
    let scopes = [Effect::scope_of(&own), Effect::scope_of(&other)];
    let effects = scopes.each_ref().map(|scope| named(scope, "payment", 2_000));
    let sets = vec![setting(&scopes[0], &effects[0]), setting(&scopes[1], &effects[1])];
    scheduling("a", sets).stored_in(store).await;
    for change in [StreamChange::Archive, StreamChange::Delete] {
        assert_eq!(waiting(store).await.len(), 2);
        store.change_stream(TENANT, &own, Expected::Any, change).await.unwrap();
    }
    assert_eq!(waiting(store).await, std::slice::from_ref(&effects[1]));
}
