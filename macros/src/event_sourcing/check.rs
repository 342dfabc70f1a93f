use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{Handler, Output, check_one_each};

pub(super) fn all(block: &Block, appliers: &[Handler], errors: &mut Errors) {
    if appliers.is_empty() {
        block.report_empty("#[apply]", "fn placed(&mut self, event: &OrderPlaced)", errors);
    }
    check_one_each(appliers, "event", errors);
    for applier in appliers {
        if let Output::Bare(ty) | Output::Fallible { whole: ty, .. } = &applier.output {
            errors.at(ty, "an `#[apply]` method returns nothing: the event has happened, so nothing can fail");
        }
    }
}
