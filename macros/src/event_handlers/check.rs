use super::parse::Methods;
use crate::block::{Block, text};
use crate::errors::Errors;
use crate::handler::{Handler, Output, check_one_each};

pub(super) fn all(block: &Block, methods: &Methods, errors: &mut Errors) {
    let example = "async fn placed(&self, event: &OrderPlaced, tx: &mut SqliteTransaction) -> Result<(), HandlerError>";
    if methods.handlers.is_empty() {
        block.report_empty("#[handle]", example, errors);
    }
    check_one_each(&methods.handlers, "event", errors);
    for (marker, marked) in [("setup", &methods.setups), ("reset", &methods.resets)] {
        if let [(_, first), others @ ..] = &**marked {
            for (attribute, _) in others {
                errors.at(attribute, format_args!("`{}` is the `#[{marker}]` method already", first.name));
            }
        }
    }
    for method in methods.all() {
        returns_nothing(method, errors);
    }
}

fn returns_nothing(method: &Handler, errors: &mut Errors) {
    let value = match &method.output {
        Output::Bare(ty) => Some(ty),
        Output::Fallible { ok: Some(ty), .. } if text(ty) != "()" => Some(ty),
        _ => None,
    };
    if let Some(ty) = value {
        errors.at(ty, "nobody takes a value from an event handler: expected `Result<(), HandlerError>`");
    }
}
