use proc_macro2::TokenStream;

use super::parse::{CommandHandler, Creation};
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
    check_one_each(handlers.iter().map(|each| &each.handler), "command", errors);
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

fn inside(each: &CommandHandler, errors: &mut Errors) {
    let handler = &each.handler;
    if handler.receiver.is_none() && each.creation != Creation::Always {
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
    if each.creation != Creation::Never {
        errors
            .at(&each.attribute, "expected `#[handle]`: an async handler belongs to no aggregate, so it creates none");
    }
}
