//! A new version of a view is built beside the old one, and takes its place in one step.

use annals::Annals;
use annals::app::Builder;
use annals::message::Position;
use annals::prelude::*;
use annals::processor::{ErrorPolicy, OnError, SideEffects};
use annals::store::{Journal, Read};
use annals::view::{ViewError, ViewVersionState};

use crate::given::{Dice, Faults, Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// The points of a group.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "points", key = String)]
struct Points {
    total: i64,
}

#[view_handlers]
impl Points {
    #[handle(key = group)]
    fn counted(&mut self, event: &Counted, effects: SideEffects) {
        self.total += event.amount;
        effects.send(Cheer { group: event.group.clone(), by: "one".to_owned() });
    }
}

/// Each counts twice since the second version.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "points", key = String, version = 2, from = Points)]
struct Doubled {
    total: i64,
    times: u32,
}

impl From<Points> for Doubled {
    fn from(points: Points) -> Self {
        Self { total: points.total, times: 0 }
    }
}

#[view_handlers]
impl Doubled {
    #[handle(key = group)]
    fn counted(&mut self, event: &Counted, faults: &Faults, effects: SideEffects) {
        assert!(!faults.strike("doubled"), "told to fail");
        self.total += 2 * event.amount;
        self.times += 1;
        effects.send(Cheer { group: event.group.clone(), by: "two".to_owned() });
    }
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "points.cheer")]
struct Cheer {
    #[target]
    group: String,
    by: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "points.cheered")]
struct Cheered {
    by: String,
}

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "crowd")]
struct Crowd;

#[command_handlers]
impl Crowd {
    #[handle(create_if_missing)]
    fn cheer(&self, command: Cheer) -> Cheered {
        Cheered { by: command.by }
    }
}

#[event_sourcing]
impl Crowd {
    #[apply]
    fn cheered(&mut self, _event: &Cheered) {}
}

fn first_version() -> Builder {
    tallies().include::<Points>().include::<Crowd>()
}

fn second_version(faults: &Faults) -> Builder {
    let builder = tallies().include::<Doubled>().include::<Crowd>().resource(faults.clone());
    builder.processors(|all| all.on_error = ErrorPolicy::always(OnError::Stop))
}

async fn built(app: &Annals) {
    eventually("the new version is read", async || {
        let status = app.processors().status().await.unwrap();
        status.iter().all(|one| !one.building).then_some(())
    })
    .await;
}

/// Merges all segments of the only processor into one, so that none is left that was not merged.
async fn merge_all(app: &Annals, processor: &str) {
    loop {
        let segments = app.processors().status().await.unwrap().remove(0).segments;
        if segments.len() == 1 {
            return;
        }
        // The sibling of the smallest is not divided.
        let smallest = segments.iter().max_by_key(|segment| segment.segment.mask()).unwrap();
        app.processors().merge(processor, smallest.segment.id()).await.unwrap();
    }
}

async fn doubled(app: &Annals, group: &str) -> Doubled {
    app.view::<Doubled>().get(&group.to_owned()).await.unwrap().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_version_is_read_until_the_new_one_is_complete() {
    for lasting in Lasting::each() {
        let old = lasting.start(first_version()).await;
        for amount in 1..=20 {
            count(&old, &format!("g{}", amount % 3), amount).await;
        }
        old.settled(PATIENCE).await.unwrap();
        let faults = Faults::default();
        faults.fail("doubled", u32::MAX);
        let new = lasting.start(second_version(&faults)).await;

        // The new one is stopped before its first event: readers see the old one, and see it go on.
        let before = old.view::<Points>().get(&"g1".to_owned()).await.unwrap().unwrap().total;
        assert_eq!(doubled(&new, "g1").await, Doubled { total: before, times: 0 });
        let sent = count(&old, "g1", 100).await;
        old.view::<Points>().after(&sent).await.unwrap();
        assert_eq!(doubled(&new, "g1").await, Doubled { total: before + 100, times: 0 });
        assert_eq!(new.view::<Doubled>().list(None, 10).await.unwrap().len(), 3);
        assert_eq!(new.view::<Doubled>().all().count().await.unwrap(), 3);
        let status = new.processors().status().await.unwrap();
        assert!(status[0].building && !status[0].is_caught_up(), "{status:?}");

        // What is built may be divided, merged and reset: it is built all the same.
        new.processors().split("view:points@2", 3).await.unwrap();
        merge_all(&new, "view:points@2").await;
        new.processors().replay("view:points@2").await.unwrap();
        assert_eq!(doubled(&new, "g1").await, Doubled { total: before + 100, times: 0 });
        faults.heal("doubled");
        built(&new).await;
        let seen = doubled(&new, "g1").await;
        assert_eq!((seen.total, seen.times), (2 * (before + 100), 8));
        // The old one is still there for those who read it, and up to date.
        let sent = count(&new, "g1", 1).await;
        let seen = new.view::<Doubled>().after(&sent).await.unwrap().get(&"g1".to_owned()).await.unwrap().unwrap();
        assert_eq!(seen.times, 9);
        let read = async || old.view::<Points>().get(&"g1".to_owned()).await.unwrap().unwrap().total;
        eventually("the old one goes on", async || (read().await == before + 101).then_some(())).await;
        let versions = async || {
            let versions = new.view::<Doubled>().versions().await.unwrap();
            versions.into_iter().map(|one| (one.version, one.state)).collect::<Vec<_>>()
        };
        assert_eq!(versions().await, [(2, ViewVersionState::Read), (1, ViewVersionState::Replaced)]);
        old.shutdown().await.unwrap();
        assert!(new.view::<Doubled>().drop_version(1).await.unwrap());
        assert_eq!(versions().await, [(2, ViewVersionState::Read)]);
        let left = annals::store::records::ViewId { tenant: String::new(), name: "points".to_owned(), version: 1 };
        assert!(new.journal().store().scan_documents(&left, None, 10).await.unwrap().is_empty());
        new.shutdown().await.unwrap();
    }
}

/// A view without `from`.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "patient", key = String, version = 3)]
struct Patient {
    times: u32,
}

#[view_handlers]
impl Patient {
    #[handle(key = group)]
    fn counted(&mut self, _event: &Counted, faults: &Faults) {
        assert!(!faults.strike("patient"), "told to fail");
        self.times += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_over_old_events_is_not_read_before_it_is_built() {
    let lasting = Lasting::file();
    let before = lasting.start(tallies()).await;
    for amount in 0..5 {
        count(&before, "g", amount).await;
    }
    before.shutdown().await.unwrap();
    let faults = Faults::default();
    faults.fail("patient", u32::MAX);
    let builder = tallies().include::<Patient>().resource(faults.clone());
    let app = lasting.start(builder.processors(|all| all.on_error = ErrorPolicy::always(OnError::Stop))).await;
    // Neither whoever merges its segments nor a reset makes it complete.
    merge_all(&app, "view:patient@3").await;
    app.processors().replay("view:patient@3").await.unwrap();
    let refused = app.view::<Patient>().get(&"g".to_owned()).await.unwrap_err();
    assert!(matches!(refused, ViewError::Building { view: "patient", version: 3, .. }), "{refused}");
    // A reader that waits sees it whole.
    let reading = {
        let app = app.clone();
        tokio::spawn(async move { app.view::<Patient>().get(&"g".to_owned()).await })
    };
    faults.heal("patient");
    assert_eq!(reading.await.unwrap().unwrap(), Some(Patient { times: 5 }));
    app.shutdown().await.unwrap();
}

/// What the versions send, they send once for each event between them: the old one up to where it was stopped, the new one from
/// there on, whatever is appended meanwhile and however often the new one is interrupted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn side_effects_pass_from_version_to_version_without_a_gap_or_a_double() {
    for lasting in Lasting::each() {
        let seed = Dice::any_seed();
        println!("seed {seed}");
        let mut dice = Dice::seeded(seed);
        let old = lasting.start(first_version()).await;
        let mut sent = 0;
        for round in 0..6 {
            for _ in 0..10 {
                count(&old, &format!("g{}", dice.below(4)), 1).await;
                sent += 1;
            }
            let new = lasting.start(second_version(&Faults::default())).await;
            for _ in 0..dice.below(12) {
                count(&old, &format!("g{}", dice.below(4)), 1).await;
                sent += 1;
            }
            if round < 5 {
                if dice.below(2) == 0 {
                    new.shutdown().await.unwrap()
                } else {
                    drop(new)
                }
                continue;
            }
            built(&new).await;
            for _ in 0..10 {
                count(&new, &format!("g{}", dice.below(4)), 1).await;
                sent += 1;
            }
            new.settled(PATIENCE).await.unwrap();
            let total: u32 = new.view::<Doubled>().list(None, 10).await.unwrap().iter().map(|(_, one)| one.times).sum();
            assert_eq!(total, sent);
            let cheers = Read::matching(Journal::named(&["points.cheered"]), Position::START);
            assert_eq!(new.journal().count(cheers).await.unwrap(), u64::from(sent), "one for each event");
            new.shutdown().await.unwrap();
        }
        old.shutdown().await.unwrap();
    }
}
