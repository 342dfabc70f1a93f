//! Takes unique keys for aggregates that were stored before their type had any.

use std::collections::BTreeSet;

use crate::aggregate::{Aggregate, KeyChange, Repository, StoredRow, UniqueKey, changes, keys_in, rows_of};
use crate::message::{Position, StreamId};
use crate::store::{Append, AppendError, Conflict, Expected, Journal, Read};

use super::error::CommandFailure;
use super::keys;

/// Rows that are read at once.
const PAGE: usize = 500;

/// What came of taking the unique keys of all stored aggregates of a type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyIndex {
    /// The aggregates that were looked at.
    pub aggregates: u64,
    /// The keys that were taken now, and had not been before.
    pub taken: u64,
    /// Values that an aggregate has although another one has taken them. It keeps its state; decide what to do about it.
    pub doubles: Vec<DoubleKey>,
}

/// A value that two aggregates have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoubleKey {
    /// The name of the unique key.
    pub key: &'static str,
    /// The value.
    pub value: String,
    /// Who has taken it.
    pub holder: StreamId,
    /// Who has it too.
    pub other: StreamId,
}

/// Takes the keys of every stored aggregate of the type.
pub(crate) async fn index<A: Aggregate>(journal: &Journal) -> Result<KeyIndex, CommandFailure> {
    let mut found = KeyIndex::default();
    if A::UNIQUE.is_empty() {
        return Ok(found);
    }
    for id in ids::<A>(journal).await? {
        found.aggregates += 1;
        let owner = StreamId::new(A::NAME, id);
        let (keys, _) = stored::<A>(journal, &owner).await?;
        for change in changes(&owner, &BTreeSet::new(), &keys) {
            match take::<A>(journal, change).await {
                Ok(taken) => found.taken += u64::from(taken),
                Err(CommandFailure::Taken { key, value, owner: holder }) => {
                    found.doubles.push(DoubleKey { key, value, holder, other: owner.clone() });
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(found)
}

/// Takes one key, as long as its owner has it. Whether it was not taken before.
async fn take<A: Aggregate>(journal: &Journal, change: KeyChange) -> Result<bool, CommandFailure> {
    loop {
        let (keys, mut append) = stored::<A>(journal, &change.owner).await?;
        if !keys.contains(&change.key) {
            return Ok(false);
        }
        let documents = keys::writes(journal, std::slice::from_ref(&change)).await?;
        if documents.is_empty() {
            return Ok(false);
        }
        append.documents.extend(documents);
        match journal.append(append).await {
            Ok(_) => return Ok(true),
            // A command was quicker: look again.
            Err(AppendError::Conflict(Conflict::Stream { .. } | Conflict::Document { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The keys of an aggregate, and an append that is refused once it has changed.
async fn stored<A: Aggregate>(
    journal: &Journal,
    owner: &StreamId,
) -> Result<(BTreeSet<UniqueKey>, Append), CommandFailure> {
    let Some(rows) = A::stored() else {
        let state = Repository::<A>::new(journal.clone()).load(owner.id()).await?;
        let version = Expected::exactly(state.as_ref().map(|sourced| sourced.version));
        let unchanged = Append { expected: vec![(owner.clone(), version)], ..Append::default() };
        return Ok((keys_in(state.as_ref()), unchanged));
    };
    let StoredRow { sourced, revision } = rows.read(journal, owner).await?;
    let same = rows.write(journal, owner.id(), revision, sourced.as_ref());
    let same = same.map_err(|source| CommandFailure::Codec { name: A::NAME.to_owned(), source })?;
    Ok((keys_in(sourced.as_ref()), Append { documents: vec![same], ..Append::default() }))
}

/// The ids of all aggregates of the type.
async fn ids<A: Aggregate>(journal: &Journal) -> Result<BTreeSet<String>, CommandFailure> {
    if A::stored().is_some() {
        return rows::<A>(journal).await;
    }
    let mut ids = BTreeSet::new();
    let mut reader = journal.reader(Read::category(A::NAME, Position::START));
    while let Some(event) = reader.next().await? {
        ids.insert(event.recorded.stream.id().to_owned());
    }
    Ok(ids)
}

async fn rows<A: Aggregate>(journal: &Journal) -> Result<BTreeSet<String>, CommandFailure> {
    let view = rows_of::<A>(journal);
    let mut ids = BTreeSet::new();
    loop {
        let page = journal.store().scan_documents(&view, ids.last().map(String::as_str), PAGE).await?;
        if page.is_empty() {
            return Ok(ids);
        }
        ids.extend(page.into_iter().map(|document| document.key));
    }
}
