//! What the macros generate does what the attributes say.

#![expect(clippy::unwrap_used, reason = "a test that meets an error should stop at its line")]

use std::time::Duration;

use annals::aggregate::{
    Aggregate as _, AppliedTo, Creation, EventSourced, EvolveError, HandledBy, Refusal, SnapshotPolicy,
};
use annals::handler::{Context, Requirement, Resources, Shared};
use annals::message::{Decode, Payloads, RecordedEvent, Tag, UpcastError};
use annals::prelude::*;
use annals::query::AnsweredBy;
use annals::saga::{Association, SagaHandlers, SagaRole};
use annals::view::{ViewHandlers, ViewMode, ViewSource};

#[derive(Identifier, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
struct OrderId(String);

#[derive(Identifier, Debug, PartialEq)]
struct LineNumber(u64);

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("not that many")]
struct TooMany;

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.place", error = TooMany)]
struct Place {
    #[target]
    #[tag]
    order: OrderId,
    quantity: u32,
    #[tag]
    labels: Vec<String>,
    #[tag]
    r#type: Option<u8>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.add", error = TooMany, reply = u32)]
struct Add {
    #[target]
    order: OrderId,
    quantities: Vec<u32>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.note")]
struct Note {
    #[target]
    order: OrderId,
    text: String,
}

impl Note {
    fn new(order: &str) -> Self {
        Self { order: OrderId(order.to_owned()), text: String::new() }
    }
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.placed", revision = 2)]
struct Placed {
    #[tag]
    order: OrderId,
    quantity: u32,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.added")]
struct Added {
    quantity: u32,
}

#[derive(Aggregate, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[aggregate(name = "order", snapshot(every = 50, revision = 3))]
struct Order {
    quantity: u32,
}

#[command_handlers]
impl Order {
    #[handle(create)]
    fn place(command: Place, limit: &u32) -> Result<(Placed, Option<Added>), TooMany> {
        if command.quantity > *limit {
            return Err(TooMany);
        }
        Ok((Placed { order: command.order, quantity: command.quantity }, None))
    }

    #[handle]
    fn add(&mut self, command: &Add, _now: Now, events: &mut Events<Self>) -> Result<u32, TooMany> {
        for quantity in command.quantities.iter().copied() {
            if self.would_be(quantity) > 10 {
                return Err(TooMany);
            }
            events.apply(self, Added { quantity });
        }
        Ok(self.quantity)
    }

    #[handle(create_if_missing)]
    fn note(&self, _command: Note) {}

    fn would_be(&self, quantity: u32) -> u32 {
        self.quantity + quantity
    }
}

#[event_sourcing(ignore("order.noted"))]
impl Order {
    #[apply]
    fn placed(&mut self, event: &Placed) {
        self.quantity = event.quantity;
    }

    #[apply]
    fn added(&mut self, event: &Added) {
        self.quantity += event.quantity;
    }

    #[cfg(any())]
    #[apply]
    fn removed(&mut self, event: &NoSuchEvent) {}
}

/// Knows which order it is about from the command.
#[derive(Decision, Debug, Clone, Default, PartialEq)]
#[decision(boundary(order, r#type))]
struct Orders {
    order: OrderId,
    count: u32,
}

impl From<&Place> for Orders {
    fn from(command: &Place) -> Self {
        Self { order: command.order.clone(), count: 0 }
    }
}

#[event_sourcing]
impl Orders {
    #[apply]
    fn placed(&mut self, _event: &Placed) {
        self.count += 1;
    }
}

/// The line of the method that follows.
const SECOND_HANDLER: u32 = line!() + 5;

#[command_handlers]
impl Orders {
    #[handle]
    fn place(&self, command: &Place) -> Vec<Placed> {
        let quantity = self.count;
        vec![Placed { order: command.order.clone(), quantity }]
    }

    #[handle]
    fn note(&self, _command: &Note) {}
}

#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "orders", key = OrderId, inline, version = 4)]
struct OrderView {
    quantity: u32,
}

#[view_handlers]
impl OrderView {
    #[handle(key = order)]
    fn placed(&mut self, event: &Placed, factor: Shared<u32>) -> Keep {
        self.quantity = event.quantity * *factor;
        if self.quantity == 0 { Keep::Delete } else { Keep::Update }
    }
}

#[derive(Saga, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[saga(name = "fulfilment")]
struct Fulfilment {
    rejected: Vec<String>,
}

#[saga_handlers]
impl Fulfilment {
    #[start(by = order)]
    fn placed(&mut self, event: &Placed, effects: &mut Effects, factor: &u32) {
        effects.send(Add { order: event.order.clone(), quantities: vec![*factor] });
        effects.deadline("late", Duration::from_secs(1));
    }

    #[end(by = quantity)]
    fn added(&mut self, _event: &Added) {}

    #[rejected]
    fn refused(&mut self, command: &Add, why: &TooMany, effects: &mut Effects) {
        self.rejected.push(format!("{}: {why}", command.order));
        effects.end();
    }

    #[deadline("late")]
    fn late(&mut self, effects: &mut Effects) {
        effects.end();
    }

    #[steps]
    fn list() -> Steps<Self> {
        steps().step("note").invoke(|_| Note::new("o-1")).into()
    }
}

#[derive(Query)]
#[query(name = "order.count", reply = u64)]
struct CountOrders(u64);

#[derive(Default)]
struct Counter {
    step: u64,
}

#[query_handlers]
impl Counter {
    #[handle]
    async fn count(&self, query: CountOrders, base: &u32) -> Result<u64, HandlerError> {
        if query.0 == 0 {
            return Err(HandlerError::new("zero"));
        }
        Ok(query.0 + self.step + u64::from(*base))
    }
}

#[upcasters]
impl Placed {
    #[upcast(from = 1)]
    fn add_quantity(mut payload: Json) -> Json {
        payload["quantity"] = 1.into();
        payload
    }
}

fn place(quantity: u32) -> Place {
    Place { order: OrderId::from("o-1"), quantity, labels: vec!["a".into(), "b".into()], r#type: None }
}

fn stored(name: &str, revision: u32, payload: &str) -> RecordedEvent {
    RecordedEvent {
        recorded: Recorded {
            position: Position::new(1),
            stream: StreamId::new("order", "o-1"),
            version: Version::new(1).unwrap(),
            id: EventId::new(),
            name: name.to_owned().into(),
            revision,
            recorded_at: Timestamp::EPOCH,
            metadata: Metadata::new().into(),
        },
        payload: payload.as_bytes().to_vec(),
    }
}

/// Calls `read` with the event on its way to a handler.
fn decoded<T>(event: &RecordedEvent, read: impl FnOnce(Decode<'_>) -> T) -> T {
    read(Decode::of(event, &Payloads::json()))
}

/// Calls `handle` in a context whose only resource is `7`.
fn in_context<T>(handle: impl FnOnce(&Context<'_>) -> T) -> T {
    let (metadata, mut resources) = (Metadata::new(), Resources::default());
    resources.insert(7_u32);
    handle(&Context::new(Timestamp::EPOCH, &metadata, &resources))
}

#[test]
fn an_identifier_is_its_text() {
    let order: OrderId = "o-1".parse().unwrap();
    assert_eq!(order, OrderId::from("o-1"));
    assert_eq!(order, OrderId::from("o-1".to_owned()));
    assert_eq!(order.to_string(), "o-1");
    assert_eq!("12".parse::<LineNumber>().unwrap(), LineNumber::from(12));
    assert!("twelve".parse::<LineNumber>().is_err());
}

#[test]
fn a_command_knows_its_target_and_its_tags() {
    assert_eq!(Place::NAME, "order.place");
    assert_eq!(place(1).target().as_deref(), Some("o-1"));
    assert_eq!(Place::TAG_KEYS, ["order", "labels", "type"]);
    let tags = [Tag::new("order", "o-1"), Tag::new("labels", "a"), Tag::new("labels", "b")];
    assert_eq!(place(1).tags(), tags);
    assert_eq!(Place { labels: Vec::new(), r#type: Some(3), ..place(1) }.tags()[1], Tag::new("type", 3));
    assert_eq!(Note::new("o-1").target().as_deref(), Some("o-1"));
}

#[test]
fn an_event_knows_its_revision() {
    assert_eq!((Placed::NAME, Placed::REVISION, Placed::TAG_KEYS), ("order.placed", 2, &["order"][..]));
    assert_eq!((Added::REVISION, Added::TAG_KEYS), (1, &[][..]));
}

#[test]
fn a_decision_is_named_after_its_boundary() {
    assert_eq!(Orders::BOUNDARY, [["order"].as_slice(), &["type"]]);
    assert_eq!(Orders::NAME, "order+type");
}

#[test]
fn a_creating_handler_needs_no_state_and_may_refuse() {
    assert_eq!(<Place as HandledBy<Order>>::CREATION, Creation::MustNotExist);
    assert_eq!(<Place as HandledBy<Order>>::requirements(), [Requirement::reference::<u32>()]);
    in_context(|context| {
        let mut events = Events::default();
        place(7).decide(&Order::default(), context, &mut events).unwrap();
        assert_eq!(format!("{events:?}"), r#"["order.placed"]"#);
        let refused = place(8).decide(&Order::default(), context, &mut Events::default());
        assert!(matches!(refused, Err(Refusal::Rejected(TooMany))));
    });
}

#[test]
fn a_handler_with_several_steps_sees_its_own_events_and_leaves_the_state_alone() {
    assert_eq!(<Add as HandledBy<Order>>::CREATION, Creation::MustExist);
    let (order, mut events) = (Order { quantity: 1 }, Events::default());
    let add = Add { order: "o-1".into(), quantities: vec![2, 3] };
    let reply = in_context(|context| add.decide(&order, context, &mut events)).unwrap();
    assert_eq!((reply, events.len(), order.quantity), (6, 2, 1));
    let add = Add { order: "o-1".into(), quantities: vec![2, 300] };
    let refused = in_context(|context| add.decide(&order, context, &mut Events::default()));
    assert!(matches!(refused, Err(Refusal::Rejected(TooMany))));
}

#[test]
fn a_missing_resource_refuses_the_command() {
    let (metadata, resources) = (Metadata::new(), Resources::default());
    let context = Context::new(Timestamp::EPOCH, &metadata, &resources);
    let refused = place(1).decide(&Order::default(), &context, &mut Events::default());
    assert!(matches!(refused, Err(Refusal::Context(error)) if error.wanted == "u32"));
}

#[test]
fn the_first_state_comes_from_the_command_where_it_can() {
    assert_eq!(<Note as HandledBy<Order>>::CREATION, Creation::MayExist);
    assert_eq!(HandledBy::<Orders>::initial(&place(1)), Orders { order: "o-1".into(), count: 0 });
    assert_eq!(HandledBy::<Orders>::initial(&Note::new("o-1")), Orders::default());
    assert_eq!(HandledBy::<Order>::initial(&place(1)), Order::default());
}

#[test]
fn a_state_evolves_by_stored_events() {
    assert_eq!(Order::EVENTS, ["order.placed", "order.added"]);
    let mut order = Order::default();
    decoded(&stored("order.placed", 2, r#"{"order":"o-1","quantity":4}"#), |event| order.evolve(event)).unwrap();
    decoded(&stored("order.noted", 1, "{}"), |event| order.evolve(event)).unwrap();
    assert_eq!(Added { quantity: 2 }.apply_to(&mut order), Ok(Lifecycle::Keep));
    assert_eq!(order.quantity, 6);
    let unknown = decoded(&stored("order.lost", 1, "{}"), |event| order.evolve(event));
    assert!(matches!(unknown, Err(EvolveError::Unknown { event, .. }) if event == "order.lost"));
    let newer = decoded(&stored("order.placed", 3, "{}"), |event| order.evolve(event));
    assert!(matches!(newer, Err(EvolveError::Decode(UpcastError::Revision { stored: 3, known: 2, .. }))));
}

#[test]
fn the_schema_of_a_snapshot_changes_with_the_fields() {
    /// The same fields, written otherwise.
    mod same {
        use super::*;

        #[rustfmt::skip]
        #[derive(Aggregate, Serialize, Deserialize, Clone, Default)]
        #[aggregate(name = "order", snapshot(revision = 3, every = 50))]
        pub(super) struct Order { pub(super) quantity :u32 }

        #[event_sourcing]
        impl Order {
            #[apply]
            fn added(&mut self, event: &Added) {
                self.quantity = event.quantity;
            }
        }
    }

    mod other {
        use super::*;

        #[derive(Aggregate, Serialize, Deserialize, Clone, Default)]
        #[aggregate(name = "order", snapshot(every = 50, revision = 3))]
        pub(super) struct Order {
            quantity: u64,
        }

        #[event_sourcing]
        impl Order {
            #[apply]
            fn added(&mut self, event: &Added) {
                self.quantity = event.quantity.into();
            }
        }
    }

    let snapshots = Order::snapshots().unwrap();
    assert_eq!(snapshots.policy, SnapshotPolicy::on_request().every(50));
    // The text is stored beside each snapshot: a new one here means that all snapshots of users are made anew.
    assert_eq!(snapshots.schema, "3-85e089068f26118d");
    assert_eq!(same::Order::snapshots().unwrap().schema, snapshots.schema);
    assert_ne!(other::Order::snapshots().unwrap().schema, snapshots.schema);
}

#[test]
fn a_snapshot_policy_is_what_the_attribute_says() {
    use std::time::Duration;

    macro_rules! policy {
        ($($snapshot:tt)*) => {{
            #[derive(Aggregate, Serialize, Deserialize, Clone, Default)]
            #[aggregate(name = "order", $($snapshot)*)]
            struct Order;

            #[event_sourcing]
            impl Order {
                #[apply]
                fn placed(&mut self, _event: &Placed) {}

                #[apply]
                fn added(&mut self, _event: &Added) {}
            }
            Order::snapshots().map(|snapshots| snapshots.policy)
        }};
    }
    let none = SnapshotPolicy::on_request;
    assert_eq!(policy!(), None);
    assert_eq!(policy!(snapshot), Some(none()));
    assert_eq!(policy!(snapshot()), Some(none()));
    assert_eq!(policy!(snapshot(revision = 2)), Some(none()));
    assert_eq!(policy!(snapshot(on = Placed)), Some(none().on::<Placed>()));
    assert_eq!(policy!(snapshot(on(Placed, Added))), Some(none().on::<Placed>().on::<Added>()));
    let takes = |duration| Some(none().when_loading_takes(duration));
    assert_eq!(policy!(snapshot(after = "5us")), takes(Duration::from_micros(5)));
    assert_eq!(policy!(snapshot(after = "200ms")), takes(Duration::from_millis(200)));
    assert_eq!(policy!(snapshot(after = "1 s")), takes(Duration::from_secs(1)));
    assert_eq!(policy!(snapshot(after = "2m")), takes(Duration::from_secs(120)));
    let all = none().every(3).when_loading_takes(Duration::from_secs(1)).on::<Added>();
    assert_eq!(policy!(snapshot(on = Added, every = 3, revision = 4, after = "1s")), Some(all));
}

#[test]
fn the_size_of_a_state_is_that_of_its_value_and_its_text() {
    use std::collections::BTreeMap;

    /// Its keys are no texts, so that it cannot be written as JSON.
    #[derive(Aggregate, Serialize, Default, Clone)]
    #[aggregate(name = "unwritten")]
    struct Unwritten(BTreeMap<Vec<u8>, u8>);

    #[derive(Aggregate, Default, Clone)]
    #[aggregate(name = "plain")]
    struct Plain(Vec<u8>);

    macro_rules! sourced {
        ($($state:ident)*) => {$(
            #[event_sourcing]
            impl $state {
                #[apply]
                fn added(&mut self, _event: &Added) {}
            }
        )*};
    }
    sourced! { Unwritten Plain }
    assert_eq!(Order { quantity: 12 }.size(), size_of::<Order>() + r#"{"quantity":12}"#.len());
    assert_eq!(Unwritten(BTreeMap::from([(vec![1], 1)])).size(), size_of::<Unwritten>());
    let plain = Plain(vec![0; 100]);
    assert_eq!((plain.size(), plain.0.len()), (size_of::<Plain>(), 100), "what it points to is not known");
}

#[test]
fn a_view_is_routed_by_its_key() {
    assert_eq!((OrderView::NAME, OrderView::VERSION, OrderView::MODE), ("orders", 4, ViewMode::Inline));
    assert_eq!(OrderView::SOURCES, [ViewSource { event: "order.placed", key: Some("order"), tags: &["order"] }]);
    let event = stored("order.placed", 2, r#"{"order":"o-1","quantity":4}"#);
    let mut steps = decoded(&event, OrderView::route).unwrap();
    let step = steps.remove(0);
    assert!(steps.is_empty());
    assert_eq!(step.key, "o-1");
    let mut view = OrderView::default();
    assert_eq!(in_context(|context| (step.fold)(&mut view, context)), Ok(Keep::Update));
    assert_eq!(view, OrderView { quantity: 28 });
    assert!(decoded(&stored("order.added", 1, "{}"), OrderView::route).unwrap().is_empty());
}

#[test]
fn a_saga_is_found_by_its_association() {
    assert_eq!(Fulfilment::EVENTS, ["order.placed", "order.added"]);
    let event = stored("order.placed", 2, r#"{"order":"o-1","quantity":4}"#);
    let input = decoded(&event, |event| Fulfilment::route(event, &Metadata::new())).unwrap().unwrap();
    assert_eq!(input.role, SagaRole::Start);
    assert_eq!(input.associations, [Association::new("order", "o-1")]);
    let mut effects = Effects::new(Timestamp::EPOCH, Payloads::json());
    in_context(|context| (input.handle)(&mut Fulfilment::default(), context, &mut effects)).unwrap();
    assert!(format!("{effects:?}").contains("order.add"));
    let added = stored("order.added", 1, r#"{"quantity":4}"#);
    let ended = decoded(&added, |event| Fulfilment::route(event, &Metadata::new())).unwrap().unwrap();
    assert_eq!((ended.role, ended.associations), (SagaRole::End, vec![Association::new("quantity", "4")]));
}

#[test]
fn a_saga_gets_rejections_deadlines_and_steps() {
    let (mut saga, mut effects) = (Fulfilment::default(), Effects::new(Timestamp::EPOCH, Payloads::json()));
    let rejections = Fulfilment::rejections();
    assert_eq!(rejections[0].command, "order.add");
    in_context(|context| {
        let (command, why) = (br#"{"order":"o-1","quantities":[]}"#, b"null");
        (rejections[0].handle)(&mut saga, command, why, &Payloads::json(), context, &mut effects).unwrap();
        assert_eq!(saga.rejected, ["o-1: not that many"]);
        let deadlines = Fulfilment::deadlines();
        assert_eq!(deadlines[0].name, "late");
        (deadlines[0].handle)(&mut saga, context, &mut effects).unwrap();
    });
    assert_eq!(format!("{:?}", Fulfilment::steps().unwrap()), r#"["note"]"#);
}

#[tokio::test]
async fn a_query_is_answered_by_its_component() {
    let (metadata, mut resources) = (Metadata::new(), Resources::default());
    resources.insert(7_u32);
    let context = Context::new(Timestamp::EPOCH, &metadata, &resources);
    let counter = Counter { step: 20 };
    assert_eq!(CountOrders(1).answer(Some(&counter), &context).await.unwrap(), 28);
    assert!(matches!(CountOrders(0).answer(Some(&counter), &context).await, Err(QueryError::Failed { .. })));
    assert!(matches!(CountOrders(1).answer(None, &context).await, Err(QueryError::Context(_))));
}

#[tokio::test]
async fn start_up_names_the_line_of_a_handler() {
    let Err(error) = annals::Annals::builder().store("memory:").resource(7_u32).start().await else {
        panic!("two states decide on `order.place`");
    };
    let (message, place) = (error.to_string(), format!("macros_run.rs:{SECOND_HANDLER}"));
    assert!(message.contains("the command `order.place` has 2 handlers"), "{message}");
    assert!(message.contains(&place), "expected {place} in {message}");
}
