//! `#[view_handlers]`

mod check;
mod emit;
mod enrich;
mod parse;

use proc_macro2::TokenStream;

use crate::block::{Block, Markers};
use crate::errors::Errors;

const MARKERS: Markers = Markers { block: "view_handlers", known: &["handle", "enrich"] };

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    check::arguments(arguments, &mut errors);
    let block = match Block::parse(item, &MARKERS, &mut errors) {
        Ok(block) => block,
        Err(tokens) => return tokens,
    };
    let folds = parse::folds(&block, &mut errors);
    let lookups = enrich::lookups(&block, &mut errors);
    check::all(&block, &folds, &mut errors);
    let code = emit::all(&block, &folds, &lookups, &errors);
    block.with(code, errors)
}
