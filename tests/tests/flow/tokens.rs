//! Tracking tokens and claims: a processor goes on where it stopped, in one place at a time.

use annals::Annals;
use annals::app::Builder;
use annals::store::ClaimError;

use crate::given::{Dice, Lasting, PATIENCE, eventually};
use crate::tallies::*;

async fn sum(app: &Annals) -> Sums {
    app.view::<Sums>().get(&"all".to_owned()).await.unwrap().unwrap_or_default()
}

async fn runs_here(app: &Annals) -> bool {
    app.processors().status().await.unwrap().iter().all(|processor| processor.runs_here)
}

fn sums() -> Builder {
    tallies().include::<Sums>().processors(|config| config.batch = 4)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_many_restarts_each_event_is_handled_exactly_once() {
    for lasting in Lasting::each() {
        let seed = Dice::any_seed();
        println!("seed {seed}");
        let mut dice = Dice::seeded(seed);
        let mut counted = 0;
        for round in 0..20 {
            let app = lasting.start(sums()).await;
            for _ in 0..dice.below(12) {
                count_in(&app, "all", &format!("t{}", dice.below(5)), 1).await;
                counted += 1;
            }
            // In turn: after everything was handled, in the middle of it, and without a word.
            match round % 3 {
                0 => {
                    app.settled(PATIENCE).await.unwrap();
                    app.shutdown().await.unwrap();
                }
                1 => app.shutdown().await.unwrap(),
                _ => drop(app),
            }
        }
        let app = lasting.start(sums()).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(sum(&app).await, Sums { total: counted, times: u32::try_from(counted).unwrap() });
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_applications_on_one_file_one_runs_the_processors() {
    let file = Lasting::file();
    let first = file.start(sums()).await;
    eventually("the first claims", async || runs_here(&first).await.then_some(())).await;
    let second = file.start(sums()).await;
    let held = second.journal().store().claim("", "view:sums@1").await;
    assert!(matches!(held, Err(ClaimError::Held { .. })), "{held:?}");

    // What the second appends the first handles, and the second can wait for it.
    let sent = count_in(&second, "all", "t", 1).await;
    assert_eq!(second.query(SumOf { group: "all".into() }).after(&sent).await.unwrap(), 1);
    second.settled(PATIENCE).await.unwrap();
    assert!(runs_here(&first).await && !runs_here(&second).await);

    first.shutdown().await.unwrap();
    let sent = count_in(&second, "all", "t", 1).await;
    eventually("the second takes over", async || runs_here(&second).await.then_some(())).await;
    assert_eq!(second.query(SumOf { group: "all".into() }).after(&sent).await.unwrap(), 2);
    assert_eq!(sum(&second).await, Sums { total: 2, times: 2 });
    second.shutdown().await.unwrap();
}

/// Whoever claims a processor fences off its owner: the owner's next page is refused as a whole. Here the newcomer
/// claims and does nothing, so the owner claims again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_lost_the_claim_writes_nothing() {
    for lasting in Lasting::each() {
        let app = lasting.start(sums()).await;
        eventually("it is claimed", async || runs_here(&app).await.then_some(())).await;
        let mut fences = Vec::new();
        for _ in 0..3 {
            let claim = app.journal().store().claim("", "view:sums@1").await.unwrap();
            let position = claim.position;
            fences.push(claim.fence);
            for tally in 0..10 {
                count_in(&app, "all", &format!("t{tally}"), 1).await;
            }
            // Under a claim that nobody else has taken since, nothing may have been written.
            let mut transaction = app.journal().store().begin().await.unwrap();
            if transaction.guard(&claim).await.is_ok() {
                assert_eq!(app.journal().store().token("", "view:sums@1").await.unwrap(), Some(position));
            }
            drop(transaction);
            app.settled(PATIENCE).await.unwrap();
        }
        assert_eq!(sum(&app).await, Sums { total: 30, times: 30 });
        let after = app.journal().store().claim("", "view:sums@1").await.unwrap().fence;
        assert!(after >= fences[2] + 2 && fences[1] >= fences[0] + 2, "the owner claimed again: {fences:?}, {after}");
        app.shutdown().await.unwrap();
    }
}

/// Two applications that take the claim from each other all the time still handle each event once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_who_quarrel_double_nothing() {
    let lasting = Lasting::each().into_iter().next().unwrap();
    let (first, second) = (lasting.start(sums()).await, lasting.start(sums()).await);
    for number in 0..200 {
        let app = if number % 2 == 0 { &first } else { &second };
        count_in(app, "all", &format!("t{}", number % 7), 1).await;
        if number % 20 == 0 {
            app.journal().store().claim("", "view:sums@1").await.unwrap();
        }
    }
    first.settled(PATIENCE).await.unwrap();
    assert_eq!(sum(&second).await, Sums { total: 200, times: 200 });
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_status_says_how_far_a_processor_is() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        let app = lasting.start(recorded_by(&recorder)).await;
        count(&app, "t", 1).await;
        app.settled(PATIENCE).await.unwrap();
        // What no handler asks for is passed over, and counts as handled.
        app.send(Clear { tally: "t".into(), group: "t".into() }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let status = app.processors().status().await.unwrap().remove(0);
        assert_eq!((status.name.as_str(), status.position.get(), status.head.get()), ("recorder", 2, 2));
        assert!(status.runs_here && status.dead_letters == 0);
        app.shutdown().await.unwrap();
    }
}
