use proc_macro2::Ident;
use syn::{Attribute, FnArg, LitInt, LitStr, ReturnType, Type};

use crate::attributes::{Keys, check_name, positive, value};
use crate::block::{Block, Method};
use crate::errors::Errors;

/// A method with `#[upcast(from = ..)]`.
pub(super) struct Upcaster {
    pub(super) cfg: Vec<Attribute>,
    pub(super) name: Ident,
    /// The other stored name that it lifts from.
    pub(super) from_name: Option<LitStr>,
    pub(super) from: Option<Revision>,
    pub(super) to: Option<Revision>,
    pub(super) with_recorded: bool,
    pub(super) output: Option<Type>,
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
    let (mut from_name, mut from, mut to) = (None, None, None);
    let mut keys = Keys::new("upcast", &["from = 1", "to = 2", "name = \"order.old-name\""]);
    keys.read(&method.attribute, errors, |key, input, errors| {
        match key.word {
            "from" => from = revision(value(input)?, errors),
            "to" => to = revision(value(input)?, errors),
            _ => check_name(from_name.insert(value(input)?), errors),
        }
        Ok(())
    });
    keys.require("from", &method.attribute, errors);
    Upcaster {
        cfg: method.cfg.clone(),
        name: method.sig.ident.clone(),
        from_name,
        from,
        to,
        with_recorded: signature(method, errors),
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

/// Checks the parameters, and says whether the second one is there.
fn signature(method: &Method, errors: &mut Errors) -> bool {
    const EXPECTED: &str = "as in `fn add_time(payload: Json, recorded: &Recorded) -> Json`";
    let sig = &method.sig;
    if let Some(word) = &sig.asyncness {
        errors.at(word, "an upcaster is not async: it changes the payload that is in memory and waits for nothing");
    }
    if let Some(receiver) = sig.receiver() {
        errors.at(receiver, format_args!("expected no `self`, since the event is not decoded yet, {EXPECTED}"));
    }
    let types: Vec<&Type> = sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(&*typed.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    match types.first() {
        None => errors.at(&sig.ident, format_args!("expected the payload as the first parameter, {EXPECTED}")),
        Some(ty @ Type::Reference(_)) => errors.at(ty, format_args!("expected the payload by value, {EXPECTED}")),
        Some(_) => {}
    }
    match types.get(1) {
        None | Some(Type::Reference(_)) => {}
        Some(ty) => errors.at(ty, format_args!("expected `&Recorded`, {EXPECTED}")),
    }
    for ty in types.iter().skip(2) {
        errors.at(ty, format_args!("an upcaster takes nothing else, {EXPECTED}"));
    }
    types.len() > 1
}
