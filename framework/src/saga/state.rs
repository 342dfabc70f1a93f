//! States of sagas, as they are stored.

use crate::message::{CodecError, Json, Payloads};
use crate::store::SagaRow;

use super::error::SagaError;
use super::handlers::SagaHandlers;

/// Lifts a stored state by one version.
#[derive(Clone, Copy)]
pub struct StateUpcast {
    /// The version that it lifts.
    pub from: u32,
    /// Makes a state of the next version of it.
    pub lift: fn(Json) -> Result<Json, String>,
}

impl std::fmt::Debug for StateUpcast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateUpcast").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Reads the state of an instance, as it would be written today.
pub(crate) fn read<S: SagaHandlers>(row: &SagaRow, payloads: &Payloads) -> Result<S, SagaError> {
    if row.version > S::VERSION {
        return Err(SagaError::NewerState { saga: S::NAME, stored: row.version, known: S::VERSION });
    }
    let fails = |source: CodecError| SagaError::State { saga: S::NAME, source };
    if row.version == S::VERSION {
        return payloads.decode(&row.state).map_err(fails);
    }
    let mut state: Json = payloads.decode(&row.state).map_err(fails)?;
    for version in row.version..S::VERSION {
        let refused = |reason| SagaError::Lift { saga: S::NAME, version, reason };
        let upcast = S::upcasts().into_iter().find(|upcast| upcast.from == version);
        let upcast = upcast.ok_or_else(|| refused("there is no `#[upcast]` for it".to_owned()))?;
        state = (upcast.lift)(state).map_err(refused)?;
    }
    payloads.decode(&payloads.encode(&state).map_err(fails)?).map_err(fails)
}

/// Versions that no `#[upcast]` lifts, and those that more than one does.
pub(crate) fn faults<S: SagaHandlers>() -> Vec<String> {
    let upcasts = S::upcasts();
    let count = |version| upcasts.iter().filter(|upcast| upcast.from == version).count();
    let missing = (1..S::VERSION).filter(|version| count(*version) == 0).map(|version| {
        let next = version + 1;
        format!("a state of version {version} cannot be read: write `#[upcast(from = {version})] fn to_{next}(state: Json) -> Json`")
    });
    let others =
        upcasts.iter().filter(|upcast| upcast.from == 0 || upcast.from >= S::VERSION || count(upcast.from) > 1);
    let others = others.map(|upcast| {
        format!(
            "an `#[upcast(from = {})]` lifts nothing, or is not the only one: the saga has version {}",
            upcast.from,
            S::VERSION
        )
    });
    missing.chain(others).collect()
}
