//! What upcasters of earlier events of a stream have left for those of later ones.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::message::{Parts, Pass, Payloads, Recorded, RecordedEvent, StreamId, Upcasters, Version};

use super::Store;
use super::criteria::Criterion;
use super::journal::DecodeError;
use super::read::Read;

/// Streams whose pass is kept; what was used longest ago goes first.
const KEPT: usize = 256;

/// The passes that were used last. What is not here is rebuilt from the stream.
#[derive(Debug, Default)]
pub(crate) struct Passes(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    tenant: String,
    stream: StreamId,
    /// The newest version in it; 0 for none.
    version: u64,
    pass: Pass,
}

impl Passes {
    /// Lifts `event` with what the earlier events of its stream have left.
    pub(crate) async fn lift<'a>(
        &self,
        store: &dyn Store,
        upcasters: &Upcasters,
        payloads: &'a Payloads,
        tenant: &str,
        event: &'a RecordedEvent,
    ) -> Result<Parts<'a>, DecodeError> {
        let Recorded { stream, version, .. } = &event.recorded;
        if !asks(upcasters, event) {
            return Ok(Parts::lift(event, upcasters, payloads, None)?);
        }
        let mut pass = self.before(store, upcasters, payloads, tenant, &event.recorded).await?;
        let parts = Parts::lift(event, upcasters, payloads, Some(&mut pass))?;
        self.keep(Kept { tenant: tenant.to_owned(), stream: stream.clone(), version: version.get(), pass });
        Ok(parts)
    }

    /// What the events before `recorded` have left.
    pub(crate) async fn before(
        &self,
        store: &dyn Store,
        upcasters: &Upcasters,
        payloads: &Payloads,
        tenant: &str,
        recorded: &Recorded,
    ) -> Result<Pass, DecodeError> {
        let last = recorded.version.get().saturating_sub(1);
        let Kept { mut pass, version, .. } = self.take(tenant, &recorded.stream, last);
        if version < last {
            rebuild(store, upcasters, payloads, tenant, &recorded.stream, (version, last), &mut pass).await?;
        }
        Ok(pass)
    }

    /// The newest pass of `stream` up to `last`, or a blank one. Nobody else has it meanwhile.
    fn take(&self, tenant: &str, stream: &StreamId, last: u64) -> Kept {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |kept: &Kept| kept.version <= last && kept.tenant == tenant && kept.stream == *stream;
        let fitting = kept.iter().enumerate().filter(|(_, kept)| fits(kept));
        let newest = fitting.max_by_key(|(_, kept)| kept.version).map(|(index, _)| index);
        newest.and_then(|index| kept.remove(index)).unwrap_or_else(|| Kept {
            tenant: tenant.to_owned(),
            stream: stream.clone(),
            version: 0,
            pass: Pass::default(),
        })
    }

    fn keep(&self, pass: Kept) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| {
            other.version != pass.version || other.tenant != pass.tenant || other.stream != pass.stream
        });
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(pass);
    }
}

/// Whether `event` is lifted with what earlier events have left.
pub(super) fn asks(upcasters: &Upcasters, event: &RecordedEvent) -> bool {
    upcasters.asks_for_pass(&event.recorded.name, event.recorded.revision)
}

/// Lifts the events after version `from` up to `last` that leave something, a page at a time.
async fn rebuild(
    store: &dyn Store,
    upcasters: &Upcasters,
    payloads: &Payloads,
    tenant: &str,
    stream: &StreamId,
    (from, last): (u64, u64),
    pass: &mut Pass,
) -> Result<(), DecodeError> {
    let Some(last) = Version::new(last) else { return Ok(()) };
    let mut read = Read::stream(stream.clone(), Version::new(from)).up_to_version(last);
    read = read.only(Criterion::names(upcasters.names_with_pass()));
    tenant.clone_into(&mut read.tenant);
    loop {
        let page = store.read(&read).await?;
        for event in page.events.iter().filter(|event| asks(upcasters, event)) {
            Parts::lift(event, upcasters, payloads, Some(pass))?;
        }
        match read.behind(&page) {
            Some(next) => read = next,
            None => return Ok(()),
        }
    }
}
