//! Events from a file, as an export writes them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::message::{
    Chains, Decode, Parts, Pass, Payloads, Recorded, RecordedEvent, StoredMetadata, StreamId, UpcastError,
};
use crate::registry::{Registrar, Registration};
use crate::store::{Line, StoredEvent};

use super::facts::{Fact, Facts, Origin};

/// Bytes of a file at most: 64 MiB. A test that needs more wants a store: see [`Importer`](crate::store::Importer).
const LIMIT: u64 = 64 << 20;

/// Events from a file; see [`recorded`].
#[must_use]
#[derive(Debug, Clone)]
pub struct RecordedStream {
    path: PathBuf,
    events: Vec<StoredEvent>,
}

/// The events of the file at `path`, JSON lines as [`Export`](crate::store::Export) writes them. A relative path begins
/// where the test runs: with Cargo, at the folder of the package. Of each event its stream, metadata and time are kept.
///
/// Events that were written under an older name or revision are lifted by the upcasters annotated in the linked crates.
///
/// ```standalone_crate
/// use annals::prelude::*;
/// use annals::testing::{given, recorded};
///
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "lamp.switch")]
/// # struct Switch { #[target] lamp: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
/// # #[derive(Aggregate, Default, Clone, Debug)] #[aggregate(name = "lamp")] struct Lamp { on: bool }
/// # #[event_sourcing] impl Lamp { #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; } }
/// # #[command_handlers] impl Lamp {
/// #     #[handle] fn switch(&self, _command: Switch) -> Switched { Switched { on: !self.on } }
/// # }
/// # fn main() {
/// # let folder = std::env::temp_dir().join("annals-doc-recorded");
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("lamp.jsonl");
/// # std::fs::write(&path, concat!(
/// #     r#"{"position":1,"tenant":"","category":"lamp","stream":"hall","version":1,"event":"lamp.switched","#,
/// #     r#""revision":1,"id":"019b7a00-0000-7000-8000-000000000001","recorded_at_us":0,"payload":{"on":true}}"#
/// # )).unwrap();
/// given::<Lamp>(recorded(path)).when(Switch { lamp: "hall".into() }).then_events(Switched { on: false });
/// # }
/// ```
///
/// # Panics
/// When the file cannot be read, is longer than 64 MiB, or has a line that is no line of an export.
#[track_caller]
pub fn recorded(path: impl AsRef<Path>) -> RecordedStream {
    let path = path.as_ref().to_owned();
    let at = path.display();
    let length = std::fs::metadata(&path).map(|metadata| metadata.len());
    let text =
        length.and_then(|length| if length > LIMIT { Ok(None) } else { std::fs::read_to_string(&path).map(Some) });
    let text = match text {
        Ok(Some(text)) => text,
        Ok(None) => panic!("`{at}` is longer than {LIMIT} bytes: import it into a store"),
        Err(error) => panic!("`{at}` cannot be read: {error}"),
    };
    let mut events = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match Line::from_json(line) {
            Ok(Line::Event(event) | Line::Part { event, .. }) => events.push(*event),
            Ok(Line::Stream(_)) => {}
            Err(reason) => panic!("line {number} of `{at}` is no line of an export: {reason}"),
        }
    }
    RecordedStream { path, events }
}

impl RecordedStream {
    /// Only the events of this stream.
    pub fn stream(mut self, stream: StreamId) -> Self {
        self.events.retain(|event| event.stream == stream);
        self
    }

    /// Only the first `count` events.
    pub fn first(mut self, count: usize) -> Self {
        self.events.truncate(count);
        self
    }
}

impl Facts for RecordedStream {
    #[track_caller]
    fn add_to(self, facts: &mut Vec<Fact>) {
        let (chains, payloads) = (chains(), Payloads::json());
        // What upcasters know of earlier events is known of each stream by itself.
        let mut passes: HashMap<StreamId, Pass> = HashMap::new();
        for event in self.events {
            let (position, stream) = (event.position, event.stream.clone());
            let pass = passes.entry(stream).or_default();
            match lift(event, &chains, &payloads, pass) {
                Ok(lifted) => facts.extend(lifted),
                Err(error) => {
                    let (path, cause) = (self.path.display(), crate::handler::error::chain(&error));
                    panic!("the event at position {position} of `{path}` cannot be lifted: {cause}")
                }
            }
        }
    }
}

/// The program's upcasters.
#[track_caller]
fn chains() -> Chains {
    let mut registrar = Registrar::default();
    Registration::collect(&mut registrar, None);
    registrar.sort();
    registrar.chains().unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("the upcasters of the program are faulty: {}", faults.join("; "))
    })
}

/// What becomes of a stored event: itself, or what its upcasters make of it.
fn lift(event: StoredEvent, chains: &Chains, payloads: &Payloads, pass: &mut Pass) -> Result<Vec<Fact>, UpcastError> {
    let origin = Origin {
        stream: event.stream.clone(),
        id: event.id,
        metadata: event.metadata.clone(),
        recorded_at: event.recorded_at,
    };
    let recorded = RecordedEvent {
        recorded: Recorded {
            position: event.position,
            stream: event.stream,
            version: event.version,
            id: event.id,
            name: event.name,
            revision: event.revision,
            recorded_at: event.recorded_at,
            metadata: StoredMetadata::from(event.metadata),
        },
        payload: event.payload,
    };
    let parts = Parts::lift(&recorded, &chains.events, payloads, Some(pass))?;
    let fact = |part: Decode<'_>| {
        let (name, revision) = (part.name().to_owned().into(), part.revision());
        let payload = part.into_json()?.to_string().into_bytes();
        Ok(Fact { name, revision, payload, tags: event.tags.clone(), origin: Some(Box::new(origin.clone())) })
    };
    parts.map(fact).collect()
}
