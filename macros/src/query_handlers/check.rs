use proc_macro2::TokenStream;

use crate::attributes::Keys;
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{Handler, check_one_each};

/// The macro itself takes no arguments.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) {
    Keys::new("query_handlers", &[]).read_list(arguments, errors, |_, _, _| Ok(()));
}

pub(super) fn all(block: &Block, handlers: &[Handler], errors: &mut Errors) {
    if handlers.is_empty() {
        let example = "async fn top(&self, query: TopSellers, db: &SqlitePool) -> Result<Vec<Row>, QueryError>";
        block.report_empty("#[handle]", example, errors);
    }
    check_one_each(handlers, "query", errors);
}
