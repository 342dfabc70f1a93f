//! `#[event_handlers]`

mod check;
mod emit;
mod parse;

use proc_macro2::TokenStream;

use crate::block::{Block, Markers};
use crate::errors::Errors;

const MARKERS: Markers = Markers { block: "event_handlers", known: &["handle", "setup", "reset"] };

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = parse::arguments(arguments, &mut errors);
    let block = match Block::parse(item, &MARKERS, &mut errors) {
        Ok(block) => block,
        Err(tokens) => return tokens,
    };
    let methods = parse::methods(&block, arguments.mode, &mut errors);
    check::all(&block, &methods, &mut errors);
    let code = emit::all(&block, &arguments, &methods, &errors);
    block.with(code, errors)
}
