//! Reads events from JSON lines.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::store::SharedStore;

use super::line::Line;
use super::{Import, ImportError, Imported, Progress};

/// Events that are written together.
const BATCH_EVENTS: usize = 1_000;
/// Bytes of lines that are written together.
const BATCH_BYTES: usize = 4 << 20;
/// Bytes of one line at most: 128 MiB, eight times the largest payload of the default limits.
const LINE_BYTES: u64 = 128 << 20;

/// Several events cannot take the place of one.
const SPLIT: &str = "it is one of several events that upcasters made of a stored one, which share its place: import an \
                     export of the events as they are stored (`Export::of`)";

type OnProgress = Box<dyn FnMut(Progress) + Send>;

/// Writes the lines of an [`Export`](super::Export) into a store, under their positions, versions and times. It holds
/// one batch at a time. After a stop it is repeated from the beginning: what is there already is passed over.
#[must_use]
pub struct Importer {
    store: SharedStore,
    on_progress: OnProgress,
}

/// Why an import of lines stopped. The batches before are written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportFileError {
    /// The lines cannot be read.
    #[error("the import cannot be read")]
    Read(#[from] io::Error),
    /// A line is no line of an export.
    #[error("line {line} is no line of an export: {reason}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The store refused the batch that ends with a line.
    #[error("the store refused the events up to line {line}")]
    Refused {
        /// The last line of the batch, counted from 1.
        line: u64,
        /// Why.
        source: ImportError,
    },
}

impl Importer {
    /// Writes into `store`.
    pub fn into(store: SharedStore) -> Self {
        Self { store, on_progress: Box::new(|_| {}) }
    }

    /// Tells how far it is, after each batch.
    pub fn on_progress(mut self, tell: impl FnMut(Progress) + Send + 'static) -> Self {
        self.on_progress = Box::new(tell);
        self
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ImportFileError`].
    pub async fn read_file(self, path: impl AsRef<Path>) -> Result<Imported, ImportFileError> {
        let file = tokio::fs::File::open(path).await?;
        self.read(&mut BufReader::new(file)).await
    }

    /// Reads `lines`.
    ///
    /// # Errors
    /// [`ImportFileError`].
    pub async fn read(mut self, lines: &mut (dyn AsyncBufRead + Unpin + Send)) -> Result<Imported, ImportFileError> {
        let mut total = Imported { head: self.store.head().await.unwrap_or_default(), ..Imported::default() };
        let (mut batch, mut bytes, mut number) = (Import::default(), 0, 0);
        let mut line = String::new();
        loop {
            line.clear();
            let read = (&mut *lines).take(LINE_BYTES).read_line(&mut line).await?;
            if read > 0 && !line.trim_ascii().is_empty() {
                number += 1;
                if read as u64 == LINE_BYTES {
                    return Err(ImportFileError::Line {
                        line: number,
                        reason: format!("it is longer than {LINE_BYTES} bytes"),
                    });
                }
                let content =
                    Line::from_json(&line).map_err(|reason| ImportFileError::Line { line: number, reason })?;
                match content {
                    Line::Event(event) => batch.events.push(*event),
                    Line::Part { .. } => {
                        return Err(ImportFileError::Line { line: number, reason: SPLIT.to_owned() });
                    }
                    Line::Stream(info) => batch.streams.push(info),
                }
                bytes += read;
            }
            let full = batch.events.len() + batch.streams.len() >= BATCH_EVENTS || bytes >= BATCH_BYTES;
            if full || read == 0 {
                self.write(std::mem::take(&mut batch), number, &mut total).await?;
                bytes = 0;
            }
            if read == 0 {
                return Ok(total);
            }
        }
    }

    async fn write(&mut self, batch: Import, line: u64, total: &mut Imported) -> Result<(), ImportFileError> {
        if batch.events.is_empty() && batch.streams.is_empty() {
            return Ok(());
        }
        let last = batch.events.last().map(|event| event.position);
        let imported = self.store.import(batch).await.map_err(|source| ImportFileError::Refused { line, source })?;
        total.written += imported.written;
        total.known += imported.known;
        total.head = imported.head;
        if let Some(position) = last {
            let events = total.written + total.known;
            (self.on_progress)(Progress { position, events, head: None });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Importer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Importer").field("store", &self.store.address()).finish_non_exhaustive()
    }
}
