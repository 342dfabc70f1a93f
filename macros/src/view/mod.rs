//! `#[derive(View)]`

mod emit;
mod index;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::subject::{self, Shape};

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    subject::expand(input, "a view", Shape::StructOrEnum, parse::view, |parsed, errors| {
        emit::view(parsed, input, errors)
    })
}
