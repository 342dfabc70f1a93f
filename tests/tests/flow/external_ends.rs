//! What external handlers have not handled is handled later, in its order, however calls, segments and programs end.

use std::collections::BTreeMap;

use annals::prelude::*;
use annals::processor::{ErrorPolicy, OnError};
use annals::registry::Problem;
use annals::{Annals, StartError};

use crate::external::*;
use crate::given::{Dice, Lasting, PATIENCE, eventually};
use crate::tallies::*;

#[tokio::test]
async fn nothing_of_a_sequence_is_called_behind_an_event_at_which_it_stopped() {
    for lasting in Lasting::each() {
        let app = lasting.start(tallies()).await;
        for amount in 1..=3 {
            count(&app, "a", amount).await;
        }
        app.shutdown().await.unwrap();
        let post = Post::default();
        post.faults.fail("a:1", 1);
        let app = lasting.start(posted(&post, |config| config.on_error = ErrorPolicy::always(OnError::Stop))).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(post.lines(), ["a:1", "a:1", "a:2", "a:3"]);
        app.shutdown().await.unwrap();
    }
}

/// Its segment begins anew behind the event at which it stopped, and has the call under way already.
#[tokio::test]
async fn a_call_that_is_under_way_while_its_segment_stops_is_made_once() {
    for lasting in Lasting::each() {
        let app = lasting.start(tallies()).await;
        for (tally, amount) in [("a", 60), ("b", 1)] {
            count(&app, tally, amount).await;
        }
        app.shutdown().await.unwrap();
        let post = Post::default();
        post.open(false);
        post.faults.fail("a:60", 3);
        let stops = |config: &mut annals::processor::ProcessorConfig| {
            (config.segments, config.on_error) = (1, ErrorPolicy::always(OnError::Stop));
        };
        let app = lasting.start(posted(&post, stops)).await;
        let times = |line: &str| post.lines().iter().filter(|called| *called == line).count();
        eventually("both are called", async || (times("a:60") >= 1 && times("b:1") >= 1).then_some(())).await;
        post.open(true);
        app.settled(PATIENCE).await.unwrap();
        assert_eq!((times("a:60"), times("b:1")), (4, 1), "{:?}", post.lines());
        app.shutdown().await.unwrap();
    }
}

/// The handler did nothing wrong: it had less time than it may take.
#[tokio::test]
async fn a_call_that_a_shut_down_ends_is_no_failure_of_its_handler() {
    let lasting = Lasting::file();
    let post = Post::default();
    post.open(false);
    let once = |config: &mut annals::processor::ProcessorConfig| config.attempts = 1;
    let app = lasting.start(posted(&post, once)).await;
    count(&app, "a", 1).await;
    post.under_way(1).await;
    app.shutdown().await.unwrap();
    post.open(true);
    let app = lasting.start(posted(&post, once)).await;
    app.settled(PATIENCE).await.unwrap();
    assert_eq!(app.processors().dead_letters("post").await.unwrap(), []);
    assert_eq!(post.done(), ["a:1"]);
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn no_event_goes_well_before_one_of_its_sequence_that_fails() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    for lasting in Lasting::each() {
        let mut dice = Dice::seeded(seed);
        let post = Post::default();
        let app: Annals = lasting.start(posted(&post, |config| config.batch = 16)).await;
        let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for amount in 100..220 {
            let tally = format!("t{}", dice.below(5));
            let line = format!("{tally}:{amount}");
            if dice.below(4) == 0 {
                post.faults.fail(line.clone(), 1 + u32::try_from(dice.below(2)).unwrap());
            }
            count(&app, &tally, amount).await;
            sent.entry(tally).or_default().push(line);
        }
        app.settled(PATIENCE).await.unwrap();
        for (tally, lines) in sent {
            let done: Vec<String> =
                post.done().into_iter().filter(|line| line.starts_with(&format!("{tally}:"))).collect();
            assert_eq!(done, lines);
        }
        app.shutdown().await.unwrap();
    }
}

/// Fails, under a name of its own, and under that of its processor.
struct Fails;

#[event_handlers(processor = "renamed")]
impl Fails {
    #[handle]
    fn counted(&self, _event: &Counted) -> Result<(), HandlerError> {
        Err(HandlerError::permanent("told to fail"))
    }
}

/// What it is in the next program.
#[derive(Clone, Default)]
struct Works(Recorder);

#[event_handlers(processor = "renamed")]
impl Works {
    #[handle]
    fn counted(&self, event: &Counted) {
        self.0.faults.strike(&event.tally);
    }
}

#[derive(Clone, Default)]
struct Other;

#[event_handlers(processor = "renamed", name = "other")]
impl Other {
    #[handle]
    fn counted(&self, _event: &Counted) {}
}

#[tokio::test]
async fn a_dead_letter_belongs_to_a_stored_name_and_is_never_given_up_for_want_of_it() {
    for lasting in Lasting::each() {
        let app = lasting.start(tallies().include::<Fails>().resource(Fails)).await;
        for amount in 1..=2 {
            count(&app, "a", amount).await;
        }
        app.settled(PATIENCE).await.unwrap();
        app.shutdown().await.unwrap();

        // Nobody in this program has the name.
        let app = lasting.start(tallies().include::<Other>().resource(Other)).await;
        let letters = app.processors().dead_letters("renamed").await.unwrap();
        assert_eq!((letters.len(), letters[0].component.as_str()), (2, "renamed"));
        app.processors().retry(&letters[0]).await.unwrap();
        let told = async || {
            let letter = app.processors().dead_letters("renamed").await.unwrap().remove(0);
            letter.error.contains("no component of `renamed` is called `renamed`").then_some(())
        };
        eventually("it is told", told).await;
        app.shutdown().await.unwrap();

        // A type of another name has it.
        let works = Works::default();
        let app = lasting.start(tallies().include::<Works>().resource(works)).await;
        let letters = app.processors().dead_letters("renamed").await.unwrap();
        assert_eq!(letters.len(), 2);
        app.processors().retry(&letters[0]).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(app.processors().dead_letters("renamed").await.unwrap(), []);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn components_of_one_processor_need_names_and_settings_have_limits() {
    let lasting = Lasting::file();
    let both = tallies().include::<Fails>().include::<Works>().resource(Fails).resource(Works::default());
    let refused = lasting.try_start(both).await.unwrap_err();
    let StartError::Problems(problems) = &refused else { panic!("{refused:?}") };
    let double =
        problems.iter().find(|problem| matches!(problem, Problem::DuplicateComponent { .. })).unwrap().to_string();
    assert!(
        double.contains("two components of the processor `renamed`") && double.contains("name = \"totals\""),
        "{double}"
    );

    let app = lasting.start(tallies()).await;
    let unknown = app.processors().dead_letters("mial").await.unwrap_err().to_string();
    assert!(unknown.starts_with("there is no processor `mial`"), "{unknown}");
    app.shutdown().await.unwrap();

    let refused = lasting.try_start(tallies().processors(|all| all.segments = 5000)).await.unwrap_err();
    assert_eq!(refused.to_string(), "`segments` of all processors is 5000, and has to be 1 to 1024");
    let post = Post::default();
    let refused = lasting.try_start(posted(&post, |config| config.concurrency = 0)).await.unwrap_err();
    assert_eq!(refused.to_string(), "`concurrency` of the processor `post` is 0, and has to be at least 1");
}
