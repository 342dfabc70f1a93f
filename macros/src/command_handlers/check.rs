use proc_macro2::TokenStream;

use super::parse::{Case, CommandHandler, Creation};
use crate::attributes::Keys;
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{Role, SelfArgument, check_one_each};

/// The macro itself takes no arguments.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) {
    Keys::new("command_handlers", &[]).read_list(arguments, errors, |_, _, _| Ok(()));
}

pub(super) fn all(block: &Block, handlers: &[CommandHandler], errors: &mut Errors) {
    if handlers.is_empty() {
        block.report_empty("#[handle]", "fn cancel(&self, command: CancelOrder) -> OrderCancelled", errors);
    }
    one_for_each_case(handlers, errors);
    one_kind(handlers, errors);
    for each in handlers {
        if each.handler.is_async { outside(each, errors) } else { inside(each, errors) }
    }
}

/// The handlers of a block are all of an aggregate, or all outside.
fn one_kind(handlers: &[CommandHandler], errors: &mut Errors) {
    let Some(first) = handlers.first() else { return };
    for each in handlers.iter().filter(|each| each.handler.is_async != first.handler.is_async) {
        let (this, other) = if first.handler.is_async { ("sync", "async") } else { ("async", "sync") };
        let message = format!(
            "this handler is {this} and `{}` is {other}: a sync handler belongs to an aggregate or a decision, an async \
             one to a component outside, so they need blocks of two types",
            first.handler.name
        );
        errors.at_span(each.name_span, message);
    }
}

/// A command may have one handler that creates, one for each variant, and one for all that is left.
fn one_for_each_case(handlers: &[CommandHandler], errors: &mut Errors) {
    for case in [Case::Creates, Case::Remains] {
        let of_case = handlers.iter().filter(|each| each.case() == case);
        check_one_each(of_case.map(|each| &each.handler), "command", errors);
    }
    for each in handlers.iter().filter(|each| each.creation == Creation::IfMissing) {
        let others = handlers.iter().filter(|other| other.handler.name != each.handler.name);
        if others.into_iter().any(|other| other.command() == each.command() && each.command().is_some()) {
            let message =
                "with `create_if_missing` one handler takes the command in every case: expected `create` beside others";
            errors.at_span(each.name_span, message);
        }
    }
}

fn inside(each: &CommandHandler, errors: &mut Errors) {
    let handler = &each.handler;
    if each.sequential {
        let message = "remove `sequential`: commands for one aggregate or decision go one after the other anyway";
        errors.at(&each.attribute, message);
    }
    if !handler.place.is_everywhere() && handler.receiver == Some(SelfArgument::Mutable) {
        errors.at_span(
            each.name_span,
            "a part of the state changes through events alone: expected `&self`, or no `self`",
        );
        return;
    }
    if handler.receiver.is_none() && each.creation != Creation::Always && handler.place.is_everywhere() {
        let message = "expected `&self`: only with `#[handle(create)]` is there no state to decide on";
        errors.at_span(each.name_span, message);
    }
    if handler.receiver == Some(SelfArgument::Mutable) && !handler.takes(Role::Events) {
        let message = "`&mut self` changes through events alone: expected a parameter `events: &mut Events<Self>` \
                       besides, or `&self`";
        errors.at_span(each.name_span, message);
    }
}

fn outside(each: &CommandHandler, errors: &mut Errors) {
    if each.creation != Creation::Never || !each.handler.place.is_everywhere() {
        errors.at(
            &each.attribute,
            "expected `#[handle]`: an async handler belongs to no aggregate: it creates none, and knows no state",
        );
    }
}
