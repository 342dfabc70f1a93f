//! Which indexes the stored documents of a view have, so that a program with others does not find too little.

use std::collections::{BTreeSet, HashMap};

use crate::registry::{Location, Problem};
use crate::store::records::ViewId;
use crate::store::{DocumentChange, Journal, StoreError};

use super::changes::ABOUT;

/// Name under which the indexes of all views are noted, one document for each version of a view.
const NOTES: &str = "annals.indexes";

/// A view that keeps documents, and the indexes that the program has for it.
#[derive(Debug)]
pub(crate) struct IndexedView {
    pub(crate) item: String,
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) indexes: &'static [&'static str],
    pub(crate) location: Location,
}

impl IndexedView {
    fn note(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Compares the indexes of `views` with those that their documents were written with. What is new is noted, unless anything
/// is wrong.
pub(crate) async fn check_indexes(journal: &Journal, views: &[&IndexedView]) -> Result<Vec<Problem>, StoreError> {
    let notes = ViewId { version: ABOUT, ..journal.view_id(NOTES, 0) };
    let keys: Vec<String> = views.iter().map(|view| view.note()).collect();
    let found = journal.store().documents(&notes, &keys).await?;
    let stored: HashMap<String, Vec<u8>> = found.into_iter().map(|note| (note.key, note.body)).collect();
    let (mut problems, mut fresh) = (Vec::new(), Vec::new());
    for view in views {
        let program: BTreeSet<&str> = view.indexes.iter().copied().collect();
        match stored.get(&view.note()) {
            None => fresh.push(DocumentChange::put(view.note(), serde_json::to_vec(&program).unwrap_or_default())),
            Some(note) => {
                let stored: BTreeSet<String> = serde_json::from_slice(note).map_err(StoreError::unavailable)?;
                if !stored.iter().map(String::as_str).eq(program.iter().copied()) {
                    problems.push(Problem::Indexes {
                        view: view.item.clone(),
                        version: view.version,
                        added: program
                            .iter()
                            .filter(|index| !stored.contains(**index))
                            .map(ToString::to_string)
                            .collect(),
                        removed: stored.into_iter().filter(|index| !program.contains(index.as_str())).collect(),
                        location: view.location,
                    });
                }
            }
        }
    }
    if problems.is_empty() && !fresh.is_empty() {
        let mut transaction = journal.store().begin().await?;
        transaction.write_documents(&notes, fresh).await?;
        transaction.commit().await?;
    }
    Ok(problems)
}
