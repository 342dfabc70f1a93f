//! `#[derive(IndexValue)]`

mod emit;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;
use crate::subject::hidden;

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let parsed = parse::index_value(input, &mut errors);
    let mut code = parsed.map(|parsed| hidden(emit::index_value(&input.ident, &parsed))).unwrap_or_default();
    code.extend(errors.into_tokens());
    code
}
