use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{LitStr, Token};

use crate::attributes::{Keys, check_bare, check_name, parentheses};
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Rules};

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

pub(super) fn appliers(block: &Block, errors: &mut Errors) -> Vec<Handler> {
    let each = block.methods.iter().map(|method| {
        check_bare(&method.attribute, errors);
        Handler::read(method, &APPLIES, errors)
    });
    each.collect()
}
