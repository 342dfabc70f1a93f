//! Properties of histories hold where they should, and are found broken where they are.

use annals::Annals;
use annals::aggregate::Events;
use annals::app::Builder;
use annals::prelude::*;
use annals::testing::{AnyCommand, any_history, command};
use proptest::prelude::*;

use crate::support::{assert_has, panic_of};

/// A tank for a hundred litres.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "kit-tank")]
struct Tank {
    litres: u32,
    /// What a snapshot forgets.
    #[serde(skip)]
    leaks: u32,
}

macro_rules! messages {
    ($($command:ident($name:literal) $event:ident($stored:literal))*) => {$(
        #[derive(Command, Serialize, Deserialize, Debug, Clone)]
        #[command(name = $name)]
        struct $command {
            #[target]
            tank: String,
            litres: u32,
        }

        #[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
        #[event(name = $stored)]
        struct $event {
            litres: u32,
        }
    )*};
}
messages! {
    Fill("kit-tank.fill") Filled("kit-tank.filled")
    Drain("kit-tank.drain") Drained("kit-tank.drained")
    Leak("kit-tank.leak") Leaked("kit-tank.leaked")
}

#[command_handlers]
impl Tank {
    #[handle(create_if_missing)]
    fn fill(&self, command: Fill) -> Option<Filled> {
        (self.litres + command.litres <= 100).then_some(Filled { litres: command.litres })
    }

    #[handle]
    fn drain(&self, command: Drain) -> Drained {
        Drained { litres: command.litres.min(self.litres) }
    }

    #[handle]
    fn leak(&self, command: Leak, events: &mut Events<Self>) {
        events.record(Leaked { litres: command.litres });
    }
}

#[event_sourcing]
impl Tank {
    #[apply]
    fn filled(&mut self, event: &Filled) {
        self.litres += event.litres;
    }

    #[apply]
    fn drained(&mut self, event: &Drained) {
        self.litres -= event.litres;
    }

    #[apply]
    fn leaked(&mut self, _event: &Leaked) {
        self.leaks += 1;
    }
}

fn fills() -> impl Strategy<Value = AnyCommand<Tank>> {
    (1..60_u32).prop_map(|litres| command(Fill { tank: "t".into(), litres }))
}

fn drains() -> impl Strategy<Value = AnyCommand<Tank>> {
    (1..60_u32).prop_map(|litres| command(Drain { tank: "t".into(), litres }))
}

fn leaks() -> impl Strategy<Value = AnyCommand<Tank>> {
    Just(command(Leak { tank: "t".into(), litres: 1 }))
}

fn tanks() -> Builder {
    Annals::builder().without_discovery().include::<Tank>()
}

#[test]
fn any_legal_history_keeps_an_invariant() {
    any_history(prop_oneof![fills(), drains()]).keeps(|tank: &Tank| tank.litres <= 100);
}

#[test]
fn a_broken_invariant_is_shown_by_the_shortest_history() {
    let broken = || any_history(prop_oneof![fills(), drains(), leaks()]).keeps(|tank: &Tank| tank.litres < 50);
    let told = panic_of(broken);
    assert_has(&told, &["the invariant does not hold after every history", "it does not hold of Tank { litres: 50,"]);
    let history = told.split("minimal failing input: ").nth(1).unwrap_or_default();
    assert!(history.contains("kit-tank.fill"), "{told}");
    // Nothing that is not needed, be it a command or a litre.
    assert!(!history.contains("kit-tank.drain") && !history.contains("kit-tank.leak"), "{told}");
}

#[test]
fn a_history_of_nothing_but_refusals_proves_nothing() {
    let refused = || any_history(drains()).keeps(|_: &Tank| true);
    assert_has(&panic_of(refused), &["no command of any history was accepted"]);
}

#[test]
fn a_snapshot_and_its_tail_lead_where_all_events_lead() {
    any_history(prop_oneof![fills(), drains()]).survive_snapshots::<Tank>();
    let forgetful = || any_history(prop_oneof![fills(), leaks()]).survive_snapshots::<Tank>();
    assert_has(&panic_of(forgetful), &["a snapshot and the events behind it", "leaks: expected 1, was 0"]);
}

#[test]
fn a_command_that_is_sent_twice_adds_its_events_once() {
    any_history(prop_oneof![fills(), drains()]).longest(5).cases(8).add_events_once::<Tank>(tanks);
}

/// Gives every command an id of its own, so that nothing is a repeat any more.
struct Forgetful;

#[async_trait::async_trait]
impl annals::command::CommandInterceptor for Forgetful {
    async fn intercept(
        &self,
        mut command: annals::command::CommandMessage,
        next: annals::command::Next<'_>,
    ) -> annals::command::CommandResult {
        command.id = annals::CommandId::new();
        next.run(command).await
    }
}

#[test]
fn a_command_that_adds_its_events_twice_is_found() {
    let forgetful = || tanks().dispatch_interceptor(Forgetful);
    let twice = || any_history(fills()).longest(3).cases(4).add_events_once::<Tank>(forgetful);
    assert_has(&panic_of(twice), &["a command that was sent twice had not the effect of one", "kit-tank.fill"]);
}
