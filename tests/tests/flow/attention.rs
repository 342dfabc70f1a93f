//! What becomes of a saga's command that was given up, and of records that a saga still needs.

use annals::prelude::*;
use annals::saga::{SagaError, SagaFilter, SagaInstance, SagaStatus};

use crate::book::*;
use crate::errand::*;
use crate::given::{Lasting, PATIENCE, eventually};

/// The only instance that needs attention.
async fn stuck(app: &Annals) -> SagaInstance {
    let one = async || app.sagas().attention().await.unwrap().pop();
    eventually("the saga needs attention", one).await
}

fn reason(instance: &SagaInstance) -> &str {
    instance.attention.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn a_parked_command_says_why_and_can_be_left_out() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        begin(&app, "e", &[whisper("book", "no whispering"), note("book", "after it")]).await;
        let stuck = stuck(&app).await;
        let sagas = app.sagas().of::<Errand>();
        let parked = sagas.open(stuck.id).await.unwrap().remove(0);
        assert_eq!((stuck.saga.as_str(), parked.name.as_str()), ("errand", Whisper::NAME));
        assert!(reason(&stuck).contains("no whispering"), "{stuck:?}");
        assert!(lines(&app, "book").await.is_empty(), "what stands behind it waits");
        assert!(sagas.skip(stuck.id).await.unwrap());
        let written = async || (lines(&app, "book").await == ["after it"]).then_some(());
        eventually("what stood behind it is sent", written).await;
        assert!(app.sagas().attention().await.unwrap().is_empty());
        app.shutdown().await.unwrap();
    }
}

/// An instance that has ended while a command is parked, and one stands behind it: nobody handles them yet.
async fn ended_and_stuck(app: &Annals) -> SagaInstance {
    begin(app, "e", &[note("book", "first"), note("book", "second")]).await;
    close(app, "e").await;
    let ended = async || app.sagas().attention().await.unwrap().pop().filter(|errand| errand.status.is_ended());
    eventually("it has ended, and needs attention", ended).await
}

fn without_book() -> annals::app::Builder {
    crate::given::app().include::<Master>().include::<Errand>()
}

#[tokio::test]
async fn a_command_that_is_parked_when_its_instance_has_ended_is_looked_after_as_well() {
    for lasting in Lasting::each() {
        let app = lasting.start(without_book()).await;
        begin(&app, "e", &[note("book", "first"), note("book", "second")]).await;
        stuck(&app).await;
        close(&app, "e").await;
        app.settled(PATIENCE).await.unwrap();
        let stuck = stuck(&app).await;
        assert_eq!(stuck.status, SagaStatus::Completed);
        app.shutdown().await.unwrap();

        let app = lasting.start(errands()).await;
        let sagas = app.sagas().of::<Errand>();
        assert!(sagas.retry(stuck.id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["first", "second"]);
        let ended = sagas.get(stuck.id).await.unwrap().unwrap();
        assert_eq!((ended.status, ended.attention), (SagaStatus::Completed, None));
        assert_eq!(ended.state, stuck.state, "it takes no more input");
        assert!(!sagas.retry(stuck.id).await.unwrap(), "nothing is left to look after");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_command_of_an_instance_that_has_ended_can_be_left_out() {
    for lasting in Lasting::each() {
        let app = lasting.start(without_book()).await;
        let stuck = ended_and_stuck(&app).await;
        app.shutdown().await.unwrap();

        let app = lasting.start(errands()).await;
        assert!(app.sagas().of::<Errand>().skip(stuck.id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["second"]);
        assert!(app.sagas().attention().await.unwrap().is_empty());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_an_instance_that_has_ended_still_wants_can_be_dropped() {
    for lasting in Lasting::each() {
        let app = lasting.start(without_book()).await;
        let stuck = ended_and_stuck(&app).await;
        let sagas = app.sagas().of::<Errand>();
        assert!(!sagas.compensate(stuck.id).await.unwrap(), "it is over");
        assert!(sagas.abort(stuck.id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(sagas.get(stuck.id).await.unwrap().unwrap().status, SagaStatus::Completed, "as it had ended");
        assert!(sagas.open(stuck.id).await.unwrap().is_empty());
        assert!(app.sagas().attention().await.unwrap().is_empty());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn the_input_that_begins_an_instance_cannot_be_left_out() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        begin(&app, "e", &[crate::errand::Do::Panic]).await;
        let stuck = stuck(&app).await;
        let sagas = app.sagas().of::<Errand>();
        let refused = sagas.skip(stuck.id).await;
        assert!(matches!(refused, Err(SagaError::NotBegun { .. })), "{refused:?}");
        assert!(sagas.abort(stuck.id).await.unwrap());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_command_whose_answer_is_handled_is_not_replaced_by_one_whose_answer_is_not() {
    for lasting in Lasting::each() {
        let app = lasting.start(without_book()).await;
        begin(&app, "e", &[note("book", "first")]).await;
        let stuck = stuck(&app).await;
        let other = Whisper { book: "book".into(), text: "instead".into() };
        let refused = app.sagas().of::<Errand>().replace(stuck.id, &other).await;
        assert!(matches!(refused, Err(SagaError::Unanswered { .. })), "{refused:?}");
        let parked = app.sagas().of::<Errand>().open(stuck.id).await.unwrap();
        assert_eq!(parked[0].name, Note::NAME, "it stays as it was");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_beyond_all_measure_can_be_stored_and_read() {
    for lasting in Lasting::each() {
        let app = lasting.start(errands()).await;
        let zero = "nul\0byte";
        begin(&app, "e", &[crate::errand::deadline("late", u64::MAX), associate(zero)]).await;
        app.settled(PATIENCE).await.unwrap();
        let sagas = app.sagas().of::<Errand>();
        let [errand] = &sagas.list(&SagaFilter::running()).await.unwrap()[..] else { panic!("one errand runs") };
        let due = sagas.deadlines(errand.id).await.unwrap()[0].due;
        assert_eq!(due.to_string(), "9999-12-30T22:00:00Z");
        assert!(!sagas.history(errand.id).await.unwrap().is_empty(), "its history can be read");
        assert_eq!(errand.associations, sagas.get(errand.id).await.unwrap().unwrap().associations);
        assert_eq!(errand.associations.len(), 2, "a list tells them too");
        assert_eq!(sagas.find("parcel", zero).await.unwrap().len(), 1);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_parked_command_is_sent_again_when_its_cause_is_mended() {
    for lasting in Lasting::each() {
        // Nobody handles the saga's command yet.
        let app = lasting.start(without_book()).await;
        begin(&app, "e", &[note("book", "at last")]).await;
        let before = stuck(&app).await;
        assert!(reason(&before).contains("no handler"), "{before:?}");
        app.shutdown().await.unwrap();

        let app = lasting.start(errands()).await;
        let still = stuck(&app).await;
        assert_eq!(still, before, "a restart alone changes nothing");
        assert!(app.sagas().of::<Errand>().retry(still.id).await.unwrap());
        let written = async || (lines(&app, "book").await == ["at last"]).then_some(());
        eventually("it is sent again", written).await;
        app.settled(PATIENCE).await.unwrap();
        app.shutdown().await.unwrap();
    }
}

/// Guarantee 8: a command that may be sent again keeps its record, however old, so that it has one effect.
#[tokio::test]
async fn the_record_of_a_command_that_is_not_done_is_never_forgotten() {
    for lasting in Lasting::each() {
        let trouble = Troublemaker::default();
        // It is executed, and nobody learns of it.
        trouble.faults.fail("once", u32::MAX);
        let app = lasting.start(errands().handler_interceptor(trouble.clone())).await;
        begin(&app, "e", &[note("book", "once")]).await;
        eventually("it was executed", async || (!lines(&app, "book").await.is_empty()).then_some(())).await;
        let far_off = Timestamp::from_micros(i64::MAX);
        assert_eq!(app.journal().store().forget_commands(far_off).await.unwrap(), 0);
        trouble.faults.heal("once");
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(lines(&app, "book").await, ["once"]);
        assert_eq!(app.journal().store().forget_commands(far_off).await.unwrap(), 1);
        app.shutdown().await.unwrap();
    }
}
