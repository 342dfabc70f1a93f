//! Subscriptions and their deliveries.

use std::time::Duration;

use crate::message::{Position, Tag, Timestamp};
use crate::store::subscriptions::{
    DeliveryCounts, DeliveryRow, DeliveryState, HeldSubscription, ParkedChange, SubscriptionRow,
};
use crate::store::{Limits, Store, StoreError};

use super::given::{TENANT, appending, event, tagged};

fn row(name: &str) -> SubscriptionRow {
    SubscriptionRow {
        name: name.to_owned(),
        generation: "first".to_owned(),
        revision: 1,
        settings: r#"{"retries":3,"text":"ä \" \\ "}"#.to_owned(),
        position: Position::new(4),
        number: 9,
        replaying: 0,
        consumers: "[]".to_owned(),
    }
}

fn delivery(position: u64, state: DeliveryState) -> DeliveryRow {
    DeliveryRow {
        position: Position::new(position),
        sequence: format!("stream wallet/w-{position} ö"),
        state,
        attempts: 2,
        number: 40 + position,
        consumer: "someone".to_owned(),
        due: Timestamp::from_micros(1_000_000 + i64::try_from(position).unwrap()),
        replayed: false,
        reason: (state == DeliveryState::Parked).then(|| "it is \"broken\" \\ ☂".to_owned()),
    }
}

async fn hold(store: &dyn Store, name: &str) -> Box<dyn HeldSubscription> {
    store.subscriptions().hold_subscription(TENANT, name).await.unwrap()
}

async fn created(store: &dyn Store, name: &str, deliveries: &[DeliveryRow]) {
    let mut held = hold(store, name).await;
    assert!(held.row().is_none());
    assert!(held.create(&row(name)).await.unwrap());
    held.put(deliveries).await.unwrap();
    held.commit().await.unwrap();
}

fn positions(deliveries: &[DeliveryRow]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.position.get()).collect()
}

async fn counts(store: &dyn Store, name: &str) -> DeliveryCounts {
    store.subscriptions().counts(TENANT, name).await.unwrap()
}

/// A subscription is found as it was written, and changed as a whole.
pub async fn a_subscription_is_kept(store: &dyn Store) {
    assert_eq!(store.subscriptions().glance(TENANT, "s").await.unwrap(), None);
    created(store, "s", &[]).await;
    created(store, "a", &[]).await;
    let glance = store.subscriptions().glance(TENANT, "s").await.unwrap().unwrap();
    assert_eq!((&glance.row, glance.head, glance.next_due), (&row("s"), Position::START, None));
    let mut held = hold(store, "s").await;
    assert_eq!(held.row(), Some(&row("s")));
    let changed = SubscriptionRow {
        generation: "second".to_owned(),
        revision: 2,
        settings: "{}".to_owned(),
        position: Position::new(5),
        number: 10,
        replaying: 3,
        consumers: r#"["one"]"#.to_owned(),
        ..row("s")
    };
    held.update(&changed).await.unwrap();
    held.commit().await.unwrap();
    assert_eq!(store.subscriptions().list(TENANT).await.unwrap(), [row("a"), changed]);
}

/// Of those who create a subscription of one name at the same time exactly one does.
pub async fn a_subscription_is_created_once(store: &dyn Store) {
    let create = |generation: &'static str| async move {
        let mut held = hold(store, "s").await;
        tokio::task::yield_now().await;
        let row = SubscriptionRow { generation: generation.to_owned(), ..row("s") };
        // A database may also refuse the second one.
        let created = held.create(&row).await.unwrap_or(false);
        created && held.commit().await.is_ok()
    };
    let (one, two, three) = tokio::join!(create("1"), create("2"), create("3"));
    assert_eq!([one, two, three].into_iter().filter(|created| *created).count(), 1, "{one} {two} {three}");
    assert_eq!(store.subscriptions().list(TENANT).await.unwrap().len(), 1);
}

/// Deliveries come back as they were written, in the order of their positions; a second one of a position takes the place of
/// the first.
pub async fn deliveries_are_kept(store: &dyn Store) {
    use DeliveryState::{Out, Parked, Replaying, Waiting};
    let given = [delivery(7, Out), delivery(3, Waiting), delivery(5, Parked), delivery(6, Replaying)];
    created(store, "s", &given).await;
    let mut held = hold(store, "s").await;
    assert_eq!(held.open().await.unwrap(), [delivery(3, Waiting), delivery(7, Out)]);
    assert_eq!(held.replaying(9).await.unwrap(), [delivery(6, Replaying)]);
    let again = DeliveryRow { attempts: 3, replayed: true, reason: Some(String::new()), ..delivery(3, Out) };
    held.put(&[again.clone(), delivery(8, Waiting)]).await.unwrap();
    held.take_away(&[Position::new(7), Position::new(99)]).await.unwrap();
    assert_eq!(held.open().await.unwrap(), [again.clone(), delivery(8, Waiting)], "a transaction sees its own writes");
    held.commit().await.unwrap();
    assert_eq!(hold(store, "s").await.open().await.unwrap(), [again, delivery(8, Waiting)]);
    let parked = store.subscriptions().parked(TENANT, "s", Position::START, 9).await.unwrap();
    assert_eq!(parked, [delivery(5, Parked)]);
    let lowest = Some(Position::new(8));
    assert_eq!(counts(store, "s").await, DeliveryCounts { waiting: 1, out: 1, parked: 1, replaying: 1, lowest });
    let glance = store.subscriptions().glance(TENANT, "s").await.unwrap().unwrap();
    assert_eq!(glance.next_due, Some(delivery(3, Out).due));
}

/// Large lists go through as one.
pub async fn many_deliveries_are_kept(store: &dyn Store) {
    let many: Vec<_> = (1..=2_000).map(|position| delivery(position, DeliveryState::Waiting)).collect();
    created(store, "s", &many).await;
    let mut held = hold(store, "s").await;
    assert_eq!(held.open().await.unwrap(), many);
    let all: Vec<Position> = many.iter().map(|delivery| delivery.position).collect();
    held.take_away(&all).await.unwrap();
    held.commit().await.unwrap();
    assert_eq!(counts(store, "s").await, DeliveryCounts::default());
}

/// Parked deliveries are changed from the lowest position on.
pub async fn parked_deliveries_are_changed_in_order(store: &dyn Store) {
    let parked: Vec<_> = (1..=6).map(|position| delivery(position, DeliveryState::Parked)).collect();
    created(store, "s", &parked).await;
    created(store, "t", &parked).await;
    let listed = async |after: u64, limit| {
        positions(&store.subscriptions().parked(TENANT, "s", Position::new(after), limit).await.unwrap())
    };
    assert_eq!((listed(0, 2).await, listed(2, 9).await), (vec![1, 2], vec![3, 4, 5, 6]));
    let (first, last) = (Position::new(2), Position::new(5));
    let mut held = hold(store, "s").await;
    assert_eq!(held.change_parked(ParkedChange::Replay, first, last, 0).await.unwrap(), 0);
    assert_eq!(held.change_parked(ParkedChange::Replay, first, last, 2).await.unwrap(), 2);
    assert_eq!(held.change_parked(ParkedChange::Discard, first, last, 9).await.unwrap(), 2);
    assert_eq!(positions(&held.replaying(1).await.unwrap()), [2]);
    assert_eq!(positions(&held.replaying(9).await.unwrap()), [2, 3]);
    held.commit().await.unwrap();
    assert_eq!(listed(0, 9).await, [1, 6]);
    assert_eq!(counts(store, "t").await.parked, 6, "others are left alone");
}

/// A subscription goes with everything that it has, and leaves others alone.
pub async fn a_removed_subscription_leaves_nothing(store: &dyn Store) {
    let deliveries = [delivery(1, DeliveryState::Out), delivery(2, DeliveryState::Parked)];
    created(store, "s", &deliveries).await;
    created(store, "s2", &deliveries).await;
    let mut held = hold(store, "s").await;
    held.remove().await.unwrap();
    held.commit().await.unwrap();
    assert_eq!(store.subscriptions().glance(TENANT, "s").await.unwrap(), None);
    assert_eq!(counts(store, "s").await, DeliveryCounts::default());
    assert_eq!(counts(store, "s2").await.out, 1);
    created(store, "s", &[]).await;
    assert!(hold(store, "s").await.open().await.unwrap().is_empty());
}

/// One at a time has the right to a subscription: nobody writes over what another one has read.
pub async fn of_a_subscription_one_writes_at_a_time(store: &dyn Store) {
    created(store, "s", &[]).await;
    let count = || async {
        for _ in 0..10 {
            let mut held = hold(store, "s").await;
            let mut row = held.row().cloned().unwrap();
            tokio::task::yield_now().await;
            row.number += 1;
            held.put(&[delivery(row.number, DeliveryState::Waiting)]).await.unwrap();
            held.update(&row).await.unwrap();
            held.commit().await.unwrap();
        }
    };
    tokio::join!(count(), count(), count(), count());
    let mut held = hold(store, "s").await;
    assert_eq!(held.row().unwrap().number, row("s").number + 40);
    assert_eq!(held.open().await.unwrap().len(), 40);
}

/// What was not committed is gone, and holds nobody up.
pub async fn a_subscription_that_is_let_go_is_unchanged(store: &dyn Store) {
    created(store, "s", &[delivery(1, DeliveryState::Out)]).await;
    let mut held = hold(store, "s").await;
    held.update(&SubscriptionRow { number: 99, ..row("s") }).await.unwrap();
    held.take_away(&[Position::new(1)]).await.unwrap();
    held.put(&[delivery(2, DeliveryState::Out)]).await.unwrap();
    drop(held);
    let mut held = hold(store, "s").await;
    assert_eq!(held.row(), Some(&row("s")));
    assert_eq!(positions(&held.open().await.unwrap()), [1]);
}

/// Instants are those of the database, and go on.
pub async fn a_subscription_is_told_the_time(store: &dyn Store) {
    created(store, "s", &[]).await;
    let first = hold(store, "s").await.now();
    let a_year_ago = Timestamp::from_micros(1_700_000_000_000_000);
    assert!(first > a_year_ago, "{first}");
    let mut now = first;
    for _ in 0..1_000 {
        now = store.subscriptions().glance(TENANT, "s").await.unwrap().unwrap().now;
        if now > first {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(now > first && now < first.plus(Duration::from_secs(60)), "{first} {now}");
    assert_eq!(hold(store, "none").await.now(), Timestamp::EPOCH);
}

/// The tags of events are found by their positions (guarantee 12: those of one tenant).
pub async fn tags_are_found_by_position(store: &dyn Store) {
    let tags = [Tag::new("course", "c:1"), Tag::new("student", "ä")];
    appending([tagged("a", "x", &tags), event("a"), tagged("b", "y", &tags[1..])])
        .of_tenant(TENANT)
        .stored_in(store)
        .await;
    appending([tagged("a", "x", &tags)]).of_tenant("other").stored_in(store).await;
    let positions: Vec<Position> = (1..=9).map(Position::new).collect();
    let mut found = store.subscriptions().tags(TENANT, &positions).await.unwrap();
    found.retain(|(_, tags)| !tags.is_empty());
    found.sort_by_key(|(position, _)| *position);
    for (_, tags) in &mut found {
        tags.sort();
    }
    assert_eq!(found, [(Position::new(1), tags.to_vec()), (Position::new(3), tags[1..].to_vec())]);
    assert!(store.subscriptions().tags(TENANT, &[]).await.unwrap().is_empty());
}

/// Subscriptions of two tenants with one name have nothing in common (guarantee 12).
pub async fn subscriptions_of_tenants_never_mix(store: &dyn Store) {
    created(store, "s", &[delivery(1, DeliveryState::Parked)]).await;
    let other = store.subscriptions();
    let mut held = other.hold_subscription("other", "s").await.unwrap();
    assert!(held.row().is_none());
    assert!(held.create(&SubscriptionRow { number: 1, ..row("s") }).await.unwrap());
    held.put(&[delivery(2, DeliveryState::Out)]).await.unwrap();
    assert_eq!(held.change_parked(ParkedChange::Discard, Position::START, Position::new(9), 9).await.unwrap(), 0);
    held.commit().await.unwrap();
    assert_eq!(other.list("other").await.unwrap().len(), 1);
    assert!(other.parked("other", "s", Position::START, 9).await.unwrap().is_empty());
    let mut held = other.hold_subscription("other", "s").await.unwrap();
    held.remove().await.unwrap();
    held.commit().await.unwrap();
    assert_eq!((counts(store, "s").await.parked, hold(store, "s").await.row()), (1, Some(&row("s"))));
}

/// Names have their limit (guarantee 11).
pub async fn a_name_of_a_subscription_has_a_limit(store: &dyn Store) {
    let name = |bytes| "n".repeat(bytes);
    let limit = Limits::default().name_bytes;
    created(store, &name(limit), &[delivery(1, DeliveryState::Out)]).await;
    assert_eq!(counts(store, &name(limit)).await.out, 1);
    for refused in [name(limit + 1), "zero\0".to_owned()] {
        let held = store.subscriptions().hold_subscription(TENANT, &refused).await;
        assert!(matches!(held.err(), Some(StoreError::Limit(_))), "{refused:?}");
        let glance = store.subscriptions().glance(TENANT, &refused).await;
        assert!(matches!(glance, Err(StoreError::Limit(_))), "{refused:?}");
    }
}
