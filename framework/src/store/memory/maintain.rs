//! The life of streams, cleaning, export and import in memory.

use async_trait::async_trait;

use crate::message::{Position, StreamId, Timestamp};
use crate::store::Store;
use crate::store::append::Expected;
use crate::store::error::{ReadError, StoreError};
use crate::store::exchange::{Import, ImportError, Imported, StoredEvent, admit};
use crate::store::maintain::{Maintain, StreamError, step};
use crate::store::plan::Questions;
use crate::store::stream::{Scavenged, StreamChange, StreamInfo};
use crate::store::transaction::StoreTransaction;

use super::MemoryStore;
use super::transaction::drop_scope;

#[async_trait]
impl Maintain for MemoryStore {
    async fn stream_info(&self, tenant: &str, stream: &StreamId) -> Result<Option<StreamInfo>, ReadError> {
        Ok(self.shared.read().events.stream_info(tenant, stream))
    }

    async fn change_stream(
        &self,
        tenant: &str,
        stream: &StreamId,
        expected: Expected,
        change: StreamChange,
    ) -> Result<StreamInfo, StreamError> {
        let _right = self.right_to_write.lock().await;
        let mut state = self.shared.write();
        let info = state.events.stream_info(tenant, stream);
        let step = step(stream, info.as_ref(), expected, &change)?;
        state.events.change_stream(tenant, stream, step);
        if step.drops_snapshots {
            state.snapshots.drop_all(tenant, stream);
            drop_scope(&mut state.records, tenant, stream);
        }
        let changed = state.events.stream_info(tenant, stream);
        changed.ok_or_else(|| StreamError::NotFound { stream: stream.clone() })
    }

    async fn scavenge(&self, now: Timestamp) -> Result<Scavenged, StoreError> {
        let _right = self.right_to_write.lock().await;
        let mut state = self.shared.write();
        let removed = state.events.scavenge(now);
        Ok(Scavenged { snapshots: state.snapshots.prune(), ..removed })
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        Ok(self.shared.read().events.export(after, limit))
    }

    async fn export_streams(
        &self,
        after: Option<(&str, &StreamId)>,
        limit: usize,
    ) -> Result<Vec<StreamInfo>, ReadError> {
        let all = self.shared.read().events.special_streams().into_iter();
        Ok(all
            .filter(|info| after.is_none_or(|after| (info.tenant.as_str(), &info.stream) > after))
            .take(limit)
            .collect())
    }

    async fn import(&self, import: Import) -> Result<Imported, ImportError> {
        self.limits.check_import(&import)?;
        let _right = self.right_to_write.lock().await;
        let mut state = self.shared.write();
        let facts = state.events.facts(&Questions::of_import(&import));
        let fresh: Vec<StoredEvent> = admit(&import, facts)?.into_iter().cloned().collect();
        let written = fresh.len() as u64;
        let known = import.events.len() as u64 - written;
        fresh.into_iter().for_each(|event| state.events.import(event));
        import.streams.into_iter().for_each(|info| state.events.import_stream(info));
        let head = state.events.head();
        drop(state);
        self.appended.send_if_modified(|seen| std::mem::replace(seen, head) != head);
        Ok(Imported { written, known, head })
    }

    async fn begin_maintenance(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.begin().await
    }
}
