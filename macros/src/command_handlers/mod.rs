//! `#[command_handlers]`

mod boundary;
mod check;
mod emit;
mod parse;

use proc_macro2::TokenStream;

use crate::block::{Block, Markers};
use crate::errors::Errors;

const MARKERS: Markers = Markers { block: "command_handlers", known: &["handle", "boundary", "condition"] };

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    check::arguments(arguments, &mut errors);
    let block = match Block::parse(item, &MARKERS, &mut errors) {
        Ok(block) => block,
        Err(tokens) => return tokens,
    };
    let handlers = parse::handlers(&block, &mut errors);
    let boundaries = boundary::all(&block, &handlers, &mut errors);
    check::all(&block, &handlers, &mut errors);
    let code = emit::all(&block, &handlers, &boundaries, &errors);
    block.with(code, errors)
}
