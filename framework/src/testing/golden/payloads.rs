//! Golden files of payloads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::handler::error::chain;
use crate::message::{Clock, Command, Event, Json, Pass};
use crate::registry::{Registrar, Registration};

use super::super::TestClock;
use super::super::facts::Fact;
use super::{GoldenError, Update, write};

/// The golden files of payloads in one folder: `<name>@<revision>.json`, each with one payload or several, one after the other.
#[must_use = "call `check`"]
#[derive(Debug)]
pub struct Payloads {
    folder: PathBuf,
    /// File name -> what is written if it is missing.
    examples: BTreeMap<String, String>,
    update: Option<Update>,
}

/// The golden files of payloads in `folder`. Every one of them is lifted by the upcasters that are annotated in the linked
/// crates, and decoded into the event or the command of today. The payloads of one file are read as one stream, in their order.
pub fn payloads(folder: impl AsRef<Path>) -> Payloads {
    Payloads { folder: folder.as_ref().to_owned(), examples: BTreeMap::new(), update: None }
}

impl Payloads {
    /// Writes the file of the event's current revision with this payload, if it is missing. Several examples of one
    /// event go to one file.
    ///
    /// # Panics
    /// When JSON cannot express the event.
    #[track_caller]
    pub fn example<E: Event>(self, event: E) -> Self {
        self.add(E::NAME, E::REVISION, serde_json::to_string_pretty(&event))
    }

    /// The same for a command, as a saga would store it.
    ///
    /// # Panics
    /// When JSON cannot express the command.
    #[track_caller]
    pub fn example_command<C: Command>(self, command: C) -> Self {
        self.add(C::NAME, C::REVISION, serde_json::to_string_pretty(&command))
    }

    /// What is written. Default: as `ANNALS_GOLDEN` says.
    pub fn update(mut self, update: Update) -> Self {
        self.update = Some(update);
        self
    }

    /// Writes missing files, then lifts and decodes every payload.
    ///
    /// # Panics
    /// When a payload cannot be lifted or decoded: all such files are named, each with its reason.
    #[track_caller]
    pub fn check(self) {
        if let Err(error) = self.try_check() {
            panic!("{}", chain(&error));
        }
    }

    /// As [`Payloads::check`].
    ///
    /// # Errors
    /// [`GoldenError`].
    pub fn try_check(self) -> Result<(), GoldenError> {
        let update = self.update.map_or_else(Update::from_env, Ok)?;
        for (name, text) in &self.examples {
            let path = self.folder.join(name);
            match (path.exists(), update) {
                (true, _) => {}
                (false, Update::Nothing) => return Err(GoldenError::Missing { path }),
                (false, _) => write(&path, text)?,
            }
        }
        let reader = Reader::new()?;
        let mut unreadable = Vec::new();
        for path in self.files()? {
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|source| GoldenError::File { path: path.clone(), source })?;
            if let Err(reason) = reader.read(&path, &text) {
                unreadable.push(format!("- {}: {reason}", path.display()));
            }
        }
        if unreadable.is_empty() { Ok(()) } else { Err(GoldenError::Payloads { unreadable }) }
    }

    #[track_caller]
    fn add(mut self, name: &str, revision: u32, json: serde_json::Result<String>) -> Self {
        let json = json.unwrap_or_else(|error| panic!("`{name}` cannot be encoded: {error}"));
        let text = self.examples.entry(format!("{name}@{revision}.json")).or_default();
        text.push_str(&json);
        text.push('\n');
        self
    }

    /// All golden files of payloads, by name.
    fn files(&self) -> Result<Vec<PathBuf>, GoldenError> {
        let failed = |source| GoldenError::File { path: self.folder.clone(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if named(&path).is_some() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Name and revision of a file.
fn named(path: &Path) -> Option<(&str, u32)> {
    let (name, revision) = path.file_name()?.to_str()?.strip_suffix(".json")?.rsplit_once('@')?;
    Some((name, revision.parse().ok()?))
}

/// Reads payloads with everything that is annotated.
struct Reader {
    registrar: Registrar,
    chains: crate::message::Chains,
    payloads: crate::message::Payloads,
}

impl Reader {
    fn new() -> Result<Self, GoldenError> {
        let mut registrar = Registrar::default();
        Registration::collect(&mut registrar, None);
        registrar.sort();
        let chains = registrar
            .chains()
            .map_err(|faults| GoldenError::Upcasters { faults: faults.iter().map(ToString::to_string).collect() })?;
        Ok(Self { registrar, chains, payloads: crate::message::Payloads::json() })
    }

    fn read(&self, path: &Path, text: &str) -> Result<(), String> {
        let (name, revision) = named(path).ok_or("its name is not `<name>@<revision>.json`")?;
        let mut pass = Pass::default();
        let mut number = 0;
        for payload in serde_json::Deserializer::from_str(text).into_iter::<Json>() {
            number += 1;
            let payload = payload.map_err(|error| format!("payload {number} is no JSON: {error}"))?;
            self.one(name, revision, number, &payload, &mut pass)
                .map_err(|reason| format!("payload {number}: {reason}"))?;
        }
        if number == 0 { Err("it is empty".to_owned()) } else { Ok(()) }
    }

    fn one(&self, name: &str, revision: u32, number: u64, payload: &Json, pass: &mut Pass) -> Result<(), String> {
        let text = payload.to_string().into_bytes();
        if self.chains.commands.lifts(name, revision) || self.registrar.knows_command(name) {
            return self.registrar.check_command(&self.chains, name, revision, &text).map_err(|error| chain(&error));
        }
        if !self.chains.events.lifts(name, revision) && !self.registrar.knows_event(name) {
            return Err(format!(
                "nothing in the program is called `{name}`, and no upcaster lifts it from revision {revision}"
            ));
        }
        let fact = Fact { name: name.to_owned().into(), revision, payload: text, tags: Vec::new(), origin: None };
        let event = fact.recorded(number, TestClock::default().now());
        let parts = crate::message::Parts::lift(&event, &self.chains.events, &self.payloads, Some(pass));
        for part in parts.map_err(|error| chain(&error))? {
            self.registrar.check_event(part).map_err(|error| chain(&error))?;
        }
        Ok(())
    }
}
