//! What is assumed about the store before a batch of appends is planned.

use crate::message::{EventId, Position, StreamId};
use crate::store::append::{Append, Expected};
use crate::store::plan::{DocumentState, Facts, Map, Place, Set, StreamState};
use crate::store::stream::StreamStatus;

use super::memory::{Known, Memory};

/// Names a stream of a tenant.
pub(super) type Key = (String, StreamId);

/// Facts for a batch that the function verifies before it writes.
#[derive(Debug, Default)]
pub(super) struct Assumed {
    pub(super) facts: Facts,
    /// Streams whose state is a guess. That of others holds as long as the head is the assumed one.
    pub(super) unsure: Set<Key>,
    /// Whether everything rests on the head: a condition was decided on it.
    pub(super) head_is_fixed: bool,
}

/// What must be asked first. The head is always asked along.
#[derive(Debug, Default)]
pub(super) struct Open<'a> {
    pub(super) streams: Set<(&'a str, &'a StreamId)>,
    /// Events that appends rest on.
    pub(super) events: Vec<EventId>,
    /// Appends, by index.
    pub(super) conditions: Vec<usize>,
}

/// What was asked, all at one head.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) head: Option<Position>,
    pub(super) streams: Map<Key, Option<StreamState>>,
    pub(super) events: Map<EventId, Option<Place>>,
    /// Of the appends that were asked for, whether the condition is broken.
    pub(super) conditions: Map<usize, bool>,
}

/// Why nothing can be assumed.
#[derive(Debug)]
pub(super) enum Unclear<'a> {
    /// This must be asked first.
    Ask(Open<'a>),
    /// The batch meets something rare, which the general path knows how to treat.
    Rare,
}

/// Assumes that exact expectations hold, that ids are new, and that what this node knows is still so.
pub(super) fn assume<'a>(batch: &'a [Append], memory: &mut Memory, asked: &Asked) -> Result<Assumed, Unclear<'a>> {
    // What is sent later is written by the general path alone.
    if batch.iter().any(|append| !append.effects.is_empty()) {
        return Err(Unclear::Rare);
    }
    let (mut assumed, mut open) = (Assumed::default(), Open::default());
    let mut met: Set<Key> = Set::default();
    let Some(head) = memory.head() else {
        open.streams = streams(batch).map(|(tenant, stream, _)| (tenant, stream)).collect();
        return Err(Unclear::Ask(open));
    };
    assumed.facts.head = head;
    for (tenant, stream, expected) in streams(batch) {
        let key = (tenant.to_owned(), stream.clone());
        if met.contains(&key) {
            continue;
        }
        let (state, sure) = match (asked.streams.get(&key), memory.stream(&key), expected) {
            (Some(state), _, _) => (*state, true),
            (None, Known::AtHead(version), _) => (Some(StreamState::open(version)), true),
            (None, Known::Once(version), Expected::Version(expected)) => {
                (Some(StreamState::open(version.max(expected))), false)
            }
            (None, Known::Once(version), _) => (Some(StreamState::open(version)), false),
            (None, Known::Nothing, Expected::Version(version)) => (Some(StreamState::open(version)), false),
            (None, Known::Nothing, Expected::NoStream) => (None, false),
            (None, Known::Nothing, _) => {
                open.streams.insert((tenant, stream));
                continue;
            }
        };
        if state.is_some_and(|state| state.status != StreamStatus::Open) {
            return Err(Unclear::Rare);
        }
        if !sure {
            assumed.unsure.insert(key.clone());
        }
        if let Some(state) = state {
            assumed.facts.streams.insert(key.clone(), state);
        }
        met.insert(key);
    }
    let mut own: Set<EventId> = Set::default();
    for (index, append) in batch.iter().enumerate() {
        if let Some(event) = append.rests_on.filter(|event| !own.contains(event)) {
            match asked.events.get(&event).cloned().or_else(|| written(append, event, memory, head).map(Some)) {
                Some(place) => assumed.facts.events.extend(place.map(|place| (event, place))),
                None => open.events.push(event),
            }
        }
        own.extend(append.events.iter().map(|event| event.id));
        for write in &append.documents {
            let document = (write.view.clone(), write.key.clone());
            if write.read_revision > 0 {
                let state = DocumentState { revision: write.read_revision, removed: false };
                assumed.facts.documents.entry(document).or_insert(state);
            }
        }
        let Some(condition) = append.condition.as_ref().filter(|condition| !condition.criteria.any_of().is_empty())
        else {
            continue;
        };
        let known = memory.ring().and_then(|ring| ring.breaks(&append.tenant, condition));
        match known.or_else(|| asked.conditions.get(&index).copied()) {
            Some(true) => drop(assumed.facts.broken_conditions.insert(index)),
            Some(false) => {}
            None => open.conditions.push(index),
        }
        assumed.head_is_fixed = true;
    }
    if open.streams.is_empty() && open.events.is_empty() && open.conditions.is_empty() {
        Ok(assumed)
    } else {
        Err(Unclear::Ask(open))
    }
}

/// The place of `event`, that `append` rests on, if this node has written it last of all in a stream that `append` touches.
/// Once stored, it is stored; that nothing has followed it is looked at elsewhere.
fn written(append: &Append, event: EventId, memory: &Memory, head: Position) -> Option<Place> {
    let streams =
        append.expected.iter().map(|(stream, _)| stream).chain(append.events.iter().map(|event| &event.stream));
    streams.into_iter().find_map(|stream| {
        let version = memory.written(&(append.tenant.clone(), stream.clone()), event)?;
        Some(Place { tenant: append.tenant.clone(), stream: stream.clone(), version, position: head })
    })
}

/// Every stream that `batch` touches, with what is expected of it. One may come more than once; expectations come first.
fn streams(batch: &[Append]) -> impl Iterator<Item = (&str, &StreamId, Expected)> {
    batch.iter().flat_map(|append| {
        let tenant = append.tenant.as_str();
        let expected = append.expected.iter().map(move |(stream, expected)| (tenant, stream, *expected));
        let written = append.events.iter().map(move |event| (tenant, &event.stream, Expected::Any));
        expected.chain(written)
    })
}

#[cfg(test)]
mod tests {
    use super::{Asked, Memory, Unclear, assume};
    use crate::message::{EventId, Position, StreamId, Tag, Timestamp, Version};
    use crate::store::append::{Append, Expected, NewEvent};
    use crate::store::criteria::{Condition, Criterion};
    use crate::store::plan::{Facts, StreamState, plan};
    use crate::store::stream::StreamStatus;

    fn stream() -> StreamId {
        StreamId::new("wallet", "a")
    }

    fn version(number: u64) -> Version {
        Version::new(number).unwrap()
    }

    fn append(expected: Expected) -> Append {
        let event = NewEvent {
            stream: stream(),
            id: EventId::new(),
            name: "wallet.credited".into(),
            revision: 1,
            payload: Vec::new(),
            metadata: std::sync::Arc::default(),
            tags: Vec::new(),
            recorded_at: Timestamp::EPOCH,
        };
        Append { events: vec![event], expected: vec![(stream(), expected)], ..Append::default() }
    }

    /// A memory of the head 7, and of the stream at version 3 if `age` says how old that is.
    fn memory(age: Option<u64>) -> Memory {
        let mut memory = Memory::new();
        if let Some(age) = age {
            memory.saw_head(Position::new(7 - age));
            memory.saw_stream((String::new(), stream()), version(3));
        }
        memory.saw_head(Position::new(7));
        memory
    }

    fn assumed(expected: Expected, age: Option<u64>) -> Option<(Option<u64>, bool)> {
        let batch = [append(expected)];
        let key = (String::new(), stream());
        match assume(&batch, &mut memory(age), &Asked::default()) {
            Ok(assumed) => {
                let newest = assumed.facts.streams.get(&key).map(|state| state.newest.get());
                Some((newest, !assumed.unsure.contains(&key)))
            }
            Err(Unclear::Ask(open)) => {
                assert!(open.streams.contains(&("", &batch[0].events[0].stream)));
                None
            }
            Err(Unclear::Rare) => panic!("nothing rare was met"),
        }
    }

    #[test]
    fn an_exact_expectation_is_assumed_to_hold() {
        assert_eq!(assumed(Expected::Version(version(5)), None), Some((Some(5), false)));
        assert_eq!(assumed(Expected::NoStream, None), Some((None, false)));
    }

    #[test]
    fn what_is_known_at_the_head_is_sure() {
        for expected in [Expected::Any, Expected::NoStream, Expected::Version(version(5))] {
            assert_eq!(assumed(expected, Some(0)), Some((Some(3), true)), "{expected}");
        }
    }

    #[test]
    fn what_was_known_once_is_a_guess() {
        assert_eq!(assumed(Expected::Any, Some(1)), Some((Some(3), false)));
        assert_eq!(assumed(Expected::Version(version(5)), Some(1)), Some((Some(5), false)), "it has moved since");
        assert_eq!(assumed(Expected::Version(version(2)), Some(1)), Some((Some(3), false)), "versions only grow");
    }

    #[test]
    fn what_nothing_is_known_about_is_asked() {
        assert_eq!(assumed(Expected::Any, None), None);
        assert_eq!(assumed(Expected::Exists, None), None);
        let batch = [append(Expected::NoStream)];
        assert!(
            matches!(assume(&batch, &mut Memory::new(), &Asked::default()), Err(Unclear::Ask(_))),
            "the head is not"
        );
    }

    #[test]
    fn a_stream_with_a_life_of_its_own_is_left_to_the_general_path() {
        let deleted = StreamState { newest: version(2), status: StreamStatus::Deleted };
        let asked =
            Asked { streams: [((String::new(), stream()), Some(deleted))].into_iter().collect(), ..Asked::default() };
        let batch = [append(Expected::Any)];
        assert!(matches!(assume(&batch, &mut memory(None), &asked), Err(Unclear::Rare)));
    }

    #[test]
    fn what_an_append_rests_on_is_known_or_asked() {
        let first = append(Expected::NoStream);
        let event = first.events[0].id;
        let on_top = Append { rests_on: Some(event), ..append(Expected::Version(Version::FIRST)) };
        let mut memory = memory(None);
        let together = [first.clone(), on_top.clone()];
        let assumed = assume(&together, &mut memory, &Asked::default()).unwrap();
        assert!(assumed.facts.events.is_empty(), "the batch brings it itself");
        let alone = [on_top];
        match assume(&alone, &mut memory, &Asked::default()) {
            Err(Unclear::Ask(open)) => assert_eq!(open.events, [event]),
            other => panic!("expected a question, got {other:?}"),
        }
        let missing = Asked { events: [(event, None)].into_iter().collect(), ..Asked::default() };
        assert!(assume(&alone, &mut memory, &missing).unwrap().facts.events.is_empty());
        let written = [first];
        let facts = Facts { head: Position::new(7), ..Facts::default() };
        memory.wrote(&plan(&written, facts), Position::new(7));
        assert!(assume(&alone, &mut memory, &Asked::default()).unwrap().facts.events.contains_key(&event));
    }

    #[test]
    fn a_condition_fixes_the_head() {
        let condition = |after| Condition { criteria: Criterion::tag(Tag::new("colour", "red")).into(), after };
        let decided = [Append { condition: Some(condition(Position::new(7))), ..append(Expected::NoStream) }];
        let assumed = assume(&decided, &mut memory(None), &Asked::default()).unwrap();
        assert!(assumed.head_is_fixed && assumed.facts.broken_conditions.is_empty());
        let old = [Append { condition: Some(condition(Position::new(2))), ..append(Expected::NoStream) }];
        match assume(&old, &mut memory(None), &Asked::default()) {
            Err(Unclear::Ask(open)) => assert_eq!(open.conditions, [0]),
            other => panic!("expected a question, got {other:?}"),
        }
        let asked = Asked { conditions: [(0, true)].into_iter().collect(), ..Asked::default() };
        let assumed = assume(&old, &mut memory(None), &asked).unwrap();
        assert!(assumed.facts.broken_conditions.contains(&0));
    }
}
