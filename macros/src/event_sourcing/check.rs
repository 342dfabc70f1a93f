use super::parse::Applier;
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{Output, check_one_each};

pub(super) fn all(block: &Block, appliers: &[Applier], errors: &mut Errors) {
    if appliers.is_empty() {
        block.report_empty("#[apply]", "fn placed(&mut self, event: &OrderPlaced)", errors);
    }
    // One for each variant, and one for all that is left.
    let remain = appliers.iter().filter(|applier| applier.handler.place.when.is_none());
    check_one_each(remain.map(|applier| &applier.handler), "event", errors);
    for applier in appliers {
        returned(applier, errors);
        if let (Some(span), Some(at)) = (applier.ends, &applier.handler.place.at)
            && !at.can_end()
        {
            let message = format!(
                "the entity at `{}` is a part that is always there: expected an `Option`, as in `{0}?`",
                at.text()
            );
            errors.at_span(span, message);
        }
    }
}

/// The compiler checks what a method returns that returns a plain value.
fn returned(applier: &Applier, errors: &mut Errors) {
    match &applier.handler.output {
        Output::Fallible { whole, .. } => {
            errors.at(whole, "an `#[apply]` method returns no `Result`: the event has happened, so nothing can fail");
        }
        Output::Bare(ty) if applier.ends.is_some() && applier.then.is_none() => {
            errors.at(ty, "with `#[apply(end)]` the method returns nothing: it always ends");
        }
        _ => {}
    }
}
