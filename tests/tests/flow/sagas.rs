//! Sagas: what they want happens, once, in order, and one that is stuck holds up nobody else.

use std::time::Duration;

use annals::prelude::*;
use annals_tests::orders::*;

use crate::book::*;
use crate::errand::*;
use crate::given::{Lasting, PATIENCE, app, eventually};

#[tokio::test]
async fn an_order_is_decided_by_what_the_stock_says() {
    for lasting in Lasting::each() {
        let app = app().include::<Order>().include::<Stock>().include::<OrderSummary>().include::<Fulfilment>();
        let app = lasting.start(app).await;
        app.send(AddStock { sku: "tea".into(), quantity: 5 }).await.unwrap();
        for order in ["o-1", "o-2"] {
            app.send(PlaceOrder { order: order.into(), sku: "tea".into(), quantity: 3 }).await.unwrap();
        }
        app.settled(PATIENCE).await.unwrap();
        let mut decided = Vec::new();
        for order in ["o-1", "o-2"] {
            decided.push(app.query(FindOrder { order: order.into() }).await.unwrap().unwrap().status);
        }
        assert_eq!(decided, ["approved", "rejected: only 2 left"]);
        assert_eq!(app.aggregate::<Stock>("tea").load().await.unwrap().unwrap().state.left, 2);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_rejection_comes_back_with_the_domains_own_error() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        begin(&app, "e", &[note("book", "no way"), note("book", "yes")]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["yes", "refused: no way"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_rejection_that_nobody_handles_parks_the_command_and_others_go_on() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        begin(&app, "stuck", &[whisper("book", "no word"), note("book", "behind it")]).await;
        begin(&app, "fine", &[note("book", "fine")]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["fine"]);
        let open = open_effects(&app).await;
        let [parked, behind] = &open[..] else { panic!("{open:?}") };
        let reason = parked.parked.clone().unwrap_or_default();
        assert!(parked.name == "book.whisper" && reason.contains("no word"), "it needs attention: {reason}");
        assert_eq!((behind.name.as_str(), &behind.parked), ("book.note", &None), "it keeps its place behind");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn commands_of_one_instance_keep_their_order_whatever_their_targets() {
    for lasting in Lasting::each() {
        let trouble = Troublemaker::default();
        trouble.faults.fail("before 2", 3);
        trouble.faults.fail("5", 2);
        let app = lasting.start(errands().handler_interceptor(trouble)).await;
        let todo: Vec<Do> = (0..8).map(|n| note(&format!("book-{}", n % 3), &n.to_string())).collect();
        begin(&app, "e", &todo).await;
        app.settled(PATIENCE).await.unwrap();
        let mut all = Vec::new();
        for book in 0..3 {
            for entry in app.aggregate::<Book>(format!("book-{book}")).history().await.unwrap() {
                all.push((entry.recorded.position, entry.payload["text"].as_str().unwrap().to_owned()));
            }
        }
        all.sort();
        let texts: Vec<String> = all.into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "6", "7"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn instances_side_by_side_do_not_meet() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        for errand in ["a", "b"] {
            begin(&app, errand, &[]).await;
        }
        tell(&app, "a", &[note("a", "for a")]).await;
        tell(&app, "b", &[note("b", "for b")]).await;
        close(&app, "a").await;
        tell(&app, "a", &[note("a", "too late")]).await;
        tell(&app, "b", &[note("b", "still there")]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "a").await, ["for a"]);
        assert_eq!(lines(&app, "b").await, ["for b", "still there"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn one_association_begins_one_instance() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        begin(&app, "e", &[]).await;
        begin(&app, "e", &[]).await;
        // With two instances the text would stand there twice.
        tell(&app, "e", &[note("book", "once")]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["once"]);
        // An event of a saga that nobody has begun begins none.
        tell(&app, "nobody", &[note("book", "never")]).await;
        // When it has ended the same association begins another one.
        close(&app, "e").await;
        begin(&app, "e", &[note("book", "again")]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["once", "again"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn associations_come_and_go_while_it_runs() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        begin(&app, "e", &[associate("p1"), associate("p2")]).await;
        begin(&app, "f", &[associate("p2")]).await;
        find(&app, "p1").await;
        find(&app, "p2").await;
        tell(&app, "e", &[dissociate("p1")]).await;
        find(&app, "p1").await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "e").await, ["found p1", "found p2"], "p1 is no longer its business");
        assert_eq!(lines(&app, "f").await, ["found p2"], "an event may concern several");
        tell(&app, "e", &[associate("p1")]).await;
        find(&app, "p1").await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "e").await, ["found p1", "found p2", "found p1"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_end_voids_associations_but_not_the_commands_that_were_sent() {
    for lasting in Lasting::each() {
        let trouble = Troublemaker::default();
        trouble.faults.fail("before farewell", 4);
        let app = lasting.start(errands().handler_interceptor(trouble.clone())).await;
        begin(&app, "e", &[associate("p"), note("book", "farewell"), note("book", "no answer"), Do::End]).await;
        find(&app, "p").await;
        tell(&app, "e", &[note("book", "too late")]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["farewell"], "tried again after the end, and the rejection is ignored");
        assert_eq!(lines(&app, "e").await, [""; 0]);
        assert!(open_effects(&app).await.is_empty());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_whose_handler_panics_waits_and_others_go_on() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        begin(&app, "bad", &[]).await;
        tell(&app, "bad", &[note("book", "lost with the panic"), Do::Panic]).await;
        tell(&app, "bad", &[note("book", "behind it")]).await;
        begin(&app, "good", &[note("book", "good")]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["good"]);
        let stuck = app.sagas().attention().await.unwrap();
        let [stuck] = &stuck[..] else { panic!("{stuck:?}") };
        assert!(stuck.attention.as_deref().is_some_and(|reason| reason.contains("told to panic")), "{stuck:?}");
        let sagas = app.sagas().of::<Errand>();
        assert!(sagas.retry(stuck.id).await.unwrap());
        assert_eq!(app.sagas().attention().await.unwrap().len(), 1, "it panics again");
        assert!(sagas.skip(stuck.id).await.unwrap());
        assert!(app.sagas().attention().await.unwrap().is_empty());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["good", "behind it"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_command_is_repeated_under_its_id_and_has_one_effect() {
    for lasting in Lasting::each() {
        let trouble = Troublemaker::default();
        trouble.faults.fail("once", 4);
        trouble.faults.fail("no, once", 3);
        let app = lasting.start(errands().handler_interceptor(trouble.clone())).await;
        begin(&app, "e", &[note("book", "once"), note("book", "no, once"), note("book", "calmly")]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["once", "calmly", "refused: no, once"]);
        for (text, attempts) in [("once", 5), ("no, once", 4), ("calmly", 1)] {
            let ids = trouble.tried(text);
            assert_eq!(ids.len(), attempts, "{text}");
            assert!(ids.iter().all(|id| *id == ids[0]), "{text}: {ids:?}");
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_panic_around_a_command_needs_attention_and_others_go_on() {
    for lasting in Lasting::each() {
        let trouble = Troublemaker::default();
        trouble.faults.fail("panic loudly", u32::MAX);
        let app = lasting.start(errands().handler_interceptor(trouble)).await;
        begin(&app, "bad", &[note("book", "loudly")]).await;
        begin(&app, "good", &[note("book", "calmly")]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["calmly"]);
        let parked = open_effects(&app).await.remove(0).parked.unwrap_or_default();
        assert!(parked.contains("told to panic"), "{parked}");
        app.shutdown().await.unwrap();
    }
}

/// A participant that takes a command and never comes back holds up the instance that waits for it, and no other.
#[tokio::test]
async fn a_command_that_is_never_answered_holds_up_nobody_else() {
    for lasting in Lasting::each() {
        let clock = annals::testing::TestClock::default();
        let trouble = Troublemaker::default();
        trouble.faults.fail("hang silence", u32::MAX);
        let app = lasting.start(errands().handler_interceptor(trouble.clone()).clock(clock.clone())).await;
        begin(&app, "stuck", &[note("void", "silence"), deadline("soon", 60)]).await;
        // More for the same target than the dispatcher looks at in one go.
        for behind in 0..300 {
            begin(&app, &format!("behind-{behind}"), &[note("void", "patience")]).await;
        }
        eventually("it is under way", async || trouble.tried("silence").first().copied()).await;
        begin(&app, "fine", &[note("book", "fine")]).await;
        eventually("the other one is delivered", async || (lines(&app, "book").await == ["fine"]).then_some(())).await;
        // The deadline of the one that hangs fires all the same; what it sends has its place behind the hanging one.
        clock.advance(Duration::from_secs(60));
        let waiting = async || {
            let open = app.journal().store().sagas().open_effects("", "errand", None, 1000).await.unwrap();
            open.into_iter().find(|effect| effect.number == 2)
        };
        let behind = eventually("the deadline fires", waiting).await;
        assert_eq!(behind.name, Note::NAME);
        // A shut-down does not wait for it either; it is sent again after the next start.
        tokio::time::timeout(PATIENCE, app.shutdown()).await.expect("the shut-down hangs").unwrap();
        let app = lasting.start(errands().clock(clock)).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "void").await.len(), 301);
        assert_eq!(lines(&app, "stuck").await, ["soon is over"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_saga_sends_belongs_to_the_conversation_that_began_it() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        let tell = Tell { errand: "e".into(), begin: true, todo: vec![note("book", "hello")] };
        let sent = app.send(tell).metadata("user", "ada").await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let entry = app.aggregate::<Book>("book").history().await.unwrap().remove(0);
        let metadata = entry.recorded.metadata();
        assert_eq!(metadata.correlation_id(), Some(sent.command.to_string().as_str()));
        assert_eq!(metadata.get("user"), Some("ada"));
        assert_ne!(metadata.causation_id(), metadata.correlation_id(), "it was caused by the saga's own command");
        app.shutdown().await.unwrap();
    }
}
