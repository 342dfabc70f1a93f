//! Snapshots in memory: one for each stream and schema.

use std::collections::BTreeMap;

use crate::message::StreamId;
use crate::store::plan::{Map, Plan};
use crate::store::records::Snapshot;

#[derive(Debug, Default)]
pub(super) struct Snapshots(Map<(String, StreamId), BTreeMap<String, Snapshot>>);

impl Snapshots {
    pub(super) fn get(&self, tenant: &str, stream: &StreamId, schema: &str) -> Option<&Snapshot> {
        self.0.get(&(tenant.to_owned(), stream.clone()))?.get(schema)
    }

    /// The snapshots of a stream, newest first.
    pub(super) fn all(&self, tenant: &str, stream: &StreamId) -> Vec<&Snapshot> {
        let kept = self.0.get(&(tenant.to_owned(), stream.clone())).into_iter().flat_map(BTreeMap::values);
        let mut kept: Vec<&Snapshot> = kept.collect();
        kept.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.version));
        kept
    }

    /// Keeps `snapshot` unless a newer one of its schema is there.
    pub(super) fn put(&mut self, tenant: &str, stream: &StreamId, snapshot: Snapshot) {
        let kept = self.0.entry((tenant.to_owned(), stream.clone())).or_default();
        if kept.get(&snapshot.schema).is_none_or(|before| before.version <= snapshot.version) {
            kept.insert(snapshot.schema.clone(), snapshot);
        }
    }

    pub(super) fn store(&mut self, plan: &Plan<'_>) {
        for (tenant, write, position) in &plan.snapshots {
            let (schema, state) = (write.schema.clone(), write.state.clone());
            let snapshot = Snapshot { version: write.version, position: *position, schema, state };
            self.put(tenant, &write.stream, snapshot);
        }
    }

    pub(super) fn drop_all(&mut self, tenant: &str, stream: &StreamId) {
        self.0.remove(&(tenant.to_owned(), stream.clone()));
    }

    /// Removes those that have a newer one beside them; returns how many.
    pub(super) fn prune(&mut self) -> u64 {
        let mut pruned = 0;
        for kept in self.0.values_mut() {
            let newest = kept.values().map(|snapshot| snapshot.version).max();
            let before = kept.len();
            kept.retain(|_, snapshot| Some(snapshot.version) == newest);
            pruned += (before - kept.len()) as u64;
        }
        pruned
    }
}
