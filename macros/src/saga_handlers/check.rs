use proc_macro2::TokenStream;
use syn::Attribute;

use super::parse::{Deadline, Methods};
use crate::attributes::Keys;
use crate::block::{Block, text};
use crate::errors::Errors;
use crate::handler::{Handler, Output, check_one_each};

/// The macro itself takes no arguments.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) {
    Keys::new("saga_handlers", &[]).read_list(arguments, errors, |_, _, _| Ok(()));
}

pub(super) fn all(block: &Block, methods: &Methods, errors: &mut Errors) {
    let starts = methods.inputs.iter().any(|input| input.role.starts_with("Start"));
    // One that others begin may have steps only.
    if !starts && methods.begins.is_empty() && methods.steps.is_empty() {
        let saga = text(&block.ty);
        let message = format!(
            "nothing begins the saga `{saga}`: expected `#[start(by = order)] fn placed(&mut self, event: &OrderPlaced) {{ .. }}`"
        );
        errors.at(&block.ty, message);
    }
    check_one_each(methods.inputs.iter().map(|input| &input.handler), "event", errors);
    check_one_each(methods.replies.iter().map(|answer| &answer.handler), "accepted command", errors);
    check_one_each(methods.rejections.iter().map(|answer| &answer.handler), "rejected command", errors);
    one_of("begin", &methods.begins, errors);
    one_of("compensate", &methods.compensations, errors);
    one_deadline_each(&methods.deadlines, errors);
    one_list_of_steps(methods, errors);
    for handler in methods.handlers() {
        if let Output::Bare(ty) | Output::Fallible { whole: ty, .. } = &handler.output {
            errors.at(
                ty,
                "a saga handler returns nothing: what it wants to happen it says through `effects: &mut Effects`",
            );
        }
    }
}

fn one_deadline_each(deadlines: &[Deadline], errors: &mut Errors) {
    for (index, deadline) in deadlines.iter().enumerate() {
        let Some(name) = deadline.name.as_ref().map(syn::LitStr::value) else { continue };
        let same = |other: &&Deadline| other.name.as_ref().is_some_and(|other| other.value() == name);
        let both_always = |other: &&Deadline| other.handler.cfg.is_empty() && deadline.handler.cfg.is_empty();
        if let Some(first) = deadlines[..index].iter().filter(both_always).find(same) {
            let message = format!("the deadline \"{name}\" is handled by `{}` already", first.handler.name);
            errors.at_span(deadline.span(), message);
        }
    }
}

fn one_of(marker: &str, methods: &[(Attribute, Handler)], errors: &mut Errors) {
    let Some(((_, first), others)) = methods.split_first() else { return };
    for (attribute, _) in others {
        errors.at(attribute, format_args!("`{}` is the `#[{marker}]` method already", first.name));
    }
}

fn one_list_of_steps(methods: &Methods, errors: &mut Errors) {
    one_of("steps", &methods.steps, errors);
    let Some((_, first)) = methods.steps.first() else { return };
    if matches!(first.output, Output::Nothing | Output::Fallible { .. }) {
        let message = format!("expected the list of steps as the result, as in `fn {}() -> Steps<Self>`", first.name);
        errors.at(&first.name, message);
    }
}
