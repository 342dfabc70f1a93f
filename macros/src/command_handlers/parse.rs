use proc_macro2::Span;
use syn::Attribute;

use crate::attributes::Keys;
use crate::block::{Block, Method};
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Role, Rules};

/// A method with `#[handle]`.
pub(super) struct CommandHandler {
    pub(super) handler: Handler,
    pub(super) creation: Creation,
    pub(super) attribute: Attribute,
    pub(super) name_span: Span,
}

/// What stands in the parentheses of `#[handle]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Creation {
    /// Nothing.
    Never,
    /// `create`
    Always,
    /// `create_if_missing`
    IfMissing,
}

const COMMAND: MessageRule = MessageRule { kind: "command", by_value: true, example: "command: PlaceOrder" };

/// A handler of an aggregate or a decision.
const DECIDES: Rules = Rules {
    what: "a command handler",
    receiver: ReceiverRule::Any,
    message: Some(COMMAND),
    asynchronous: AsyncRule::Either,
    mutable: Some(Role::Events),
    others: true,
};

/// A handler outside aggregates.
const SERVES: Rules = Rules {
    what: "an async command handler",
    receiver: ReceiverRule::SharedOrNone,
    message: Some(COMMAND),
    asynchronous: AsyncRule::Either,
    mutable: None,
    others: true,
};

pub(super) fn handlers(block: &Block, errors: &mut Errors) -> Vec<CommandHandler> {
    block.methods.iter().map(|method| handler(method, errors)).collect()
}

fn handler(method: &Method, errors: &mut Errors) -> CommandHandler {
    let rules = if method.sig.asyncness.is_some() { SERVES } else { DECIDES };
    CommandHandler {
        creation: creation(&method.attribute, errors),
        handler: Handler::read(method, &rules, errors),
        attribute: method.attribute.clone(),
        name_span: method.sig.ident.span(),
    }
}

fn creation(attribute: &Attribute, errors: &mut Errors) -> Creation {
    let mut creation = Creation::Never;
    Keys::new("handle", &["create", "create_if_missing"]).read(attribute, errors, |key, _, errors| {
        if creation != Creation::Never {
            errors.at_span(key.span, "expected either `create` or `create_if_missing`");
        }
        creation = if key.word == "create" { Creation::Always } else { Creation::IfMissing };
        Ok(())
    });
    creation
}
