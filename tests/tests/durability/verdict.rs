//! Compares what was acknowledged with what is stored.

use std::collections::HashMap;

use annals::StreamId;
use annals::message::Position;
use annals::store::Store;
use uuid::Uuid;

use super::writers::{GROUP, GROUP_TAG};

/// What is stored, as far as it was looked at.
#[derive(Default)]
pub(super) struct Verdict {
    looked_to: Position,
    versions: HashMap<StreamId, u64>,
    groups: HashMap<Uuid, usize>,
}

impl Verdict {
    /// Looks at what is new in `store`: positions and versions without gaps, groups whole; and everything in
    /// `acknowledged` there exactly once.
    pub(super) async fn look(&mut self, store: &dyn Store, acknowledged: &[Uuid]) {
        self.read_to_the_end(store).await;
        for (group, events) in &self.groups {
            assert_eq!(*events, GROUP, "group {group} is there in part, or more than once");
        }
        for group in acknowledged {
            assert!(self.groups.contains_key(group), "group {group} was acknowledged and is lost");
        }
    }

    /// Reads to the head of `store`. What a killed process has sent may still be committed by the server meanwhile, so
    /// the head is asked for first, and it is the end when nothing lies behind it.
    async fn read_to_the_end(&mut self, store: &dyn Store) {
        loop {
            let (head, before) = (store.head().await.unwrap(), self.looked_to);
            self.read_new(store).await;
            if self.looked_to == before {
                assert_eq!(head, self.looked_to, "the head and the last event that can be read");
                break;
            }
        }
    }

    /// Reads what is new: positions and versions without gaps.
    async fn read_new(&mut self, store: &dyn Store) {
        loop {
            let page = store.export(self.looked_to, 1_000).await.unwrap();
            if page.is_empty() {
                break;
            }
            for event in page {
                assert_eq!(event.position, self.looked_to.next(), "positions are dense");
                self.looked_to = event.position;
                let version = self.versions.entry(event.stream.clone()).or_default();
                *version += 1;
                assert_eq!(event.version.get(), *version, "versions of {} are dense", event.stream);
                let group = event.tags.iter().find(|tag| tag.key() == GROUP_TAG).unwrap();
                *self.groups.entry(group.value().parse().unwrap()).or_default() += 1;
            }
        }
    }

    /// Groups seen so far.
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }
}
