use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{LitStr, Token};

use crate::attributes::{Keys, check_name, parentheses, value};
use crate::block::{Block, Method};
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Rules};
use crate::place::{At, Place, When};

const APPLIES: Rules = Rules {
    what: "an `#[apply]` method",
    receiver: ReceiverRule::Mutable,
    message: Some(MessageRule { kind: "event", by_value: false, example: "event: &OrderPlaced" }),
    asynchronous: AsyncRule::Never("the event has happened, there is nothing to wait for"),
    mutable: None,
    others: false,
};

/// The stored names that mean nothing to the state.
pub(super) fn ignored(arguments: TokenStream, errors: &mut Errors) -> Vec<LitStr> {
    let mut ignored: Vec<LitStr> = Vec::new();
    Keys::new("event_sourcing", &["ignore(\"order.note\")"]).read_list(arguments, errors, |_, input, errors| {
        let names = Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(parentheses(input)?)?;
        for name in names {
            check_name(&name, errors);
            if ignored.iter().any(|other| other.value() == name.value()) {
                errors.at(&name, "this event is ignored already");
            } else {
                ignored.push(name);
            }
        }
        Ok(())
    });
    ignored
}

/// A method with `#[apply]`.
pub(super) struct Applier {
    pub(super) handler: Handler,
    /// Whether what it is applied to has ended then.
    pub(super) ends: Option<Span>,
    /// The variant that the state becomes.
    pub(super) then: Option<Ident>,
}

pub(super) fn appliers(block: &Block, errors: &mut Errors) -> Vec<Applier> {
    block.methods.iter().map(|method| applier(method, errors)).collect()
}

fn applier(method: &Method, errors: &mut Errors) -> Applier {
    let (mut place, mut ends, mut then) = (Place::default(), None, None);
    let known = &["end", "when = Open(open)", "then = Closed", "at = copies[copy]"];
    Keys::new("apply", known).read(&method.attribute, errors, |key, input, errors| {
        match key.word {
            "end" => ends = Some(key.span),
            "when" => {
                place.when = Some(When::unknown());
                place.when = Some(When::parse(input)?);
            }
            "then" => then = Some(value(input)?),
            _ => {
                place.at = Some(At::unknown(key.span));
                place.at = Some(At::parse(input)?);
            }
        }
        if place.at.is_some() && (place.when.is_some() || then.is_some()) {
            errors.at_span(key.span, "expected either `at`, or `when` and `then`");
        }
        Ok(())
    });
    Applier { handler: Handler::read_at(method, place, &APPLIES, errors), ends, then }
}
