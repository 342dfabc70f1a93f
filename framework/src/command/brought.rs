//! What is read for one command besides its target: models, and events that the caller has not seen.

use std::sync::Arc;

use crate::aggregate::{LoadError, ModelSource, models};
use crate::handler::{Requirement, Resources};
use crate::message::{Position, StreamId, Tag, Version};
use crate::store::{Condition, Criteria, DecodeError, Journal, NewEvent, Read};

use super::unseen::{UNSEEN_LIMIT, Unseen, UnseenEvent};

/// What the handler of a command needs besides its target; found out once.
pub(crate) struct Needs {
    models: Vec<Arc<dyn ModelSource>>,
    /// Whether it wants to see what its caller has not seen.
    pub(crate) unseen: bool,
}

/// What was read for a command.
#[derive(Default)]
pub(crate) struct Brought {
    pub(crate) values: Resources,
    /// What must not have happened since.
    pub(crate) condition: Option<Condition>,
}

impl Needs {
    pub(crate) fn of(requirements: &[Requirement]) -> Self {
        Self { models: models(requirements), unseen: requirements.contains(&Requirement::Unseen) }
    }

    pub(crate) fn has_models(&self) -> bool {
        !self.models.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.models.is_empty() && !self.unseen
    }

    /// Reads the models for a command with these tags, all up to one position: `read`, or the head. Events that are
    /// `pending` come on top.
    pub(crate) async fn models(
        &self,
        journal: &Journal,
        tags: &[Tag],
        read: Option<(Criteria, Position)>,
        pending: &[NewEvent],
    ) -> Result<Brought, LoadError> {
        let mut values = Resources::default();
        let (mut criteria, mut position) = match read {
            Some((criteria, position)) => (criteria, Some(position)),
            None => (Criteria::none(), None),
        };
        for model in &self.models {
            let boundary = model.boundary(tags);
            criteria = criteria.or_any(boundary.clone());
            position = Some(model.read(journal, boundary, position, pending, &mut values).await?);
        }
        let condition = position.map(|after| Condition { criteria, after });
        Ok(Brought { values, condition })
    }
}

/// The events of `stream` after `seen`; `None` where they are too many.
pub(crate) async fn unseen(journal: &Journal, stream: &StreamId, seen: Version) -> Result<Option<Unseen>, LoadError> {
    let mut reader = journal.reader(Read::stream(stream.clone(), Some(seen)).limit(UNSEEN_LIMIT + 1));
    let mut events = Vec::new();
    while let Some(event) = reader.next().await? {
        if events.len() >= UNSEEN_LIMIT {
            return Ok(None);
        }
        let evolve = |source| LoadError::Evolve { stream: stream.clone(), source };
        let parts = journal.decode(&event).await.map_err(|error| match error {
            DecodeError::Read(error) => error.into(),
            DecodeError::Upcast(error) => evolve(error.into()),
        })?;
        for part in parts {
            let name = part.name().to_owned();
            let payload = part.into_json().map_err(|error| evolve(error.into()))?;
            events.push(UnseenEvent { recorded: event.recorded.clone(), name, payload });
        }
    }
    Ok(Some(Unseen::new(events)))
}
