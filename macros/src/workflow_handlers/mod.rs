//! `#[workflow_handlers]`

mod check;
mod emit;
mod function;
mod parse;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ItemImpl;

use crate::block::{Block, Markers};
use crate::errors::Errors;

const MARKERS: Markers = Markers { block: "workflow_handlers", known: &["start", "run"] };

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    check::arguments(arguments, &mut errors);
    let (item, awaits) = bodies(item, &mut errors);
    let block = match Block::parse(item, &MARKERS, &mut errors) {
        Ok(block) => block,
        Err(tokens) => return tokens,
    };
    let methods = parse::methods(&block, awaits, &mut errors);
    check::all(&block, &methods, &mut errors);
    let code = emit::all(&block, &methods, &errors);
    block.with(code, errors)
}

/// The block with the bodies that the compiler checks, and what its function awaits. One that cannot be read is reported later.
fn bodies(item: TokenStream, errors: &mut Errors) -> (TokenStream, Vec<parse::Awaits>) {
    let Ok(mut block) = syn::parse2::<ItemImpl>(item.clone()) else { return (item, Vec::new()) };
    let awaits = function::prepare(&mut block, errors);
    (block.into_token_stream(), awaits)
}
