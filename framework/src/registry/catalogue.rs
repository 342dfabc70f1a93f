//! The catalogue of what is declared.

use std::collections::BTreeMap;

use crate::catalogue::{Catalogue, Entry, Kind, Upcast};
use crate::message::{Chains, CodecError, Decode, Json, MessageKind, Payloads, Target, UpcastError};
use crate::view::ViewMode;

use super::named::Named;
use super::registrar::Registrar;

impl Registrar {
    /// Everything that is stored, sorted.
    pub(crate) fn catalogue(&self) -> Catalogue {
        let mut entries = Vec::new();
        let mut add = |kind, named: &Named, revision| {
            let described = self.shapes.get(&named.id).map(|shape| shape());
            entries.push(Entry::new(kind, named.name, revision, described));
        };
        for event in &self.events {
            add(Kind::Event, &event.named, event.revision);
        }
        for command in &self.commands {
            add(Kind::Command, &command.named, command.revision);
        }
        for state in &self.states {
            if let Some((_, revision)) = self.snapshots.iter().find(|(name, _)| *name == state.name) {
                add(Kind::Snapshot, state, *revision);
            }
        }
        for saga in self.sagas.iter().chain(&self.workflows) {
            add(Kind::Saga, saga, 1);
        }
        let live = |view: &Named| {
            self.view_handlers.iter().any(|handlers| handlers.view.id == view.id && handlers.mode == ViewMode::Live)
        };
        for view in self.views.iter().filter(|view| !live(view)) {
            add(Kind::View, view, self.view_versions.get(&view.id).copied().unwrap_or(1));
        }
        entries.sort();
        let mut upcasts: Vec<Upcast> = self
            .upcasters
            .iter()
            .map(|step| Upcast {
                kind: match step.kind {
                    MessageKind::Event => Kind::Event,
                    MessageKind::Command => Kind::Command,
                    MessageKind::Snapshot => Kind::Snapshot,
                },
                name: step.from.name.to_owned(),
                revision: step.from.revision,
                into: step.into.iter().map(|Target { name, revision }| format!("{name}@{revision}")).collect(),
            })
            .collect();
        upcasts.sort();
        let mut catalogue = Catalogue::default();
        (catalogue.entries, catalogue.upcasts) = (entries, upcasts);
        catalogue
    }
}

/// Reading stored payloads with everything that is declared.
impl Registrar {
    /// The events, with their revisions.
    pub(crate) fn known_events(&self) -> BTreeMap<&'static str, u32> {
        self.events.iter().map(|event| (event.named.name, event.revision)).collect()
    }

    /// Whether there is an event of this name.
    pub(crate) fn knows_event(&self, name: &str) -> bool {
        self.events.iter().any(|event| event.named.name == name)
    }

    /// Whether there is a command of this name.
    pub(crate) fn knows_command(&self, name: &str) -> bool {
        self.commands.iter().any(|command| command.named.name == name)
    }

    /// Decodes `event` into its type, and writes it again.
    pub(crate) fn check_event(&self, event: Decode<'_>) -> Result<Json, UpcastError> {
        match self.events.iter().find(|known| known.named.name == event.name()) {
            Some(known) => (known.check)(event),
            None => {
                let (name, stored) = (event.name().to_owned(), event.revision());
                Err(UpcastError::Revision { name, stored, known: 0 })
            }
        }
    }

    /// Lifts a stored command, and decodes it into its type.
    pub(crate) fn check_command(
        &self,
        chains: &Chains,
        name: &str,
        revision: u32,
        payload: &[u8],
    ) -> Result<(), UpcastError> {
        let payloads = Payloads::json();
        let unreadable =
            |name: &str, revision, source| UpcastError::Payload { name: name.to_owned(), revision, source };
        let (name, revision, json) = match chains.commands.lift_one(name, revision, payload, &payloads)? {
            Some(lifted) => (lifted.at.name, lifted.at.revision, lifted.payload),
            None => {
                let json = payloads.decode_tree(payload).map_err(|source| unreadable(name, revision, source))?;
                (name, revision, json)
            }
        };
        let known = self.commands.iter().find(|command| command.named.name == name);
        match known.filter(|known| known.revision == revision) {
            Some(known) => (known.check)(json).map_err(|error| unreadable(name, revision, CodecError::new(error))),
            None => {
                let known = known.map_or(0, |known| known.revision);
                Err(UpcastError::Revision { name: name.to_owned(), stored: revision, known })
            }
        }
    }
}
