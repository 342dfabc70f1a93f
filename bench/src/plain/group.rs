//! Batching by hand: one writer that takes what waits, knows positions and versions from memory, and writes it in one
//! commit.
//!
//! It checks nothing, and is right only as long as nobody else writes.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Row, Table};
use crate::Error;

/// Rows of one commit at most, as in the framework.
const BATCH: usize = 1024;

/// Rows that wait together for one answer. Their versions are given by the writer.
struct Entry {
    rows: Vec<Row>,
    answer: oneshot::Sender<Result<(), String>>,
}

/// The writer's queue.
pub(crate) struct Group {
    queue: mpsc::Sender<Entry>,
    writer: JoinHandle<()>,
}

impl Group {
    /// Starts a writer into an empty table.
    pub(crate) fn start(table: Arc<dyn Table>) -> Self {
        let (queue, entries) = mpsc::channel(4096);
        Self { queue, writer: tokio::spawn(write(table, entries)) }
    }

    /// Appends `rows`; they are on the disk when this returns.
    pub(crate) async fn append(&self, rows: Vec<Row>) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Entry { rows, answer }).await.map_err(|_| "the writer stopped")?;
        Ok(answered.await.map_err(|_| "the writer stopped")??)
    }

    /// Waits until everything is written.
    pub(crate) async fn close(self) -> Result<(), Error> {
        drop(self.queue);
        Ok(self.writer.await?)
    }
}

async fn write(table: Arc<dyn Table>, mut entries: mpsc::Receiver<Entry>) {
    let mut versions = HashMap::<String, i64>::new();
    let mut head = 0;
    let (mut rows, mut answers) = (Vec::new(), Vec::new());
    while let Some(first) = entries.recv().await {
        let mut next = Some(first);
        while let Some(mut entry) = next.take() {
            for row in &mut entry.rows {
                head += 1;
                row.position = Some(head);
                row.version = next_version(&mut versions, &row.stream);
            }
            rows.append(&mut entry.rows);
            answers.push(entry.answer);
            if rows.len() < BATCH {
                next = entries.try_recv().ok();
            }
        }
        let written = table.insert(&rows).await.map_err(|error| error.to_string());
        rows.clear();
        for answer in answers.drain(..) {
            let _ = answer.send(written.clone());
        }
        // Those who were just answered often append again: let them, so that they share the next commit.
        tokio::task::yield_now().await;
    }
}

fn next_version(versions: &mut HashMap<String, i64>, stream: &str) -> i64 {
    match versions.get_mut(stream) {
        Some(version) => {
            *version += 1;
            *version
        }
        None => {
            versions.insert(stream.to_owned(), 1);
            1
        }
    }
}
