//! What components keep in memory from one page to the next.
//!
//! It is good only for pages that are handled under the same claims. Whatever else writes the same rows raises a fencing
//! number, or is this processor itself and empties the memory; and a page that is not committed leaves none behind.

use std::any::Any;

use crate::store::Claim;

use super::claims::Held;

/// What one component keeps.
pub(crate) type Memory = Box<dyn Any + Send + Sync>;

/// What a component begins a page with.
#[derive(Default)]
pub(crate) struct Carried {
    /// What it has kept.
    pub(crate) memory: Option<Memory>,
    /// How much it may keep behind the page. Unit: bytes, as [`ProcessorConfig::memory`](super::ProcessorConfig::memory) counts
    /// them.
    pub(crate) limit: usize,
}

/// What all components of a processor keep.
#[derive(Default)]
pub(super) struct Kept {
    claims: Vec<Claim>,
    memories: Vec<Option<Memory>>,
}

impl Kept {
    /// Takes what was kept, unless what is held has changed; nothing is left behind. Gives one for each of so many components.
    pub(super) fn take(&mut self, held: &[Held], components: usize) -> Vec<Option<Memory>> {
        let Self { claims, mut memories } = std::mem::take(self);
        if !held.iter().map(|held| &held.claim).eq(&claims) {
            memories.clear();
        }
        memories.resize_with(components, || None);
        memories
    }

    /// Keeps what is right from the commit on that was just made.
    pub(super) fn keep(&mut self, held: &[Held], memories: Vec<Option<Memory>>) {
        if memories.iter().any(Option::is_some) {
            *self = Self { claims: held.iter().map(|held| held.claim.clone()).collect(), memories };
        }
    }

    /// Forgets everything: rows are about to be written without it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
