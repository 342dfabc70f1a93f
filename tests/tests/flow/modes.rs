//! Live, inline, asynchronous: the word may be changed over a store in use, and nothing is counted twice or not at all.

use std::collections::BTreeMap;

use annals::Annals;
use annals::app::{Builder, StartError};
use annals::prelude::*;
use annals::view::processor_name;

use crate::given::{Dice, Faults, Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// One view under one name, as three programs have it.
macro_rules! balances {
    ($($view:ident $mode:ident)*) => {$(
        #[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
        #[view(name = "modes.balance", key = String, $mode)]
        struct $view {
            total: i64,
        }

        #[view_handlers]
        impl $view {
            #[handle(key = group)]
            fn counted(&mut self, event: &Counted) {
                self.total += event.amount;
            }
        }
    )*};
}
balances! { Asynchronous asynchronous Inline inline Live live }

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Asynchronous,
    Inline,
    Live,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Asynchronous, Self::Inline, Self::Live];

    fn program(self) -> Builder {
        match self {
            Self::Asynchronous => tallies().include::<Asynchronous>(),
            Self::Inline => tallies().include::<Inline>(),
            Self::Live => tallies().include::<Live>(),
        }
    }

    async fn total(self, app: &Annals, group: &String) -> i64 {
        let total = match self {
            Self::Asynchronous => app.view::<Asynchronous>().get(group).await.unwrap().map(|view| view.total),
            Self::Inline => app.view::<Inline>().get(group).await.unwrap().map(|view| view.total),
            Self::Live => app.view::<Live>().get(group).await.unwrap().map(|view| view.total),
        };
        total.unwrap_or_default()
    }
}

#[tokio::test]
async fn the_word_that_says_when_a_view_is_folded_may_change_from_start_to_start() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    for lasting in Lasting::each() {
        let mut dice = Dice::seeded(seed);
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for _ in 0..10 {
            let mode = Mode::ALL[usize::try_from(dice.below(3)).unwrap()];
            let app = lasting.start(mode.program()).await;
            for _ in 0..dice.below(20) {
                let (group, amount) = (format!("g{}", dice.below(6)), 1 + i64::try_from(dice.below(9)).unwrap());
                count_in(&app, &group, &format!("{group}-t"), amount).await;
                *expected.entry(group).or_default() += amount;
            }
            if dice.below(3) > 0 {
                app.settled(PATIENCE).await.unwrap();
            }
            if mode != Mode::Asynchronous || dice.below(2) == 0 {
                app.settled(PATIENCE).await.unwrap();
                for (group, total) in &expected {
                    assert_eq!(mode.total(&app, group).await, *total, "{group} {mode:?} at {}", lasting.url());
                }
            }
            app.shutdown().await.unwrap();
        }
    }
}

/// What others append inline while this program counts behind the stored events would be counted twice.
#[tokio::test]
async fn nobody_leaves_inline_while_others_may_still_append_with_it() {
    for lasting in Lasting::each() {
        let old = lasting.start(Mode::Inline.program().node(|node| node.name = "old".into())).await;
        count(&old, "a", 3).await;
        for mode in [Mode::Asynchronous, Mode::Live] {
            let refused = lasting.try_start(mode.program()).await.unwrap_err();
            let StartError::Inline { token, .. } = &refused else { panic!("{refused}") };
            assert_eq!(token, "view:modes.balance@1");
            assert!(format!("{refused:?}").contains("events that old may still append with it"), "{refused:?}");
        }
        old.shutdown().await.unwrap();
        let app = lasting.start(Mode::Asynchronous.program()).await;
        count(&app, "a", 4).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(Mode::Asynchronous.total(&app, &"a".to_owned()).await, 7);
        app.shutdown().await.unwrap();
    }
}

/// It would have to guess what is in the documents.
#[tokio::test]
async fn a_view_with_dead_letters_does_not_become_inline() {
    /// A view that fails on demand, as an asynchronous one and as an inline one.
    macro_rules! picky {
        ($($view:ident $mode:ident)*) => {$(
            #[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
            #[view(name = "modes.picky", key = String, $mode)]
            struct $view {
                times: u32,
            }

            #[view_handlers]
            impl $view {
                #[handle(key = group)]
                fn counted(&mut self, event: &Counted, faults: &Faults) {
                    assert!(!faults.strike(&event.amount.to_string()), "told to fail");
                    self.times += 1;
                }
            }
        )*};
    }
    picky! { Picky asynchronous InlinePicky inline }

    for lasting in Lasting::each() {
        let faults = Faults::default();
        faults.fail("13", u32::MAX);
        let picky = || tallies().include::<Picky>().resource(faults.clone());
        let app = lasting.start(picky()).await;
        count(&app, "a", 13).await;
        count(&app, "b", 1).await;
        app.settled(PATIENCE).await.unwrap();
        app.shutdown().await.unwrap();

        let inline = || tallies().include::<InlinePicky>().resource(faults.clone());
        let refused = lasting.try_start(inline()).await.unwrap_err();
        assert!(format!("{refused:?}").contains("1 dead letters wait"), "{refused:?}");

        let app = lasting.start(picky()).await;
        faults.heal("13");
        let processor = processor_name::<Picky>();
        let letters = app.processors().dead_letters(&processor).await.unwrap();
        app.processors().retry(&letters[0]).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        app.shutdown().await.unwrap();
        let app = lasting.start(inline()).await;
        count(&app, "a", 2).await;
        assert_eq!(app.view::<InlinePicky>().get(&"a".to_owned()).await.unwrap().unwrap().times, 2);
        app.shutdown().await.unwrap();
    }
}

/// A program that is to run a view inline begins when those have let go of it that run it otherwise.
#[tokio::test]
async fn who_is_to_run_inline_waits_for_those_who_do_not() {
    for lasting in Lasting::each() {
        let old = lasting.start(Mode::Asynchronous.program()).await;
        for amount in 1..=50 {
            count_in(&old, &format!("g{}", amount % 5), &format!("t{}", amount % 5), amount).await;
        }
        let claimed = async || {
            let status = old.processors().status().await.unwrap().remove(0);
            status.segments.iter().all(|segment| segment.owner.is_some()).then_some(())
        };
        eventually("it is claimed", claimed).await;
        let (new, ()) = tokio::join!(lasting.start(Mode::Inline.program()), async {
            count(&old, "g0", 1000).await;
            old.shutdown().await.unwrap();
        });
        let all = 0..5_i64;
        let expected = |group: i64| (1..=50).filter(|amount| amount % 5 == group).sum::<i64>();
        for group in all {
            let more = if group == 0 { 1000 } else { 0 };
            assert_eq!(Mode::Inline.total(&new, &format!("g{group}")).await, expected(group) + more, "g{group}");
        }
        new.shutdown().await.unwrap();
    }
}
