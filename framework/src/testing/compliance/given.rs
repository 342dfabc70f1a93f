//! Short ways to say what a case appends.

use std::sync::Arc;

use crate::message::{
    CommandId, EventId, Metadata, Position, RecordedEvent, SagaId, StreamId, Tag, Timestamp, Version,
};
use crate::store::records::ViewId;
use crate::store::{
    Append, AppendError, Appended, Association, BareEvent, BarePage, CommandRecord, Condition, Conflict, Criteria,
    DocumentWrite, Effect, EffectKind, Expected, IndexChange, NewEvent, Outcome, Page, Read, SagaRow, SagaWrite, Store,
    StoreTransaction, Timer,
};

pub(super) fn stream(id: &str) -> StreamId {
    StreamId::new("wallet", id)
}

pub(super) fn version(number: u64) -> Version {
    Version::new(number).expect("versions start at 1")
}

pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// An event of the stream `id`.
pub(super) fn event(id: &str) -> NewEvent {
    NewEvent {
        stream: stream(id),
        id: EventId::new(),
        name: "wallet.credited".into(),
        revision: 1,
        payload: br#"{"amount":5}"#.to_vec(),
        metadata: Arc::new(Metadata::new().with("user", "ada")),
        tags: Vec::new(),
        recorded_at: at(1_000),
    }
}

pub(super) fn tagged(id: &str, name: &str, tags: &[Tag]) -> NewEvent {
    NewEvent { name: name.to_owned().into(), tags: tags.to_vec(), ..event(id) }
}

/// An append under construction.
#[derive(Clone)]
pub(super) struct Draft(pub(super) Append);

pub(super) fn appending(events: impl IntoIterator<Item = NewEvent>) -> Draft {
    Draft(Append { events: events.into_iter().collect(), ..Append::default() })
}

impl Draft {
    pub(super) fn expecting(mut self, id: &str, expected: Expected) -> Self {
        self.0.expected.push((stream(id), expected));
        self
    }

    pub(super) fn resting_on(mut self, event: &NewEvent) -> Self {
        self.0.rests_on = Some(event.id);
        self
    }

    pub(super) fn of_tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.0.tenant);
        self
    }

    pub(super) fn unless(mut self, criteria: impl Into<Criteria>, after: Position) -> Self {
        self.0.condition = Some(Condition { criteria: criteria.into(), after });
        self
    }

    pub(super) fn executing(mut self, id: CommandId, reply: &str) -> Self {
        self.0.command = Some(CommandRecord {
            target: Some("target".to_owned()),
            id,
            name: "wallet.credit".to_owned(),
            outcome: Outcome::Done(reply.as_bytes().to_vec()),
            recorded_at: at(1_000),
            position: Position::START,
            version: None,
        });
        self
    }

    pub(super) fn writing(mut self, key: &str, read_revision: u64, body: Option<&str>) -> Self {
        let document = body.map(|body| body.as_bytes().to_vec());
        let (key, index) = (key.to_owned(), IndexChange::default());
        self.0.documents.push(DocumentWrite { view: view(), key, read_revision, document, index });
        self
    }

    pub(super) async fn to(self, store: &dyn Store) -> Result<Appended, AppendError> {
        store.append(self.0).await
    }

    #[track_caller]
    pub(super) fn stored_in(self, store: &dyn Store) -> impl Future<Output = Appended> {
        let caller = std::panic::Location::caller();
        async move {
            match store.append(self.0).await {
                Ok(appended) => appended,
                Err(error) => panic!("{caller}: the append was refused: {error:?}"),
            }
        }
    }
}

/// Appends `events` events to the stream `id`, one by one.
pub(super) async fn filled(store: &dyn Store, id: &str, events: usize) {
    for _ in 0..events {
        appending([event(id)]).stored_in(store).await;
    }
}

#[track_caller]
pub(super) fn conflict(result: Result<Appended, AppendError>) -> Conflict {
    match result {
        Err(AppendError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

pub(super) fn view() -> ViewId {
    ViewId { tenant: String::new(), name: "balances".to_owned(), version: 1 }
}

pub(super) fn positions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.recorded.position.get()).collect()
}

/// Reads a page, and sees to it that it tells the same when it is read without what bare events lack.
#[track_caller]
pub(super) fn read(store: &dyn Store, read: Read) -> impl Future<Output = Page> {
    let caller = std::panic::Location::caller();
    async move {
        let whole = store.read(&read).await.expect("the store can be read");
        let bare = store.read_bare(&read).await.expect("the store can be read");
        let expected = BarePage::of(&read, whole.clone());
        let told = |page: &BarePage| (page.newest, page.scanned, page.head, page.more, page.events.len());
        assert_eq!(told(&bare), told(&expected), "{caller}: {read:?}");
        for (event, expected) in bare.events.iter().zip(&expected.events) {
            let told = |event: &BareEvent| (event.place, event.name.clone(), event.revision);
            assert_eq!(told(event), told(expected), "{caller}: {read:?}");
            assert!(event.payload == expected.payload, "{caller}: the payload of {event:?} is another one");
        }
        whole
    }
}

pub(super) async fn begin(store: &dyn Store) -> Box<dyn StoreTransaction> {
    store.begin().await.expect("a transaction begins")
}

pub(super) async fn commit(transaction: Box<dyn StoreTransaction>) {
    transaction.commit().await.expect("the transaction commits");
}

pub(super) fn association(value: &str) -> Association {
    Association { key: "order".to_owned(), value: value.to_owned() }
}

/// Whose records are written.
pub(super) const TENANT: &str = "acme";

/// The write that starts the instance `id`.
pub(super) fn saga_write(id: SagaId) -> SagaWrite {
    let row = SagaRow {
        state: b"{}".to_vec(),
        progress: Some("[]".to_owned()),
        position: Position::new(1),
        associations: vec![association("o-1")],
        ..SagaRow::new(id, 6, at(1_000))
    };
    SagaWrite { associated: row.associations.clone(), ..SagaWrite::of(row) }
}

pub(super) fn effect(id: SagaId, number: u64) -> Effect {
    Effect {
        tenant: TENANT.to_owned(),
        command: CommandId::new(),
        saga: "ordering".to_owned(),
        saga_id: id,
        slice: 6,
        number,
        group: 0,
        kind: EffectKind::Command,
        name: "wallet.credit".to_owned(),
        payload: b"{}".to_vec(),
        metadata: Metadata::new().with("user", "ada"),
        step: Some("pay".to_owned()),
        scope: None,
        label: None,
        attempts: 0,
        not_before: at(1_000),
        parked: None,
    }
}

pub(super) fn timer(id: SagaId, name: &str, due: i64) -> Timer {
    let (tenant, saga) = (TENANT.to_owned(), "ordering".to_owned());
    Timer { tenant, saga, saga_id: id, slice: 6, name: name.to_owned(), due: at(due) }
}

/// Commits `writes` in one transaction.
pub(super) async fn write_sagas(store: &dyn Store, writes: Vec<SagaWrite>) {
    let mut transaction = begin(store).await;
    transaction.write_sagas(TENANT, "ordering", writes).await.expect("the instances are written");
    commit(transaction).await;
}
