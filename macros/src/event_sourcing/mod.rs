//! `#[event_sourcing]`

mod check;
mod emit;
mod parse;

use proc_macro2::TokenStream;

use crate::block::{Block, Markers};
use crate::errors::Errors;

const MARKERS: Markers = Markers { block: "event_sourcing", known: &["apply"] };

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let ignored = parse::ignored(arguments, &mut errors);
    let block = match Block::parse(item, &MARKERS, &mut errors) {
        Ok(block) => block,
        Err(tokens) => return tokens,
    };
    let appliers = parse::appliers(&block, &mut errors);
    check::all(&block, &appliers, &mut errors);
    let code = emit::all(&block, &appliers, &ignored, &errors);
    block.with(code, errors)
}
