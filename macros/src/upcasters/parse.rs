use proc_macro2::Ident;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, FnArg, LitInt, LitStr, ReturnType, Token, Type};

use crate::attributes::{Keys, check_name, parentheses, positive, value};
use crate::block::{Block, Method, last_name};
use crate::errors::Errors;

/// A method with `#[upcast(from = ..)]`.
pub(super) struct Upcaster {
    pub(super) cfg: Vec<Attribute>,
    pub(super) name: Ident,
    /// The other stored name that it lifts from.
    pub(super) from_name: Option<LitStr>,
    pub(super) from: Option<Revision>,
    pub(super) to: Option<Revision>,
    /// The events that it names with `into`.
    pub(super) into: Vec<Type>,
    /// What it takes as the old payload.
    pub(super) payload: Option<Type>,
    /// What it takes besides.
    pub(super) parameters: Vec<Parameter>,
    pub(super) output: Option<Type>,
}

/// What an upcaster takes besides the payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    Recorded,
    Pass,
}

/// A revision, and where it is written.
pub(super) struct Revision {
    pub(super) number: u32,
    pub(super) written: LitInt,
}

pub(super) fn upcasters(block: &Block, errors: &mut Errors) -> Vec<Upcaster> {
    block.methods.iter().map(|method| upcaster(method, errors)).collect()
}

fn upcaster(method: &Method, errors: &mut Errors) -> Upcaster {
    let (mut from_name, mut from, mut to, mut into) = (None, None, None, Vec::new());
    let known = &["from = 1", "to = 2", "name = \"order.old-name\"", "into(OrderOpened, LineAdded)"];
    let mut keys = Keys::new("upcast", known);
    keys.read(&method.attribute, errors, |key, input, errors| {
        match key.word {
            "from" => from = revision(value(input)?, errors),
            "to" => to = revision(value(input)?, errors),
            "into" => into = events(input)?,
            _ => check_name(from_name.insert(value(input)?), errors),
        }
        Ok(())
    });
    keys.require("from", &method.attribute, errors);
    let (payload, parameters) = signature(method, errors);
    Upcaster {
        cfg: method.cfg.clone(),
        name: method.sig.ident.clone(),
        from_name,
        from,
        to,
        into,
        payload,
        parameters,
        output: match &method.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some((**ty).clone()),
        },
    }
}

fn revision(written: LitInt, errors: &mut Errors) -> Option<Revision> {
    let number = positive(&written, "a revision", errors)?;
    Some(Revision { number, written })
}

/// The types between the parentheses after `into`.
fn events(input: ParseStream<'_>) -> syn::Result<Vec<Type>> {
    let events = Punctuated::<Type, Token![,]>::parse_terminated.parse2(parentheses(input)?)?;
    if events.is_empty() { Err(input.error("no event")) } else { Ok(events.into_iter().collect()) }
}

const EXPECTED: &str = "as in `fn add_time(payload: Json, recorded: &Recorded) -> Json`";

/// Checks the parameters: the type of the payload, and what is asked for besides.
fn signature(method: &Method, errors: &mut Errors) -> (Option<Type>, Vec<Parameter>) {
    let sig = &method.sig;
    if let Some(word) = &sig.asyncness {
        errors.at(word, "an upcaster is not async: it changes the payload that is in memory and waits for nothing");
    }
    if let Some(receiver) = sig.receiver() {
        errors.at(receiver, format_args!("expected no `self`, since the event is not decoded yet, {EXPECTED}"));
    }
    let mut types = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(&*typed.ty),
        FnArg::Receiver(_) => None,
    });
    let payload = types.next();
    match payload {
        None => errors.at(&sig.ident, format_args!("expected the payload as the first parameter, {EXPECTED}")),
        Some(ty @ Type::Reference(_)) => errors.at(ty, format_args!("expected the payload by value, {EXPECTED}")),
        Some(_) => {}
    }
    let mut parameters = Vec::new();
    for ty in types {
        match parameter(ty) {
            Some(known) if parameters.contains(&known) => errors.at(ty, "an upcaster takes each of these once"),
            Some(known) => parameters.push(known),
            None => errors
                .at(ty, format_args!("besides the payload an upcaster takes `&Recorded` and `&mut Pass`, {EXPECTED}")),
        }
    }
    (payload.filter(|ty| !matches!(ty, Type::Reference(_))).cloned(), parameters)
}

fn parameter(ty: &Type) -> Option<Parameter> {
    let Type::Reference(reference) = ty else { return None };
    let mutable = reference.mutability.is_some();
    match last_name(&reference.elem)?.to_string().as_str() {
        "Pass" if mutable => Some(Parameter::Pass),
        "Pass" => None,
        // Any other name may stand for `Recorded`; the compiler checks it.
        _ if mutable => None,
        _ => Some(Parameter::Recorded),
    }
}
