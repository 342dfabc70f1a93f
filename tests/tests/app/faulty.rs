//! Declarations with faults, written by hand: what is annotated would be found by every application of this binary.

use std::time::Duration;

use annals::aggregate::{EventSourced, Events, EvolveError, HandledBy, Refusal};
use annals::command::{BoundaryConsistency, CommandTarget, ServedBy, StreamConsistency};
use annals::handler::{Context, Requirement};
use annals::message::{Decode, Never, UpcastError};
use annals::prelude::*;
use annals::processor::EventHandlers;
use annals::query::AnsweredBy;
use annals::registry::Location;
use annals::saga::{SagaHandlers, SagaInput};
use annals::store::StoreTransaction;
use annals::view::{ViewHandlers, ViewMode, ViewSource, ViewStep};

/// A place in a source that nobody has written.
pub const fn line(line: u32) -> Location {
    Location { file: "src/faulty.rs", line }
}

/// Every kind of item at once. Twins of different numbers are different types of one name.
#[derive(Serialize, Deserialize, Default, Debug, Clone)]
pub struct Twin<const N: u8>;

impl<const N: u8> Event for Twin<N> {
    const NAME: &'static str = "twin.seen";
}

impl<const N: u8> Command for Twin<N> {
    type Reply = ();
    type Error = Never;
    const NAME: &'static str = "twin.greet";
}

impl<const N: u8> Query for Twin<N> {
    type Reply = ();
    type Kind = annals::message::Single;
    const NAME: &'static str = "twin.find";
}

impl<const N: u8> EventSourced for Twin<N> {
    const EVENTS: &'static [&'static str] = &[];

    fn evolve(&mut self, event: Decode<'_>) -> Result<Lifecycle, EvolveError> {
        Err(EvolveError::unknown::<Self>(&event))
    }
}

impl<const N: u8> Aggregate for Twin<N> {
    const NAME: &'static str = "twin";
}

impl<const N: u8> CommandTarget for Twin<N> {
    type Consistency = StreamConsistency;
}

impl<const N: u8> View for Twin<N> {
    type Key = String;
    const NAME: &'static str = "twins";
    const MODE: ViewMode = ViewMode::Live;
}

impl<const N: u8> ViewHandlers for Twin<N> {
    const SOURCES: &'static [ViewSource] = &[ViewSource { event: "twin.seen", key: Some("twin"), tags: &["house"] }];

    fn route(_: Decode<'_>) -> Result<Vec<ViewStep<Self>>, UpcastError> {
        Ok(Vec::new())
    }
}

impl<const N: u8> Saga for Twin<N> {
    const NAME: &'static str = "twin-life";
}

impl<const N: u8> SagaHandlers for Twin<N> {
    const EVENTS: &'static [&'static str] = &[];

    fn route(_: Decode<'_>, _: &Metadata) -> Result<Option<SagaInput<Self>>, UpcastError> {
        Ok(None)
    }

    fn steps() -> Option<Steps<Self>> {
        Some(match N {
            1 => steps().into(),
            2 => steps().invoke(|_| Go).step("go").invoke(|_| Go).step("go").invoke(|_| Go).into(),
            3 => steps().step("go").invoke(|_| Go).within(Duration::ZERO).step("nothing").into(),
            _ => return None,
        })
    }
}

/// A command without a target and without tags.
#[derive(Serialize, Deserialize, Debug, Clone)]
pub struct Go;

impl Command for Go {
    type Reply = ();
    type Error = Never;
    const NAME: &'static str = "ship.go";
}

impl Query for Go {
    type Reply = ();
    type Kind = annals::message::Single;
    const NAME: &'static str = "ship.where";
}

/// A resource that nobody gives.
#[derive(Debug)]
pub struct Compass;

/// What the handler number `n` asks for.
fn asked_for(n: u8) -> Vec<Requirement> {
    match n {
        1 => vec![Requirement::reference::<Compass>()],
        2 => vec![Requirement::View("charts")],
        3 => vec![Requirement::Recorded],
        4 => vec![Requirement::Version],
        5 => vec![Requirement::Command],
        6 => vec![Requirement::transaction::<Compass>()],
        9 => vec![Requirement::Gateway],
        _ => Vec::new(),
    }
}

/// A decision about a course that handles [`Go`], which has no tags.
#[derive(Debug, Default, Clone)]
pub struct Ship<const N: u8>;

impl<const N: u8> EventSourced for Ship<N> {
    const EVENTS: &'static [&'static str] = &[];

    fn evolve(&mut self, event: Decode<'_>) -> Result<Lifecycle, EvolveError> {
        Err(EvolveError::unknown::<Self>(&event))
    }
}

impl<const N: u8> Decision for Ship<N> {
    const NAME: &'static str = "ship";
    const BOUNDARY: &'static [&'static [&'static str]] = &[&["sea"], &["port"]];
}

impl<const N: u8> CommandTarget for Ship<N> {
    type Consistency = BoundaryConsistency;
}

impl<const N: u8> HandledBy<Ship<N>> for Go {
    fn decide(&self, _: &Ship<N>, _: &Context<'_>, _: &mut Events<Ship<N>>) -> Result<(), Refusal<Never>> {
        Ok(())
    }

    fn requirements() -> Vec<Requirement> {
        asked_for(N)
    }
}

/// What an `async fn` in a block of [`Ship`] would be.
impl<const N: u8> ServedBy<Ship<N>> for Go {
    fn serve<'a>(
        &'a self,
        _: Option<&'a Ship<N>>,
        _: &'a Context<'a>,
        _: &'a mut UnitOfWork,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Refusal<Never>>> + Send + 'a>> {
        Box::pin(async { Ok(()) })
    }
}

impl<const N: u8> HandledBy<Twin<N>> for Go {
    fn decide(&self, _: &Twin<N>, _: &Context<'_>, _: &mut Events<Twin<N>>) -> Result<(), Refusal<Never>> {
        Ok(())
    }
}

/// A component that handles commands, queries and events.
#[derive(Debug)]
pub struct Harbour<const N: u8>;

impl<const N: u8> ServedBy<Harbour<N>> for Go {
    fn serve<'a>(
        &'a self,
        _: Option<&'a Harbour<N>>,
        _: &'a Context<'a>,
        _: &'a mut UnitOfWork,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Refusal<Never>>> + Send + 'a>> {
        Box::pin(async { Ok(()) })
    }

    fn requirements() -> Vec<Requirement> {
        asked_for(N)
    }
}

impl<const N: u8> AnsweredBy<Harbour<N>> for Go {
    fn answer<'a>(
        self,
        _: Option<&'a Harbour<N>>,
        _: &'a Context<'a>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), QueryError>> + Send + 'a>> {
        Box::pin(async { Ok(()) })
    }

    fn requirements() -> Vec<Requirement> {
        asked_for(N)
    }
}

impl<const N: u8> EventHandlers for Harbour<N> {
    const PROCESSOR: &'static str = if N == 0 { "saga:harbour" } else { "harbour" };
    const EVENTS: &'static [&'static str] = &[];

    fn handle<'a>(
        &'a self,
        _: Decode<'a>,
        _: &'a Context<'a>,
        _: &'a mut dyn StoreTransaction,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + 'a>> {
        Box::pin(async { Ok(()) })
    }

    fn requirements() -> Vec<Requirement> {
        asked_for(N)
    }
}
