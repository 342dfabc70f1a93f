//! The catalogue: everything that a program stores, with its name, revision and shape.
//!
//! What is stored outlives the program that wrote it. The catalogue says what a program knows of it; kept in a file and
//! compared in a test ([`testing::golden`](crate::testing::golden)), it shows when a name or a field has vanished.

mod compare;
mod display;
mod shape;

pub use compare::Comparison;
pub use shape::{Described, Field, Presence, Shape, Types, Variant};

use serde::{Deserialize, Serialize};

use crate::registry::{Registrar, Registration};

/// Everything stored that is annotated in the linked crates.
///
/// ```standalone_crate
/// use annals::prelude::*;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "order.placed", revision = 2)]
/// struct OrderPlaced { order: String, note: Option<String> }
///
/// #[upcasters]
/// impl OrderPlaced {
///     #[upcast(from = 1)]
///     fn without_note(old: Json) -> Json { old }
/// }
///
/// let catalogue = annals::catalogue();
/// let expected = "event order.placed@2 { order: String, note: Option<String> }\nevent order.placed@1 -> order.placed@2\n";
/// assert_eq!(catalogue.to_string(), expected);
/// ```
#[must_use]
pub fn catalogue() -> Catalogue {
    let mut registrar = Registrar::default();
    Registration::collect(&mut registrar, None);
    registrar.sort();
    registrar.catalogue()
}

/// Everything that a program stores, sorted by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Catalogue {
    /// What is written today.
    pub entries: Vec<Entry>,
    /// What is lifted when it is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upcasts: Vec<Upcast>,
}

/// A message or a state as it is written today.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The stored name.
    pub name: String,
    /// The revision; the version of a view; 1 for a saga.
    pub revision: u32,
    /// Its shape; `None` where the type was written without a derive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// The types inside it that are described, by the names of the Rust types.
    #[serde(default, skip_serializing_if = "Types::is_empty")]
    pub types: Types,
}

/// What becomes of something stored by an earlier program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Upcast {
    /// What it is.
    pub kind: Kind,
    /// The stored name.
    pub name: String,
    /// The stored revision.
    pub revision: u32,
    /// What one step makes of it, as `name@revision`; nothing where it is dropped.
    pub into: Vec<String>,
}

/// What is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// An event.
    Event,
    /// A command, which is stored when a saga sends it.
    Command,
    /// The state of an aggregate, in snapshots.
    Snapshot,
    /// The state of a saga.
    Saga,
    /// A document of a view that is not live.
    View,
}

impl Catalogue {
    /// The catalogue without what `keep` refuses, such as what belongs to tests.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(Kind, &str) -> bool) -> Self {
        self.entries.retain(|entry| keep(entry.kind, &entry.name));
        self.upcasts.retain(|upcast| keep(upcast.kind, &upcast.name));
        self
    }

    /// The catalogue as JSON, the same for the same content.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads what [`Catalogue::to_json`] has written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The entry of this kind and name.
    #[must_use]
    pub fn entry(&self, kind: Kind, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == kind && entry.name == name)
    }

    /// Compares this earlier catalogue with what a program is `now`.
    #[must_use]
    pub fn compare(&self, now: &Self) -> Comparison {
        compare::catalogues(self, now)
    }

    fn lifts(&self, kind: Kind, name: &str, revision: u32) -> bool {
        self.upcasts.iter().any(|upcast| upcast.kind == kind && upcast.name == name && upcast.revision == revision)
    }
}

impl Entry {
    pub(crate) fn new(kind: Kind, name: &str, revision: u32, described: Option<(Shape, Types)>) -> Self {
        let (shape, types) = described.map_or((None, Types::default()), |(shape, types)| (Some(shape), types));
        Self { kind, name: name.to_owned(), revision, shape, types }
    }
}
