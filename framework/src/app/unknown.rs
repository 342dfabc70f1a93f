//! What is stored and cannot be read.

use std::collections::BTreeMap;

use crate::message::Position;
use crate::store::{Journal, Page, Read, ReadError};

/// Events that are stored and that this program cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownName {
    /// The stored name.
    pub name: String,
    /// The stored revision.
    pub revision: u32,
    /// The revision that the program knows; `None` where it does not know the name.
    pub known: Option<u32>,
    /// How many there are.
    pub events: u64,
    /// The oldest one.
    pub first: Position,
}

pub(super) async fn unknown_names(
    journal: &Journal,
    known: &BTreeMap<&'static str, u32>,
) -> Result<Vec<UnknownName>, ReadError> {
    let upcasters = &journal.chains().events;
    let mut reader = journal.reader(Read::all(Position::START).without_payloads());
    let mut found: BTreeMap<(String, u32), (u64, Position)> = BTreeMap::new();
    while let Some(Page { events, .. }) = reader.next_page().await? {
        for event in &events {
            let (name, revision) = (event.recorded.name.as_str(), event.recorded.revision);
            if known.get(name) != Some(&revision) && !upcasters.lifts(name, revision) {
                found.entry((name.to_owned(), revision)).or_insert((0, event.recorded.position)).0 += 1;
            }
        }
    }
    let told = |((name, revision), (events, first)): ((String, u32), _)| {
        let known = known.get(name.as_str()).copied();
        UnknownName { name, revision, known, events, first }
    };
    Ok(found.into_iter().map(told).collect())
}
