use proc_macro2::{Span, TokenStream};
use syn::{Attribute, LitStr};

use crate::attributes::{Keys, check_bare, check_name, value};
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Role, Rules};

/// The methods of the block by their marker.
#[derive(Default)]
pub(super) struct Methods {
    pub(super) handlers: Vec<Handler>,
    pub(super) setups: Vec<(Attribute, Handler)>,
    pub(super) resets: Vec<(Attribute, Handler)>,
}

impl Methods {
    /// All methods, whatever they are for.
    pub(super) fn all(&self) -> impl Iterator<Item = &Handler> {
        let others = self.setups.iter().chain(&self.resets).map(|(_, method)| method);
        self.handlers.iter().chain(others)
    }
}

const HANDLES: Rules = Rules {
    what: "an event handler",
    receiver: ReceiverRule::SharedOrNone,
    message: Some(MessageRule { kind: "event", by_value: true, example: "event: &OrderPlaced" }),
    asynchronous: AsyncRule::Either,
    mutable: Some(Role::Transaction),
    others: true,
};

const HANDLES_EXTERNALLY: Rules = Rules { what: "an external event handler", mutable: None, ..HANDLES };

const SETUPS: Rules = Rules { what: "a `#[setup]` method", message: None, ..HANDLES };

const RESETS: Rules = Rules { what: "a `#[reset]` method", message: None, ..HANDLES };

const SETS_UP_EXTERNALLY: Rules =
    Rules { what: "a `#[setup]` method of external handlers", message: None, ..HANDLES_EXTERNALLY };

const RESETS_EXTERNALLY: Rules =
    Rules { what: "a `#[reset]` method of external handlers", message: None, ..HANDLES_EXTERNALLY };

/// What the attribute of the block says.
#[derive(Default)]
pub(super) struct Arguments {
    pub(super) processor: Option<LitStr>,
    /// What the component is called among those of its processor.
    pub(super) name: Option<LitStr>,
    /// Whether a replay passes the handlers by.
    pub(super) skips_replay: bool,
    /// In which transaction the handlers run.
    pub(super) mode: Mode,
}

/// In which transaction handlers run.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// In that of their processor.
    #[default]
    Asynchronous,
    /// In that of the append.
    Inline,
    /// In none.
    External,
}

pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) -> Arguments {
    let mut read = Arguments::default();
    let mut keys = Keys::new(
        "event_handlers",
        &["processor = \"sales-by-sku\"", "name = \"totals\"", "skip_replay", "inline", "external"],
    );
    keys.read_list(arguments, errors, |key, input, errors| {
        match key.word {
            "skip_replay" => read.skips_replay = true,
            "inline" | "external" if read.mode != Mode::Asynchronous => {
                let message =
                    "handlers run `inline`, in the transaction of the append, or `external`, in none: one of the two";
                errors.at_span(key.span, message);
            }
            "inline" => read.mode = Mode::Inline,
            "external" => read.mode = Mode::External,
            "name" => check_name(read.name.insert(value(input)?), errors),
            _ => check_name(read.processor.insert(value(input)?), errors),
        }
        Ok(())
    });
    if !keys.has("processor") {
        let message =
            "expected the processor that runs the handlers, as in `#[event_handlers(processor = \"sales-by-sku\")]`";
        errors.at_span(Span::call_site(), message);
    }
    read
}

pub(super) fn methods(block: &Block, mode: Mode, errors: &mut Errors) -> Methods {
    let (handles, setups, resets) = match mode {
        Mode::External => (&HANDLES_EXTERNALLY, &SETS_UP_EXTERNALLY, &RESETS_EXTERNALLY),
        Mode::Asynchronous | Mode::Inline => (&HANDLES, &SETUPS, &RESETS),
    };
    let mut methods = Methods::default();
    for method in &block.methods {
        check_bare(&method.attribute, errors);
        if method.marker == "setup" {
            methods.setups.push((method.attribute.clone(), Handler::read(method, setups, errors)));
        } else if method.marker == "reset" {
            methods.resets.push((method.attribute.clone(), Handler::read(method, resets, errors)));
        } else {
            methods.handlers.push(Handler::read(method, handles, errors));
        }
    }
    methods
}
