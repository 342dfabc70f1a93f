//! Generated code names everything by its absolute path.

#![deny(warnings)]
#![no_implicit_prelude]
#![forbid(unsafe_code)]

use ::serde::{Deserialize, Serialize};
use ::std::clone::Clone;
use ::std::default::Default;
use ::std::fmt::Debug;

// Names that generated code could take for its own.
#[allow(dead_code)]
mod annals {}
#[allow(dead_code, non_camel_case_types)]
struct Result;
#[allow(dead_code)]
struct Option;
#[allow(dead_code)]
struct Vec;
#[allow(dead_code)]
struct String;
#[allow(dead_code)]
struct Box;

#[derive(::annals::Identifier, Serialize, Deserialize, Debug, Clone, Default)]
struct OrderId(::std::string::String);

#[derive(Serialize, Deserialize, Debug)]
struct Refused;

impl ::std::fmt::Display for Refused {
    fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
        f.write_str("refused")
    }
}

impl ::std::error::Error for Refused {}

#[derive(::annals::Command, Serialize, Deserialize, Clone)]
#[command(name = "order.place", error = Refused, reply = u8)]
struct Place {
    #[target]
    #[tag]
    order: OrderId,
    #[tag]
    coupon: ::std::option::Option<u32>,
}

#[derive(::annals::Command, Serialize, Deserialize, Clone)]
#[command(name = "order.cancel")]
struct Cancel {
    #[target]
    order: OrderId,
}

#[derive(::annals::Command, Serialize, Deserialize)]
#[command(name = "mail.send")]
struct Send;

#[derive(::annals::Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed", revision = 2)]
struct Placed {
    #[tag]
    order: OrderId,
    #[tag]
    labels: ::std::vec::Vec<u32>,
}

#[derive(::annals::Query)]
#[query(name = "order.count", reply = u64)]
struct Count;

#[derive(::annals::Aggregate, Serialize, Deserialize, Default, Clone)]
#[aggregate(name = "order", snapshot(every = 10, after = "1s", on(Placed), revision = 2))]
struct Order {
    placed: bool,
}

#[::annals::command_handlers]
impl Order {
    #[handle(create)]
    fn place(
        &mut self,
        command: Place,
        events: &mut ::annals::aggregate::Events<Self>,
        _now: ::annals::handler::Now,
        _shared: &u32,
    ) -> ::std::result::Result<u8, Refused> {
        events.apply(self, Placed { order: command.order, labels: ::std::vec::Vec::new() });
        ::std::result::Result::Ok(1)
    }

    #[handle(create_if_missing)]
    fn cancel(&self, command: &Cancel) -> [Placed; 1] {
        [Placed { order: command.order.clone(), labels: ::std::vec::Vec::new() }]
    }
}

#[::annals::event_sourcing(ignore("order.note", "order.label"))]
impl Order {
    #[apply]
    fn placed(&mut self, _event: &Placed) {
        self.placed = true;
    }
}

#[derive(::annals::Decision, Default, Clone)]
#[decision(boundary(order), name = "orders")]
struct Orders;

#[::annals::event_sourcing]
impl Orders {
    #[apply]
    fn placed(&mut self, _event: &Placed) {}
}

#[::annals::upcasters]
impl Placed {
    #[upcast(from = 1)]
    fn first(payload: ::annals::message::Json) -> ::std::result::Result<::annals::message::Json, Refused> {
        ::std::result::Result::Ok(payload)
    }
}

struct Mailer;

#[::annals::command_handlers]
impl Mailer {
    #[handle]
    async fn send(&self, _command: &Send) -> ::std::result::Result<(), ::annals::handler::HandlerError> {
        ::std::result::Result::Ok(())
    }
}

#[::annals::query_handlers]
impl Mailer {
    #[handle]
    async fn count(_query: Count, _now: ::annals::handler::Now) -> u64 {
        0
    }
}

#[::annals::event_handlers(processor = "mail")]
impl Mailer {
    #[handle]
    async fn placed(&self, _event: Placed, _tx: &mut u32, _now: ::annals::handler::Now) {}

    #[reset]
    fn reset(&self, _tx: &mut u32) {}
}

#[derive(::annals::View, Serialize, Deserialize, Clone, Default)]
#[view(name = "order", key = OrderId, live, version = 3)]
struct OrderView;

#[::annals::view_handlers]
impl OrderView {
    #[handle(key = order)]
    fn placed(&mut self, _event: Placed, _now: ::annals::handler::Now) {}
}

#[derive(::annals::View, Serialize, Deserialize, Clone, Default)]
#[view(name = "order-by-words", key = OrderId)]
struct WordView {
    #[index]
    _words: ::std::string::String,
}

#[::annals::view_handlers]
impl WordView {
    #[enrich]
    fn words(_placed: &[Placed]) -> ::std::string::String {
        ::std::string::String::new()
    }

    #[handle(keys = Self::keys)]
    fn placed(&mut self, _event: &Placed, _words: ::annals::view::Enriched<::std::string::String>) {}

    fn keys(_event: &Placed) -> [OrderId; 1] {
        [OrderId::default()]
    }
}

#[derive(::annals::Saga, Serialize, Deserialize, Clone, Default)]
#[saga(name = "order")]
struct OrderSaga;

#[::annals::saga_handlers]
impl OrderSaga {
    #[start(by = order)]
    fn placed(&mut self, _event: &Placed, _effects: &mut ::annals::saga::Effects, _now: ::annals::handler::Now) {}

    #[rejected]
    fn refused(&mut self, _command: &Place, _why: &Refused, _shared: &u32) {}

    #[deadline("late")]
    fn late(&mut self, _effects: &mut ::annals::saga::Effects) {}

    #[steps]
    fn all() -> ::annals::saga::Steps<Self> {
        ::std::convert::Into::into(::annals::saga::steps().step("send").invoke(|_: &Self| Send))
    }
}

fn main() {}
