//! A saga as a list of steps: forwards while commands are accepted, backwards when one is rejected.

use annals::Annals;
use annals::app::Builder;
use annals::command::{CommandFailure, CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;

use crate::given::{Faults, Lasting, PATIENCE, app, eventually};

/// What a traveller asks for.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "journey.plan")]
struct Plan {
    #[target]
    trip: String,
    flies: bool,
    /// What the agency will refuse.
    refused: Vec<String>,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "journey.planned")]
pub(crate) struct Planned {
    pub(crate) trip: String,
    pub(crate) flies: bool,
    pub(crate) refused: Vec<String>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "journey.book", error = SoldOut)]
pub(crate) struct Book {
    #[target]
    pub(crate) trip: String,
    pub(crate) what: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "journey.undo", error = SoldOut)]
pub(crate) struct Undo {
    #[target]
    pub(crate) trip: String,
    pub(crate) what: String,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0} cannot be had")]
pub(crate) struct SoldOut(pub(crate) String);

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "journey.booked")]
pub(crate) struct Booked {
    what: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "journey.undone")]
pub(crate) struct Undone {
    what: String,
}

/// What was done for one trip, in order; it refuses what the plan says.
#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "journey")]
struct Trip {
    done: Vec<String>,
    refused: Vec<String>,
}

#[command_handlers]
impl Trip {
    #[handle(create)]
    fn plan(command: Plan) -> Planned {
        Planned { trip: command.trip, flies: command.flies, refused: command.refused }
    }

    #[handle]
    fn book(&self, command: Book) -> Result<Booked, SoldOut> {
        let Book { what, .. } = command;
        if self.refused.contains(&what) { Err(SoldOut(what)) } else { Ok(Booked { what }) }
    }

    #[handle]
    fn undo(&self, command: Undo) -> Result<Undone, SoldOut> {
        let Undo { what, .. } = command;
        if self.refused.contains(&format!("undo {what}")) { Err(SoldOut(what)) } else { Ok(Undone { what }) }
    }
}

#[event_sourcing]
impl Trip {
    #[apply]
    fn planned(&mut self, event: &Planned) {
        self.refused = event.refused.clone();
    }

    #[apply]
    fn booked(&mut self, event: &Booked) {
        self.done.push(event.what.clone());
    }

    #[apply]
    fn undone(&mut self, event: &Undone) {
        self.done.push(format!("undo {}", event.what));
    }
}

#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[saga(name = "journey")]
pub(crate) struct Journey {
    trip: String,
    flies: bool,
}

impl Journey {
    fn book(&self, what: &str) -> Book {
        Book { trip: self.trip.clone(), what: what.into() }
    }

    fn undo(&self, what: &str) -> Undo {
        Undo { trip: self.trip.clone(), what: what.into() }
    }
}

#[saga_handlers]
impl Journey {
    #[start(by = trip)]
    fn planned(&mut self, event: &Planned) {
        self.trip = event.trip.clone();
        self.flies = event.flies;
    }

    /// A hotel, a suitcase (nothing to send, but something to undo), a flight for who flies, a guide who cannot be
    /// undone, and a car.
    #[steps]
    fn steps() -> Steps<Self> {
        steps()
            .step("hotel")
            .invoke(|journey: &Self| journey.book("hotel"))
            .compensate(|journey: &Self| journey.undo("hotel"))
            .step("suitcase")
            .compensate(|journey: &Self| journey.undo("suitcase"))
            .step("flight")
            .when(|journey: &Self| journey.flies)
            .invoke(|journey: &Self| journey.book("flight"))
            .compensate(|journey: &Self| journey.undo("flight"))
            .step("guide")
            .invoke(|journey: &Self| journey.book("guide"))
            .step("car")
            .invoke(|journey: &Self| journey.book("car"))
            .compensate(|journey: &Self| journey.undo("car"))
            .into()
    }
}

fn journeys() -> Builder {
    app().include::<Trip>().include::<Journey>()
}

async fn plan(app: &Annals, trip: &str, flies: bool, refused: &[&str]) {
    let refused = refused.iter().map(|what| (*what).to_owned()).collect();
    app.send(Plan { trip: trip.into(), flies, refused }).await.unwrap();
}

async fn done(app: &Annals, trip: &str) -> Vec<String> {
    app.aggregate::<Trip>(trip).load().await.unwrap().unwrap().state.done
}

/// What is done for a plan, when everything has come to rest.
async fn outcome(flies: bool, refused: &[&str]) -> Vec<String> {
    let mut outcomes = Vec::new();
    for lasting in Lasting::each() {
        let app = lasting.start(journeys()).await;
        plan(&app, "t", flies, refused).await;
        app.settled(PATIENCE).await.unwrap();
        assert!(app.journal().store().sagas().open_effects("", "journey", None, 9).await.unwrap().is_empty());
        outcomes.push(done(&app, "t").await);
        app.shutdown().await.unwrap();
    }
    assert_eq!(outcomes[0], outcomes[1], "memory and SQLite");
    outcomes.remove(0)
}

#[tokio::test]
async fn all_steps_are_taken_in_order() {
    assert_eq!(outcome(true, &[]).await, ["hotel", "flight", "guide", "car"]);
}

#[tokio::test]
async fn a_step_whose_condition_does_not_hold_is_left_out_both_ways() {
    assert_eq!(outcome(false, &[]).await, ["hotel", "guide", "car"]);
    assert_eq!(outcome(false, &["car"]).await, ["hotel", "guide", "undo suitcase", "undo hotel"]);
}

#[tokio::test]
async fn a_rejection_undoes_the_steps_that_were_taken_newest_first() {
    assert_eq!(outcome(true, &["hotel"]).await, [""; 0], "nothing was taken");
    assert_eq!(outcome(true, &["flight"]).await, ["hotel", "undo suitcase", "undo hotel"]);
    assert_eq!(outcome(true, &["guide"]).await, ["hotel", "flight", "undo flight", "undo suitcase", "undo hotel"]);
    let undone = ["hotel", "flight", "guide", "undo flight", "undo suitcase", "undo hotel"];
    assert_eq!(outcome(true, &["car"]).await, undone, "the guide has no compensation");
}

#[tokio::test]
async fn a_compensation_that_is_rejected_needs_attention() {
    for lasting in Lasting::each() {
        let app = lasting.start(journeys()).await;
        plan(&app, "bad", true, &["guide", "undo suitcase"]).await;
        plan(&app, "good", true, &[]).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(done(&app, "bad").await, ["hotel", "flight", "undo flight"]);
        assert_eq!(done(&app, "good").await.len(), 4, "others go on");
        let open = app.journal().store().sagas().open_effects("", "journey", None, 9).await.unwrap();
        let reason = open[0].parked.clone().unwrap_or_default();
        assert!(reason.contains("compensation") && reason.contains("suitcase"), "{reason}");
        app.shutdown().await.unwrap();
    }
}

/// Lets nothing through that is closed.
struct Barrier(Faults);

#[async_trait::async_trait]
impl CommandInterceptor for Barrier {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let what = command.command::<Book>().map(|book| book.what.clone());
        let what = what.or_else(|| command.command::<Undo>().map(|undo| format!("undo {}", undo.what)));
        if what.is_some_and(|what| self.0.strike(&what)) {
            return Err(CommandFailure::Timeout { after: std::time::Duration::ZERO }.into());
        }
        next.run(command).await
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_changes_nothing() {
    for closed in ["hotel", "guide", "undo suitcase"] {
        for lasting in Lasting::each() {
            let faults = Faults::default();
            faults.fail(closed, u32::MAX);
            let app = lasting.start(journeys().handler_interceptor(Barrier(faults))).await;
            plan(&app, "t", true, &["car"]).await;
            let tried = async || {
                let open = app.journal().store().sagas().open_effects("", "journey", None, 9).await.unwrap();
                open.into_iter().find(|effect| effect.attempts > 0)
            };
            eventually("it stands before what is closed", tried).await;
            app.shutdown().await.unwrap();

            let app = lasting.start(journeys()).await;
            app.settled(PATIENCE).await.unwrap();
            let all = ["hotel", "flight", "guide", "undo flight", "undo suitcase", "undo hotel"];
            assert_eq!(done(&app, "t").await, all, "closed: {closed}");
            app.shutdown().await.unwrap();
        }
    }
}
