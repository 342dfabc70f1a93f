//! `#[derive(Saga)]`

mod emit;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::subject::{self, Shape};

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    subject::expand(input, "a saga", Shape::StructOrEnum, parse::saga, |parsed, errors| {
        emit::saga(parsed, input, errors)
    })
}
