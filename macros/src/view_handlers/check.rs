use proc_macro2::TokenStream;

use super::parse::Fold;
use crate::attributes::Keys;
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::check_one_each;

/// The macro itself takes no arguments.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) {
    Keys::new("view_handlers", &[]).read_list(arguments, errors, |_, _, _| Ok(()));
}

pub(super) fn all(block: &Block, folds: &[Fold], errors: &mut Errors) {
    if folds.is_empty() {
        block.report_empty("#[handle(key = order)]", "fn placed(&mut self, event: &OrderPlaced)", errors);
    }
    check_one_each(folds.iter().map(|fold| &fold.handler), "event", errors);
}
