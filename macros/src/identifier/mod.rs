//! `#[derive(Identifier)]`

mod emit;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let identifier = parse::identifier(input, &mut errors);
    let mut code = identifier.map(|identifier| emit::identifier(&identifier)).unwrap_or_default();
    if !code.is_empty() {
        code.extend(crate::subject::hidden(crate::shape::described(input)));
    }
    code.extend(errors.into_tokens());
    code
}
