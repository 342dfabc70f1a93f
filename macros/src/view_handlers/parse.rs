use proc_macro2::Ident;

use crate::attributes::{Keys, value};
use crate::block::{Block, Method};
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Rules};

/// A method with `#[handle(key = ..)]`.
pub(super) struct Fold {
    pub(super) handler: Handler,
    /// The field of the event that holds the document's key; missing only after a fault.
    pub(super) key: Option<Ident>,
}

const FOLDS: Rules = Rules {
    what: "a view handler",
    receiver: ReceiverRule::Mutable,
    message: Some(MessageRule { kind: "event", by_value: true, example: "event: &OrderPlaced" }),
    asynchronous: AsyncRule::Never("it changes the document that is in memory and waits for nothing"),
    mutable: None,
    others: true,
};

pub(super) fn folds(block: &Block, errors: &mut Errors) -> Vec<Fold> {
    block.methods.iter().map(|method| fold(method, errors)).collect()
}

fn fold(method: &Method, errors: &mut Errors) -> Fold {
    let mut key = None;
    let mut keys = Keys::new("handle", &["key = order"]);
    keys.read(&method.attribute, errors, |_, input, _| {
        key = Some(value(input)?);
        Ok(())
    });
    keys.require("key", &method.attribute, errors);
    Fold { handler: Handler::read(method, &FOLDS, errors), key }
}
