use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{BatchLimits, BatchWriter, Batcher};
use crate::message::{EventId, Position, StreamId, Timestamp};
use crate::store::{Append, AppendError, Appended, Limits, NewEvent};

/// Notes the batches that it gets, and writes one whenever it may.
struct Noting {
    batches: Mutex<Vec<Vec<String>>>,
    may_write: Semaphore,
}

#[async_trait]
impl BatchWriter for Noting {
    async fn write(&self, batch: &[Append]) -> Vec<Result<Appended, AppendError>> {
        let named = batch.iter().map(|append| append.events[0].stream.id().to_owned()).collect();
        self.batches.lock().unwrap().push(named);
        self.may_write.acquire().await.unwrap().forget();
        assert!(batch.iter().all(|append| append.events[0].stream.id() != "bad"), "a bad batch");
        let stored = || Ok(Appended { position: Position::START, versions: Vec::new(), repeated: false });
        batch.iter().map(|_| stored()).collect()
    }
}

fn append(tenant: &str, name: &str, bytes: usize) -> Append {
    let event = NewEvent {
        stream: StreamId::new("s", name),
        id: EventId::new(),
        name: "n".into(),
        revision: 1,
        payload: vec![b'x'; bytes],
        metadata: Arc::default(),
        tags: Vec::new(),
        recorded_at: Timestamp::EPOCH,
    };
    Append { tenant: tenant.to_owned(), events: vec![event], ..Append::default() }
}

fn batcher(limits: BatchLimits) -> (Arc<Batcher>, Arc<Noting>) {
    let writer = Arc::new(Noting { batches: Mutex::default(), may_write: Semaphore::new(0) });
    let batcher = Batcher::start(Arc::clone(&writer) as Arc<dyn BatchWriter>, limits, Limits::default());
    (Arc::new(batcher), writer)
}

/// Hands over without waiting for the answer.
fn handed_over(batcher: &Arc<Batcher>, append: Append) -> tokio::task::JoinHandle<Result<Appended, AppendError>> {
    let batcher = Arc::clone(batcher);
    tokio::spawn(async move { batcher.append(append).await })
}

impl Noting {
    async fn batches(&self, count: usize) -> Vec<Vec<String>> {
        while self.batches.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
        self.batches.lock().unwrap().clone()
    }

    fn let_write(&self, batches: usize) {
        self.may_write.add_permits(batches);
    }
}

#[tokio::test]
async fn a_lone_append_is_written_at_once_and_what_comes_meanwhile_together() {
    let (batcher, writer) = batcher(BatchLimits::default());
    let first = handed_over(&batcher, append("", "first", 1));
    writer.batches(1).await;
    let others: Vec<_> = (0..3).map(|number| handed_over(&batcher, append("", &number.to_string(), 1))).collect();
    tokio::task::yield_now().await;
    writer.let_write(2);
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(writer.batches(2).await, [vec!["first"], vec!["0", "1", "2"]]);
    batcher.close().await;
    assert!(matches!(batcher.append(append("", "late", 1)).await, Err(AppendError::Unavailable { .. })));
}

#[tokio::test]
async fn a_batch_is_bounded_by_events_and_by_bytes() {
    let (batcher, writer) = batcher(BatchLimits { events: 3, bytes: 100, ..BatchLimits::default() });
    let sizes = [1, 1, 1, 1, 1, 90, 90, 500, 1];
    let mut calls = vec![handed_over(&batcher, append("", "first", 1))];
    writer.batches(1).await;
    calls.extend(sizes.iter().map(|size| handed_over(&batcher, append("", &size.to_string(), *size))));
    tokio::task::yield_now().await;
    writer.let_write(100);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let expected: [&[&str]; 6] = [&["first"], &["1", "1", "1"], &["1", "1", "90"], &["90"], &["500"], &["1"]];
    assert_eq!(writer.batches(6).await, expected);
}

#[tokio::test]
async fn a_tenant_with_many_appends_does_not_keep_the_others_waiting() {
    let (batcher, writer) = batcher(BatchLimits { events: 4, ..BatchLimits::default() });
    let mut calls = vec![handed_over(&batcher, append("many", "m-0", 1))];
    writer.batches(1).await;
    calls.extend((1..10).map(|number| handed_over(&batcher, append("many", &format!("m-{number}"), 1))));
    calls.extend(["a", "b"].map(|tenant| handed_over(&batcher, append(tenant, tenant, 1))));
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    writer.let_write(100);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let batches = writer.batches(4).await;
    assert_eq!(batches[1], ["m-1", "a", "b", "m-2"]);
    let of_many: Vec<_> = batches.concat().into_iter().filter(|name| name.starts_with('m')).collect();
    assert_eq!(of_many, (0..10).map(|number| format!("m-{number}")).collect::<Vec<_>>(), "in their order");
}

#[tokio::test]
async fn what_was_handed_over_is_written_even_if_the_caller_goes_away() {
    let (batcher, writer) = batcher(BatchLimits::default());
    let first = handed_over(&batcher, append("", "first", 1));
    writer.batches(1).await;
    let others = ["0", "1"].map(|name| handed_over(&batcher, append("", name, 1)));
    tokio::task::yield_now().await;
    let calls: Vec<_> = [first].into_iter().chain(others).collect();
    calls.iter().for_each(|call| call.abort());
    for call in calls {
        assert!(call.await.unwrap_err().is_cancelled());
    }
    writer.let_write(2);
    batcher.close().await;
    assert_eq!(writer.batches(2).await.concat(), ["first", "0", "1"]);
}

#[tokio::test]
async fn a_full_queue_holds_callers_back_who_may_still_go_away() {
    for limits in
        [BatchLimits { queue: 2, ..BatchLimits::default() }, BatchLimits { queue_bytes: 20, ..BatchLimits::default() }]
    {
        let (batcher, writer) = batcher(limits);
        let mut calls = vec![handed_over(&batcher, append("", "first", 10))];
        writer.batches(1).await;
        calls.extend((0..5).map(|number| handed_over(&batcher, append("", &number.to_string(), 10))));
        let other = handed_over(&batcher, append("other", "other", 10));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        // The appends 0 and 1 are in the queue, the others before the door.
        for gone in [1, 2, 4] {
            calls[gone].abort();
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        writer.let_write(100);
        other.await.unwrap().unwrap();
        for (number, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.is_err(), [1, 2, 4].contains(&number));
        }
        batcher.close().await;
        let written: Vec<_> = writer.batches(2).await.concat().into_iter().filter(|name| name != "other").collect();
        assert_eq!(written, ["first", "0", "1", "2", "4"], "the append 3 went away in time");
    }
}

#[tokio::test]
async fn a_writer_that_panics_loses_its_batch_alone() {
    let (batcher, writer) = batcher(BatchLimits::default());
    writer.let_write(2);
    assert!(matches!(batcher.append(append("", "bad", 1)).await, Err(AppendError::OutcomeUnknown { .. })));
    batcher.append(append("", "good", 1)).await.unwrap();
    batcher.close().await;
}

#[tokio::test]
async fn closing_waits_for_what_was_handed_over() {
    let (batcher, writer) = batcher(BatchLimits::default());
    let call = handed_over(&batcher, append("", "first", 1));
    writer.batches(1).await;
    let closing = {
        let batcher = Arc::clone(&batcher);
        tokio::spawn(async move { batcher.close().await })
    };
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!closing.is_finished());
    writer.let_write(1);
    closing.await.unwrap();
    call.await.unwrap().unwrap();
}

/// The writing belongs to the runtime in which the store was opened.
#[test]
fn a_store_whose_runtime_has_ended_answers_all_the_same() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (batcher, writer) = first.block_on(async { batcher(BatchLimits::default()) });
    let calls = second.block_on(async {
        let calls = ["0", "1"].map(|name| handed_over(&batcher, append("", name, 1)));
        writer.batches(1).await;
        calls
    });
    first.shutdown_background();
    second.block_on(async {
        let (mut unknown, mut unwritten) = (0, 0);
        for call in calls {
            match call.await.unwrap() {
                Err(AppendError::OutcomeUnknown { .. }) => unknown += 1,
                Err(AppendError::Unavailable { .. }) => unwritten += 1,
                other => panic!("{other:?}"),
            }
        }
        // The second one may have been in the same batch.
        assert!(unknown >= 1, "{unwritten} were told that nothing was written");
        assert!(matches!(batcher.append(append("", "2", 1)).await, Err(AppendError::Unavailable { .. })));
        batcher.close().await;
    });
}
