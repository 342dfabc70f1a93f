//! Unique keys, taken and given up with an append.

use crate::aggregate::{Holder, KeyChange, documents_of};
use crate::store::{Document, DocumentWrite, IndexChange, Journal};

use super::error::CommandFailure;

/// What is written for `changes`. The append is refused if another writer has changed one of the keys by then.
///
/// # Errors
/// [`CommandFailure::Taken`] when another aggregate has a key that is wanted.
pub(super) async fn writes(journal: &Journal, changes: &[KeyChange]) -> Result<Vec<DocumentWrite>, CommandFailure> {
    let mut writes: Vec<DocumentWrite> = Vec::with_capacity(changes.len());
    for change in changes {
        let view = journal.view_id(&documents_of(change.owner.category(), change.key.name), 1);
        let released = |write: &&mut DocumentWrite| write.view == view && write.key == change.key.value;
        // What one aggregate of a unit of work gives up, another one may take.
        if let Some(released) = writes.iter_mut().find(released) {
            released.document = if change.wanted { Some(encode(change)?) } else { None };
            continue;
        }
        let found = journal.store().documents(&view, std::slice::from_ref(&change.key.value)).await?;
        let (read_revision, holder) = read(found.into_iter().next(), change)?;
        let is_ours = holder.as_deref() == Some(change.owner.id());
        let document = match (change.wanted, holder) {
            (true, Some(holder)) if !is_ours => return Err(taken(change, holder)),
            (true, None) => Some(encode(change)?),
            (false, Some(_)) if is_ours => None,
            _ => continue,
        };
        let (key, index) = (change.key.value.clone(), IndexChange::default());
        writes.push(DocumentWrite { view, key, read_revision, document, index });
    }
    Ok(writes)
}

/// The revision of a key's document, and who has the key.
fn read(document: Option<Document>, change: &KeyChange) -> Result<(u64, Option<String>), CommandFailure> {
    let Some(Document { revision, body, .. }) = document else { return Ok((0, None)) };
    let holder: Holder = serde_json::from_slice(&body).map_err(|error| unreadable(change, &error))?;
    Ok((revision, Some(holder.id)))
}

fn encode(change: &KeyChange) -> Result<Vec<u8>, CommandFailure> {
    serde_json::to_vec(&Holder { id: change.owner.id().to_owned() }).map_err(|error| unreadable(change, &error))
}

fn unreadable(change: &KeyChange, error: &serde_json::Error) -> CommandFailure {
    let reason = format!("the holder of the unique `{}` cannot be read or written: {error}", change.key.name);
    CommandFailure::Refused { reason }
}

fn taken(change: &KeyChange, holder: String) -> CommandFailure {
    let owner = crate::message::StreamId::new(change.owner.category().to_owned(), holder);
    CommandFailure::Taken { key: change.key.name, value: change.key.value.clone(), owner }
}
