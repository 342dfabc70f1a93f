//! The instances that a page of inputs concerns, in memory until all of it is handled.

use std::collections::{BTreeSet, HashMap};

use crate::handler::Context;
use crate::message::{CommandId, Recorded, SagaId};
use crate::store::{Association, Journal, SagaWrite, Segment, StoreError, StoreTransaction};

use super::error::SagaError;
use super::handlers::{SagaHandlers, SagaInput, SagaRole};
use super::instance::{Happening, Instance, Runner, Waiting};
use super::monitor::Tally;

/// How often something is written anew where another writer of an instance was faster.
pub(crate) const RACES: u32 = 8;

/// Instances, and by what they are found.
pub(crate) struct Instances<S> {
    all: Vec<Instance<S>>,
    by_id: HashMap<SagaId, usize>,
    /// Also those that gave an association up: it is looked at again.
    by_association: HashMap<Association, Vec<usize>>,
}

impl<S> Default for Instances<S> {
    fn default() -> Self {
        Self { all: Vec::new(), by_id: HashMap::new(), by_association: HashMap::new() }
    }
}

/// How an event comes to instances.
pub(crate) struct Arrival<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) recorded: &'a Recorded,
    /// Which instances are meant.
    pub(crate) segment: Segment,
    /// Whether it was tried before, and instances may be ahead of it.
    pub(crate) again: bool,
}

impl<S: SagaHandlers> Instances<S> {
    /// Adds an instance, unless it is there.
    pub(crate) fn add(&mut self, instance: Instance<S>) {
        if !self.by_id.contains_key(&instance.id()) {
            self.by_id.insert(instance.id(), self.all.len());
            self.all.push(instance);
            self.index(self.all.len() - 1);
        }
    }

    pub(crate) fn get(&mut self, id: SagaId) -> Option<&mut Instance<S>> {
        self.by_id.get(&id).map(|index| &mut self.all[*index])
    }

    pub(crate) fn into_all(self) -> Vec<Instance<S>> {
        self.all
    }

    fn index(&mut self, index: usize) {
        for association in self.all[index].associations() {
            let found = self.by_association.entry(association.clone()).or_default();
            if !found.contains(&index) {
                found.push(index);
            }
        }
    }

    /// The running instances with any of `associations`.
    fn concerned(&self, associations: &[Association]) -> BTreeSet<usize> {
        let found = associations.iter().flat_map(|association| {
            let indexes = self.by_association.get(association).into_iter().flatten().copied();
            indexes.filter(|index| self.all[*index].associations().contains(association))
        });
        found.filter(|index| !self.all[*index].has_ended()).collect()
    }

    /// Brings a part of an event to the instances that it concerns; begins one where it starts one and there is none. An
    /// instance that cannot take it keeps it until somebody has looked after it.
    pub(crate) fn deliver(&mut self, input: &SagaInput<S>, part: u32, arrival: &Arrival<'_>, runner: Runner<'_, S>) {
        let concerned = self.concerned(&input.associations);
        let begins = match input.role {
            SagaRole::Start => concerned.is_empty() && !input.associations.is_empty(),
            SagaRole::StartAlways => true,
            SagaRole::Handle | SagaRole::End => false,
        };
        if begins {
            self.begin(input, part, arrival, runner);
        }
        if input.role == SagaRole::StartAlways {
            return;
        }
        for index in concerned {
            let instance = &mut self.all[index];
            let mine = arrival.again || arrival.segment.has(instance.row().slice);
            if mine && (instance.admits(arrival.recorded.position) || arrival.again) {
                give(instance, input, part, arrival, runner);
                self.index(index);
            }
        }
    }

    fn begin(&mut self, input: &SagaInput<S>, part: u32, arrival: &Arrival<'_>, runner: Runner<'_, S>) {
        let Arrival { context, recorded, segment, again } = arrival;
        let id = id_of::<S>(recorded, part);
        let alone = input.role == SagaRole::Start;
        let slice = match input.associations.first().filter(|_| alone) {
            Some(association) => association.slice(),
            None => Segment::hash_of(&id.to_string()),
        };
        // One that the event has begun before, and that may have ended since, is known by its id.
        if !(*again || segment.has(slice)) || self.by_id.contains_key(&id) {
            return;
        }
        let caused = recorded.metadata().caused_by_event(recorded.id);
        let instance = Instance::begin(id, slice, context.now(), &caused);
        let mut instance = instance.begun_by(&input.associations, alone);
        instance.admits(recorded.position);
        give(&mut instance, input, part, arrival, runner);
        self.add(instance);
    }
}

/// The instance that a part of an event begins.
pub(crate) fn id_of<S: SagaHandlers>(recorded: &Recorded, part: u32) -> SagaId {
    match part {
        0 => SagaId::derived(recorded.id.uuid(), S::NAME),
        part => SagaId::derived(recorded.id.uuid(), &format!("{part} {}", S::NAME)),
    }
}

fn give<S: SagaHandlers>(
    instance: &mut Instance<S>,
    input: &SagaInput<S>,
    part: u32,
    arrival: &Arrival<'_>,
    runner: Runner<'_, S>,
) {
    let Arrival { context, recorded, .. } = arrival;
    let reason = if instance.is_held_up() {
        None
    } else {
        let caused = recorded.metadata().caused_by_event(recorded.id);
        match instance.take(&Happening::Event(input, recorded), context, runner, &caused) {
            Ok(()) => return,
            Err(error) => Some(crate::handler::error::chain(&error)),
        }
    };
    instance.put_aside(&Waiting::Event { position: recorded.position, part }, reason, context.now());
}

/// Loads instances by their ids, ended ones included.
pub(crate) async fn load<S: SagaHandlers>(
    transaction: &mut dyn StoreTransaction,
    journal: &Journal,
    ids: &[SagaId],
) -> Result<Instances<S>, SagaError> {
    let mut instances = Instances::default();
    for row in transaction.find_sagas(journal.tenant(), S::NAME, &[], ids).await? {
        instances.add(Instance::load(row, journal.payloads())?);
    }
    Ok(instances)
}

/// Writes what has changed about instances. Gives what has happened to them, if anything has changed.
pub(crate) async fn write<S: SagaHandlers>(
    transaction: &mut dyn StoreTransaction,
    journal: &Journal,
    instances: Vec<Instance<S>>,
) -> Result<Option<Tally>, SagaError> {
    let mut tally = Tally::default();
    let (now, tenant) = (journal.now(), journal.tenant());
    let (mut writes, mut withdrawn): (Vec<SagaWrite>, Vec<CommandId>) = (Vec::new(), Vec::new());
    for instance in instances.into_iter().filter(Instance::has_changed) {
        tally.add(&instance.tally());
        let (write, gone) = instance.into_write(tenant, now, journal.payloads())?;
        writes.push(write);
        withdrawn.extend(gone);
    }
    if writes.is_empty() {
        return Ok(None);
    }
    transaction.write_sagas(tenant, S::NAME, writes).await?;
    if !withdrawn.is_empty() {
        transaction.finish_effects(tenant, &withdrawn).await?;
    }
    Ok(Some(tally))
}

/// Whether a write lost a race against another writer of an instance, and can be made again.
pub(crate) fn lost_a_race(journal: &Journal, error: &SagaError) -> bool {
    match error {
        SagaError::Store(StoreError::Changed { .. }) => true,
        SagaError::Store(error) => journal.store().has_lost_a_race(error),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::{Arrival, Instances, Runner, SagaHandlers, SagaInput, SagaRole};
    use crate::handler::{Context, Resources};
    use crate::message::{
        Decode, EventId, Metadata, Payloads, Position, Recorded, StreamId, Timestamp, UpcastError, Version,
    };
    use crate::saga::{Handling, Saga};
    use crate::store::Segment;

    #[derive(Serialize, Deserialize, Default, Clone)]
    struct Tally {
        taken: u32,
    }

    impl Saga for Tally {
        const NAME: &'static str = "tally";
    }

    impl SagaHandlers for Tally {
        const EVENTS: &'static [&'static str] = &["counted"];

        fn route(_: Decode<'_>, _: &Metadata) -> Result<Option<SagaInput<Self>>, UpcastError> {
            Ok(None)
        }
    }

    /// Brings the event at `position` twice; gives what the instance has taken then.
    fn twice(instances: &mut Instances<Tally>, position: u64, again: bool) -> u32 {
        let recorded = Recorded {
            position: Position::new(position),
            stream: StreamId::new("tally", "t"),
            version: Version::FIRST,
            id: EventId::new(),
            name: "counted".into(),
            revision: 1,
            recorded_at: Timestamp::EPOCH,
            metadata: Metadata::new().into(),
        };
        let input = SagaInput::new(SagaRole::Start, "tally", &"t", |tally: &mut Tally, _, _| {
            tally.taken += 1;
            Ok(())
        });
        let (resources, payloads) = (Resources::default(), Payloads::json());
        let handling = Handling::new(&crate::message::Upcasters::default());
        let context = Context::new(Timestamp::EPOCH, recorded.metadata(), &resources);
        let runner = Runner { handling: &handling, payloads: &payloads, tenant: "" };
        let arrival = Arrival { context: &context, recorded: &recorded, segment: Segment::WHOLE, again };
        instances.deliver(&input, 0, &arrival, runner);
        for instance in &mut instances.all {
            instance.forget_current();
        }
        instances.deliver(&input, 0, &arrival, runner);
        instances.all[0].state().taken
    }

    #[test]
    fn an_event_that_comes_again_is_not_taken_again() {
        let mut instances = Instances::default();
        assert_eq!(twice(&mut instances, 3, false), 1);
        assert_eq!(twice(&mut instances, 4, false), 2);
        assert_eq!(twice(&mut instances, 2, false), 2, "what lies behind was taken before");
    }
}
