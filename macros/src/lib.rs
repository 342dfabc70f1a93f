//! The derive and attribute macros of `annals`.

mod aggregate;
mod attributes;
mod block;
mod command;
mod command_handlers;
mod component;
mod decision;
mod errors;
mod event;
mod event_handlers;
mod event_sourcing;
mod fields;
mod handler;
mod identifier;
mod query;
mod query_handlers;
mod saga;
mod saga_handlers;
mod subject;
mod upcasters;
mod view;
mod view_handlers;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// See the module `command` of the sources.
#[proc_macro_derive(Command, attributes(command, target, tag))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    command::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// See the module `event` of the sources.
#[proc_macro_derive(Event, attributes(event, target, tag))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    event::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// See the module `query` of the sources.
#[proc_macro_derive(Query, attributes(query))]
pub fn derive_query(input: TokenStream) -> TokenStream {
    query::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// See the module `aggregate` of the sources.
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn derive_aggregate(input: TokenStream) -> TokenStream {
    aggregate::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// See the module `decision` of the sources.
#[proc_macro_derive(Decision, attributes(decision))]
pub fn derive_decision(input: TokenStream) -> TokenStream {
    decision::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// See the module `view` of the sources.
#[proc_macro_derive(View, attributes(view))]
pub fn derive_view(input: TokenStream) -> TokenStream {
    view::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// See the module `saga` of the sources.
#[proc_macro_derive(Saga, attributes(saga))]
pub fn derive_saga(input: TokenStream) -> TokenStream {
    saga::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// See the module `identifier` of the sources.
#[proc_macro_derive(Identifier)]
pub fn derive_identifier(input: TokenStream) -> TokenStream {
    identifier::expand(&parse_macro_input!(input as DeriveInput)).into()
}

/// See the module `command_handlers` of the sources.
#[proc_macro_attribute]
pub fn command_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    command_handlers::expand(arguments.into(), block.into()).into()
}

/// See the module `event_sourcing` of the sources.
#[proc_macro_attribute]
pub fn event_sourcing(arguments: TokenStream, block: TokenStream) -> TokenStream {
    event_sourcing::expand(arguments.into(), block.into()).into()
}

/// See the module `event_handlers` of the sources.
#[proc_macro_attribute]
pub fn event_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    event_handlers::expand(arguments.into(), block.into()).into()
}

/// See the module `view_handlers` of the sources.
#[proc_macro_attribute]
pub fn view_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    view_handlers::expand(arguments.into(), block.into()).into()
}

/// See the module `query_handlers` of the sources.
#[proc_macro_attribute]
pub fn query_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    query_handlers::expand(arguments.into(), block.into()).into()
}

/// See the module `saga_handlers` of the sources.
#[proc_macro_attribute]
pub fn saga_handlers(arguments: TokenStream, block: TokenStream) -> TokenStream {
    saga_handlers::expand(arguments.into(), block.into()).into()
}

/// See the module `upcasters` of the sources.
#[proc_macro_attribute]
pub fn upcasters(arguments: TokenStream, block: TokenStream) -> TokenStream {
    upcasters::expand(arguments.into(), block.into()).into()
}
