//! Writers that never give up.

use std::time::Duration;

use annals::StreamId;
use annals::message::{EventId, Tag, Timestamp, Version};
use annals::store::{Append, AppendError, Expected, NewEvent, SharedStore};
use uuid::Uuid;

/// Events of each append.
pub(super) const GROUP: usize = 3;
/// The tag by which the events of one append are known.
pub(super) const GROUP_TAG: &str = "group";
/// Writers of one process.
const WRITERS: usize = 8;
/// Before the same append is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// Appends through `store` until the tasks are aborted, and calls `acknowledged` for each append that was acknowledged.
pub(super) fn write(store: &SharedStore, acknowledged: impl Fn(Uuid) + Clone + Send + 'static) -> Vec<Writer> {
    (0..WRITERS)
        .map(|_| {
            let (store, acknowledged) = (SharedStore::clone(store), acknowledged.clone());
            Writer(tokio::spawn(async move { write_on(store, acknowledged).await }))
        })
        .collect()
}

/// A task that ends with its handle.
pub(super) struct Writer(tokio::task::JoinHandle<()>);

impl Writer {
    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn write_on(store: SharedStore, acknowledged: impl Fn(Uuid)) {
    let own = StreamId::new("writer", EventId::new().uuid().to_string());
    let mut version: Option<Version> = None;
    loop {
        let id = EventId::new().uuid();
        let append = group(id, &own, version);
        version = Some(repeated(&store, append, &own).await);
        acknowledged(id);
    }
}

/// One event of the writer's own stream, two of streams that all share.
fn group(id: Uuid, own: &StreamId, version: Option<Version>) -> Append {
    let shared = |number: u8| StreamId::new("shared", format!("s-{}", id.as_bytes()[usize::from(number)] % 5));
    let events = [own.clone(), shared(0), shared(1)].map(|stream| NewEvent {
        stream,
        id: EventId::new(),
        name: "group.written".into(),
        revision: 1,
        payload: format!(r#"{{"group":"{id}"}}"#).into_bytes(),
        metadata: std::sync::Arc::default(),
        tags: vec![Tag::new(GROUP_TAG, id)],
        recorded_at: Timestamp::from_micros(1),
    });
    Append { events: events.into(), expected: vec![(own.clone(), Expected::exactly(version))], ..Append::default() }
}

/// Repeats the same append until its outcome is known. Its expectation holds, since nobody else writes to `own`.
async fn repeated(store: &SharedStore, append: Append, own: &StreamId) -> Version {
    loop {
        match store.append(append.clone()).await {
            Ok(appended) => return appended.version_of(own).unwrap(),
            Err(AppendError::Unavailable { .. } | AppendError::OutcomeUnknown { .. }) => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => panic!("the store must say that it cannot be reached, or do it: {error:?}"),
        }
    }
}
