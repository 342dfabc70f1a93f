//! Writes events as JSON lines.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};

use crate::message::{Payloads, Position, Recorded, RecordedEvent, StoredMetadata, UpcastError, Upcasters};
use crate::store::SharedStore;
use crate::store::error::ReadError;
use crate::store::journal::DecodeError;
use crate::store::passes::Passes;

use super::line::Line;
use super::{Progress, StoredEvent};

/// Events of one page.
const PAGE: usize = 512;

type OnProgress = Box<dyn FnMut(Progress) + Send>;

/// Writes the events of a store as JSON lines: the events in the order of their positions, then the streams that have a
/// status or a retention of their own. It holds one page of events at a time.
///
/// ```
/// # use std::sync::Arc;
/// # use annals::store::{Export, MemoryStore};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut lines = Vec::new();
/// let exported = Export::of(Arc::new(MemoryStore::new())).write_to(&mut lines).await.unwrap();
/// assert_eq!(exported.events, 0);
/// # });
/// ```
#[must_use]
pub struct Export {
    store: SharedStore,
    after: Position,
    tenant: Option<String>,
    lift: Option<Lift>,
    on_progress: OnProgress,
}

/// How events are lifted on their way out.
struct Lift {
    upcasters: Upcasters,
    payloads: Payloads,
    passes: Passes,
}

/// What an export wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Events that were written, of this call.
    pub events: u64,
    /// Streams that were written.
    pub streams: u64,
    /// Position of the last event that is in the export.
    pub position: Position,
}

/// Why an export stopped. What was written is right as far as it goes; [`Export::write_to_file`] goes on behind it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The lines cannot be written: make room, or correct the path or its rights.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
    /// An upcaster failed.
    #[error("the event at position {position} cannot be lifted")]
    Lift {
        /// The event.
        position: Position,
        /// What the upcaster said.
        source: UpcastError,
    },
    /// The file that is to be gone on with is no export.
    #[error("line {line} of the file that is to be gone on with is no line of an export: {reason}")]
    Foreign {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl Export {
    /// All events of all tenants of `store`, exactly as they are stored.
    pub fn of(store: SharedStore) -> Self {
        Self { store, after: Position::START, tenant: None, lift: None, on_progress: Box::new(|_| {}) }
    }

    /// Only events after `position`.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Only events and streams of `tenant`.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Each event as its upcasters lift it: under its current name and revision, its payload as JSON whatever the codec. One that
    /// they split has a line for each part ([`Line::Part`]), one that they drop has none. Without it events
    /// are written exactly as they are stored, which is right for a copy of the store.
    pub fn lifted(mut self, upcasters: Upcasters, payloads: Payloads) -> Self {
        self.lift = Some(Lift { upcasters, payloads, passes: Passes::default() });
        self
    }

    /// Tells how far it is, after each page.
    pub fn on_progress(mut self, tell: impl FnMut(Progress) + Send + 'static) -> Self {
        self.on_progress = Box::new(tell);
        self
    }

    /// Writes to the file at `path`. If it is there already it must be an export of the same store: then what it lacks is
    /// added, behind its last whole event.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn write_to_file(mut self, path: impl AsRef<Path>) -> Result<Exported, ExportError> {
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).await?;
        let (bytes, position) = whole_events(&mut file).await?;
        file.set_len(bytes).await?;
        file.seek(io::SeekFrom::Start(bytes)).await?;
        self.after = self.after.max(position);
        let exported = self.write_to(&mut file).await?;
        file.sync_all().await?;
        Ok(exported)
    }

    /// Writes to `lines`, and flushes it at the end.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn write_to(mut self, lines: &mut (dyn AsyncWrite + Unpin + Send)) -> Result<Exported, ExportError> {
        let mut lines = BufWriter::new(lines);
        let head = self.store.head().await?;
        let mut exported = Exported { position: self.after, ..Exported::default() };
        loop {
            let page = self.store.export(exported.position, PAGE).await?;
            let Some(last) = page.last().map(|event| event.position) else { break };
            for event in page {
                if self.tenant.as_ref().is_none_or(|tenant| *tenant == event.tenant) {
                    for line in self.lines(event).await? {
                        write(&mut lines, &line).await?;
                    }
                    exported.events += 1;
                }
            }
            exported.position = last;
            (self.on_progress)(Progress { position: last, events: exported.events, head: Some(head.max(last)) });
        }
        exported.streams = self.write_streams(&mut lines).await?;
        lines.flush().await?;
        Ok(exported)
    }

    async fn write_streams(&self, lines: &mut (impl AsyncWrite + Unpin)) -> Result<u64, ExportError> {
        let (mut streams, mut after) = (0, None);
        loop {
            let from = after.as_ref().map(|(tenant, stream): &(String, _)| (tenant.as_str(), stream));
            let page = self.store.export_streams(from, PAGE).await?;
            let Some(last) = page.last() else { return Ok(streams) };
            after = Some((last.tenant.clone(), last.stream.clone()));
            for info in page {
                if self.tenant.as_ref().is_none_or(|tenant| *tenant == info.tenant) {
                    write(lines, &Line::Stream(info)).await?;
                    streams += 1;
                }
            }
        }
    }

    /// What tells of `event`: one line, unless its upcasters split or drop it.
    async fn lines(&self, event: StoredEvent) -> Result<Vec<Line>, ExportError> {
        let Some(Lift { upcasters, payloads, passes }) = &self.lift else {
            return Ok(vec![Line::Event(Box::new(event))]);
        };
        if !upcasters.lifts(&event.name, event.revision) {
            // What is marked as of another codec becomes JSON; what nobody can read stays as it is.
            let json = (event.payload.first() == Some(&0)).then(|| payloads.decode_tree(&event.payload).ok()).flatten();
            let payload = json.map_or(event.payload, |json| json.to_string().into_bytes());
            return Ok(vec![Line::Event(Box::new(StoredEvent { payload, ..event }))]);
        }
        let recorded = recorded(&event);
        let position = event.position;
        let failed = |source| ExportError::Lift { position, source };
        let parts = match passes.lift(&*self.store, upcasters, payloads, &event.tenant, &recorded).await {
            Ok(parts) => parts,
            Err(DecodeError::Read(error)) => return Err(error.into()),
            Err(DecodeError::Upcast(source)) => return Err(failed(source)),
        };
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let mut lines = Vec::with_capacity(parts.len());
        for part in parts {
            let (name, revision, number) = (part.name().to_owned().into(), part.revision(), part.part());
            let payload = part.into_json().map_err(failed)?.to_string().into_bytes();
            let event = Box::new(StoredEvent { name, revision, payload, ..event.clone() });
            lines.push(if count == 1 { Line::Event(event) } else { Line::Part { event, part: number, parts: count } });
        }
        Ok(lines)
    }
}

/// `event` as upcasters see it.
fn recorded(event: &StoredEvent) -> RecordedEvent {
    RecordedEvent {
        recorded: Recorded {
            position: event.position,
            stream: event.stream.clone(),
            version: event.version,
            id: event.id,
            name: event.name.clone(),
            revision: event.revision,
            recorded_at: event.recorded_at,
            metadata: StoredMetadata::from(event.metadata.clone()),
        },
        payload: event.payload.clone(),
    }
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("after", &self.after).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

async fn write(lines: &mut (impl AsyncWrite + Unpin), line: &Line) -> Result<(), ExportError> {
    let mut json = line.to_json().map_err(io::Error::from)?;
    json.push('\n');
    Ok(lines.write_all(json.as_bytes()).await?)
}

/// The bytes of `file` up to the end of its last whole event, and that event's position.
async fn whole_events(file: &mut tokio::fs::File) -> Result<(u64, Position), ExportError> {
    let (mut bytes, mut read_bytes, mut position, mut number) = (0, 0, Position::START, 0);
    let mut lines = BufReader::new(file);
    let mut line = String::new();
    loop {
        line.clear();
        let read = lines.read_line(&mut line).await?;
        if read == 0 || !line.ends_with('\n') {
            return Ok((bytes, position));
        }
        number += 1;
        read_bytes += read as u64;
        match Line::from_json(&line).map_err(|reason| ExportError::Foreign { line: number, reason })? {
            Line::Event(event) => position = event.position,
            Line::Part { event, part, parts } if part.saturating_add(1) == parts => position = event.position,
            Line::Part { .. } => continue,
            // The streams follow all events, and are written anew.
            Line::Stream(_) => return Ok((bytes, position)),
        }
        bytes = read_bytes;
    }
}
