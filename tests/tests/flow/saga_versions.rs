//! Programs of two versions over the same instances: what the older one cannot read waits alone, and goes on by itself.

use annals::Annals;
use annals::prelude::*;
use annals::saga::{SagaError, SagaFilter, SagaHandlers, SagaInstance, SagaStatus};

use crate::given::{Lasting, PATIENCE, app, eventually};

#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "loyalty.stamp")]
struct Stamp {
    #[target]
    customer: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "loyalty.stamped")]
struct Stamped {
    customer: String,
}

#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "loyalty-card")]
struct Card;

#[command_handlers]
impl Card {
    #[handle(create_if_missing)]
    fn stamp(&self, command: Stamp) -> Stamped {
        Stamped { customer: command.customer }
    }
}

#[event_sourcing]
impl Card {
    #[apply]
    fn stamped(&mut self, _: &Stamped) {}
}

/// How many stamps a card has when the saga is over.
const FULL: usize = 3;

mod older {
    use super::{FULL, Stamped};
    use annals::prelude::*;

    #[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
    #[saga(name = "loyalty")]
    pub(super) struct Loyalty {
        stamps: usize,
    }

    #[saga_handlers]
    impl Loyalty {
        #[start(by = customer)]
        fn stamped(&mut self, _: &Stamped, effects: &mut Effects) {
            self.stamps += 1;
            if self.stamps == FULL {
                effects.end();
            }
        }
    }
}

mod newer {
    use super::{FULL, Stamped};
    use annals::prelude::*;

    #[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
    #[saga(name = "loyalty", version = 2)]
    pub(super) struct Loyalty {
        stamps: Vec<String>,
    }

    #[saga_handlers]
    impl Loyalty {
        #[start(by = customer)]
        fn stamped(&mut self, event: &Stamped, effects: &mut Effects) {
            self.stamps.push(event.customer.clone());
            if self.stamps.len() == FULL {
                effects.end();
            }
        }

        #[upcast(from = 1)]
        fn list(state: Json) -> Json {
            let stamps = state["stamps"].as_u64().unwrap_or_default();
            serde_json::json!({ "stamps": (0..stamps).map(|_| "unknown").collect::<Vec<_>>() })
        }
    }
}

async fn start<S: SagaHandlers>(lasting: &Lasting) -> Annals {
    lasting.start(app().include::<Card>().include::<S>()).await
}

async fn stamp(app: &Annals, customer: &str) {
    app.send(Stamp { customer: customer.into() }).await.unwrap();
    app.settled(PATIENCE).await.unwrap();
}

/// The instances, the oldest first.
async fn all(app: &Annals) -> Vec<SagaInstance> {
    app.sagas().named("loyalty").unwrap().list(&SagaFilter::default()).await.unwrap()
}

#[tokio::test]
async fn an_instance_that_a_newer_program_has_written_waits_alone_until_one_that_can_read_it_runs() {
    for lasting in Lasting::each() {
        let app = start::<newer::Loyalty>(&lasting).await;
        stamp(&app, "ann").await;
        stamp(&app, "ann").await;
        app.shutdown().await.unwrap();

        let app = start::<older::Loyalty>(&lasting).await;
        for customer in ["ann", "ben", "ben", "ben"] {
            stamp(&app, customer).await;
        }
        let [ann, ben] = &all(&app).await[..] else { panic!("there are two instances") };
        assert_eq!((ann.status, ben.status), (SagaStatus::Running, SagaStatus::Completed), "others go on");
        let reason = ann.attention.as_deref().unwrap_or_default();
        assert!(reason.contains("is of version 2, and this program knows version 1"), "{reason}");
        let refused = app.sagas().of::<older::Loyalty>().retry(ann.id).await;
        assert!(matches!(refused, Err(SagaError::NewerState { stored: 2, known: 1, .. })), "{refused:?}");
        app.shutdown().await.unwrap();

        let app = start::<newer::Loyalty>(&lasting).await;
        let ended = async || (all(&app).await[0].status == SagaStatus::Completed).then_some(());
        eventually("what it had to wait for is taken, and nobody has to ask for it", ended).await;
        assert!(app.sagas().attention().await.unwrap().is_empty());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_state_of_an_older_version_is_lifted_when_its_instance_goes_on() {
    for lasting in Lasting::each() {
        let app = start::<older::Loyalty>(&lasting).await;
        stamp(&app, "ann").await;
        stamp(&app, "ann").await;
        app.shutdown().await.unwrap();

        let app = start::<newer::Loyalty>(&lasting).await;
        stamp(&app, "ann").await;
        assert_eq!(all(&app).await[0].status, SagaStatus::Completed);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_of_a_newer_program_can_be_ended_by_hand() {
    for lasting in Lasting::each() {
        let app = start::<newer::Loyalty>(&lasting).await;
        stamp(&app, "ann").await;
        app.shutdown().await.unwrap();

        let app = start::<older::Loyalty>(&lasting).await;
        let ann = all(&app).await.remove(0);
        assert!(app.sagas().of::<older::Loyalty>().abort(ann.id).await.unwrap());
        assert_eq!(all(&app).await[0].status, SagaStatus::Aborted);
        app.shutdown().await.unwrap();
    }
}
