//! The cache of states: bounded by count and by bytes, and to be looked at.

use std::future::IntoFuture;

use annals::command::{CacheUse, CommandConfig};
use annals::prelude::*;

use crate::notebook::*;
use crate::support::{Place, in_each_place};
use crate::wallet::{Runs, Wallet, deposit, open, withdraw};

async fn start(place: &Place, change: impl FnOnce(&mut CommandConfig)) -> Annals {
    place.start(|app| app.include::<Notebook>().commands(change)).await
}

/// What the only cache there is holds.
fn cache(app: &Annals) -> CacheUse {
    let [cache] = app.caches()[..] else { panic!("{:?}", app.caches()) };
    cache
}

/// A note of a thousand bytes.
fn long() -> String {
    "x".repeat(1000)
}

#[tokio::test]
async fn hits_and_misses_are_counted() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>()).await;
        let counted = || (cache(&app).aggregate, cache(&app).hits, cache(&app).misses);
        assert_eq!(cache(&app).hit_rate(), 0.0);
        app.send(open("w-1", 5)).await.unwrap();
        assert_eq!(counted(), ("wallet", 0, 0), "a command that creates needs no state");
        app.send(deposit("w-1", 5)).await.unwrap();
        app.send(withdraw("w-1", 50)).await.unwrap_err();
        assert_eq!(counted(), ("wallet", 2, 0));
        app.shutdown().await.unwrap();
        let app = place.start(|app| app.include::<Wallet>().include::<Notebook>()).await;
        for _ in 0..4 {
            app.send(deposit("w-1", 1)).await.unwrap();
        }
        let caches = app.caches();
        assert_eq!(caches.iter().map(|cache| cache.aggregate).collect::<Vec<_>>(), ["notebook", "wallet"]);
        assert_eq!((caches[1].hits, caches[1].misses, caches[1].hit_rate()), (3, 1, 0.75));
        assert_eq!((caches[1].states, caches[0].states, caches[0].bytes), (1, 0, 0));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn where_no_states_are_kept_each_one_is_loaded() {
    in_each_place(async |place| {
        let app = start(place, |commands| commands.cached_states = 0).await;
        for _ in 0..4 {
            app.send(write("n-1", &["note"])).await.unwrap();
        }
        let CacheUse { states, hits, misses, .. } = cache(&app);
        assert_eq!((states, hits), (0, 0), "{misses} misses");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn states_take_no_more_bytes_than_they_may() {
    in_each_place(async |place| {
        let app = start(place, |commands| commands.cached_bytes = 10_000).await;
        for number in 0..30 {
            app.send(write(&number.to_string(), &[&long()])).await.unwrap();
            assert!(cache(&app).bytes <= 10_000, "{:?}", cache(&app));
        }
        assert!((7..10).contains(&cache(&app).states), "{:?}", cache(&app));
        app.send(write("29", &["y"])).await.unwrap();
        assert_eq!(cache(&app).hits, 1, "the newest is still there");
        app.send(write("0", &["y"])).await.unwrap();
        assert_eq!(cache(&app).misses, 31, "the oldest is not");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_state_that_was_loaded_takes_room_where_nothing_is_stored_too() {
    in_each_place(async |place| {
        let app = start(place, |_| ()).await;
        app.send(write("n-1", &["a"])).await.unwrap();
        app.send(close("n-1")).await.unwrap();
        app.shutdown().await.unwrap();
        let app = start(place, |_| ()).await;
        app.send(close("n-1")).await.unwrap();
        let expected = size_of::<Notebook>() + r#"{"notes":["a"],"closed":true}"#.len();
        assert_eq!((cache(&app).states, cache(&app).bytes), (1, expected));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_state_that_grows_takes_more() {
    in_each_place(async |place| {
        let app = start(place, |commands| commands.cached_bytes = 20_000).await;
        for number in 0..10 {
            app.send(write(&number.to_string(), &[&long()])).await.unwrap();
        }
        assert_eq!(cache(&app).states, 10);
        app.send(write("0", &[long().as_str(); 15])).await.unwrap();
        assert!(cache(&app).bytes <= 20_000 && cache(&app).states < 10, "{:?}", cache(&app));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_state_that_is_larger_than_the_cache_is_loaded_for_each_command() {
    in_each_place(async |place| {
        let app = start(place, |commands| commands.cached_bytes = 500).await;
        for number in 0..5 {
            assert_eq!(app.send(write("n-1", &[&long()])).await.unwrap().reply, number);
            assert_eq!((cache(&app).states, cache(&app).bytes), (0, 0));
        }
        assert_eq!((cache(&app).hits, cache(&app).misses), (0, 5));
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Where two lanes of one notebook were at work, commands would meet conflicts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_little_room_there_is_every_state_is_right() {
    in_each_place(async |place| {
        let runs = Runs::default();
        let counted = runs.clone();
        let declare = |app: annals::app::Builder| {
            app.include::<Wallet>().resource(counted).commands(|commands| {
                commands.cached_bytes = 200;
                commands.conflict_retries = 0;
            })
        };
        let app = place.start(declare).await;
        for wallet in 0..16 {
            app.send(open(&format!("w-{wallet}"), 0)).await.unwrap();
        }
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..640 {
            calls.spawn(app.send(deposit(&format!("w-{}", number % 16), 1)).into_future());
        }
        assert!(calls.join_all().await.iter().all(Result::is_ok));
        assert_eq!(runs.get(), 16 + 640, "on one node no decision meets a conflict");
        for wallet in 0..16 {
            assert_eq!(crate::wallet::balance(&app, &format!("w-{wallet}")).await, 40);
        }
        assert!(cache(&app).bytes <= 200, "{:?}", cache(&app));
        app.shutdown().await.unwrap();
    })
    .await;
}
