//! Models: the states of decisions that other handlers decide by as well.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;

use crate::handler::{Context, ContextError, FromContext, ModelKey, Requirement, Resources};
use crate::message::{Decode, Payloads, Position, RecordedEvent, StreamId, Tag};
use crate::store::{Criteria, FoldError, Folded, Journal, NewEvent, Read};

use super::boundary::boundary_of;
use super::{Decision, EvolveError, LoadError};

/// The state of a decision inside its boundary, as a parameter of a handler of another decision or of an aggregate.
///
/// The boundary is that of the model, with the tags of the command. All that a handler has read is joined into one
/// condition: nothing is stored if anything inside any of the boundaries has happened meanwhile, and the handler runs
/// again.
///
/// ```
/// use annals::aggregate::Model;
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "course.enrolled")]
/// # struct Enrolled { #[tag] course: String, #[tag] student: String }
/// #[derive(Decision, Default, Clone)]
/// #[decision(boundary(student))]
/// struct Load { courses: usize }
///
/// #[event_sourcing]
/// impl Load {
///     #[apply] fn enrolled(&mut self, _event: &Enrolled) { self.courses += 1; }
/// }
///
/// #[derive(Command, Serialize, Deserialize, Clone)]
/// #[command(name = "course.enrol")]
/// struct Enrol { #[tag] course: String, #[tag] student: String }
///
/// #[derive(Decision, Default, Clone)]
/// #[decision(boundary(course))]
/// struct Seats { taken: usize }
///
/// # #[event_sourcing]
/// # impl Seats {
/// #     #[apply] fn enrolled(&mut self, _event: &Enrolled) { self.taken += 1; }
/// # }
/// #[command_handlers]
/// impl Seats {
///     #[handle]
///     fn enrol(&self, command: Enrol, load: Model<Load>) -> Option<Enrolled> {
///         let free = self.taken < 30 && load.courses < 3;
///         free.then_some(Enrolled { course: command.course, student: command.student })
///     }
/// }
/// ```
pub struct Model<D>(Arc<D>);

impl<D> Deref for Model<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.0
    }
}

impl<D> Clone for Model<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: fmt::Debug> fmt::Debug for Model<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<D: Decision> FromContext for Model<D> {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let model = context.brought().and_then(Resources::shared::<D>);
        model.map(Self).ok_or_else(|| ContextError::new(std::any::type_name::<D>(), "and no model is read here"))
    }

    fn requirement() -> Requirement {
        Requirement::Model(ModelKey {
            id: TypeId::of::<D>(),
            name: std::any::type_name::<D>(),
            boundary: D::BOUNDARY,
            make: || {
                let source: Arc<dyn ModelSource> = Arc::new(SourceOf::<D>(PhantomData));
                Box::new(source)
            },
        })
    }
}

/// Reads a model.
#[async_trait]
pub(crate) trait ModelSource: Send + Sync {
    /// Its boundary for a command with these tags.
    fn boundary(&self, tags: &[Tag]) -> Criteria;

    /// Reads it up to a position (`None`: up to the head) and adds the `pending` events that nobody has stored yet; puts it
    /// into `brought`, and gives the position up to which it holds.
    async fn read(
        &self,
        journal: &Journal,
        boundary: Criteria,
        up_to: Option<Position>,
        pending: &[NewEvent],
        brought: &mut Resources,
    ) -> Result<Position, LoadError>;

    /// Folds it from events that are at hand, for the test kit.
    fn fold(&self, events: &[RecordedEvent], brought: &mut Resources) -> Result<(), EvolveError>;
}

/// The sources of the models that `requirements` ask for.
pub(crate) fn models(requirements: &[Requirement]) -> Vec<Arc<dyn ModelSource>> {
    let mut found: Vec<(TypeId, Arc<dyn ModelSource>)> = Vec::new();
    for requirement in requirements {
        if let Requirement::Model(key) = requirement
            && !found.iter().any(|(id, _)| *id == key.id)
            && let Ok(source) = (key.make)().downcast::<Arc<dyn ModelSource>>()
        {
            found.push((key.id, *source));
        }
    }
    found.into_iter().map(|(_, source)| source).collect()
}

struct SourceOf<D>(PhantomData<fn() -> D>);

#[async_trait]
impl<D: Decision> ModelSource for SourceOf<D> {
    fn boundary(&self, tags: &[Tag]) -> Criteria {
        boundary_of::<D>(tags)
    }

    async fn read(
        &self,
        journal: &Journal,
        boundary: Criteria,
        up_to: Option<Position>,
        pending: &[NewEvent],
        brought: &mut Resources,
    ) -> Result<Position, LoadError> {
        let (mut state, position) = fold_boundary(journal, D::default(), boundary.clone(), up_to).await?;
        evolve_pending(&mut state, &boundary, pending, journal.payloads())?;
        brought.insert(state);
        Ok(position)
    }

    fn fold(&self, events: &[RecordedEvent], brought: &mut Resources) -> Result<(), EvolveError> {
        let (mut state, payloads) = (D::default(), Payloads::json());
        for event in events {
            state.evolve(Decode::of(event, &payloads))?;
        }
        brought.insert(state);
        Ok(())
    }
}

/// `state` with all events inside `boundary`, and the position up to which it holds.
pub(crate) async fn fold_boundary<D: Decision>(
    journal: &Journal,
    state: D,
    boundary: Criteria,
    up_to: Option<Position>,
) -> Result<(D, Position), LoadError> {
    let read = Read::matching(boundary, Position::START);
    let read = match up_to {
        Some(position) => read.up_to(position),
        None => read,
    };
    let (state, folded) = fold_read(journal, state, read).await?;
    Ok((state, up_to.unwrap_or(folded.scanned)))
}

/// Moves `state` on by those of the `pending` events that lie inside `boundary`.
pub(crate) fn evolve_pending<D: Decision>(
    state: &mut D,
    boundary: &Criteria,
    pending: &[NewEvent],
    payloads: &Payloads,
) -> Result<(), LoadError> {
    for event in pending.iter().filter(|event| boundary.matches(&event.name, &event.tags)) {
        let decode = Decode::stored(&event.name, event.revision, &event.payload, payloads);
        state.evolve(decode).map_err(|source| LoadError::Evolve { stream: event.stream.clone(), source })?;
    }
    Ok(())
}

/// `state` with all events of `read`.
pub(super) async fn fold_read<D: Decision>(
    journal: &Journal,
    mut state: D,
    read: Read,
) -> Result<(D, Folded), LoadError> {
    match journal.fold(read, D::EVENTS, |event| state.evolve(event).map(|_| ())).await {
        Ok(folded) => Ok((state, folded)),
        Err(FoldError::Read(error)) => Err(error.into()),
        Err(FoldError::Event { place, source }) => {
            let event = journal.event_at(Position::new(place)).await?;
            let stream = event.map_or_else(|| StreamId::new(D::NAME, ""), |event| event.recorded.stream);
            Err(LoadError::Evolve { stream, source })
        }
    }
}
