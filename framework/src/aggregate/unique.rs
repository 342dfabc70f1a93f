//! Unique keys: values that one aggregate of a type has at a time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::message::StreamId;
use crate::store::{Journal, StoreError};

use super::{Aggregate, Lifecycle, Sourced};

/// A value that no other aggregate of the type has: `#[unique]` on a field of the aggregate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UniqueKey {
    /// What the value is about; the name of the field that carries `#[unique]`.
    pub name: &'static str,
    /// The value as text, compared exactly, at most as long as the key of a document
    /// ([`Limits`](crate::store::Limits)).
    pub value: String,
}

/// What a decision changes about unique keys.
#[derive(Debug, Clone)]
pub(crate) struct KeyChange {
    /// The aggregate.
    pub(crate) owner: StreamId,
    pub(crate) key: UniqueKey,
    /// Whether the aggregate wants it, or gives it up.
    pub(crate) wanted: bool,
}

/// The keys of a state: none once it has ended, so that others may have them.
pub(crate) fn keys_in<A: Aggregate>(state: Option<&Sourced<A>>) -> BTreeSet<UniqueKey> {
    match state {
        Some(Sourced { state, lifecycle: Lifecycle::Keep, .. }) if !A::UNIQUE.is_empty() => {
            state.unique_keys().into_iter().collect()
        }
        _ => BTreeSet::new(),
    }
}

/// What has to be done where `owner` had the keys `before`, and has the keys `after` now.
pub(crate) fn changes(owner: &StreamId, before: &BTreeSet<UniqueKey>, after: &BTreeSet<UniqueKey>) -> Vec<KeyChange> {
    if before.is_empty() && after.is_empty() {
        return Vec::new();
    }
    let change = |wanted| move |key: &UniqueKey| KeyChange { owner: owner.clone(), key: key.clone(), wanted };
    before.difference(after).map(change(false)).chain(after.difference(before).map(change(true))).collect()
}

/// Who has a key, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// The id of the aggregate.
    pub(crate) id: String,
}

/// The name of the documents that say who has the keys `name` of aggregates of `category`.
pub(crate) fn documents_of(category: &str, name: &str) -> String {
    format!("$unique:{category}.{name}")
}

/// The id of the aggregate that has a key.
pub(crate) async fn holder<A: Aggregate>(
    journal: &Journal,
    name: &'static str,
    value: String,
) -> Result<Option<String>, StoreError> {
    let view = journal.view_id(&documents_of(A::NAME, name), 1);
    let found = journal.store().documents(&view, &[value]).await?;
    let Some(document) = found.into_iter().next() else { return Ok(None) };
    let holder: Holder =
        serde_json::from_slice(&document.body).map_err(|error| StoreError::Unavailable { source: error.into() })?;
    Ok(Some(holder.id))
}
