use proc_macro2::Ident;
use syn::Path;

use crate::attributes::{Keys, value};
use crate::block::{Block, Method};
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Rules};

/// A method with `#[handle(key = ..)]`.
pub(super) struct Fold {
    pub(super) handler: Handler,
    /// Where the keys of the documents come from; missing only after a fault.
    pub(super) keys: Option<KeySource>,
}

/// Where the keys of the documents come from that an event concerns.
pub(super) enum KeySource {
    /// The field holds the key of one document.
    Field(Ident),
    /// The field holds keys: an `Option`, a `Vec`, a set.
    Fields(Ident),
    /// A function makes keys of the event.
    Function(Path),
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
    block.methods.iter().filter(|method| method.marker == "handle").map(|method| fold(method, errors)).collect()
}

fn fold(method: &Method, errors: &mut Errors) -> Fold {
    let mut sources: Option<KeySource> = None;
    let mut keys = Keys::new("handle", &["key = order", "keys = labels"]);
    keys.read(&method.attribute, errors, |key, input, errors| {
        let source = if key.word == "key" {
            KeySource::Field(value(input)?)
        } else {
            let path: Path = value(input)?;
            path.get_ident().cloned().map_or(KeySource::Function(path), KeySource::Fields)
        };
        if sources.is_some() {
            errors.at_span(key.span, "`key` and `keys` contradict each other: one field holds one key, the other many");
        }
        sources.get_or_insert(source);
        Ok(())
    });
    if !keys.has("keys") {
        keys.require("key", &method.attribute, errors);
    }
    let handler = Handler::read(method, &FOLDS, errors);
    let many = matches!(sources, Some(KeySource::Fields(_) | KeySource::Function(_)));
    if let Some(message) = handler.message.as_ref().filter(|message| many && !message.by_reference) {
        errors.at(&message.ty, "an event of many documents goes to each of them: expected a shared reference to it");
    }
    Fold { handler, keys: sources }
}
