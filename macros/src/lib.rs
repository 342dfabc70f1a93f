//! The derive and attribute macros of `annals`; use them through that crate.
//!
//! Each macro parses, checks and emits. All faults of one use are reported at once, under the words that the user wrote,
//! and the generated code is thin: impls of public traits, and a registration through `inventory`.

mod aggregate;
mod attributes;
mod block;
mod command;
mod command_handlers;
mod component;
mod decision;
mod duration;
mod entity;
mod errors;
mod event;
mod event_handlers;
mod event_sourcing;
mod fields;
mod handler;
mod identifier;
mod index_value;
mod place;
mod query;
mod query_handlers;
mod retention;
mod saga;
mod saga_handlers;
mod shape;
mod subject;
mod upcasters;
mod view;
mod view_handlers;
mod workflow;
mod workflow_body;
mod workflow_handlers;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// A command: a request to change something, addressed to one handler.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[command(name = "order.place")]` | the stored name | required |
/// | `#[command(revision = 2)]` | the shape of the payload; older ones that sagas have sent are lifted by `#[upcasters]` | 1 |
/// | `#[command(error = OrderError)]` | why the domain may refuse | `Never` |
/// | `#[command(reply = Total)]` | what the handler answers | `()` |
/// | `#[target]` on a field | the id of the aggregate; its text is the stream's id | none |
/// | `#[tag]` on a field | a value that a decision's boundary can name; a tag for each value of an `Option` or a `Vec` | none |
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Command, Serialize, Deserialize, Debug, Clone)]
/// #[command(name = "order.place", reply = u32)]
/// struct PlaceOrder {
///     #[target]
///     order: String,
///     quantity: u32,
/// }
///
/// let command = PlaceOrder { order: "o-1".into(), quantity: 2 };
/// assert_eq!(command.target().as_deref(), Some("o-1"));
/// ```
#[proc_macro_derive(Command, attributes(command, target, routing, tag))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    command::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// An event: a fact that happened.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[event(name = "order.placed")]` | the stored name | required |
/// | `#[event(revision = 2)]` | the shape of the payload; older shapes are lifted by `#[upcasters]` | 1 |
/// | `#[tag]` on a field | makes the event findable by this field; a tag for each value of an `Option` or a `Vec` | none |
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Event, Serialize, Deserialize, Debug, Clone)]
/// #[event(name = "order.placed", revision = 2)]
/// struct OrderPlaced {
///     #[tag]
///     order: String,
/// }
///
/// assert_eq!((OrderPlaced::NAME, OrderPlaced::REVISION), ("order.placed", 2));
/// ```
#[proc_macro_derive(Event, attributes(event, target, tag))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    event::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// A query: a question, answered from read models.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[query(name = "order.count")]` | the name | required |
/// | `#[query(reply = u64)]` | what the handler answers | this or `stream` is required |
/// | `#[query(gather)]` | several handlers may answer: `app.query_all(..)` | one handler |
/// | `#[query(update = Change)]` | what subscribers get after the first answer, from whoever emits it | replies, when they change |
/// | `#[query(stream = Row)]` | the answer is a stream of rows: `app.query_stream(..)` | |
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Query)]
/// #[query(name = "order.count", reply = u64)]
/// struct CountOrders;
/// ```
#[proc_macro_derive(Query, attributes(query))]
pub fn derive_query(input: TokenStream) -> TokenStream {
    query::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// An aggregate: a consistent whole that decides on commands by the events of its own stream.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[aggregate(name = "order")]` | the category of its streams | required |
/// | `#[aggregate(snapshot)]` | states can be kept as snapshots, on request: `app.aggregate::<Order>(id).snapshot()` | no snapshots |
/// | `#[aggregate(snapshot(every = 100))]` | also after every so many events, at least 1 | not by count |
/// | `#[aggregate(snapshot(after = "200ms"))]` | also when loading from events took longer; `us`, `ms`, `s` or `m` | not by time |
/// | `#[aggregate(snapshot(on = OrderCompleted))]` | also on this event; several as `on(OrderCompleted, OrderCancelled)` | not by event |
/// | `#[aggregate(snapshot(revision = 2))]` | raise it when a nested type has changed its shape | 1 |
///
/// The keys of `snapshot` combine, as in `snapshot(every = 100, on = OrderCompleted, revision = 2)`: a snapshot is made
/// when any of them says so. It remembers the revision together with a fingerprint of the fields (their names, types and
/// serde attributes), so that one of another shape is ignored. A type inside a field is only known by its name: when its
/// shape changes, raise the revision.
///
/// ```
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
/// #[derive(Aggregate, Serialize, Deserialize, Default, Clone)]
/// #[aggregate(name = "lamp", snapshot(every = 100, after = "200ms", on = Switched))]
/// struct Lamp {
///     on: bool,
/// }
///
/// #[event_sourcing]
/// impl Lamp {
///     #[apply]
///     fn switched(&mut self, event: &Switched) {
///         self.on = event.on;
///     }
/// }
///
/// assert_eq!(Lamp::NAME, "lamp");
/// ```
#[proc_macro_derive(Aggregate, attributes(aggregate, unique))]
pub fn derive_aggregate(input: TokenStream) -> TokenStream {
    aggregate::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// A decision over all events inside a consistency boundary: those that carry any of its tags with the value in the command.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[decision(boundary(course, student))]` | the tags of the boundary; the command marks fields of these names with `#[tag]` | required |
/// | `#[decision(name = "enrolment")]` | the category of the streams that its events go to | the boundary's names joined by `+` |
///
/// A state that has to know what it is about implements `From<&Command>`; otherwise it begins as its default.
///
/// ```
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "course.enrolled")] struct Enrolled { #[tag] course: String }
/// #[derive(Decision, Default, Clone)]
/// #[decision(boundary(course, student))]
/// struct Enrolment {
///     taken: u32,
/// }
///
/// #[event_sourcing]
/// impl Enrolment {
///     #[apply]
///     fn enrolled(&mut self, _event: &Enrolled) {
///         self.taken += 1;
///     }
/// }
///
/// assert_eq!(Enrolment::NAME, "course+student");
/// ```
#[proc_macro_derive(Decision, attributes(decision))]
pub fn derive_decision(input: TokenStream) -> TokenStream {
    decision::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// A view: a read model of one document for each key.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[view(name = "order-summary")]` | the stored name | required |
/// | `#[view(key = OrderId)]` | the type of the key; its text identifies the document | required |
/// | `#[view(version = 2)]` | raise it when shape or rules change: the documents are then built anew; an inline view is brought up at start, before commands are taken | 1 |
/// | `#[view(asynchronous)]`, `#[view(inline)]`, `#[view(live)]` | when events are folded | `asynchronous` |
/// | `#[index]` on a field | documents are found by its value: makes a constant `Index` of the field's name, in capital letters. The field is a number, a text, `bool`, `Timestamp`, an id, or any type with `IndexValue`; an `Option` of one (without a value there is no entry), a `Vec` or a set (an entry for each) | none |
/// | `#[index(name = "buyer")]` | the stored name of the index, at most 128 bytes | the field's name |
///
/// Raise the version when an index is added, removed or renamed: start-up refuses documents with other indexes.
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(View, Serialize, Deserialize, Default, Clone)]
/// #[view(name = "order-summary", key = String, inline)]
/// struct OrderSummary {
///     #[index]
///     customer: String,
///     quantity: u32,
/// }
///
/// assert_eq!((OrderSummary::NAME, OrderSummary::VERSION), ("order-summary", 1));
/// let of_ann = OrderSummary::CUSTOMER.is("ann");
/// ```
#[proc_macro_derive(View, attributes(view, index))]
pub fn derive_view(input: TokenStream) -> TokenStream {
    view::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// A saga: the state of a long process.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[saga(name = "order-fulfilment")]` | the stored name | required |
/// | `#[saga(version = 2)]` | the shape of the state; older ones are lifted by `#[upcast(from = 1)]` methods of the handlers | 1 |
/// | `#[saga(history = false)]` | what happens to instances is not written down | it is |
/// | `#[saga(retention = "30d")]` | how long ended instances stay: a number with `s`, `m`, `h` or `d`, or `"forever"` | as all sagas: for ever |
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Saga, Serialize, Deserialize, Default, Clone)]
/// #[saga(name = "order-fulfilment")]
/// struct Fulfilment {
///     order: String,
/// }
///
/// assert_eq!(Fulfilment::NAME, "order-fulfilment");
/// ```
#[proc_macro_derive(Saga, attributes(saga))]
pub fn derive_saga(input: TokenStream) -> TokenStream {
    saga::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// A workflow: the input of a long process that is written as one `async fn`.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[workflow(name = "order-flow")]` | the stored name | required |
/// | `#[workflow(version = 2)]` | counts the changes of its function; an instance remembers the one that it was begun under | 1 |
/// | `#[workflow(retention = "30d")]` | how long ended instances stay: a number with `s`, `m`, `h` or `d`, or `"forever"` | as all sagas: for ever |
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Workflow, Serialize, Deserialize, Clone)]
/// #[workflow(name = "order-flow", version = 2)]
/// struct OrderFlow {
///     order: String,
/// }
/// # #[workflow_handlers]
/// # impl OrderFlow {
/// #     #[run]
/// #     async fn run(self, _flow: Flow<Self>) -> Result<(), Never> { Ok(()) }
/// # }
///
/// assert_eq!((OrderFlow::NAME, OrderFlow::VERSION), ("order-flow", 2));
/// ```
#[proc_macro_derive(Workflow, attributes(workflow))]
pub fn derive_workflow(input: TokenStream) -> TokenStream {
    workflow::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// An identifier: a struct around one value, known by its text.
///
/// Implements `Display`, `FromStr` (as the value inside does) and `From` of the value; around a `String` also `From<&str>`.
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Identifier, Debug, PartialEq)]
/// struct OrderId(String);
///
/// #[derive(Identifier, Debug, PartialEq)]
/// struct LineNumber(u64);
///
/// assert_eq!(OrderId::from("o-1").to_string(), "o-1");
/// assert_eq!("12".parse(), Ok(LineNumber::from(12)));
/// ```
#[proc_macro_derive(Identifier)]
pub fn derive_identifier(input: TokenStream) -> TokenStream {
    identifier::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// A value by which the documents of a view can be found: a struct around one such value, or an enum of plain names.
///
/// The names of an enum are those that serde stores, and are ordered as texts. A struct is ordered as what it holds.
/// Types with `#[derive(Identifier)]` are such values already, if what they hold is one.
///
/// ```
/// use annals::prelude::*;
/// use annals::view::IndexValue as _;
///
/// #[derive(IndexValue, Serialize, Deserialize, Default, Clone)]
/// #[serde(rename_all = "kebab-case")]
/// enum Status {
///     #[default]
///     Placed,
///     OnItsWay,
/// }
///
/// #[derive(IndexValue, Serialize, Deserialize, Default, Clone)]
/// struct Cents(i64);
///
/// assert_eq!(Status::OnItsWay.index_text(), "on-its-way");
/// assert!(Cents(-5).index_text() < Cents(3).index_text());
/// ```
#[proc_macro_derive(IndexValue)]
pub fn derive_index_value(input: TokenStream) -> TokenStream {
    index_value::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// A child entity: a part of an aggregate that is found by its id in a list.
///
/// | attribute on a field | meaning |
/// |---|---|
/// | `#[id]` | the id, unique among its siblings; required |
///
/// Entities in maps are found by the map's key and need no derive. How commands and events reach an entity is told by
/// `at = ..`, see [`macro@command_handlers`].
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Entity, Serialize, Deserialize, Clone)]
/// struct Copy {
///     #[id]
///     copy: u32,
///     lent: bool,
/// }
/// ```
#[proc_macro_derive(Entity, attributes(id))]
pub fn derive_entity(input: TokenStream) -> TokenStream {
    entity::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// Describes a type inside messages and states to the [`catalogue`](../annals/fn.catalogue.html): its fields, or its variants. The
/// derives of messages and states describe these themselves; a type that is described neither way is known by its name alone.
///
/// ```standalone_crate
/// use annals::prelude::*;
///
/// #[derive(Described, Serialize, Deserialize)]
/// struct Line {
///     sku: String,
///     quantity: u32,
/// }
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "order.placed")]
/// struct OrderPlaced {
///     lines: Vec<Line>,
/// }
///
/// let text = annals::catalogue().to_string();
/// assert!(text.contains("event order.placed@1 { lines: Vec<Line> }"));
/// assert!(text.contains("    Line { sku: String, quantity: u32 }"));
/// ```
#[proc_macro_derive(Described)]
pub fn derive_described(input: TokenStream) -> TokenStream {
    shape::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// The command handlers of an aggregate, a decision, or a component outside them.
///
/// | attribute on a method | the stream of the target |
/// |---|---|
/// | `#[handle]` | must exist |
/// | `#[handle(create)]` | must not exist; the method may do without `self` |
/// | `#[handle(create_if_missing)]` | may exist |
/// | `#[handle(at = copies[copy])]` | must exist, and have a child entity in its field `copies` whose id is the command's field `copy` |
/// | `#[handle(when = Open(open))]` | must exist, and be in this variant of its enum |
///
/// A command may have several handlers in one block: one with `create`, one for each variant, and one for all that is
/// left. With `at` and `when` the method takes the part in place of the whole state, before the command: the entity, or
/// what the pattern binds. A way may lead on, `at = copies[copy].loans[loan]`; a part that is no collection stands
/// without brackets, `at = address`, or `at = address?` for an `Option`.
///
/// The command is the first parameter, by value (it is cloned) or as `&Command`. Parameters after it are found by their
/// type, see `annals::handler`.
///
/// | method | belongs to | returns |
/// |---|---|---|
/// | `fn place(command: Place)`, `fn cancel(&self, command: Cancel)` | an aggregate or a decision | one event, `Option`, `Vec`, an array or a tuple of events, or nothing |
/// | `fn change(&mut self, command: Change, events: &mut Events<Self>)` | an aggregate or a decision | the reply; events go to `events`, and each step sees what the one before has left |
/// | `async fn send(&self, command: Send)` | a component outside | the reply; no events |
///
/// Each may return a `Result` of that, with the error of the command; an async one also with `HandlerError`.
///
/// ```
/// use annals::prelude::*;
///
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "lamp.install")] struct Install { #[target] lamp: String }
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "lamp.switch", reply = bool)] struct Switch { #[target] lamp: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.installed")] struct Installed;
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
/// # #[derive(Aggregate, Default, Clone)] #[aggregate(name = "lamp")] struct Lamp { on: bool }
/// # #[event_sourcing] impl Lamp {
/// #     #[apply] fn installed(&mut self, event: &Installed) {}
/// #     #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; }
/// # }
/// #[command_handlers]
/// impl Lamp {
///     #[handle(create)]
///     fn install(_command: Install) -> Installed {
///         Installed
///     }
///
///     #[handle]
///     fn switch(&mut self, _command: &Switch, events: &mut Events<Self>) -> bool {
///         let on = !self.on;
///         events.apply(self, Switched { on });
///         self.on
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn command_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    command_handlers::expand(arguments.into(), block.into()).into()
}

/// How events change the state of an aggregate or a decision: one block for each type.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[apply]` on `fn placed(&mut self, event: &OrderPlaced)` | applies this event |
/// | `#[apply(end)]` | the aggregate, or the entity, has ended then; a method that returns `Lifecycle` decides it itself; a decision never ends |
/// | `#[apply(at = copies[copy])]` on `fn lent(copy: &mut Copy, event: &CopyLent)` | applies the event to the child entity whose id is the event's field `copy` |
/// | `#[apply(when = Open(open), then = Closed)]` on `fn closed(open: &mut Open, event: &AccountClosed) -> Closed` | applies the event in this variant of an enum; `then` makes the state the variant that holds what the method returns |
/// | `#[event_sourcing(ignore("order.note"))]` | events of these stored names mean nothing to the state |
///
/// A fact already happened: an `#[apply]` method takes nothing else, waits for nothing and cannot fail.
///
/// ```
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
/// #[derive(Aggregate, Default, Clone)]
/// #[aggregate(name = "lamp")]
/// struct Lamp {
///     on: bool,
/// }
///
/// #[event_sourcing(ignore("lamp.dusted"))]
/// impl Lamp {
///     #[apply]
///     fn switched(&mut self, event: &Switched) {
///         self.on = event.on;
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn event_sourcing(arguments: TokenStream, block: TokenStream) -> TokenStream {
    event_sourcing::expand(arguments.into(), block.into()).into()
}

/// Event handlers with rows of their own: what they write commits together with the tracking token.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[event_handlers(processor = "sales-by-sku")]` | the processor that runs the handlers; required |
/// | `#[event_handlers(processor = "..", skip_replay)]` | after a reset the handlers are not called for events that they have handled before |
/// | `#[event_handlers(processor = "..", name = "..")]` | what the component is called in dead letters and idempotency keys; the processor's name unless given. Of several components of one processor all but one need it |
/// | `#[event_handlers(processor = "..", inline)]` | the handlers run in the transaction of the append, and their error refuses it |
/// | `#[event_handlers(processor = "..", external)]` | the handlers run outside of transactions, at least once; they take no transaction |
/// | `#[handle]` on a method | handles the event that is its first parameter, by value or by reference |
/// | `#[setup]` on a method | makes the tables that the handlers write to; it runs at every start, so it must leave what is there |
/// | `#[reset]` on a method | removes what the handlers have written, before a replay; without it there is none |
///
/// One parameter `&mut T` is the transaction; the others are found by their type, see `annals::handler`. While a handler
/// runs, its transaction holds the right to write, and commands wait: it is no place for slow work. The methods are
/// async or not, and return nothing or `Result<(), HandlerError>`; an error of any other type becomes a `HandlerError`.
///
/// ```
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { sku: String }
/// #[derive(Default)]
/// struct SalesBySku;
///
/// #[event_handlers(processor = "sales-by-sku")]
/// impl SalesBySku {
///     #[setup]
///     async fn table(&self, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
///         let table = "CREATE TABLE IF NOT EXISTS sales (sku TEXT PRIMARY KEY, sold INTEGER NOT NULL)";
///         sqlx::query(table).execute(&mut **tx).await?;
///         Ok(())
///     }
///
///     #[handle]
///     async fn placed(&self, event: &OrderPlaced, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
///         let count = "INSERT INTO sales VALUES (?, 1) ON CONFLICT DO UPDATE SET sold = sold + 1";
///         sqlx::query(count).bind(&event.sku).execute(&mut **tx).await?;
///         Ok(())
///     }
///
///     #[reset]
///     async fn reset(&self, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
///         sqlx::query("DELETE FROM sales").execute(&mut **tx).await?;
///         Ok(())
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn event_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    event_handlers::expand(arguments.into(), block.into()).into()
}

/// How a view folds events.
///
/// | attribute on a method | meaning |
/// |---|---|
/// | `#[handle(key = order)]` | folds the event that is its first parameter into the document whose key is the event's field `order` |
/// | `#[handle(keys = labels)]` | into a document for each value of the field `labels`: an `Option`, a `Vec`, a set |
/// | `#[handle(keys = Self::quarters)]` | into a document for each key that the function makes of a reference to the event |
/// | `#[enrich]` | looks up reference data, once for the events of a page: an associated function, `async` or not, that takes slices of events, as in `placed: &[OrderPlaced]`, then parameters as any handler, and returns a value or a `Result`. Handlers of these events take the value as `annals::view::Enriched<T>` |
///
/// A handler takes `&mut self`, the document, and returns nothing, or `Keep::Delete` to remove it. Parameters after the
/// event are found by their type, see `annals::handler`; `annals::view::Key<K>` is the key of the document.
///
/// ```
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { order: String, quantity: u32 }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.cancelled")] struct OrderCancelled { order: String }
/// #[derive(View, Serialize, Deserialize, Default, Clone)]
/// #[view(name = "order-summary", key = String)]
/// struct OrderSummary {
///     quantity: u32,
/// }
///
/// #[view_handlers]
/// impl OrderSummary {
///     #[handle(key = order)]
///     fn placed(&mut self, event: &OrderPlaced) {
///         self.quantity = event.quantity;
///     }
///
///     #[handle(key = order)]
///     fn cancelled(&mut self, _event: &OrderCancelled) -> Keep {
///         Keep::Delete
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn view_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    view_handlers::expand(arguments.into(), block.into()).into()
}

/// The query handlers of a component.
///
/// | attribute on a method | meaning |
/// |---|---|
/// | `#[handle]` | answers the query that is its first parameter, by value or by reference |
///
/// The methods take `&self` or no `self`, are async or not, and return the reply of the query or a `Result` of it, with an
/// error that converts into `QueryError`. Where the query has `stream = Row`, they return an `impl Stream` of `Row` or of
/// `Result<Row, QueryError>`, which may borrow from the parameters, or they take `rows: &mut Rows<Row>` and write into it.
/// Parameters after the query are found by their type, see `annals::handler`.
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Query)]
/// #[query(name = "order.count", reply = u64)]
/// struct CountOrders;
///
/// struct Orders;
///
/// #[query_handlers]
/// impl Orders {
///     #[handle]
///     async fn count(_query: CountOrders, counted: &u64) -> Result<u64, QueryError> {
///         Ok(*counted)
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn query_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    query_handlers::expand(arguments.into(), block.into()).into()
}

/// What a saga does: one block for each saga.
///
/// | attribute on a method | called for |
/// |---|---|
/// | `#[start(by = order)]` | an event; begins an instance where none is found by the event's field `order`, and is called in the one that is found |
/// | `#[handle(by = order)]` | an event, in the instances that are found by its field `order` |
/// | `#[end(by = order)]` | the same, and the instance has then ended |
/// | `#[rejected]` | a command of the saga that was rejected: `command: &ReserveStock, why: &StockError` |
/// | `#[deadline("reservation")]` | a deadline of this name |
/// | `#[steps]` | the declaration of a list of steps: `fn steps() -> Steps<Self>` |
///
/// The methods take `&mut self`, return nothing, and say what they want through `effects: &mut Effects`. Other parameters are
/// found by their type, see `annals::handler`.
///
/// ```
/// use annals::prelude::*;
/// use std::time::Duration;
///
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "stock.reserve")] struct ReserveStock { #[target] order: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { order: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.approved")] struct OrderApproved { order: String }
/// #[derive(Saga, Serialize, Deserialize, Default, Clone)]
/// #[saga(name = "order-fulfilment")]
/// struct Fulfilment;
///
/// #[saga_handlers]
/// impl Fulfilment {
///     #[start(by = order)]
///     fn placed(&mut self, event: &OrderPlaced, effects: &mut Effects) {
///         effects.send(ReserveStock { order: event.order.clone() });
///         effects.deadline("reservation", Duration::from_secs(60));
///     }
///
///     #[deadline("reservation")]
///     fn overdue(&mut self, effects: &mut Effects) {
///         effects.end();
///     }
///
///     #[end(by = order)]
///     fn approved(&mut self, _event: &OrderApproved) {}
/// }
/// ```
#[proc_macro_attribute]
pub fn saga_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    saga_handlers::expand(arguments.into(), block.into()).into()
}

/// Lifts what earlier programs have stored to the shape that this program knows: events; in the block of a command those that
/// sagas have sent; in the block of an aggregate its snapshots.
///
/// | attribute on a method | meaning | default |
/// |---|---|---|
/// | `#[upcast(from = 1)]` | the stored revision that it lifts | required |
/// | `#[upcast(from = 1, to = 3)]` | the revision afterwards | `from` + 1; where the type of the block itself is returned, its own |
/// | `#[upcast(from = 1, name = "order.put")]` | the other stored name that it lifts | that of the block's type |
/// | `#[upcast(from = 1, into(OrderOpened, LineAdded))]` | the events in the `Upcasted`s that it returns | what its result type says |
///
/// The method takes the old payload by value, as `Json` or as any type that serde can read, and for events `&Recorded` and
/// `&mut Pass` if it likes. It returns `Json`, the type of the block, a struct of the next revision, another event, an `Option`,
/// `Vec`, array or tuple of events, `Vec<Upcasted>`, `Dropped`, or a `Result` of any of these.
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "order.placed", revision = 2)]
/// struct OrderPlaced {
///     order: String,
///     channel: String,
/// }
///
/// #[upcasters]
/// impl OrderPlaced {
///     #[upcast(from = 1)]
///     fn add_channel(mut payload: Json) -> Json {
///         payload["channel"] = "shop".into();
///         payload
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn upcasters(arguments: TokenStream, block: TokenStream) -> TokenStream {
    upcasters::expand(arguments.into(), block.into()).into()
}

/// What a workflow does: one block for each workflow.
///
/// | attribute on a method | meaning |
/// |---|---|
/// | `#[run]` | the function: `async fn run(self, flow: Flow<Self>) -> Result<(), OrderFailure>`; one of them |
/// | `#[awaits(PaymentReceived, by = order)]` on the function | it can wait for this event, whose field `order` has the value of the input's field `order` |
/// | `#[awaits(PaymentReceived, by = payment, with = purchase)]` | the same with a field of the input that has another name |
/// | `#[awaits(RefundMade, by = refund, given)]` | the function gives the value: `flow.event_of::<RefundMade>(refund)` |
/// | `#[start(by = order)]` | an event begins an instance, where none is found by its field: `fn placed(event: &OrderPlaced) -> Self` |
/// | `#[part]` | an `async fn` that awaits steps, and that the function awaits |
///
/// In the function nothing but steps can be awaited: what `flow` gives, and parts. What differs from run to run (the time of the
/// machine, random numbers, tasks, files) is refused as far as the macro sees it; it belongs into `flow.call(..)`.
///
/// ```
/// use annals::prelude::*;
/// use std::time::Duration;
///
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "stock.reserve")] struct ReserveStock { #[target] order: String }
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "order.cancel")] struct CancelOrder { #[target] order: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { order: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "payment.received")] struct PaymentReceived { order: String }
/// #[derive(Workflow, Serialize, Deserialize, Clone)]
/// #[workflow(name = "order-flow")]
/// struct OrderFlow {
///     order: String,
/// }
///
/// #[workflow_handlers]
/// impl OrderFlow {
///     #[start(by = order)]
///     fn placed(event: &OrderPlaced) -> Self {
///         Self { order: event.order.clone() }
///     }
///
///     #[run]
///     #[awaits(PaymentReceived, by = order)]
///     async fn run(self, flow: Flow<Self>) -> Result<(), Never> {
///         flow.send(ReserveStock { order: self.order.clone() }).await?;
///         let paid = flow.event::<PaymentReceived>().within(Duration::from_secs(900)).await;
///         if paid.is_none() {
///             flow.send(CancelOrder { order: self.order }).await?;
///         }
///         Ok(())
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn workflow_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    workflow_handlers::expand(arguments.into(), block.into()).into()
}

/// Makes a step of an `async fn` that awaits steps, so that the function of a workflow can await it. In the block of a workflow
/// the short form is `#[part]`.
///
/// ```
/// use annals::prelude::*;
///
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "lamp.switch")] struct Switch { #[target] lamp: String }
/// # #[derive(Workflow, Serialize, Deserialize, Clone)] #[workflow(name = "lamps")] struct Lamps;
/// #[workflow_part]
/// async fn switch(flow: &Flow<Lamps>, lamp: &str) -> Result<(), Never> {
///     flow.send(Switch { lamp: lamp.to_owned() }).await
/// }
///
/// #[workflow_handlers]
/// impl Lamps {
///     #[run]
///     async fn run(self, flow: Flow<Self>) -> Result<(), Never> {
///         switch(&flow, "hall").await
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn workflow_part(arguments: TokenStream, function: TokenStream) -> TokenStream {
    workflow_body::expand_part(arguments.into(), function.into()).into()
}
