use proc_macro2::{Ident, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Meta, Token, Type};

use crate::attributes::{Keys, check_bare, value};
use crate::block::{Block, Method};
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, Output, ReceiverRule, Rules};

/// The methods of the block.
pub(super) struct Methods {
    pub(super) starts: Vec<Start>,
    pub(super) awaits: Vec<Awaits>,
    pub(super) runs: Vec<Run>,
}

/// `#[start]`
pub(super) struct Start {
    pub(super) handler: Handler,
    /// The field of the event by which the instance is found; missing only after a fault.
    pub(super) by: Option<Ident>,
}

/// `#[awaits(PaymentReceived, by = order)]`
pub(super) struct Awaits {
    pub(super) event: Type,
    /// The field of the event by which the instance is found; missing only after a fault.
    pub(super) by: Option<Ident>,
    /// The field of the input with the same value; none where the function gives the value.
    pub(super) with: Option<Ident>,
}

/// `#[run]`
pub(super) struct Run {
    pub(super) attribute: Attribute,
    pub(super) sig: syn::Signature,
    pub(super) output: Output,
}

const START: Rules = Rules {
    what: "a `#[start]` method",
    receiver: ReceiverRule::None,
    message: Some(MessageRule { kind: "event", by_value: false, example: "event: &OrderPlaced" }),
    asynchronous: AsyncRule::Never("it only makes the input"),
    mutable: None,
    others: false,
};

pub(super) fn methods(block: &Block, awaits: Vec<Awaits>, errors: &mut Errors) -> Methods {
    let mut methods = Methods { starts: Vec::new(), awaits, runs: Vec::new() };
    for method in &block.methods {
        match method.marker {
            "start" => methods.starts.push(start(method, errors)),
            _ => methods.runs.push(run(method, errors)),
        }
    }
    methods
}

fn start(method: &Method, errors: &mut Errors) -> Start {
    let mut by = None;
    let mut keys = Keys::new("start", &["by = order"]);
    keys.read(&method.attribute, errors, |_, input, _| {
        by = Some(value(input)?);
        Ok(())
    });
    keys.require("by", &method.attribute, errors);
    Start { handler: Handler::read(method, &START, errors), by }
}

fn run(method: &Method, errors: &mut Errors) -> Run {
    check_bare(&method.attribute, errors);
    let output = Output::read(&method.sig.output);
    Run { attribute: method.attribute.clone(), sig: method.sig.clone(), output }
}

/// Reads `#[awaits(..)]`; nothing where it names no event.
pub(super) fn awaits(attribute: &Attribute, errors: &mut Errors) -> Option<Awaits> {
    let expected = "expected an event and the field by which it finds its instance, as in \
                    `#[awaits(PaymentReceived, by = order)]`";
    let parsed = match &attribute.meta {
        Meta::List(list) => event_and_keys.parse2(list.tokens.clone()).ok(),
        _ => None,
    };
    let Some((event, rest)) = parsed else {
        errors.at(attribute, expected);
        return None;
    };
    let (mut by, mut with, mut given) = (None, None, false);
    let mut keys = Keys::new("awaits", &["by = order", "with = purchase", "given"]);
    keys.read_list(rest, errors, |key, input, _| {
        match key.word {
            "by" => by = Some(value(input)?),
            "with" => with = Some(value(input)?),
            _ => given = true,
        }
        Ok(())
    });
    if !keys.has("by") {
        errors.at(attribute, expected);
    }
    if given && let Some(with) = &with {
        errors.at(with, "the value is a field of the input or given by the function, not both");
    }
    let with = if given { None } else { with.or_else(|| by.clone()) };
    Some(Awaits { event, by, with })
}

fn event_and_keys(input: ParseStream<'_>) -> syn::Result<(Type, TokenStream)> {
    let event = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok((event, input.parse()?))
}
