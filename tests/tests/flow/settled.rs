//! `settled` waits for everything that follows from what was done, and says what is left when time is over.

use std::time::Duration;

use annals::app::SettleError;
use annals_tests::orders::*;

use crate::book::{Troublemaker, lines};
use crate::errand::{begin, errands, note};
use crate::given::{Lasting, PATIENCE, app, eventually};
use crate::tallies::{Recorder, count, recorded_by};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_the_whole_chain_behind_each_order() {
    for lasting in Lasting::each() {
        let app = app().include::<Order>().include::<Stock>().include::<OrderSummary>().include::<Fulfilment>();
        let app = lasting.start(app).await;
        app.send(AddStock { sku: "tea".into(), quantity: 30 }).await.unwrap();
        for round in 0..10 {
            for order in 0..5 {
                let order = format!("o-{round}-{order}");
                app.send(PlaceOrder { order, sku: "tea".into(), quantity: 1 }).await.unwrap();
            }
            app.settled(PATIENCE).await.unwrap();
            let orders = app.view::<OrderSummary>().list(None, 100).await.unwrap();
            assert_eq!(orders.len(), (round + 1) * 5);
            let open = orders.iter().find(|(_, order)| order.status == "placed");
            assert!(open.is_none(), "round {round}: {open:?}");
        }
        let orders = app.view::<OrderSummary>().list(None, 100).await.unwrap();
        assert_eq!(orders.iter().filter(|(_, order)| order.status == "approved").count(), 30);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn it_is_quick_when_there_is_nothing_to_wait_for() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        app.settled(Duration::ZERO).await.unwrap();
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn it_names_the_command_that_is_not_answered() {
    for lasting in Lasting::each() {
        let trouble = Troublemaker::default();
        trouble.faults.fail("hang silence", u32::MAX);
        let app = lasting.start(errands().handler_interceptor(trouble.clone())).await;
        begin(&app, "e", &[note("void", "silence")]).await;
        eventually("it is under way", async || trouble.tried("silence").first().copied()).await;
        let Err(SettleError::Busy { left }) = app.settled(Duration::from_millis(50)).await else { panic!("settled") };
        assert!(left.contains("errand") && left.contains("book.note"), "{left}");
        assert!(lines(&app, "void").await.is_empty());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_names_the_processor_that_is_behind_and_the_one_that_tries_again() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        let app = lasting.start(recorded_by(&recorder).processors(|config| config.attempts = 1000)).await;
        recorder.close_gate();
        count(&app, "t", 1).await;
        let Err(SettleError::Busy { left }) = app.settled(Duration::from_millis(50)).await else { panic!("settled") };
        assert!(left.contains("recorder") && left.contains("of 1"), "{left}");
        recorder.faults.fail("t:1", u32::MAX);
        recorder.open_gate();
        let tried = async || app.processors().dead_letters("recorder").await.unwrap().pop();
        eventually("it is tried", tried).await;
        let Err(SettleError::Busy { left }) = app.settled(Duration::from_millis(50)).await else { panic!("settled") };
        assert!(left.contains("recorder") && left.contains("again"), "{left}");
        recorder.faults.heal("t:1");
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(recorder.seen(), ["t:1"]);
        app.shutdown().await.unwrap();
    }
}
