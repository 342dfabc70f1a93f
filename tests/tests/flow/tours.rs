//! What steps can do besides sending commands one after the other: replies, branches, retries, groups, limits of time, steps of
//! the state alone, sagas of their own, and lists that change while instances run.

use std::time::Duration;

use annals::Annals;
use annals::app::Builder;
use annals::message::Clock as _;
use annals::prelude::*;
use annals::saga::{HistoryEffect, Otherwise, SagaFilter, SagaStatus};
use annals::testing::{TestClock, given_saga};

use crate::given::{Lasting, PATIENCE, app, eventually};

/// An office that books what it is told to, as often as it is told, unless it was told to refuse it.
#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "tour-office")]
struct Office {
    done: Vec<String>,
    refusals: Vec<String>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "tour-office.refuse")]
struct Refuse {
    #[target]
    office: String,
    what: Vec<String>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "tour-office.book", reply = u32, error = Refused)]
struct BookPart {
    #[target]
    office: String,
    what: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "tour-office.cancel", error = Refused)]
struct CancelPart {
    #[target]
    office: String,
    what: String,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("no {0}")]
struct Refused(String);

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "tour-office.refusing")]
struct Refusing {
    what: Vec<String>,
}

/// A refusal of `what` counts once for each time that it stands there.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "tour-office.did")]
struct Did {
    what: String,
}

#[command_handlers]
impl Office {
    #[handle(create_if_missing)]
    fn refuse(&self, command: Refuse) -> Refusing {
        Refusing { what: command.what }
    }

    #[handle(create_if_missing)]
    fn book(&mut self, command: BookPart, events: &mut Events<Self>) -> Result<u32, Refused> {
        if self.refusals.contains(&command.what) {
            return Err(Refused(command.what));
        }
        let number = u32::try_from(command.what.len()).unwrap_or_default();
        events.apply(self, Did { what: command.what });
        Ok(number)
    }

    #[handle(create_if_missing)]
    fn cancel(&self, command: CancelPart) -> Result<Did, Refused> {
        let what = format!("cancel {}", command.what);
        if self.refusals.contains(&what) { Err(Refused(what)) } else { Ok(Did { what }) }
    }
}

#[event_sourcing]
impl Office {
    #[apply]
    fn refusing(&mut self, event: &Refusing) {
        self.refusals = event.what.clone();
    }

    #[apply]
    fn did(&mut self, event: &Did) {
        self.done.push(event.what.clone());
    }
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "tour.wanted")]
struct Wanted {
    tour: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "tour.want")]
struct Want {
    #[target]
    tour: String,
}

#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "tour-client")]
struct Client;

#[command_handlers]
impl Client {
    #[handle(create_if_missing)]
    fn want(&self, command: Want) -> Wanted {
        Wanted { tour: command.tour }
    }
}

#[event_sourcing]
impl Client {
    #[apply]
    fn wanted(&mut self, _event: &Wanted) {}
}

#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[saga(name = "tour")]
struct Tour {
    tour: String,
    room: Option<u32>,
    checked: bool,
    guide: bool,
}

impl Tour {
    fn book(&self, what: &str) -> BookPart {
        BookPart { office: self.tour.clone(), what: what.into() }
    }

    fn cancel(&self, what: &str) -> CancelPart {
        CancelPart { office: self.tour.clone(), what: what.into() }
    }
}

#[saga_handlers]
impl Tour {
    #[start(by = tour)]
    fn wanted(&mut self, event: &Wanted) {
        self.tour = event.tour.clone();
        self.guide = true;
    }

    #[steps]
    fn steps() -> Steps<Self> {
        steps()
            .step("check")
            .local(|tour: &mut Self| {
                tour.checked = true;
                if tour.tour == "nowhere" { Err("there is no such place") } else { Ok(()) }
            })
            .step("room")
            .invoke(|tour: &Self| tour.book("room"))
            .on_reply(|tour: &mut Self, number| tour.room = Some(*number))
            .retry(2, Duration::from_secs(10))
            .compensate(|tour: &Self| tour.cancel("room"))
            .together(|steps| {
                steps
                    .step("flight")
                    .invoke(|tour: &Self| tour.book("flight"))
                    .compensate(|tour: &Self| tour.cancel("flight"))
                    .step("bus")
                    .invoke(|tour: &Self| tour.book("bus"))
                    .within(Duration::from_secs(60))
                    .compensate(|tour: &Self| tour.cancel("bus"))
                    .on_rejection(|_, _| Otherwise::Continue)
            })
            .step("guide")
            .invoke(|tour: &Self| tour.book("guide"))
            .on_rejection(|tour: &mut Self, _| {
                tour.guide = false;
                Otherwise::Continue
            })
            .step("letter")
            .notify(|tour: &Self| tour.book("letter"))
            .step("pay")
            .begin(|tour: &Self| Payment { tour: tour.tour.clone() })
            .compensate_locally(|tour: &mut Self| tour.checked = false)
            .into()
    }
}

/// A saga that another one begins.
#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[saga(name = "tour-payment")]
struct Payment {
    tour: String,
}

#[saga_handlers]
impl Payment {
    #[steps]
    fn steps() -> Steps<Self> {
        steps()
            .step("charge")
            .invoke(|payment: &Self| BookPart { office: payment.tour.clone(), what: "charge".into() })
            .into()
    }
}

fn tours() -> Builder {
    app().include::<Office>().include::<Client>().include::<Tour>().include::<Payment>()
}

async fn begin(app: &Annals, tour: &str, refused: &[&str]) {
    let what = refused.iter().map(|what| (*what).to_owned()).collect();
    app.send(Refuse { office: tour.into(), what }).await.unwrap();
    app.send(Want { tour: tour.into() }).await.unwrap();
}

async fn done(app: &Annals, tour: &str) -> Vec<String> {
    app.aggregate::<Office>(tour).load().await.unwrap().unwrap().state.done
}

/// How the only tour has ended.
async fn ended(app: &Annals) -> SagaStatus {
    app.sagas().of::<Tour>().list(&SagaFilter::default()).await.unwrap()[0].status
}

#[tokio::test]
async fn a_tour_goes_through_all_kinds_of_steps() {
    for lasting in Lasting::each() {
        let app = lasting.start(tours()).await;
        begin(&app, "t", &[]).await;
        app.settled(PATIENCE).await.unwrap();
        let mut all = done(&app, "t").await;
        all[1..3].sort();
        assert_eq!(all, ["room", "bus", "flight", "guide", "letter", "charge"]);
        let tour = app.sagas().of::<Tour>().list(&SagaFilter::default()).await.unwrap().remove(0);
        assert_eq!((tour.status, tour.state["room"].as_u64()), (SagaStatus::Completed, Some(4)));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_local_step_that_refuses_ends_before_anything_is_sent() {
    for lasting in Lasting::each() {
        let app = lasting.start(tours()).await;
        begin(&app, "nowhere", &[]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(done(&app, "nowhere").await, [""; 0]);
        assert_eq!(ended(&app).await, SagaStatus::Compensated);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn when_one_of_a_group_is_refused_all_that_was_taken_is_undone() {
    for lasting in Lasting::each() {
        let app = lasting.start(tours()).await;
        begin(&app, "t", &["flight"]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(done(&app, "t").await, ["room", "bus", "cancel bus", "cancel room"]);
        assert_eq!(ended(&app).await, SagaStatus::Compensated);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_rejection_may_be_answered_by_going_on() {
    for lasting in Lasting::each() {
        let app = lasting.start(tours()).await;
        begin(&app, "t", &["guide", "letter"]).await;
        app.settled(PATIENCE).await.unwrap();
        let mut all = done(&app, "t").await;
        all[1..3].sort();
        assert_eq!(all, ["room", "bus", "flight", "charge"], "a notice that is refused has no effect");
        let tour = app.sagas().of::<Tour>().list(&SagaFilter::default()).await.unwrap().remove(0);
        assert_eq!((tour.status, tour.state["guide"].as_bool()), (SagaStatus::Completed, Some(false)));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_child_saga_that_does_not_come_to_its_end_counts_as_a_rejection() {
    for lasting in Lasting::each() {
        let app = lasting.start(tours()).await;
        begin(&app, "t", &["charge"]).await;
        app.settled(PATIENCE).await.unwrap();
        let all = done(&app, "t").await;
        // The bus stands behind the flight in the list.
        assert_eq!(all[5..], ["cancel bus", "cancel flight", "cancel room"], "{all:?}");
        assert_eq!(ended(&app).await, SagaStatus::Compensated);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_step_is_tried_again_forwards_before_anything_is_undone() {
    for lasting in Lasting::each() {
        let clock = TestClock::default();
        let app = lasting.start(tours().clock(clock.clone())).await;
        begin(&app, "t", &["room"]).await;
        let attempts = async |number: u64| {
            let sagas = app.sagas().of::<Tour>();
            let tour = sagas.list(&SagaFilter::default()).await.unwrap().pop()?;
            let open = sagas.open(tour.id).await.unwrap();
            open.iter().any(|effect| effect.number == number && effect.not_before > clock.now()).then_some(())
        };
        eventually("the second attempt waits", async || attempts(2).await).await;
        clock.advance(Duration::from_secs(10));
        eventually("the third attempt waits", async || attempts(3).await).await;
        app.send(Refuse { office: "t".into(), what: Vec::new() }).await.unwrap();
        clock.advance(Duration::from_secs(10));
        let complete = async || (done(&app, "t").await.len() == 6).then_some(());
        eventually("the third attempt goes well", complete).await;
        app.shutdown().await.unwrap();
    }
}

fn wanted() -> Wanted {
    Wanted { tour: "t".into() }
}

fn book(what: &str) -> BookPart {
    BookPart { office: "t".into(), what: what.into() }
}

fn cancel(what: &str) -> CancelPart {
    CancelPart { office: "t".into(), what: what.into() }
}

#[test]
fn a_step_that_is_not_answered_in_time_is_undone_as_well() {
    given_saga::<Tour>(wanted())
        .when_replied(book("room"), 12)
        .then_sends([book("flight"), book("bus")])
        .then_deadline("step bus", Duration::from_secs(60))
        .when_replied(book("flight"), 1)
        .then_sends_nothing()
        .when_time_passes(Duration::from_secs(60))
        .then_sends(cancel("bus"))
        .when_accepted(cancel("bus"))
        .then_sends(cancel("flight"));
}

#[test]
fn retries_of_a_step_end() {
    given_saga::<Tour>(wanted())
        .when_rejected(book("room"), Refused("room".into()))
        .then_sends(book("room"))
        .when_rejected(book("room"), Refused("room".into()))
        .then_sends(book("room"))
        .when_rejected(book("room"), Refused("room".into()))
        .then_sends_nothing()
        .then_ended();
}

/// The same saga in a later version of the program: a step is new, one is gone, and one has another name.
mod later {
    use super::{BookPart, CancelPart, Wanted};
    use annals::prelude::*;

    #[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
    #[saga(name = "tour", version = 2)]
    pub(super) struct Tour {
        pub(super) city: String,
    }

    #[saga_handlers]
    impl Tour {
        #[start(by = tour)]
        fn wanted(&mut self, event: &Wanted) {
            self.city = event.tour.clone();
        }

        #[upcast(from = 1)]
        fn rename(state: Json) -> Json {
            serde_json::json!({ "city": state["tour"] })
        }

        #[steps]
        fn steps() -> Steps<Self> {
            let book = |tour: &Self, what: &str| BookPart { office: tour.city.clone(), what: what.into() };
            steps()
                .step("passport")
                .invoke(move |tour: &Self| book(tour, "passport"))
                .step("room")
                .invoke(move |tour: &Self| book(tour, "room"))
                .compensate(|tour: &Self| CancelPart { office: tour.city.clone(), what: "room".into() })
                .step("insurance")
                .invoke(move |tour: &Self| book(tour, "insurance"))
                .step("aeroplane")
                .invoke(move |tour: &Self| book(tour, "aeroplane"))
                .into()
        }
    }
}

/// Waits until the only tour is in `step`, with a command that nobody answers.
async fn stands_before(app: &Annals, step: &str) {
    let stands = async || {
        let all = app.sagas().named("tour").unwrap().list(&SagaFilter::default()).await.unwrap();
        all.first().filter(|tour| tour.step.as_deref() == Some(step)).map(|_| ())
    };
    eventually(step, stands).await;
}

#[tokio::test]
async fn a_list_of_steps_may_change_while_instances_run() {
    for lasting in Lasting::each() {
        let shut = crate::given::Faults::default();
        shut.fail("room", u32::MAX);
        let app = lasting.start(tours().handler_interceptor(crate::tours::Shut(shut))).await;
        begin(&app, "t", &[]).await;
        stands_before(&app, "room").await;
        app.shutdown().await.unwrap();

        let app = lasting.start(app_of::<later::Tour>()).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(done(&app, "t").await, ["room", "insurance", "aeroplane"], "it goes on from where it stood");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_in_a_step_that_is_gone_says_so_and_waits_for_the_step() {
    for lasting in Lasting::each() {
        let shut = crate::given::Faults::default();
        shut.fail("guide", u32::MAX);
        let app = lasting.start(tours().handler_interceptor(Shut(shut))).await;
        begin(&app, "t", &[]).await;
        stands_before(&app, "guide").await;
        app.shutdown().await.unwrap();

        let app = lasting.start(app_of::<later::Tour>()).await;
        let stuck = async || app.sagas().attention().await.unwrap().pop();
        let stuck = eventually("it needs attention", stuck).await;
        let reason = stuck.attention.unwrap_or_default();
        assert!(reason.contains("is in step `guide`, which its list of steps does not have"), "{reason}");
        app.shutdown().await.unwrap();

        let app = lasting.start(tours()).await;
        assert!(app.sagas().of::<Tour>().retry(stuck.id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(ended(&app).await, SagaStatus::Completed);
        assert_eq!(done(&app, "t").await.iter().filter(|what| *what == "guide").count(), 1, "it was booked once");
        app.shutdown().await.unwrap();
    }
}

/// An instance that stands in a step which the later list does not have, in an application with that list.
async fn stands_where_nothing_is(lasting: &Lasting) -> (Annals, annals::message::SagaId) {
    let shut = crate::given::Faults::default();
    shut.fail("guide", u32::MAX);
    let app = lasting.start(tours().handler_interceptor(Shut(shut))).await;
    begin(&app, "t", &[]).await;
    stands_before(&app, "guide").await;
    app.shutdown().await.unwrap();
    let app = lasting.start(app_of::<later::Tour>()).await;
    let stuck = async || app.sagas().attention().await.unwrap().pop();
    let stuck = eventually("it needs attention", stuck).await.id;
    (app, stuck)
}

async fn status(app: &Annals, id: annals::message::SagaId) -> SagaStatus {
    app.sagas().named("tour").unwrap().get(id).await.unwrap().unwrap().status
}

#[tokio::test]
async fn a_step_that_is_gone_can_be_left_out() {
    for lasting in Lasting::each() {
        let (app, id) = stands_where_nothing_is(&lasting).await;
        assert!(app.sagas().of::<later::Tour>().skip(id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(status(&app, id).await, SagaStatus::Completed);
        let done = done(&app, "t").await;
        assert_eq!(done[done.len() - 2..], ["insurance", "aeroplane"], "it goes on behind what it knows: {done:?}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_the_list_still_knows_is_undone_by_hand() {
    for lasting in Lasting::each() {
        let (app, id) = stands_where_nothing_is(&lasting).await;
        assert!(app.sagas().of::<later::Tour>().compensate(id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(status(&app, id).await, SagaStatus::Compensated);
        let history = app.sagas().of::<later::Tour>().history(id).await.unwrap();
        assert_eq!(cancelled(&history), 1, "the room is given back: {history:?}");
        app.shutdown().await.unwrap();
    }
}

/// How many compensations were sent.
fn cancelled(history: &[annals::saga::HistoryEntry]) -> usize {
    let sent = |effect: &&HistoryEffect| matches!(effect, HistoryEffect::Sent { name, .. } if name == CancelPart::NAME);
    history.iter().flat_map(|entry| &entry.effects).filter(sent).count()
}

#[tokio::test]
async fn a_step_that_was_taken_and_is_gone_is_not_passed_over_in_silence() {
    for lasting in Lasting::each() {
        let shut = crate::given::Faults::default();
        shut.fail("room", u32::MAX);
        let app = lasting.start(tours().handler_interceptor(Shut(shut))).await;
        begin(&app, "t", &["room"]).await;
        stands_before(&app, "room").await;
        app.shutdown().await.unwrap();

        // The later list has no `check`, which was taken; the room is refused.
        let app = lasting.start(app_of::<later::Tour>()).await;
        let stuck = async || app.sagas().attention().await.unwrap().pop();
        let stuck = eventually("it needs attention", stuck).await;
        let reason = stuck.attention.unwrap_or_default();
        assert!(reason.contains("has to undo step `check`"), "{reason}");
        assert!(app.sagas().of::<later::Tour>().compensate(stuck.id).await.unwrap());
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(status(&app, stuck.id).await, SagaStatus::Compensated);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn why_a_local_step_refused_is_in_the_history() {
    let lasting = Lasting::file();
    let app = lasting.start(tours()).await;
    begin(&app, "nowhere", &[]).await;
    app.settled(PATIENCE).await.unwrap();
    assert_eq!(ended(&app).await, SagaStatus::Compensated);
    let tours = app.sagas().of::<Tour>();
    let id = tours.list(&SagaFilter::all()).await.unwrap().remove(0).id;
    let history = tours.history(id).await.unwrap();
    let refused = HistoryEffect::Refused { step: "check".into(), reason: "there is no such place".into() };
    assert!(history.iter().any(|entry| entry.effects.contains(&refused)), "{history:?}");
    app.shutdown().await.unwrap();
}

/// Lets no booking through that is shut.
pub(crate) struct Shut(crate::given::Faults);

#[async_trait::async_trait]
impl annals::command::CommandInterceptor for Shut {
    async fn intercept(
        &self,
        command: annals::command::CommandMessage,
        next: annals::command::Next<'_>,
    ) -> annals::command::CommandResult {
        if command.command::<BookPart>().is_some_and(|book| self.0.strike(&book.what)) {
            return Err(annals::command::CommandFailure::Timeout { after: Duration::ZERO }.into());
        }
        next.run(command).await
    }
}

fn app_of<S: 'static>() -> Builder {
    app().include::<Office>().include::<Client>().include::<S>()
}
