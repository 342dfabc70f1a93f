//! Building one document anew, and looking after versions.

use std::collections::BTreeMap;

use crate::handler::HandlerError;
use crate::message::Position;
use crate::processor::{Family, is_read, reached};
use crate::store::error::BoxError;
use crate::store::{DocumentChange, Read, Segment, SegmentState, SegmentWrite, StoreError};

use super::handle::{Views, criteria, failed};
use super::processor::ViewComponent;
use super::{ViewError, ViewHandlers, ViewMode, processor_name};

/// A version of a view of which something is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewVersion {
    /// The version.
    pub version: u32,
    /// How far it has come.
    pub position: Position,
    /// What becomes of it.
    pub state: ViewVersionState,
}

/// What becomes of a version of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ViewVersionState {
    /// It is read.
    Read,
    /// It is built, and not read yet.
    Building,
    /// A newer one has taken its place. It is there until it is [dropped](Views::drop_version).
    Replaced,
}

impl<V: ViewHandlers> Views<V> {
    /// Builds one document of an asynchronous view anew, from all events that concern it, in one transaction: after a
    /// mistake that has been mended, say, or where the stored document cannot be read. Its dead letters are gone. Returns the
    /// document as it is then.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// # async fn mend<V: annals::view::ViewHandlers<Key = String>>(app: &annals::Annals) -> Result<(), annals::view::ViewError> {
    /// app.view::<V>().rebuild(&"o-1".to_owned()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When an event cannot be folded, or the store does not answer: then the document stays as it was. A view that is live has
    /// nothing to build, and one that is inline is refused.
    pub async fn rebuild(&self, key: &V::Key) -> Result<Option<V>, ViewError> {
        if V::MODE != ViewMode::Asynchronous {
            let reason =
                "only documents of an asynchronous view are built one by one: raise the version of an inline one";
            return Err(failed::<V>(reason));
        }
        self.rebuild_document(&key.to_string()).await.map_err(failed::<V>)
    }

    async fn rebuild_document(&self, key: &str) -> Result<Option<V>, BoxError> {
        let (journal, processor) = (self.journal(), processor_name::<V>());
        let hash = Segment::hash_of(key);
        let mut transaction = journal.store().begin().await?;
        let rows = transaction.lock_segments(journal.tenant(), &processor).await?;
        // As far as the segment of the document has come.
        let reached = rows.iter().filter(|row| row.segment.has(hash)).map(|row| reached(row, hash)).max();
        let Some(reached) = reached else { return Ok(None) };
        let component = ViewComponent::<V>::new(journal.clone(), self.resources());
        let mut document = None;
        let mut after = Position::START;
        while after < reached {
            let read = Read::matching(criteria::<V>(Some(key)), after).up_to(reached);
            let page = journal.read(read).await?;
            let events: Vec<_> = page.events.iter().collect();
            let enrichment = component.enrich(&events).await.map_err(HandlerError::into_source)?;
            for event in &page.events {
                let steps = component.route(event).await.map_err(HandlerError::into_source)?;
                for step in steps.into_iter().filter(|step| step.key == key) {
                    let folded = component.fold(document.take(), step, event, &enrichment);
                    document = folded.map_err(HandlerError::into_source)?;
                }
            }
            after = if page.more { page.scanned } else { reached };
        }
        // Those of the document before are not asked for: it may be one that cannot be read.
        if !V::INDEXES.is_empty() {
            transaction.clear_entries(&self.id(), key).await?;
        }
        let index = component.new_entries(document.as_ref()).map_err(HandlerError::into_source)?;
        let body = component.write(document.as_ref()).map_err(HandlerError::into_source)?;
        transaction.write_documents(&self.id(), vec![DocumentChange { key: key.to_owned(), body, index }]).await?;
        component.tell(&mut *transaction).await?;
        // Its owner has the document as it was in memory: with another fencing number it reads it anew.
        let owned = rows.into_iter().filter(|row| row.segment.has(hash));
        transaction.write_segments(journal.tenant(), owned.map(SegmentWrite::Change).collect()).await?;
        let mut from = (Position::START, 0);
        loop {
            let letters = journal.store().dead_letters(journal.tenant(), &processor, from, LETTERS).await?;
            let Some(last) = letters.last().map(|letter| (letter.position, letter.place)) else { break };
            for letter in letters.iter().filter(|letter| letter.sequence == key && letter.position <= reached) {
                transaction.remove_letter(letter).await?;
            }
            from = last;
        }
        transaction.commit().await?;
        self.changes_of_documents().changed(V::NAME, Some(&[key.to_owned()]));
        Ok(document)
    }

    /// The versions of the view of which something is stored, the newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn versions(&self) -> Result<Vec<ViewVersion>, ViewError> {
        let rows = self.journal().store().segments(self.journal().tenant()).await.map_err(failed::<V>)?;
        let Some(family) = Family::of(&processor_name::<V>()) else { return Ok(Vec::new()) };
        let mut versions: BTreeMap<u32, ViewVersion> = BTreeMap::new();
        for row in &rows {
            let Some(version) = family.version_of(&row.processor) else { continue };
            let state = match row.state {
                SegmentState::Replaced => ViewVersionState::Replaced,
                _ if is_read(row) => ViewVersionState::Read,
                _ => ViewVersionState::Building,
            };
            let of_it = ViewVersion { version, position: row.position, state };
            let least = versions.entry(version).or_insert(of_it);
            least.position = least.position.min(row.position);
        }
        Ok(versions.into_values().rev().collect())
    }

    /// Removes a version of the view that a newer one has replaced, with its documents; returns whether there was one.
    ///
    /// # Errors
    /// [`ViewError::Failed`] for a version that is read or built; when the store does not answer.
    pub async fn drop_version(&self, version: u32) -> Result<bool, ViewError> {
        let versions = self.versions().await?;
        let Some(found) = versions.into_iter().find(|found| found.version == version) else { return Ok(false) };
        if found.state != ViewVersionState::Replaced {
            let reason = format!("version {version} is not replaced: it is {:?}", found.state);
            return Err(failed::<V>(reason));
        }
        self.remove_version(version).await.map_err(failed::<V>)?;
        Ok(true)
    }

    async fn remove_version(&self, version: u32) -> Result<(), StoreError> {
        let (journal, tenant) = (self.journal(), self.journal().tenant());
        let Some(family) = Family::of(&processor_name::<V>()) else { return Ok(()) };
        let processor = format!("{}{version}", family.prefix);
        let mut transaction = journal.store().begin().await?;
        let rows = transaction.lock_segments(tenant, &processor).await?;
        transaction.write_segments(tenant, rows.into_iter().map(SegmentWrite::Remove).collect()).await?;
        transaction.clear_documents(&journal.view_id(V::NAME, version)).await?;
        transaction.clear_letters(tenant, &processor, Position::START).await?;
        transaction.commit().await
    }
}

/// Letters that are looked at together.
const LETTERS: usize = 1000;
