//! `#[saga_handlers]`

mod check;
mod emit;
mod parse;

use proc_macro2::TokenStream;

use crate::block::{Block, Markers};
use crate::errors::Errors;

const MARKERS: Markers = Markers {
    block: "saga_handlers",
    known: &[
        "start",
        "handle",
        "end",
        "begin",
        "accepted",
        "rejected",
        "ended",
        "deadline",
        "compensate",
        "steps",
        "upcast",
    ],
};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    check::arguments(arguments, &mut errors);
    let block = match Block::parse(item, &MARKERS, &mut errors) {
        Ok(block) => block,
        Err(tokens) => return tokens,
    };
    let methods = parse::methods(&block, &mut errors);
    check::all(&block, &methods, &mut errors);
    let code = emit::all(&block, &methods, &errors);
    block.with(code, errors)
}
