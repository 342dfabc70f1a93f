use proc_macro2::Span;
use syn::Attribute;

use crate::attributes::Keys;
use crate::block::{Block, Method, text};
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Role, Rules};
use crate::place::{At, Place, When};

/// A method with `#[handle]`.
pub(super) struct CommandHandler {
    pub(super) handler: Handler,
    pub(super) creation: Creation,
    pub(super) sequential: bool,
    pub(super) attribute: Attribute,
    pub(super) name_span: Span,
}

/// Which of the commands of its type a handler takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// Those whose target does not exist.
    Creates,
    /// Those whose target is in a certain variant.
    Variant,
    /// All that no other handler takes.
    Remains,
}

impl CommandHandler {
    pub(super) fn case(&self) -> Case {
        match (self.creation, &self.handler.place.when) {
            (Creation::Always, _) => Case::Creates,
            (_, Some(_)) => Case::Variant,
            _ => Case::Remains,
        }
    }

    /// The command, as the user wrote it.
    pub(super) fn command(&self) -> Option<String> {
        self.handler.message.as_ref().map(|message| text(&message.ty))
    }
}

/// Whether a handler creates what it is for.
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
    mutable: Some(Role::Work),
    others: true,
};

pub(super) fn handlers(block: &Block, errors: &mut Errors) -> Vec<CommandHandler> {
    let methods = block.methods.iter().filter(|method| method.marker == "handle");
    methods.map(|method| handler(method, errors)).collect()
}

fn handler(method: &Method, errors: &mut Errors) -> CommandHandler {
    let rules = if method.sig.asyncness.is_some() { SERVES } else { DECIDES };
    let Marks { creation, place, sequential } = marks(&method.attribute, errors);
    CommandHandler {
        creation,
        sequential,
        handler: Handler::read_at(method, place, &rules, errors),
        attribute: method.attribute.clone(),
        name_span: method.sig.ident.span(),
    }
}

/// What stands in the parentheses of `#[handle]`.
struct Marks {
    creation: Creation,
    place: Place,
    sequential: bool,
}

fn marks(attribute: &Attribute, errors: &mut Errors) -> Marks {
    let (mut creation, mut place, mut sequential) = (Creation::Never, Place::default(), false);
    let known = &["create", "create_if_missing", "sequential", "when = Open(open)", "at = copies[copy]"];
    Keys::new("handle", known).read(attribute, errors, |key, input, errors| {
        match key.word {
            "when" => {
                place.when = Some(When::unknown());
                place.when = Some(When::parse(input)?);
            }
            "at" => {
                place.at = Some(At::unknown(key.span));
                place.at = Some(At::parse(input)?);
            }
            "sequential" => sequential = true,
            word => {
                if creation != Creation::Never {
                    errors.at_span(key.span, "expected either `create` or `create_if_missing`");
                }
                creation = if word == "create" { Creation::Always } else { Creation::IfMissing };
            }
        }
        if !place.is_everywhere() && creation != Creation::Never {
            errors.at_span(key.span, "what is created has no parts yet: expected no `when` and no `at` beside it");
        } else if place.when.is_some() && place.at.is_some() {
            errors.at_span(key.span, "expected either `when` or `at`");
        }
        Ok(())
    });
    Marks { creation, place, sequential }
}
